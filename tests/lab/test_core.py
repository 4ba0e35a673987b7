"""What every part of a tenant shares."""

from __future__ import annotations

from contextlib import closing

import pytest
from aiohttp import web

from proxy.lab.core import Core
from proxy.lab.listen import listen, port_of, serving
from proxy.oidc import jose
from tests.kit.lab_keys import in_turn, lab_key

ISSUER = "http://localhost:9/x/"


def test_the_lab_stays_on_loopback() -> None:
    """A tenant elsewhere is refused: it knows no passwords."""
    with pytest.raises(ValueError, match="loopback"):
        Core("https://op.example/")


def test_a_key_is_made_when_it_is_needed() -> None:
    """No key is made at the start; one that is given is used."""
    made: list[int] = []

    def make() -> object:
        made.append(1)
        return lab_key()

    core = Core(ISSUER, make_key=make)
    assert not made
    core.sign({}, "token")
    assert made == [1]
    assert Core(ISSUER, key=lab_key(1)).key is lab_key(1)


@pytest.mark.parametrize(("where", "typ"), [("token", "JWT"), ("front", "JWT"), ("logout", "logout+jwt")])
def test_tokens_are_typed_and_remembered(where: str, typ: str) -> None:
    """An ID token is a JWT, a logout token says what it is; each is kept for whoever asks what was issued."""
    core = Core(ISSUER, make_key=in_turn())
    token = core.sign({"sub": "mira"}, where)
    assert jose.peek(token)[0]["typ"] == typ and list(core.memory.issued) == [token]


async def test_clients_are_fetched_from_on_this_machine_alone() -> None:
    """Redirects are not followed, nobody's address gives 0, and another machine is not asked at all."""

    async def away(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://localhost/"})

    app, core = web.Application(), Core(ISSUER)
    app.router.add_get("/", away)
    sock = listen()
    async with serving(app, sock):
        assert (await core.fetch("GET", f"http://127.0.0.1:{port_of(sock)}/"))[0] == 302
    with closing(listen()) as gone:
        port = port_of(gone)
    assert (await core.fetch("GET", f"http://127.0.0.1:{port}/"))[0] == 0
    assert (await core.fetch("GET", "http://192.0.2.1/"))[0] == 0

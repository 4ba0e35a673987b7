"""Requests that were pushed, or lie in an object."""

from __future__ import annotations

import pytest
from aiohttp import web

from proxy.lab.core import Core
from proxy.lab.keys import encoded
from proxy.lab.listen import listen, port_of, serving
from proxy.lab.requests import push, unfold
from proxy.lab.rooms import LabClient
from proxy.oidc.errors import ProtocolError, Refused, Shown
from tests.kit.tenant import jws, signer

ISSUER = "http://localhost:9/x/"
KEY, OTHER = signer("of the client"), signer("of somebody else")
ASKED = {"response_type": "code", "scope": "openid", "state": "s"}


@pytest.fixture
def core() -> Core:
    """A tenant with one client that has a secret and a key."""
    return Core(ISSUER, [LabClient("rp", client_secret="secret", jwks={"keys": [dict(KEY.public_jwk)]})])


async def test_a_pushed_request_is_used_once_by_its_client(core: Core) -> None:
    """RFC 9126: the address stands for what was pushed, without the secret, once, and for its client alone."""
    sent = {**ASKED, "client_id": "rp", "client_secret": "secret"}
    uri = str((await push(core, "", sent))["request_uri"])
    with pytest.raises(Shown):
        await unfold(core, {"client_id": "rp", "request_uri": uri + "x"})
    assert await unfold(core, {"client_id": "rp", "request_uri": uri}) == {**ASKED, "client_id": "rp"}
    with pytest.raises(Shown):
        await unfold(core, {"client_id": "rp", "request_uri": uri})


@pytest.mark.parametrize("changes", [{"client_secret": "wrong"}, {"request_uri": "urn:x"}])
async def test_a_push_is_refused(core: Core, changes: dict[str, str]) -> None:
    """The client must prove itself, and push the request itself."""
    with pytest.raises(Refused):
        await push(core, "", {**ASKED, "client_id": "rp", "client_secret": "secret", **changes})


def unsigned(claims: dict[str, str]) -> str:
    """A request object with alg none."""
    return f"{encoded({'alg': 'none'})}.{encoded(claims)}."


@pytest.mark.parametrize("token", [jws(KEY, {**ASKED, "aud": ISSUER, "iss": "rp"}), unsigned(ASKED)])
async def test_an_object_by_value(core: Core, token: str) -> None:
    """Core 6.1: signed by the client, or not at all; its parameters count, its own claims do not."""
    found = await unfold(core, {"client_id": "rp", "response_type": "code", "scope": "x", "request": token})
    assert found == {**ASKED, "client_id": "rp"}


async def test_an_object_by_reference(core: Core) -> None:
    """Core 6.2: fetched from where the client hosts it."""

    async def host(request: web.Request) -> web.StreamResponse:
        return web.Response(text=jws(KEY, ASKED), content_type="application/oauth-authz-req+jwt")

    app = web.Application()
    app.router.add_get("/object", host)
    sock = listen()
    async with serving(app, sock):
        base = f"http://127.0.0.1:{port_of(sock)}/"
        assert (await unfold(core, {"client_id": "rp", "request_uri": f"{base}object"}))["scope"] == "openid"
        with pytest.raises(Shown, match="cannot be had"):
            await unfold(core, {"client_id": "rp", "request_uri": f"{base}nothing"})


@pytest.mark.parametrize(
    "given",
    [
        {"request": jws(OTHER, ASKED)},
        {"request": unsigned({**ASKED, "client_id": "another"})},
        {"request": unsigned(ASKED) + "sig"},
        {"request": "nonsense"},
        {"request": jws(KEY, ASKED), "response_type": "id_token"},
    ],
)
async def test_a_bad_object_is_refused(core: Core, given: dict[str, str]) -> None:
    """Another's signature, another client, a difference between query and object: nothing of it counts."""
    with pytest.raises(ProtocolError):
        await unfold(core, {"client_id": "rp", **given})


async def test_a_plain_request_stays_as_it_is(core: Core) -> None:
    """Without object and push there is nothing to unfold; an unknown client's object is not even read."""
    assert await unfold(core, ASKED) == ASKED
    strange = {"client_id": "nobody", "request": "x"}
    assert await unfold(core, strange) == strange

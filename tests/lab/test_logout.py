"""The end of a login at a tenant."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.lab.core import Core
from proxy.lab.logout import EVENT, frames, logout_token, session_state, tell, way_back
from proxy.lab.people import PEOPLE
from proxy.lab.rooms import LabClient, Login
from tests.kit.ears import ears
from tests.kit.lab_keys import in_turn

ISSUER = "http://localhost:9/x/"
BACK = "http://127.0.0.1:1/"


def tenant(**addresses: str) -> tuple[Core, Login]:
    """A tenant, and a login that a client has used."""
    core = Core(ISSUER, [LabClient("rp", (BACK,), "secret", (BACK,), **addresses)], make_key=in_turn())
    return core, Login(PEOPLE[0], core.now, "sid", {"rp": BACK})


def test_a_logout_token_is_as_it_should_be() -> None:
    """Back-Channel Logout 2.4: the event, who and which session, a name of its own, no nonce."""
    core, login = tenant()
    claims = core.keys.signed(logout_token(core, "rp", login))
    assert set(claims) == {"iss", "aud", "iat", "exp", "jti", "events", "sub", "sid"}
    assert claims["events"] == {EVENT: {}} and claims["aud"] == "rp"


async def test_clients_are_told() -> None:
    """The token arrives as a form, and what the client said is kept."""
    async with ears() as heard:
        core, login = tenant(backchannel_logout_uri=f"{heard.base}call")
        await tell(core, login)
    assert core.keys.signed(heard.calls[0]["logout_token"])["sid"] == "sid"
    assert [(notice.client_id, notice.status) for notice in core.memory.notices] == [("rp", 200)]


def test_frames_name_issuer_and_session() -> None:
    """Front-Channel Logout 3: iss and sid; none for a client without an address."""
    core, login = tenant(frontchannel_logout_uri=f"{BACK}front?x=1")
    (address,) = frames(core, login)
    assert parse_qs(urlsplit(address).query) == {"x": ["1"], "iss": [ISSUER], "sid": ["sid"]}
    assert frames(*tenant()) == []


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({"client_id": "rp", "post_logout_redirect_uri": BACK, "state": "s"}, f"{BACK}?state=s"),
        ({"client_id": "rp", "post_logout_redirect_uri": BACK}, BACK),
        ({"client_id": "rp", "post_logout_redirect_uri": "http://127.0.0.1:2/"}, ""),
        ({"client_id": "nobody", "post_logout_redirect_uri": BACK}, ""),
        ({"post_logout_redirect_uri": BACK}, ""),
        ({"client_id": "rp"}, ""),
    ],
)
def test_the_way_back_is_registered(given: dict[str, str], target: str) -> None:
    """Only an address that the client registered, with the state it sent."""
    assert way_back(tenant()[0], given) == target


def test_a_hint_tells_the_client() -> None:
    """An ID token of ours names the client, even one that an older key signed."""
    core, _ = tenant()
    hint = core.sign({"aud": "rp"}, "token")
    core.keys.rotate()
    assert way_back(core, {"id_token_hint": hint, "post_logout_redirect_uri": BACK}) == BACK


def test_session_state_is_that_of_the_specification() -> None:
    """Session Management 3.2: a salted hash over client, its origin and the browser's state."""
    digest, _, salt = session_state("rp", f"{BACK}cb", "state").partition(".")
    assert digest == hashlib.sha256(f"rp http://127.0.0.1:1 state {salt}".encode()).hexdigest()

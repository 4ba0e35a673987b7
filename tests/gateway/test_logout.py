"""The way out at the host of an app: who is asked about it, and who is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.downstream.id_token_hint import Hint, check_hint
from proxy.gateway.logout import SECONDS
from proxy.gateway.verdict import Reply
from proxy.models import Session
from proxy.oidc import jose
from tests.downstream.world import ISSUER
from tests.gateway.house import HERE, OLD_PAGE, OTHER, House, a_house, location, without_a_store
from tests.gateway.test_own import query

OWN = {**OLD_PAGE, "Origin": HERE}
"""A form of a page of the app, in a browser that says no more."""
SENDERS = [
    {}, {"Origin": "null"}, {"Origin": "https://evil.example"}, {"Origin": f"https://{OTHER}"}, {"Origin": f"{HERE}:8"},
    {"Origin": HERE.replace("https", "http")}, {"Origin": f"{HERE}/"}, {"Origin": HERE.upper()},
    {"Origin": HERE, "Sec-Fetch-Site": "cross-site"}, {"Origin": HERE, "Sec-Fetch-Site": "same-site"},
    {"Origin": HERE, "Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}, {"Referer": f"{HERE}/"},
]  # fmt: skip


@pytest.fixture
async def house(tmp_path: Path) -> House:
    """With keys to sign with."""
    house = a_house(tmp_path)
    await house.parts.keys.keep(house.clock.now)
    return house


@pytest.fixture
async def session(house: House) -> Session:
    """Somebody is logged in."""
    session = await house.begin()
    await house.log_in(session)
    return session


def check(leave: Reply) -> dict[str, str]:
    """It leads to the issuer's logout and back to this host; what it says besides."""
    assert location(leave).startswith(f"{ISSUER}oidc/logout?client_id=gateway&post_logout_redirect_uri=")
    said = query(location(leave))
    assert said.pop("post_logout_redirect_uri") == f"{HERE}/.isthmus/logged-out" and said.pop("client_id") == "gateway"
    return said


@pytest.mark.parametrize("sent", SENDERS, ids=str)
async def test_se_15_whoever_else_sends_a_browser_here_ends_nothing(
    house: House, session: Session, sent: dict[str, str]
) -> None:
    """SE-15: the issuer asks the person."""
    assert check(await house.reply("POST /.isthmus/logout", **{**OLD_PAGE, **sent})) == {}
    assert (await house.forward()).sid == session.sid


@pytest.mark.parametrize("sent", [{}, *SENDERS, {"Origin": HERE}], ids=str)
async def test_se_15_a_link_is_asked_about(house: House, session: Session, sent: dict[str, str]) -> None:
    """SE-15: a GET is anybody's, a picture's too."""
    assert check(await house.reply("GET /.isthmus/logout", **{**OLD_PAGE, **sent})) == {}
    assert (await house.forward()).sid == session.sid


@pytest.mark.parametrize("more", [{}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
async def test_se_15_a_form_of_the_apps_own_page_is_sure(house: House, session: Session, more: dict[str, str]) -> None:
    """RP-Initiated Logout 2: the issuer hears which session it is, for a minute, and nothing else of the person."""
    said = check(await house.reply("POST /.isthmus/logout", **OWN, **more))
    gateway, keys, now = house.parts.clients.declared["gateway"], house.parts.keys, house.clock.now
    assert list(said) == ["id_token_hint"]
    hint = check_hint(said["id_token_hint"], gateway, keys, ISSUER, now)
    assert hint == Hint("gateway", house.parts.subjects.of(gateway, session.user_id), session.sid)
    _, claims = jose.peek(said["id_token_hint"])
    assert set(claims) == {"iss", "sub", "aud", "iat", "exp", "sid"} and claims["exp"] == int(now) + SECONDS


async def test_nobody_is_logged_out_by_name(house: House) -> None:
    """Without a login here there is no session to name."""
    assert check(await house.reply("POST /.isthmus/logout", **OWN)) == {}


async def test_p1_what_cannot_be_looked_up_is_asked_about(house: House, session: Session) -> None:
    """P1: the issuer says whether it was done."""
    with without_a_store(house):
        assert check(await house.reply("POST /.isthmus/logout", **OWN)) == {}


async def test_p1_what_cannot_be_signed_is_asked_about(tmp_path: Path) -> None:
    """P1: a node that has no key yet."""
    house = a_house(tmp_path)
    await house.log_in(await house.begin())
    assert check(await house.reply("POST /.isthmus/logout", **OWN)) == {}

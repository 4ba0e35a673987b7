"""The healthy tenant keeps the rules of an OpenID Provider."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import jwt
import pytest

from proxy.oidc import pkce
from tests.lab.conftest import SECRET, Lab

VERIFIER = "v" * 43


def query(lab: Lab, **changes: str) -> str:
    """An authorization request of the application, with changes; an empty value leaves one out."""
    asked = {
        "client_id": "app", "redirect_uri": lab.app.callback, "response_type": "code", "scope": "openid email",
        "state": "s", "nonce": "n", "code_challenge": pkce.challenge(VERIFIER), "code_challenge_method": "S256",
    }  # fmt: skip
    asked |= changes
    return f"{lab.tenant.issuer}authorize?" + urlencode({k: v for k, v in asked.items() if v})


def stop_at_callback(lab: Lab) -> None:
    """Let the browser wait before it reaches the application."""
    lab.browser.stop = lambda navigation: navigation.url.startswith(lab.app.callback)


async def answer(lab: Lab, url: str, person: str = "Mira Joan Vance") -> dict[str, str]:
    """What the tenant sends to the application, however it sends it."""
    stop_at_callback(lab)
    tab = await lab.browser.open(url)
    if tab.pending is None:
        await tab.click(person)
    assert tab.pending is not None
    parts = urlsplit(tab.pending.url)
    text = tab.pending.body or parts.query
    return {name: values[0] for name, values in parse_qs(text).items()}


async def redeem(lab: Lab, code: str, auth: Any = ("app", SECRET), **changes: str) -> tuple[int, dict[str, Any]]:
    """Exchange a code at the token endpoint."""
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": lab.app.callback, "code_verifier": VERIFIER,
    } | changes  # fmt: skip
    headers = {"Authorization": aiohttp.encode_basic_auth(*auth)} if auth else {}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{lab.tenant.issuer}token", data=form, headers=headers) as response,
    ):
        return response.status, await response.json()


def claims_of(lab: Lab, token: str) -> dict[str, Any]:
    """The verified claims of an ID token."""
    clocked = {"verify_exp": False, "verify_iat": False}
    found: dict[str, Any] = jwt.decode(
        token, lab.tenant.key.public_key(), algorithms=["RS256"], audience="app", options=clocked
    )
    return found


async def test_the_front_channel_posts_an_id_token(lab: Lab) -> None:
    """id_token with form_post: one cross-site POST with the claims of the scopes, nonce and state."""
    url = query(lab, response_type="id_token", response_mode="form_post", code_challenge="", scope="openid groups")
    got = await answer(lab, url)
    claims = claims_of(lab, got["id_token"])
    assert (got["state"], got["iss"]) == ("s", lab.tenant.issuer)
    assert (claims["nonce"], claims["sub"], claims["roles"]) == ("n", "mira", ["admin", "editor"])


async def test_the_back_channel_gives_tokens_once(lab: Lab) -> None:
    """A code gives an ID token and userinfo once; a second use is refused and ends the first one's token."""
    code = (await answer(lab, query(lab)))["code"]
    status, tokens = await redeem(lab, code)
    assert (status, claims_of(lab, tokens["id_token"])["email"]) == (200, "mira@corp.example")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {tokens['access_token']}"}) as http:
        async with http.get(f"{lab.tenant.issuer}userinfo") as response:
            assert await response.json() == {"sub": "mira", "email": "mira@corp.example", "email_verified": True}
        assert (await redeem(lab, code))[1]["error"] == "invalid_grant"
        async with http.get(f"{lab.tenant.issuer}userinfo") as response:
            assert response.status == 401


@pytest.mark.parametrize(
    ("auth", "changes", "error"),
    [
        (("app", SECRET), {"code_verifier": "w" * 43}, "invalid_grant"),
        (("app", SECRET), {"code_verifier": ""}, "invalid_grant"),
        (("app", SECRET), {"redirect_uri": "http://127.0.0.1/other"}, "invalid_grant"),
        (("app", SECRET), {"grant_type": "password"}, "unsupported_grant_type"),
        (("app", "wrong"), {}, "invalid_client"),
        (("public", ""), {}, "invalid_grant"),
        (None, {}, "invalid_client"),
        (None, {"client_id": "public"}, "invalid_grant"),
        (None, {"client_id": "app", "client_secret": SECRET}, None),
    ],
)
async def test_the_token_endpoint_refuses(lab: Lab, auth: Any, changes: dict[str, str], error: str | None) -> None:
    """A code is for its client, redirect URI and verifier; clients authenticate by Basic or in the body."""
    code = (await answer(lab, query(lab)))["code"]
    assert (await redeem(lab, code, auth, **changes))[1].get("error") == error


async def test_a_late_code_is_refused(lab: Lab) -> None:
    """A code lives one minute."""
    code = (await answer(lab, query(lab)))["code"]
    lab.now += 60
    assert (await redeem(lab, code))[1]["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "email"}, "invalid_scope"),
        ({"response_type": "none"}, "unsupported_response_type"),
        ({"response_type": "id_token", "response_mode": "form_post", "nonce": ""}, "invalid_request"),
        ({"response_type": "id_token", "response_mode": "query"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"client_id": "public", "code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
    ],
)
async def test_a_bad_request_goes_back_to_the_client(lab: Lab, changes: dict[str, str], error: str) -> None:
    """What the client got wrong is told to the client, with its state."""
    stop_at_callback(lab)
    tab = await lab.browser.open(query(lab, **changes))
    assert tab.pending is not None
    got = parse_qs(urlsplit(tab.pending.url).query or tab.pending.body)
    assert (got["error"], got["state"]) == ([error], ["s"])


@pytest.mark.parametrize("changes", [{"client_id": "nobody"}, {"redirect_uri": "http://127.0.0.1:1/callback"}])
async def test_an_unknown_address_gets_nothing(lab: Lab, changes: dict[str, str]) -> None:
    """Nothing is sent to an address that is not registered: the person sees a page."""
    tab = await lab.browser.open(query(lab, **changes))
    assert (tab.page.status, tab.page.url.startswith(lab.tenant.issuer)) == (400, True)


@pytest.mark.parametrize(
    ("changes", "waited", "asked"),
    [({}, 0, False), ({"prompt": "login"}, 0, True), ({"max_age": "10"}, 10, False), ({"max_age": "10"}, 11, True)],
)
async def test_a_live_login_is_used_when_allowed(lab: Lab, changes: dict[str, str], waited: int, asked: bool) -> None:
    """A second trip needs no form, unless prompt or max_age ask for one; auth_time is the login's own."""
    await answer(lab, query(lab))
    began, lab.now = int(lab.now), lab.now + waited
    tab = await lab.browser.open(query(lab, **changes))
    assert (tab.pending is None) is asked
    if not asked and tab.pending:
        code = parse_qs(urlsplit(tab.pending.url).query)["code"][0]
        assert claims_of(lab, (await redeem(lab, code))[1]["id_token"])["auth_time"] == began


async def test_a_person_may_cancel(lab: Lab) -> None:
    """Cancel sends access_denied to the client."""
    assert (await answer(lab, query(lab), "Cancel"))["error"] == "access_denied"


async def test_logout_goes_to_registered_addresses_only(lab: Lab) -> None:
    """An unregistered address after logout gets a page instead."""
    hint = urlencode({"client_id": "app", "post_logout_redirect_uri": "http://127.0.0.1:1/"})
    tab = await lab.browser.open(f"{lab.tenant.issuer}end_session?{hint}")
    assert tab.page.title == "You are logged out"

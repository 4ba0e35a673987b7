"""Certification: front-channel and back-channel logout, session management."""

from __future__ import annotations

import hashlib
from html import unescape
from urllib.parse import urlsplit

import pytest

from tests.kit.suite import Variant, fields, text
from tests.kit.waiting import eventually
from tests.spec.op import checks, plans
from tests.spec.op.conftest import World
from tests.spec.op.flow import Flow, login
from tests.spec.op.leaving import afterwards, arrived, asked, is_out, leave, metadata
from tests.spec.op.run import Run

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVENT = "http://schemas.openid.net/event/backchannel-logout"


# --- front channel ---


@plans.every_type
async def test_oidcc_frontchannel_rp_initiated_logout(op: World, variant: Variant) -> None:
    """oidcc-frontchannel-rp-initiated-logout: our page loads the client's with ``iss`` and the ``sid`` of the ID token
    and nothing else, in a frame that the policy allows, and goes on to the registered address with the state."""
    uri = f"{op.suite.base}frontchannel_logout"
    more = {"frontchannel_logout_uri": uri, "frontchannel_logout_session_required": True}
    async with op.runs(variant, **metadata(op, **more)) as run:
        flow = await login(run)
        params = asked(op, flow)
        assert await leave(run, params) is None
        page = run.shown[-1]
        (frame,) = attributes(page.body, 'src="', uri)
        assert frame.partition("?")[0] == uri
        assert fields(urlsplit(frame).query) == {"iss": op.suite.issuer, "sid": flow.claims["sid"]}
        assert f"frame-src https://{urlsplit(uri).netloc}" in page.policy
        assert (await op.suite.call("GET", frame)).status == 200
        (onward,) = attributes(page.body, 'data-url="', afterwards(op))
        assert (onward.partition("?")[0], fields(urlsplit(onward).query)) == (
            afterwards(op),
            {"state": params["state"]},
        )
        await is_out(run)


def attributes(body: str, before: str, start: str) -> list[str]:
    """The values of attributes that begin so."""
    found = (part.partition('"')[0] for part in body.split(before)[1:])
    return [unescape(value) for value in found if value.startswith(start)]


# --- back channel ---


@plans.every_type
async def test_oidcc_backchannel_rp_initiated_logout(op: World, variant: Variant) -> None:
    """oidcc-backchannel-rp-initiated-logout: one form field, a logout token about the session, over TLS 1.3; and
    the redirect."""
    name = f"backchannel_logout/{text(8)}"
    more = {"backchannel_logout_uri": f"{op.suite.base}{name}", "backchannel_logout_session_required": True}
    async with op.runs(variant, **metadata(op, **more)) as run:
        flow = await login(run)
        params = asked(op, flow)
        arrived(op, await leave(run, params), params["state"])

        async def is_told() -> bool:
            return any(path == name for _, path, _ in op.suite.heard)

        await eventually(is_told)
        ((method, _, form),) = [call for call in op.suite.heard if call[1] == name]
        assert (method, set(form)) == ("POST", {"logout_token"})
        check_logout_token(run, form["logout_token"], flow)
        assert op.suite.spoken == {"TLSv1.3"}
        await is_out(run)


def check_logout_token(run: Run, token: str, flow: Flow) -> None:
    """Signed by a published key; exactly the event with an empty object, about the session of the ID token."""
    claims, now = checks.verified(run, token), run.suite.clock()
    assert (claims["iss"], claims["aud"]) == (run.suite.issuer, run.client["client_id"])
    assert now - 300 < claims["iat"] <= now + 300 and claims["jti"]
    assert claims["events"] == {EVENT: {}} and "nonce" not in claims
    assert (claims["sub"], claims["sid"]) == (flow.claims["sub"], flow.claims["sid"])
    assert checks.header_of(token)["alg"] == "RS256"


# --- session management ---


@plans.every_type
async def test_oidcc_session_management_rp_initiated_logout(op: World, variant: Variant) -> None:
    """oidcc-session-management-rp-initiated-logout: the frame may be framed by anybody and has a cookie that its script
    can read in a frame of another site; ``session_state`` says unchanged before the logout and changed after it."""
    async with op.runs(variant, **metadata(op)) as run:
        flow = await login(run)
        told = await op.suite.call("GET", run.metadata["check_session_iframe"])
        assert told.status == 200 and "frame-ancestors *" in told.headers["Content-Security-Policy"]
        assert "X-Frame-Options" not in told.headers
        state = flow.back.params["session_state"]
        assert unchanged(run, state)
        assert await leave(run, asked(op, flow)) is not None
        assert not unchanged(run, state)


def unchanged(run: Run, state: str) -> bool:
    """What the frame answers: a hash over client, origin, the cookie and the salt."""
    cookies = [one for one in run.browser.jar.cookies.values() if "-state" in one.name]
    if not cookies:
        return False
    (cookie,) = cookies
    assert (cookie.same_site, cookie.http_only, cookie.secure) == ("none", False, True)
    parts, salt = urlsplit(run.suite.base), state.partition(".")[2]
    given = f"{run.client['client_id']} {parts.scheme}://{parts.netloc} {cookie.value} {salt}"
    return f"{hashlib.sha256(given.encode()).hexdigest()}.{salt}" == state

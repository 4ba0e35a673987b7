"""Certification: codes used twice, refresh tokens, and clients that sign."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit.signing_client import jwks
from tests.kit.suite import Told, Variant, text
from tests.kit.tenant import signer
from tests.spec.op import checks, plans
from tests.spec.op.conftest import World
from tests.spec.op.flow import Flow, finish, login
from tests.spec.op.run import Run

pytestmark = pytest.mark.asyncio(loop_scope="module")
SAME = ("iss", "sub", "aud", "auth_time")


async def again(run: Run, flow: Flow) -> Told:
    """The code of a flow, used a second time: 400, JSON, ``invalid_grant``."""
    told = await run.redeem(flow.back.params["code"])
    checks.check_refused(told, "invalid_grant")
    return told


@plans.of(plans.WITH_CODE, also_static=True)
async def test_oidcc_codereuse(op: World, variant: Variant) -> None:
    """oidcc-codereuse: at once; taking it would be a warning."""
    async with op.runs(variant) as run:
        assert await again(run, await login(run))


@plans.of(plans.WITH_CODE)
async def test_oidcc_codereuse_30seconds(op: World, variant: Variant) -> None:
    """oidcc-codereuse-30seconds: after half a minute, and then the access token that came first opens nothing."""
    async with op.runs(variant) as run:
        flow = await login(run)
        op.clock.move(30)
        await again(run, flow)
        told = await run.userinfo(str(flow.tokens["access_token"]))
        assert 400 <= told.status < 500 and "invalid_token" in told.headers["WWW-Authenticate"]


async def offline(run: Run, **changes: Any) -> Flow:
    """A flow that brings a refresh token."""
    assert "offline_access" in run.metadata["scopes_supported"]
    assert "refresh_token" in run.metadata["grant_types_supported"]
    return await login(run, scope="openid offline_access", prompt="consent", **changes)


async def refreshed(op: World, run: Run, flow: Flow, **form: str) -> None:
    """A refresh with all that is checked of its answer."""
    op.clock.move(1.01)
    told = await run.token(grant_type="refresh_token", refresh_token=str(flow.tokens["refresh_token"]), **form)
    tokens = checks.check_tokens(told)
    assert "no-store" in told.headers["Cache-Control"]
    assert tokens["token_type"].lower() == "bearer"
    checks.check_entropy(tokens["access_token"])
    checks.check_entropy(tokens["refresh_token"])
    nonce = checks.verified(run, tokens["id_token"]).get("nonce")
    assert nonce in (None, flow.sent.get("nonce"))
    claims = checks.check_id_token(run, tokens["id_token"], nonce, at_hash=tokens["access_token"])
    assert all(claims[name] == flow.rear[name] for name in SAME)
    assert claims["iat"] != flow.rear["iat"]
    checks.check_userinfo(run, await run.userinfo(tokens["access_token"]), claims["sub"])
    assert tokens["access_token"] != flow.tokens["access_token"]
    flow.tokens = tokens


REFRESHING = [*plans.variants(plans.WITH_CODE, also_static=True), Variant(auth="private_key_jwt")]


@pytest.mark.parametrize("variant", REFRESHING, ids=str)
async def test_oidcc_refresh_token(op: World, variant: Variant) -> None:
    """oidcc-refresh-token: two clients, each with a refresh token of enough entropy that works; that of the second is
    nothing to the first. The second sends a nonce of 43 characters."""
    grants = sorted({"authorization_code", "refresh_token", *(("implicit",) if len(variant.kinds) > 1 else ())})
    async with op.runs(variant, grant_types=grants) as first, op.runs(variant, client=False) as second:
        second.key = signer("second")
        second.client = op.runs.of_the_file("second")
        if not variant.static:
            await op.runs.have(second, grant_types=grants)
        flow = await offline(first)
        checks.check_entropy(str(flow.tokens["refresh_token"]))
        await refreshed(op, first, flow, scope="openid offline_access")
        other = await offline(second, nonce=text(43))
        await refreshed(op, second, other)
        told = await first.token(grant_type="refresh_token", refresh_token=str(other.tokens["refresh_token"]))
        checks.check_refused(told, "invalid_grant")


async def test_oidcc_refresh_token_rp_key_rotation(op: World) -> None:
    """oidcc-refresh-token-rp-key-rotation: the client's key set has another key under another ``kid`` after a minute;
    the refresh that it signs works."""
    name, one, two = f"jwks/{text(8)}", signer("rotating"), signer("rotated")
    op.suite.pages[name] = ("application/json", json.dumps(jwks(one)))
    more: dict[str, Any] = {
        "grant_types": ["authorization_code", "refresh_token"],
        "jwks": None,
        "jwks_uri": f"{op.suite.base}{name}",
    }
    async with op.runs(Variant(auth="private_key_jwt"), client=False) as run:
        run.key, run.kid = one, one.kid
        await op.runs.have(run, **more)
        flow = await offline(run)
        op.suite.pages[name] = ("application/json", json.dumps(jwks(two)))
        op.clock.move(60)
        run.key, run.kid = two, two.kid
        await refreshed(op, run, flow)


@plans.dynamic
async def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(op: World, variant: Variant) -> None:
    """oidcc-ensure-client-assertion-with-iss-aud-succeeds: the issuer is the audience of the assertion."""
    async with op.runs(variant) as run:
        sent = run.request()
        back = await run.visit(sent)
        run.audience = op.suite.issuer
        assert await finish(run, sent, back)

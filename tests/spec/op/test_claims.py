"""Certification: scopes, claims and userinfo, with a person who has every standard claim."""

from __future__ import annotations

import json

import pytest

from tests.kit.suite import Variant
from tests.spec.op import checks, plans
from tests.spec.op.conftest import World
from tests.spec.op.flow import Flow, login
from tests.spec.op.test_happy_flows import only_the_address

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def userinfo(op: World, variant: Variant, how: str) -> None:
    """Claims come, of the subject of the ID token."""
    async with op.runs(variant) as run:
        flow = await login(run)
        told = await run.userinfo(flow.access_token, how)
        assert told.kind == "application/json"
        checks.check_userinfo(run, told, flow.claims["sub"])


@plans.of(plans.WITH_ACCESS_TOKEN)
async def test_oidcc_userinfo_get(op: World, variant: Variant) -> None:
    """oidcc-userinfo-get."""
    await userinfo(op, variant, "get")


@plans.of(plans.WITH_ACCESS_TOKEN)
async def test_oidcc_userinfo_post_header(op: World, variant: Variant) -> None:
    """oidcc-userinfo-post-header: a POST with an empty form, the token in the header."""
    await userinfo(op, variant, "post-header")


@plans.of(plans.WITH_ACCESS_TOKEN)
async def test_oidcc_userinfo_post_body(op: World, variant: Variant) -> None:
    """oidcc-userinfo-post-body: the token as a form field; refusing it would be a warning."""
    await userinfo(op, variant, "post-body")


async def scope(op: World, variant: Variant, *scopes: str) -> Flow:
    """Every claim of the scopes is at userinfo; in the ID token where there is no access token."""
    async with op.runs(variant) as run:
        assert set(scopes) <= set(run.metadata["scopes_supported"])
        flow = await login(run, scope=" ".join(("openid", *scopes)))
        checks.check_released(flow.userinfo if variant.has_token else flow.claims, *scopes)
        return flow


@plans.of(plans.EVERY, also_static=True)
async def test_oidcc_scope_profile(op: World, variant: Variant) -> None:
    """oidcc-scope-profile: all fourteen claims."""
    await scope(op, variant, "profile")


@plans.of(plans.EVERY, also_static=True)
async def test_oidcc_scope_email(op: World, variant: Variant) -> None:
    """oidcc-scope-email: the address and whether it is verified; no name, and nothing in the ID token beside an access
    token."""
    only_the_address(await scope(op, variant, "email"), variant)


@plans.of(plans.EVERY)
async def test_oidcc_scope_address(op: World, variant: Variant) -> None:
    """oidcc-scope-address."""
    await scope(op, variant, "address")


@plans.of(plans.EVERY)
async def test_oidcc_scope_phone(op: World, variant: Variant) -> None:
    """oidcc-scope-phone."""
    await scope(op, variant, "phone")


@plans.of(plans.EVERY, also_static=True)
async def test_oidcc_scope_all(op: World, variant: Variant) -> None:
    """oidcc-scope-all."""
    await scope(op, variant, "profile", "email", "address", "phone")


@plans.of(plans.EVERY, also_static=True)
async def test_oidcc_claims_essential(op: World, variant: Variant) -> None:
    """oidcc-claims-essential: the name is where it was asked for, and there alone."""
    place = "userinfo" if variant.has_token else "id_token"
    async with op.runs(variant) as run:
        asked = json.dumps({place: {"name": {"essential": True}}})
        flow = await login(run, lean=variant.has_token, claims=asked)
        assert ("name" in flow.userinfo) is variant.has_token
        assert all(("name" in claims) is not variant.has_token for claims in (flow.front, flow.rear) if claims)


@plans.dynamic
async def test_oidcc_userinfo_rs256(op: World, variant: Variant) -> None:
    """oidcc-userinfo-rs256: ``application/jwt``, RS256, a good signature; ``iss`` and ``aud`` inside, no nonce."""
    async with op.runs(variant, userinfo_signed_response_alg="RS256") as run:
        assert "RS256" in run.metadata["userinfo_signing_alg_values_supported"]
        flow = await login(run)
        told = await run.userinfo(flow.access_token)
        assert told.headers["Content-Type"] == "application/jwt"
        assert checks.header_of(told.text)["alg"] == "RS256"
        claims = checks.check_userinfo(run, told, flow.claims["sub"])
        assert (claims["iss"], claims["aud"]) == (op.suite.issuer, run.client["client_id"])
        assert "nonce" not in claims

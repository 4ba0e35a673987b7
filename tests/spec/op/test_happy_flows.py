"""Certification: flows that must work (modules of the Basic, Implicit, Hybrid, Form Post and Dynamic plans)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from proxy.oidc import pkce
from tests.kit.suite import Variant, text
from tests.spec.op import checks, plans
from tests.spec.op.conftest import World
from tests.spec.op.flow import Flow, finish, login

pytestmark = pytest.mark.asyncio(loop_scope="module")


@plans.of(plans.EVERY, also_static=True)
async def test_oidcc_server(op: World, variant: Variant) -> None:
    """oidcc-server: the flow works; code of enough entropy, hashes right, ``expires_in`` there, the ID token lean."""
    async with op.runs(variant) as run:
        flow = await login(run)
        assert "name" not in flow.front and "name" not in flow.rear


@plans.dynamic
async def test_oidcc_server_with_a_private_key(op: World, variant: Variant) -> None:
    """oidcc-server in the Dynamic plan: the client signs with the key it registered, which has no ``kid``."""
    async with op.runs(variant) as run:
        assert await login(run)


@plans.of(plans.WITH_CODE, also_static=True, auth="client_secret_post")
async def test_oidcc_server_client_secret_post(op: World, variant: Variant) -> None:
    """oidcc-server-client-secret-post: name and secret in the body."""
    async with op.runs(variant) as run:
        assert await login(run)


@plans.of(plans.EVERY)
async def test_oidcc_idtoken_signature(op: World, variant: Variant) -> None:
    """oidcc-idtoken-signature: without a registered algorithm it is RS256, and the header names the key."""
    async with op.runs(variant) as run:
        assert signed_by(await login(run))


@plans.dynamic
async def test_oidcc_idtoken_rs256(op: World, variant: Variant) -> None:
    """oidcc-idtoken-rs256: the same with the algorithm registered."""
    async with op.runs(variant, id_token_signed_response_alg="RS256") as run:
        assert run.client["id_token_signed_response_alg"] == "RS256"
        assert signed_by(await login(run))


def signed_by(flow: Flow) -> str:
    """The key's id, of an RS256 header."""
    header = checks.header_of(flow.id_token)
    assert header["alg"] == "RS256"
    return str(header["kid"])


@pytest.mark.parametrize("variant", [Variant(), Variant(auth="private_key_jwt")], ids=str)
async def test_oidcc_idtoken_unsigned(op: World, variant: Variant) -> None:
    """oidcc-idtoken-unsigned is skipped: discovery does not list ``none``, and registering it is refused."""
    async with op.runs(variant, client=False) as run:
        assert "none" not in run.metadata["id_token_signing_alg_values_supported"]
        checks.check_refused(await run.register(id_token_signed_response_alg="none"), "invalid_client_metadata")


@plans.of((*plans.BASIC, *plans.IMPLICIT, "code id_token"), also_static=True)
async def test_oidcc_alternate_happy_flow(op: World, variant: Variant) -> None:
    """oidcc-alternate-happy-flow: parameters backwards, ``scope=email openid``; the address alone is released, and in
    the ID token only where there is no access token."""
    async with op.runs(variant) as run:
        only_the_address(await login(run, backwards=True, scope="email openid"), variant)


def only_the_address(flow: Flow, variant: Variant) -> None:
    """What scope email releases, and where (OpenID Connect Core 5.4)."""
    checks.check_released(flow.userinfo if variant.has_token else flow.claims, "email")
    assert not any("name" in claims for claims in (flow.front, flow.rear, flow.userinfo))
    assert not variant.has_token or not any("email" in claims for claims in (flow.front, flow.rear))


@plans.of(("code", "code token"), also_static=True)
async def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(op: World, variant: Variant) -> None:
    """oidcc-ensure-request-without-nonce-succeeds-for-code-flow: a code, and an ID token without nonce."""
    async with op.runs(variant) as run:
        assert "nonce" not in (await login(run, nonce=None)).rear


@plans.of(plans.WITH_ID_TOKEN, also_static=True)
async def test_oidcc_ensure_request_without_nonce_fails(op: World, variant: Variant) -> None:
    """oidcc-ensure-request-without-nonce-fails: ``invalid_request``, told the way the answer would have come."""
    async with op.runs(variant) as run:
        sent = run.request(nonce=None)
        checks.check_error(run, sent, await run.visit(sent), "invalid_request")


@plans.of(("code", "code id_token"), also_static=True)
async def test_oidcc_ensure_request_with_valid_pkce_succeeds(op: World, variant: Variant) -> None:
    """oidcc-ensure-request-with-valid-pkce-succeeds: S256, with the verifier that belongs to it."""
    async with op.runs(variant) as run:
        verifier = text(64)
        sent = run.request(code_challenge=pkce.challenge(verifier), code_challenge_method="S256")
        assert await finish(run, sent, await run.visit(sent), code_verifier=verifier)


@plans.of(plans.BASIC, also_static=True)
async def test_oidcc_ensure_post_request_succeeds(op: World, variant: Variant) -> None:
    """oidcc-ensure-post-request-succeeds: all parameters in the body of a POST from the suite's own page."""
    async with op.runs(variant) as run:
        assert await login(run, post=True)


HARMLESS: dict[str, dict[str, Any]] = {
    "oidcc-ensure-request-with-unknown-parameter-succeeds": {"extra": "foobar"},
    "oidcc-display-page": {"display": "page"},
    "oidcc-display-popup": {"display": "popup"},
    "oidcc-ui-locales": {"ui_locales": "se"},
    "oidcc-claims-locales": {"claims_locales": "se"},
}


async def harmless(op: World, variant: Variant, module: str) -> None:
    """The flow works as if nothing more had been asked."""
    async with op.runs(variant) as run:
        assert await login(run, **HARMLESS[module])


@plans.of(plans.EVERY)
async def test_oidcc_ensure_request_with_unknown_parameter_succeeds(op: World, variant: Variant) -> None:
    """oidcc-ensure-request-with-unknown-parameter-succeeds: ``extra`` is ignored."""
    await harmless(op, variant, "oidcc-ensure-request-with-unknown-parameter-succeeds")


@plans.of(plans.EVERY)
async def test_oidcc_display_page(op: World, variant: Variant) -> None:
    """oidcc-display-page: no error."""
    await harmless(op, variant, "oidcc-display-page")


@plans.of(plans.EVERY)
async def test_oidcc_display_popup(op: World, variant: Variant) -> None:
    """oidcc-display-popup: no error."""
    await harmless(op, variant, "oidcc-display-popup")


@plans.of(plans.EVERY)
async def test_oidcc_ui_locales(op: World, variant: Variant) -> None:
    """oidcc-ui-locales: no error."""
    await harmless(op, variant, "oidcc-ui-locales")


@plans.of(plans.EVERY)
async def test_oidcc_claims_locales(op: World, variant: Variant) -> None:
    """oidcc-claims-locales: no error."""
    await harmless(op, variant, "oidcc-claims-locales")


@plans.of(plans.EVERY)
async def test_oidcc_login_hint(op: World, variant: Variant) -> None:
    """oidcc-login-hint: somebody at the issuer's host is meant; no error."""
    async with op.runs(variant) as run:
        assert await login(run, login_hint=f"buffy@{urlsplit(op.suite.issuer).hostname}")


@plans.of(plans.EVERY, also_static=True)
async def test_oidcc_ensure_request_with_acr_values_succeeds(op: World, variant: Variant) -> None:
    """oidcc-ensure-request-with-acr-values-succeeds: all that discovery lists are asked for, and the ID token has one
    of them."""
    async with op.runs(variant) as run:
        offered = run.metadata["acr_values_supported"]
        flow = await login(run, acr_values=" ".join(offered))
        assert offered and flow.claims["acr"] in offered


@plans.of(plans.ONCE_A_PLAN, also_static=True)
async def test_oidcc_response_type_missing(op: World, variant: Variant) -> None:
    """oidcc-response-type-missing: told in the query, or by form_post where that is asked for."""
    async with op.runs(variant) as run:
        sent = run.request(response_type=None)
        back = await run.visit(sent)
        checks.check_error(run, sent, back, "invalid_request", "unsupported_response_type")
        assert back is not None and bool(back.query) is not variant.form_post

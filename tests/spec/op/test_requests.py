"""Certification: request objects, by value and by reference."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from tests.kit.signing_client import signed
from tests.kit.suite import Variant, text
from tests.spec.op import checks, plans
from tests.spec.op.conftest import World
from tests.spec.op.flow import finish
from tests.spec.op.run import Run

pytestmark = pytest.mark.asyncio(loop_scope="module")
OUTSIDE = ("client_id", "redirect_uri", "response_type", "scope", "response_mode")


def outside(sent: dict[str, str]) -> dict[str, str]:
    """What the query repeats of a request."""
    return {name: value for name, value in sent.items() if name in OUTSIDE}


def skips_unsigned(run: Run) -> None:
    """Discovery names the algorithms, none is not among them: the suite skips the module."""
    algorithms = run.metadata["request_object_signing_alg_values_supported"]
    assert "none" not in algorithms and "RS256" in algorithms


@plans.of(plans.EVERY)
async def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(
    op: World, variant: Variant
) -> None:
    """oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported is skipped; sent all the same, it is
    refused as not supported and never passed over."""
    async with op.runs(variant) as run:
        skips_unsigned(run)
        sent = run.request()
        params = {**outside(sent), "request": checks.unsigned(sent)}
        checks.check_error(run, params, await run.visit(params), "request_not_supported")


@plans.of(plans.EVERY)
async def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(
    op: World, variant: Variant
) -> None:
    """oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported is skipped; sent all the same, by
    reference, it is refused as not supported."""
    await by_reference_unsigned(op, variant)


@plans.dynamic
async def test_oidcc_request_uri_unsigned(op: World, variant: Variant) -> None:
    """oidcc-request-uri-unsigned (Dynamic) is skipped; references are supported, unsigned objects are not."""
    await by_reference_unsigned(op, variant)


async def by_reference_unsigned(op: World, variant: Variant) -> None:
    """An unsigned object at a registered address."""
    uri = f"{op.suite.base}requestobject/{text(8)}#{text(20)}"
    async with op.runs(variant, request_uris=[uri]) as run:
        skips_unsigned(run)
        assert run.metadata["request_uri_parameter_supported"] is True
        sent = run.request()
        serve(op, uri, checks.unsigned(sent))
        params = {**outside(sent), "request_uri": uri}
        checks.check_error(run, params, await run.visit(params), "request_uri_not_supported")


def serve(op: World, uri: str, token: str) -> None:
    """Let the suite's site serve an object."""
    name = uri.removeprefix(op.suite.base).partition("#")[0]
    op.suite.pages[name] = ("application/jwt", token)


@pytest.mark.parametrize("variant", [*plans.variants(plans.EVERY), Variant(auth="private_key_jwt")], ids=str)
async def test_oidcc_ensure_request_object_with_redirect_uri(op: World, variant: Variant) -> None:
    """oidcc-ensure-request-object-with-redirect-uri: the address outside is wrong, that inside of an unsigned object is
    right. A page says so; nothing goes to the registered address."""
    async with op.runs(variant) as run:
        sent = run.request()
        wrong = f"{sent['redirect_uri']}{text(10)}_invalid"
        params = {**outside(sent), "redirect_uri": wrong, "request": checks.unsigned(sent)}
        assert await run.visit(params) is None
        assert run.shown[-1].status == 400 and "redirect_uri" in run.shown[-1].text


@pytest.mark.parametrize("kind", ["code", "code id_token"])
async def test_oidcc_request_uri_signed_rs256(op: World, kind: str) -> None:
    """oidcc-request-uri-signed-rs256: an https address with a fragment is fetched; the object is signed by the key
    without ``kid``, has ``iss`` and ``aud`` and no ``exp``; state and nonce are inside alone."""
    name = f"requestobject/{text(8)}"
    fragment = base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).rstrip(b"=").decode()
    uri = f"{op.suite.base}{name}#{fragment}"
    more: dict[str, Any] = {"request_uris": [uri], "request_object_signing_alg": "RS256"}
    async with op.runs(Variant(kind, auth="private_key_jwt"), **more) as run:
        assert "RS256" in run.metadata["request_object_signing_alg_values_supported"]
        sent = run.request()
        own = {"iss": run.client["client_id"], "aud": op.suite.issuer}
        serve(op, uri, signed(run.key, {**sent, **own}))
        back = await run.visit({**outside(sent), "request_uri": uri})
        assert await finish(run, sent, back)
        assert ("GET", name, {}) in op.suite.heard

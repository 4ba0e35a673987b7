"""Certification: redirect URIs that are not registered, exactly: only the person is told of them."""

from __future__ import annotations

import pytest

from tests.kit.suite import Variant
from tests.spec.op import checks, plans
from tests.spec.op.conftest import World
from tests.spec.op.flow import finish
from tests.spec.op.run import Run

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def told_the_person(run: Run, params: dict[str, str]) -> None:
    """A page that names the parameter; nothing was sent to anybody."""
    assert await run.visit(params) is None
    page = run.shown[-1]
    assert (page.status, page.url.partition("?")[0]) == (400, run.metadata["authorization_endpoint"])
    assert "redirect_uri" in page.text


@plans.of(plans.EVERY, also_static=True)
async def test_oidcc_ensure_registered_redirect_uri(op: World, variant: Variant) -> None:
    """oidcc-ensure-registered-redirect-uri: neither the registered address nor the other one hears of it."""
    async with op.runs(variant) as run:
        await told_the_person(run, run.request(redirect_uri=f"{op.suite.base}this/should/never/be/called"))


@plans.dynamic
async def test_oidcc_redirect_uri_query_mismatch(op: World, variant: Variant) -> None:
    """oidcc-redirect-uri-query-mismatch: ``?foo=bar`` for ``?bar=foo``."""
    async with op.runs(variant, redirect_uris=[f"{op.suite.callback}?bar=foo"]) as run:
        await told_the_person(run, run.request(redirect_uri=f"{op.suite.callback}?foo=bar"))


@plans.dynamic
async def test_oidcc_redirect_uri_query_added(op: World, variant: Variant) -> None:
    """oidcc-redirect-uri-query-added."""
    async with op.runs(variant) as run:
        await told_the_person(run, run.request(redirect_uri=f"{op.suite.callback}?foo=bar"))


@pytest.mark.parametrize("kind", ["code", "code id_token"])
async def test_oidcc_redirect_uri_query_ok(op: World, kind: str) -> None:
    """oidcc-redirect-uri-query-OK: the registered query matches and stays in the callback."""
    uri = f"{op.suite.callback}?bar=foo"
    async with op.runs(Variant(kind, auth="private_key_jwt"), redirect_uris=[uri]) as run:
        sent = run.request(redirect_uri=uri)
        back = await run.visit(sent)
        assert await finish(run, sent, back)
        assert back is not None and back.query["bar"] == "foo"


@plans.dynamic
async def test_oidcc_ensure_redirect_uri_in_authorization_request(op: World, variant: Variant) -> None:
    """oidcc-ensure-redirect-uri-in-authorization-request: two are registered and none is sent; none is guessed."""
    both = [op.suite.callback, f"{op.suite.callback}2"]
    async with op.runs(variant, redirect_uris=both) as run:
        await told_the_person(run, run.request(redirect_uri=None))


@plans.dynamic
async def test_oidcc_redirect_uri_regfrag(op: World, variant: Variant) -> None:
    """oidcc-redirect-uri-regfrag: an address with a fragment is not registered."""
    async with op.runs(variant, client=False) as run:
        told = await run.register(redirect_uris=[f"{op.suite.callback}#foobar"])
        checks.check_refused(told, "invalid_redirect_uri", "invalid_client_metadata")

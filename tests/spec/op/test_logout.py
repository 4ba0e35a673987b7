"""Certification: RP-initiated logout."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.suite import Variant, text
from tests.kit.tenant import jws, signer
from tests.spec.op import checks, plans
from tests.spec.op.conftest import World
from tests.spec.op.flow import Flow, login
from tests.spec.op.leaving import afterwards, arrived, asked, is_out, leave, metadata
from tests.spec.op.run import Run

pytestmark = pytest.mark.asyncio(loop_scope="module")
BOTH = pytest.mark.parametrize("variant", [Variant(), Variant(static=True)], ids=str)


@plans.every_type
async def test_oidcc_rp_initiated_logout(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout: at the registered address with the state; then nobody is logged in."""
    async with op.runs(variant, **metadata(op)) as run:
        params = asked(op, await login(run, state=text(128)))
        arrived(op, await leave(run, params), params["state"])
        assert run.seen == []
        await is_out(run)


@BOTH
async def test_oidcc_rp_initiated_logout_of_any_client(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout: the same for a client of the file."""
    async with op.runs(variant, **metadata(op)) as run:
        params = asked(op, await login(run))
        arrived(op, await leave(run, params), params["state"])
        await is_out(run)


@BOTH
async def test_oidcc_rp_initiated_logout_no_state(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout-no-state: then none comes back."""
    async with op.runs(variant, **metadata(op)) as run:
        arrived(op, await leave(run, asked(op, await login(run), state=None)), None)
        await is_out(run)


async def stays(op: World, variant: Variant, **changes: Any) -> None:
    """A page, of an error or of a logout that the person confirms; never on to the registered address."""
    async with op.runs(variant, **metadata(op)) as run:
        flow = await login(run)
        made = {name: value(run, flow) if callable(value) else value for name, value in changes.items()}
        assert await leave(run, asked(op, flow, **made)) is None
        page = run.shown[-1]
        assert page.url.startswith(op.suite.issuer) and page.status < 500 and page.text


@BOTH
async def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout-bad-post-logout-redirect-uri."""
    await stays(op, variant, post_logout_redirect_uri=f"{afterwards(op)}/{text(10)}")


@BOTH
async def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri."""
    await stays(op, variant, post_logout_redirect_uri=f"{afterwards(op)}?foo=bar")


@BOTH
async def test_oidcc_rp_initiated_logout_modified_id_token_hint(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout-modified-id-token-hint: the same token with alg none."""
    await stays(op, variant, id_token_hint=lambda run, flow: checks.unsigned(flow.claims))


@BOTH
async def test_oidcc_rp_initiated_logout_bad_id_token_hint(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout-bad-id-token-hint: signed by a foreign key, ``iss`` and ``aud`` swapped."""

    def foreign(run: Run, flow: Flow) -> str:
        swapped = {**flow.claims, "iss": flow.claims["aud"], "aud": flow.claims["iss"]}
        return jws(signer("foreign"), swapped)

    await stays(op, variant, id_token_hint=foreign)


@BOTH
async def test_oidcc_rp_initiated_logout_no_id_token_hint(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout-no-id-token-hint."""
    await stays(op, variant, id_token_hint=None)


async def logged_out(op: World, variant: Variant, **changes: str | None) -> None:
    """Logged out, with a page that says so; no redirect."""
    async with op.runs(variant, **metadata(op)) as run:
        flow = await login(run)
        assert await leave(run, asked(op, flow, **changes)) is None
        assert (run.shown[-1].status, run.shown[-1].title.partition(" ·")[0]) == (200, "Logged out")
        await is_out(run)


@BOTH
async def test_oidcc_rp_initiated_logout_no_params(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout-no-params."""
    await logged_out(op, variant, id_token_hint=None, post_logout_redirect_uri=None, state=None)


@BOTH
async def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout-no-post-logout-redirect-uri."""
    await logged_out(op, variant, post_logout_redirect_uri=None)


@BOTH
async def test_oidcc_rp_initiated_logout_only_state(op: World, variant: Variant) -> None:
    """oidcc-rp-initiated-logout-only-state."""
    await logged_out(op, variant, id_token_hint=None, post_logout_redirect_uri=None)

"""Certification: ``prompt``, ``max_age`` and hints, in one browser that comes twice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.suite import Variant, text
from tests.spec.op import checks, plans
from tests.spec.op.conftest import World
from tests.spec.op.flow import Flow, login
from tests.spec.op.run import Run

pytestmark = pytest.mark.asyncio(loop_scope="module")
ODD_END = "-._~"


@plans.of(plans.EVERY, also_static=True)
async def test_oidcc_prompt_none_not_logged_in(op: World, variant: Variant) -> None:
    """oidcc-prompt-none-not-logged-in: an error that says that a person is needed; a long state comes back whole."""
    async with op.runs(variant) as run:
        sent = run.request(prompt="none", state=text(128, ODD_END))
        checks.check_error(run, sent, await run.visit(sent), *checks.NEEDS_A_PERSON)
        assert run.seen == []


async def silently(run: Run, first: Flow, **changes: Any) -> None:
    """A second answer without any page, for the same person and the same login."""
    second = await login(run, prompt="none", **changes)
    assert run.seen == []
    assert second.claims["sub"] == first.claims["sub"]
    assert second.claims["auth_time"] == first.claims["auth_time"]


@plans.of(plans.EVERY, also_static=True)
async def test_oidcc_prompt_none_logged_in(op: World, variant: Variant) -> None:
    """oidcc-prompt-none-logged-in: success with no page at all; same ``sub``, same ``auth_time``."""
    async with op.runs(variant) as run:
        await silently(run, await login(run))


@plans.of(plans.EVERY)
async def test_oidcc_id_token_hint(op: World, variant: Variant) -> None:
    """oidcc-id-token-hint: the same with the first ID token as the hint."""
    async with op.runs(variant) as run:
        first = await login(run)
        await silently(run, first, id_token_hint=first.id_token)


@plans.of(plans.EVERY, also_static=True)
async def test_oidcc_prompt_login(op: World, variant: Variant) -> None:
    """oidcc-prompt-login: the person is asked again, and the second ``auth_time`` is strictly later, in whole seconds,
    however fast they were."""
    async with op.runs(variant) as run:
        first = await login(run)
        second = await login(run, prompt="login")
        assert "login" in run.seen
        assert second.claims["auth_time"] > first.claims["auth_time"]
        assert second.claims["sub"] == first.claims["sub"]


@plans.of(plans.EVERY)
async def test_oidcc_max_age_1(op: World, variant: Variant) -> None:
    """oidcc-max-age-1: two seconds later the person is asked again; ``auth_time`` is later than the first."""
    async with op.runs(variant) as run:
        first = await login(run)
        op.clock.move(2)
        second = await login(run, max_age="1")
        assert "login" in run.seen
        assert second.claims["auth_time"] > first.claims["auth_time"]
        assert second.claims["auth_time"] > op.clock() - 60


@plans.of(plans.EVERY)
async def test_oidcc_max_age_10000(op: World, variant: Variant) -> None:
    """oidcc-max-age-10000: a login that is young enough stays; ``auth_time`` is in both ID tokens, and equal."""
    async with op.runs(variant) as run:
        first = await login(run, max_age="15000")
        second = await login(run, max_age="10000")
        assert run.seen == []
        assert second.claims["auth_time"] == first.claims["auth_time"]

"""Certification: dynamic registration, the login page of a client, keys, third-party-initiated login.

Two connections lead to the tenant here, so that every login begins at our own login page.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from proxy.store.memory import MemoryStore
from tests.kit.signing_client import jwks
from tests.kit.suite import Clock, Variant, text
from tests.kit.tenant import signer
from tests.spec.op import checks, plans
from tests.spec.op.conftest import World, world
from tests.spec.op.flow import login
from tests.spec.op.run import Run

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def op(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> AsyncIterator[World]:
    """One node for all tests of a module, whose people choose where to log in."""
    async with world(tmp_path_factory.mktemp("op"), clock, MemoryStore(clock), ways=("corp", "other")) as made:
        yield made


async def login_page(op: World, variant: Variant, name: str, link: str) -> str:
    """Registers ``name`` as ``link``; answers the login page, after the whole login worked."""
    more: dict[str, Any] = {name: link}
    async with op.runs(variant, **more) as run:
        assert run.client[name] == link
        assert await login(run)
        assert run.seen[0] == "choice"
        first = next(page for page in run.shown if "corp login" in page.names)
        return first.body


@plans.dynamic
async def test_oidcc_registration_logo_uri(op: World, variant: Variant) -> None:
    """oidcc-registration-logo-uri: the login page shows the client's logo."""
    logo = f"{op.suite.base}logo.png"
    assert f'<img src="{logo}"' in await login_page(op, variant, "logo_uri", logo)


@plans.dynamic
async def test_oidcc_registration_policy_uri(op: World, variant: Variant) -> None:
    """oidcc-registration-policy-uri: the login page links to the client's policy."""
    policy = f"{op.suite.base}policy.html"
    assert f'<a href="{policy}"' in await login_page(op, variant, "policy_uri", policy)


@plans.dynamic
async def test_oidcc_registration_tos_uri(op: World, variant: Variant) -> None:
    """oidcc-registration-tos-uri: the login page links to the client's terms."""
    terms = f"{op.suite.base}tos.html"
    assert f'<a href="{terms}"' in await login_page(op, variant, "tos_uri", terms)


@plans.dynamic
async def test_oidcc_registration_jwks_uri(op: World, variant: Variant) -> None:
    """oidcc-registration-jwks-uri: the client's keys are fetched; the assertion names one."""
    name, key = f"jwks/{text(8)}", signer("suite")
    op.suite.pages[name] = ("application/json", json.dumps(jwks(key)))
    async with op.runs(variant, jwks=None, jwks_uri=f"{op.suite.base}{name}") as run:
        run.kid = key.kid
        assert await login(run)
        assert ("GET", name, {}) in op.suite.heard


@plans.dynamic
async def test_oidcc_registration_sector_uri(op: World, variant: Variant) -> None:
    """oidcc-registration-sector-uri: the list is fetched at registration, and the flow works, pairwise or not."""
    name = f"sector/{text(8)}"
    op.suite.pages[name] = ("application/json", json.dumps([op.suite.callback]))
    subjects = set()
    for kind in ("public", "pairwise"):
        more: dict[str, Any] = {"sector_identifier_uri": f"{op.suite.base}{name}", "subject_type": kind}
        async with op.runs(variant, **more) as run:
            assert "pairwise" in run.metadata["subject_types_supported"]
            subjects.add((await login(run)).claims["sub"])
    assert len(subjects) == 2 and ("GET", name, {}) in op.suite.heard


@plans.dynamic
async def test_oidcc_registration_sector_bad(op: World, variant: Variant) -> None:
    """oidcc-registration-sector-bad: a list without the redirect URI."""
    name = f"sector/{text(8)}"
    op.suite.pages[name] = ("application/json", json.dumps(["https://bogus.example/cb"]))
    async with op.runs(variant, client=False) as run:
        more = {"sector_identifier_uri": f"{op.suite.base}{name}", "subject_type": "pairwise"}
        checks.check_refused(await run.register(**more), "invalid_client_metadata")


async def managed(run: Run) -> dict[str, object]:
    """What the client management endpoint says."""
    bearer = {"Authorization": f"Bearer {run.client['registration_access_token']}"}
    told = await run.suite.call("GET", run.client["registration_client_uri"], headers=bearer)
    assert (told.status, told.kind) == (200, "application/json")
    return told.json


@plans.basic
async def test_oidcc_3rd_party_init_login(op: World, variant: Variant) -> None:
    """oidcc-3rd_party-init-login: ``initiate_login_uri`` comes back from registration and from client management."""
    page = f"{op.suite.base}initiatelogin"
    async with op.runs(variant, initiate_login_uri=page) as run:
        assert run.client["initiate_login_uri"] == (await managed(run))["initiate_login_uri"] == page


@plans.basic
async def test_oidcc_3rd_party_init_login_nohttps(op: World, variant: Variant) -> None:
    """oidcc-3rd_party-init-login-nohttps: an http address is refused."""
    async with op.runs(variant, client=False) as run:
        told = await run.register(initiate_login_uri=f"{op.suite.base}initiatelogin".replace("https:", "http:"))
        checks.check_refused(told, "invalid_client_metadata")

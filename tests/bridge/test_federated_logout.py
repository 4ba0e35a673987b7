"""Logged out at the tenant, and back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from proxy.bridge.federated_logout import FederatedLogout
from proxy.features import Request
from proxy.models import Connection
from proxy.oidc.errors import Unavailable, UpstreamError
from proxy.store import Store
from proxy.store.memory import MemoryStore
from tests.bridge.test_session import CORP, NOW, a_session
from tests.downstream.world import FailingStore

HOME = "https://app.example/bye"
MINE = "m" * 43


@dataclass
class Tenant:
    """Stands for the other shore."""

    says: str | Exception = "https://idp.example/bye"

    async def end_session_url(self, connection: Connection, back: str, now: float) -> str:
        assert back == "https://sso.example/login/logged-out"
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def feature(tenant: Tenant, store: Store, **connections: Connection) -> FederatedLogout:
    known = connections or {"corp": CORP}
    return FederatedLogout("https://sso.example/", store, tenant, known)  # type: ignore[arg-type]  # a stand-in


def request(*browsers: str, **params: str) -> Request:
    return Request("GET", "/login/logged-out", params, {}, NOW, browsers=browsers)


@pytest.mark.parametrize("params", [{}, {"state": "whatever"}])
async def test_any_or_no_state_leads_back_to_the_application(params: dict[str, str]) -> None:
    """The way on is kept under the browser's own secret, once."""
    store = MemoryStore()
    logout = feature(Tenant(), store)
    away = await logout.depart(a_session(), HOME, request(MINE))
    assert away is not None and away.redirect == "https://idp.example/bye"
    assert (await logout.arrive(request(MINE, **params))).redirect == HOME
    assert (await logout.arrive(request(MINE, **params))).page == "logged_out.html"


async def test_a_browser_without_a_secret_gets_one() -> None:
    """So that it can be told from every other when it comes back."""
    logout = feature(Tenant(), MemoryStore())
    away = await logout.depart(a_session(), HOME, request())
    assert away is not None and len(away.browser) == 43
    assert (await logout.arrive(request(away.browser))).redirect == HOME


async def test_another_browser_is_led_nowhere() -> None:
    """Our own page."""
    logout = feature(Tenant(), MemoryStore())
    await logout.depart(a_session(), HOME, request(MINE))
    assert (await logout.arrive(request("o" * 43))).page == "logged_out.html"
    assert (await logout.arrive(request())).page == "logged_out.html"


@pytest.mark.parametrize("says", ["", UpstreamError("x", "y", reason="timeout")])
async def test_a_tenant_that_cannot_be_asked_is_skipped(says: str | Exception) -> None:
    """Our own session has ended all the same."""
    assert await feature(Tenant(says), MemoryStore()).depart(a_session(), HOME, request(MINE)) is None


async def test_a_connection_that_is_gone_is_skipped() -> None:
    """Nobody knows its tenant any more."""
    assert await feature(Tenant(), MemoryStore(), other=CORP).depart(a_session(), HOME, request(MINE)) is None


async def test_a_store_that_fails_now_is_no_logout_undone() -> None:
    """LO-05: the session has ended before; the person goes on without the tenant and is not told the contrary."""
    store = FailingStore(MemoryStore(), lambda op: True, Unavailable("store"))
    assert await feature(Tenant(), store).depart(a_session(), HOME, request(MINE)) is None

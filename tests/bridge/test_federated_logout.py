"""Logged out at the tenant, and back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from proxy.bridge.federated_logout import FederatedLogout, watched_last
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
    heard: dict[str, str] = field(default_factory=dict)

    async def end_session_url(self, connection: Connection, *, back: str, hint: str, state: str, now: float) -> str:
        assert back == "https://sso.example/login/logged-out"
        self.heard = {"hint": hint, "state": state}
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def feature(tenant: Tenant, store: Store, **connections: Connection) -> FederatedLogout:
    known = connections or {"corp": CORP}
    return FederatedLogout("https://sso.example/", store, tenant, known)  # type: ignore[arg-type]  # a stand-in


def request(*browsers: str, **params: str) -> Request:
    return Request("GET", "/login/logged-out", params, {}, NOW, browsers=browsers)


async def test_the_tenant_gets_the_id_token_and_a_state_of_its_own() -> None:
    """RP-Initiated Logout 2: the hint that was kept with the session; a state nobody can guess, each time another."""
    tenant, store = Tenant(), MemoryStore()
    session = a_session(id_token="a.b.c", session_state="hash.salt")
    states = set()
    for _ in range(2):
        away = await feature(tenant, store).depart(session, HOME, request(MINE))
        assert away is not None and tenant.heard["hint"] == "a.b.c" and len(tenant.heard["state"]) == 22
        states.add(tenant.heard["state"])
    assert len(states) == 2
    noted = await store.get(watched_last(MINE))
    assert noted is not None and noted.value == {"connection": "corp", "session_state": "hash.salt"}


@pytest.mark.parametrize(("state", "told"), [("as sent", "as sent"), ("whatever", "another"), ("", "none")])
async def test_whatever_state_comes_back_is_noted_and_decides_nothing(state: str, told: str) -> None:
    """oidcc-client-test-rp-init-logout-other-state, -no-state: the person goes on; the log says what came."""
    tenant, store = Tenant(), MemoryStore()
    await feature(tenant, store).depart(a_session(), HOME, request(MINE))
    sent = tenant.heard["state"] if state == "as sent" else state
    answer = await feature(tenant, store).arrive(request(MINE, **({"state": sent} if sent else {})))
    assert (answer.redirect, answer.about) == (HOME, {"state": told})
    assert await store.get(watched_last(MINE)) is None


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

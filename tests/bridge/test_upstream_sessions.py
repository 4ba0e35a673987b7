"""Our sessions by what a tenant calls its own: those that are meant, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.bridge.session import Sessions, Ticket
from proxy.bridge.upstream_sessions import of_issuer, sessions_named
from proxy.models import Connection
from proxy.store.memory import MemoryStore
from tests.bridge.test_session import NOW, a_session

IDP, OTHER = "https://idp.example", "https://other.example"


def connection(name: str, **options: Any) -> Connection:
    return Connection.model_validate({"name": name, "options": {"client_id": "i", "discovery_url": IDP, **options}})


CORP, TWIN = connection("corp"), connection("twin")


@pytest.mark.parametrize(
    ("options", "issuer", "known"),
    [
        ({}, IDP, True),
        ({}, f"{IDP}/", True),
        ({}, f"{IDP}/x", False),
        ({}, "", False),
        ({"issuer": IDP}, IDP, True),
        ({"issuer": IDP}, f"{IDP}/", False),
        ({"issuer": f"{IDP}/{{tenantid}}/", "tenant_ids": ["t1"]}, f"{IDP}/t1/", True),
        ({"issuer": f"{IDP}/{{tenantid}}/", "tenant_ids": ["t1"]}, f"{IDP}/t2/", False),
        ({"issuer": f"{IDP}/{{tenantid}}/", "tenant_ids": ["t1"]}, f"{IDP}/{{tenantid}}/", False),
    ],
)
def test_a_connection_is_found_by_its_issuer(options: dict[str, Any], issuer: str, known: bool) -> None:
    """Exactly, but for the slash at the end where only the document's place is known; a template is no wildcard."""
    one = connection("corp", **options)
    assert of_issuer(issuer, {"corp": one}) == ((one,) if known else ())


@pytest.fixture
async def store() -> MemoryStore:
    """Ada three times through corp, in two sessions of the tenant; Eve; Ada of the twin; a namesake elsewhere."""
    made = MemoryStore()
    sessions = Sessions(made, {}, idle=1000, absolute=10_000)
    who = [
        {"sid": "1" * 22, "upstream_sid": "s-1"},
        {"sid": "2" * 22, "upstream_sid": "s-1"},
        {"sid": "3" * 22, "upstream_sid": "s-2"},
        {"sid": "4" * 22, "upstream_sid": "s-3", "subject": "eve", "user_id": "oidc|corp|eve"},
        {"sid": "5" * 22, "upstream_sid": "s-1", "connection": "twin", "user_id": "oidc|twin|ada"},
        {"sid": "6" * 22, "upstream_sid": "s-1", "issuer": OTHER},
        {"sid": "7" * 22, "upstream_sid": "", "subject": "ada"},
    ]
    for each in who:
        session = a_session(**each)
        await made.run(sessions.begin(session, Ticket.new(session.sid), NOW))
    return made


@pytest.mark.parametrize(
    ("connections", "issuer", "sid", "subject", "meant"),
    [
        ((CORP,), IDP, "s-1", "", "12"),
        ((CORP,), IDP, "s-1", "ada", "12"),
        ((CORP,), IDP, "s-1", "eve", ""),
        ((CORP,), IDP, "s-2", "ada", "3"),
        ((CORP,), IDP, "", "ada", "1237"),
        ((CORP,), IDP, "", "eve", "4"),
        ((CORP,), IDP, "", "nobody", ""),
        ((CORP,), OTHER, "s-1", "", "6"),
        ((CORP,), OTHER, "", "ada", "6"),
        ((TWIN,), IDP, "s-1", "", "5"),
        ((CORP, TWIN), IDP, "s-1", "", "125"),
        ((), IDP, "s-1", "", ""),
    ],
)
async def test_lo_11_exactly_the_sessions_that_are_named_are_found(
    store: MemoryStore, connections: tuple[Connection, ...], issuer: str, sid: str, subject: str, meant: str
) -> None:
    """LO-11: all of (issuer, sid), or all of (issuer, sub) of a connection; the same name at another issuer or through
    another connection is somebody else's."""
    found = await sessions_named(store, connections, issuer, sid=sid, subject=subject)
    assert "".join(sorted(each.sid[0] for each in found)) == meant

"""``isthmus connections add --register``: two tenants federated by one command, and parted by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from proxy.cli import connection_register, connections
from proxy.lab.tenant import Tenant
from proxy.store.memory import MemoryStore
from proxy.upstream.federation import registration_key
from tests.cli.conftest import Run, Said, configure
from tests.journeys.conftest import lab_tenant
from tests.kit.memory_command import remembered


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """A store in memory that outlives each command."""
    made = MemoryStore()
    for module in (connections, connection_register):
        remembered(monkeypatch, module, made)
    return made


@pytest.fixture
def file(tmp_path: Path, store: MemoryStore) -> Path:
    """A configuration."""
    return configure(tmp_path)


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    """A tenant that registers whoever comes."""
    async with lab_tenant() as made:
        yield made


async def add(run: Run, file: Path, name: str, *words: object) -> Said:
    """The command, beside the tenant that it speaks to."""
    return await asyncio.to_thread(run, "connections", "add", name, *words, "--register", "--json", "--config", file)


async def test_one_command_federates_and_one_parts_again(
    run: Run, file: Path, store: MemoryStore, tenant: Tenant
) -> None:
    """Discovered, registered with our addresses and the best way to authenticate, added; secrets and tokens are printed
    nowhere; ``remove`` takes the registration back."""
    said = await add(run, file, "far", "--issuer", tenant.issuer, "--client", "webapp", "--display-name", "Far")
    assert said.status == 0, said.err
    made: dict[str, Any] = json.loads(said.out)
    (client,) = tenant.clients.values()
    ours = "http://127.0.0.1:9000/login"
    assert client.redirect_uris == (f"{ours}/callback",) == (made["callback_url"],)
    assert client.jwks_uri == f"{ours}/keys/far"
    assert client.backchannel_logout_uri == f"{ours}/backchannel-logout"
    assert client.frontchannel_logout_uri == f"{ours}/frontchannel-logout"
    assert client.post_logout_redirect_uris == (f"{ours}/logged-out",)
    assert made["options"]["client_id"] == client.client_id and made["options"]["issuer"] == tenant.issuer
    assert made["options"]["type"] == "back_channel" and made["enabled_clients"] == ["webapp"]
    assert made["options"]["token_endpoint_auth_method"] == "private_key_jwt"
    assert made["registration"]["taken_back_on_removal"] is True
    kept = await store.get(registration_key("far"))
    assert kept is not None and kept.value["token"] not in said.out + said.err
    said = await asyncio.to_thread(run, "connections", "remove", "far", "--config", file)
    assert (said.status, said.out, json.loads(said.err)["event"]) == (0, "", "connection_removed")
    assert not tenant.clients and await store.get(registration_key("far")) is None


async def test_a_persons_address_leads_to_the_tenant(run: Run, file: Path, tenant: Tenant) -> None:
    """WebFinger: ``--issuer acct:ada@corp.example``."""
    said = await add(run, file, "far", "--issuer", f"acct:ada@{urlsplit(tenant.issuer).netloc}")
    assert said.status == 0, said.err
    assert json.loads(said.out)["options"]["issuer"] == tenant.issuer


async def test_a_persons_address_will_do_without_registration_too(run: Run, file: Path, tenant: Tenant) -> None:
    """``--issuer acct:...`` with a client id: only the place is looked up."""
    words = (
        "--issuer",
        f"acct:ada@{urlsplit(tenant.issuer).netloc}",
        "--client-id",
        "isthmus",
        "--json",
        "--config",
        file,
    )
    said = await asyncio.to_thread(run, "connections", "add", "far", *words)
    assert said.status == 0, said.err
    options = json.loads(said.out)["options"]
    assert (options["discovery_url"], options["client_id"]) == (tenant.issuer, "isthmus") and not tenant.clients
    lost = ("connections", "add", "lost", "--issuer", "ada@127.0.0.1:9", "--client-id", "isthmus", "--config", file)
    said = await asyncio.to_thread(run, *lost)
    assert said.status == 2 and said.err.startswith("connections: --issuer:") and said.err.count("\n") == 1


async def test_a_connection_that_cannot_be_added_leaves_nothing_behind(
    run: Run, file: Path, store: MemoryStore, tenant: Tenant
) -> None:
    """An application that is unknown: the tenant forgets us again."""
    said = await add(run, file, "far", "--issuer", tenant.issuer, "--client", "nobody")
    assert said.status == 2 and said.err.count("\n") == 1
    assert "register" in tenant.called and not tenant.clients
    assert await store.get(registration_key("far")) is None


@pytest.mark.parametrize(
    ("name", "words", "text"),
    [
        ("far", (), "--issuer: is missing"),
        ("far", ("--issuer", "ftp://corp.example"), "--issuer"),
        ("far", ("--issuer", "http://corp.example"), "--"),
        ("far", ("--issuer", "@corp.example"), "--issuer"),
        ("far", ("--issuer", "http://127.0.0.1:9/"), "--issuer"),
        ("far", ("--issuer", "http://127.0.0.1:9/", "--token", "plain"), "--token"),
        ("no name", ("--issuer", "TENANT"), "name"),
        ("corp", ("--issuer", "TENANT"), "already exists"),
        ("far", ("--issuer", "TENANT", "--option", 'allow_private=["169.254.0.0/16"]'), "allow_private"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line_before_anybody_registers(
    run: Run, file: Path, tenant: Tenant, name: str, words: tuple[str, ...], text: str
) -> None:
    """Status 2, the key at fault; the tenant was not asked to know us."""
    said = await add(run, file, name, *(tenant.issuer if word == "TENANT" else word for word in words))
    assert said.status == 2 and text in said.err and said.err.count("\n") == 1, said.err
    assert "register" not in tenant.called and not tenant.clients


async def test_a_tenant_that_forgets_nobody_is_reported(run: Run, file: Path, tenant: Tenant) -> None:
    """The connection is gone all the same; the operator hears what is left to do."""
    await add(run, file, "far", "--issuer", tenant.issuer)
    tenant.memory.management.clear()
    said = await asyncio.to_thread(run, "connections", "remove", "far", "--config", file)
    assert said.status == 0 and "the tenant did not forget us" in said.err and tenant.clients

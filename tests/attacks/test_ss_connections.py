"""What a manager of connections can make us call over HTTP, and what they learn by it: the real wire, real sockets."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from proxy import wire as wire_module
from proxy.management.diagnosis import as_json
from proxy.models import Connection
from proxy.models.connection_rules import inconsistencies
from proxy.upstream import visit
from proxy.upstream.connections import Connections
from proxy.upstream.health import Health
from proxy.upstream.visit import Doctor
from proxy.wire import Wire
from tests.kit.tenant import ScriptedTenant, Step
from tests.upstream.conftest import DOCUMENT, ISSUER

LOCAL, PUBLIC = "http://127.0.0.1:9000/", "https://sso.example/"
INSIDE = [
    "https://127.0.0.1", "https://10.0.0.1", "https://172.16.0.1", "https://192.168.0.1", "https://100.64.0.1",
    "https://0.0.0.0", "https://[::1]", "https://[::]", "https://[fc00::1]", "https://[fe80::1]", "https://localhost",
    "https://localhost.", "https://2130706433", "https://0x7f000001", "https://0x7f.1", "https://0177.0.0.1",
    "https://127.1", "https://[::ffff:127.0.0.1]", "https://[64:ff9b::7f00:1]", "https://127.0.0.1.",
    "https://\uff11\uff12\uff17.0.0.1", "https://[fe80::1%25eth0]", "http://169.254.169.254/latest/meta-data",
    "https://169.254.169.254", "https://[fd00:ec2::254]", "file:///etc/passwd", "gopher://127.0.0.1", "ftp://127.0.0.1",
    "data:,x", "http+unix://x", "https://203.0.113.1:6379", "https://1.1.1.1:22", "https://1.1.1.1:0",
    "https://sso.example/api/v2", "http://127.0.0.1:1",
]  # fmt: skip
FIELDS = ("discovery_url", "jwks_uri")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are told at once, but where a test looks at just that."""
    monkeypatch.setattr(wire_module, "FLOOR_SECONDS", 0.0)
    monkeypatch.setattr(visit, "FLOOR_SECONDS", 0.0)


def made(**options: Any) -> Connection:
    """A connection as the API makes it. Raises ``ValidationError``."""
    connection = Connection(name="corp", options={"type": "front_channel", "client_id": "isthmus", **options})
    assert not list(inconsistencies(connection))
    return connection


def by(field: str, url: str) -> Connection:
    """One that makes us call ``url``."""
    if field == "discovery_url":
        return made(discovery_url=url)
    return made(issuer=ISSUER, authorization_endpoint=f"{ISSUER}/a", jwks_uri=url)


async def see(wire: Wire, connection: Connection) -> Health:
    return await Doctor(Connections({}, wire.send, time.time), {}, time.time).see(connection)


@pytest.mark.parametrize("field", FIELDS)
async def test_ss_01_ss_02_ss_06_ss_07_ss_10_no_inner_address_is_called(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SS-01, SS-02, SS-06, SS-07, SS-10: each is refused as text or has the one answer, and no socket is opened."""
    opened: list[object] = []

    def connect(self: socket.socket, to: object) -> None:
        opened.append(to)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    told = set()
    async with Wire(issuer=PUBLIC) as wire:
        for url in INSIDE:
            try:
                connection = by(field, url)
            except ValidationError:
                continue
            health = await see(wire, connection)
            told.add(json.dumps(as_json(health)))
            assert health.errors[0].detail.startswith("the address may not be called"), url
    assert len(told) == 1
    assert not opened


async def test_ss_03_a_name_with_one_inner_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """SS-03: whatever else it resolves to."""

    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [
            {"hostname": host, "host": one, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for one in ("1.1.1.1", "10.0.0.1")
        ]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    async with Wire(issuer=PUBLIC) as wire:
        health = await see(wire, made(discovery_url="https://idp.example"))
    assert health.errors[0].detail.startswith("the address may not be called")


async def test_ss_01_keys_that_a_document_puts_inside_are_not_called() -> None:
    """SS-01, RP-23: the tenant's own document cannot send us to an inner address either."""
    document = {**DOCUMENT, "jwks_uri": "https://10.0.0.1/jwks"}
    async with Wire(issuer=PUBLIC) as wire:
        health = await see(wire, made(oidc_metadata=document))
    assert [one.code for one in health.errors] == ["keys_unreadable"]
    assert health.errors[0].detail.startswith("the address may not be called")


async def test_ss_09_ss_05_what_is_there_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """SS-09, SS-05: closed, silent in HTTP, an error, a redirect, a page, another JSON, a compressed one, a forbidden
    address: one answer, and each takes the least delay."""
    monkeypatch.setattr(visit, "FLOOR_SECONDS", 7.0)
    answers = [
        Step(raw=b"220 mail\r\n"),
        Step(404, b"no"),
        Step(302, b"", {"Location": "http://169.254.169.254/"}),
        Step(body=b"<html>of-the-inside"),
        Step(body=b'{"password": "of-the-inside"}'),
        Step(body=b"x", headers={"Content-Encoding": "gzip"}),
        Step(body=b"", status=204),
    ]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        shut = f"http://127.0.0.1:{closed.getsockname()[1]}"
    waits: list[float] = []
    told = set()

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    async with Wire(issuer=LOCAL) as wire, ScriptedTenant() as tenant:
        tenant.script["discovery"].extend(answers)
        doctor = Doctor(Connections({}, wire.send, time.time), {}, time.time, wait)
        for url in [*(tenant.base for _ in answers), shut, "https://10.0.0.1"]:
            told.add(json.dumps(as_json(await doctor.see(made(discovery_url=url)))))
    assert len(told) == 1 and "inside" not in told.pop()
    assert len(waits) == len(answers) + 2 and min(waits) > 3.0


async def test_ss_14_a_connection_does_not_have_anothers_rights() -> None:
    """SS-14: what the file lists for one connection is no way in for one that the API made."""
    async with Wire(issuer=PUBLIC) as wire:
        wire.admit("filed", allow_private=["127.0.0.0/8"])
        connection = made(discovery_url="https://127.0.0.1:1")
        health = await see(wire, connection)
        assert health.errors[0].detail.startswith("the address may not be called")
        filed = await see(wire, connection.model_copy(update={"name": "filed"}))
        assert filed.errors[0].detail == "nobody answers there"
        assert as_json(filed) == as_json(health)


async def test_a_document_of_more_than_128_kb_is_not_read() -> None:
    """Auth0's limit and its words; the same for keys, in other words."""
    async with Wire(issuer=LOCAL) as wire, ScriptedTenant() as tenant:
        tenant.script["discovery"].append(Step(body=json.dumps({"issuer": tenant.base, "a": "x" * 131_072}).encode()))
        health = await see(wire, made(discovery_url=tenant.base))
        assert health.detail == "Discovery document exceeds the maximum allowed size of 128 KB"
        tenant.script["jwks"].append(Step(body=json.dumps({"keys": [], "a": "x" * 131_072}).encode()))
        health = await see(wire, made(discovery_url=tenant.base))
        assert (health.errors[0].code, health.errors[0].detail) == ("keys_unreadable", "larger than 128 KB")
        assert (await see(wire, made(discovery_url=tenant.base))).state == "green"

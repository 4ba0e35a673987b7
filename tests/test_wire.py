"""The only way out: what it refuses to call, and what it survives. Real sockets on loopback."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import ssl
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from proxy import wire as wire_module
from proxy.downstream.deliveries import AT_ONCE
from proxy.oidc.errors import Misconfigured, UpstreamError
from proxy.oidc.messages import HttpRequest
from proxy.wire import Wire
from tests.kit.tenant import ScriptedTenant, Step

LOCAL, PUBLIC = "http://127.0.0.1:9000/", "https://sso.example/"
TOLD = "the login service gave no usable answer"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are told at once, but where a test looks at just that."""
    monkeypatch.setattr(wire_module, "FLOOR_SECONDS", 0.0)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listener(
    handle: Handler | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server of bare bytes: its port, and the first bytes of every connection."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(b"")
        try:
            if handle:
                await handle(reader, writer)
            else:
                seen[-1] = await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


async def failure(wire: Wire, url: str, **how: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await wire.send(HttpRequest(how.pop("method", "GET"), url, **how))
    return caught.value


HOSTS = [
    "127.0.0.1",
    "localhost",
    "0x7f000001",
    "0x7f.1",
    "2130706433",
    "127.1",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
    "\uff11\uff12\uff17.0.0.1",
    "localhost.",
]


async def test_ss_01_02_03_no_connection_is_made_to_an_inner_address() -> None:
    """SS-01, SS-02, SS-03: with a public issuer no spelling of loopback reaches a listener, by literal or by name."""
    async with Wire(issuer=PUBLIC) as wire, listener() as (port, seen):
        for host in HOSTS:
            assert (await failure(wire, f"https://{host}:{port}/")).reason == "blocked", host
    assert seen == []


async def test_ss_03_one_inner_address_among_twenty_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """SS-03: the resolver's answer is refused as a whole, whatever stands first."""
    answers = ["93.184.216.34"] * 19 + ["::1"]

    async def resolve(self: Any, host: str, port: int = 0, family: Any = None) -> list[dict[str, Any]]:
        return [
            {
                "hostname": host,
                "host": one,
                "port": port,
                "family": socket.AF_INET6 if ":" in one else socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
            for one in answers
        ]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    async with Wire(issuer=PUBLIC) as wire:
        assert (await failure(wire, "https://idp.example/")).reason == "blocked"


async def test_ss_14_rights_are_each_groups_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SS-14: networks and trust anchors of one connection are not another's; that they exist is logged at start."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    caplog.set_level(logging.INFO)
    async with Wire(issuer=PUBLIC) as wire, listener(context=context) as (port, seen):
        wire.admit("corp", allow_private=["127.0.0.0/8", "::1/128"], trust=[str(tmp_path / "ca.pem")])
        wire.admit("near", allow_private=["127.0.0.0/8", "::1/128"])
        url = f"https://localhost:{port}/"
        assert (await wire.send(HttpRequest("GET", url, group="corp"))).body == b"ok"
        assert (await failure(wire, url, group="near")).reason != "blocked"
        assert (await failure(wire, url, group="other")).reason == "blocked"
        assert (await failure(wire, f"http://localhost:{port}/", group="corp")).reason == "blocked"
    assert [one for one in seen if one.startswith(b"GET / HTTP/1.1")] == seen[:1]
    assert [r.message for r in caplog.records].count("private_calls_allowed") == 2


@pytest.mark.parametrize("asked", [True, False])
async def test_an_answer_tells_when_the_certificate_ends_if_asked(tmp_path: Path, asked: bool) -> None:
    """For the doctor: of a short answer too, whose connection is let go before it is read; without TLS nothing."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ends = datetime(2999, 1, 2, tzinfo=UTC)
    authority.issue_cert("localhost", not_after=ends).configure_cert(context)
    async with Wire(issuer=LOCAL, trust=[str(tmp_path / "ca.pem")]) as wire, listener(context=context) as (port, _):
        found = await wire.send(HttpRequest("GET", f"https://localhost:{port}/", tells_certificate=asked))
    assert found.certificate_ends == (int(ends.timestamp()) if asked else None)
    async with Wire(issuer=LOCAL) as wire, listener() as (port, _):
        plain = await wire.send(HttpRequest("GET", f"http://localhost:{port}/", tells_certificate=asked))
    assert plain.certificate_ends is None


async def test_the_log_tells_why_an_answer_was_no_use() -> None:
    """A certificate that is not to be trusted, and more bytes than we read: the same text, another reason."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    async with Wire(issuer=LOCAL) as wire, listener(context=context) as (port, _), ScriptedTenant() as tenant:
        strange = await failure(wire, f"https://localhost:{port}/")
        tenant.always["jwks"] = Step(body=b"x" * (128 * 1024 + 1))
        large = await failure(wire, f"{tenant.base}/jwks")
    assert (strange.reason, large.reason) == ("untrusted", "too_large")
    assert (strange.description, large.description, strange.status, large.status) == (TOLD, TOLD, 502, 502)


def test_trust_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """Misconfigured names the file: absent, or without a certificate."""
    (tmp_path / "empty.pem").write_text("nothing")
    for path in (tmp_path / "absent.pem", tmp_path / "empty.pem"):
        with pytest.raises(Misconfigured, match=path.name):
            Wire(issuer=LOCAL, trust=[str(path)])
        with pytest.raises(Misconfigured, match="trust"):
            Wire(issuer=LOCAL).admit("corp", trust=[str(path)])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_ss_05_rp_26_redirects_are_not_followed(status: int) -> None:
    """SS-05, RP-26: the answer is the redirect itself; neither secret nor code goes on."""
    async with Wire(issuer=LOCAL) as wire, listener() as (port, seen), ScriptedTenant() as tenant:
        step = Step(status, b"", {"Location": f"http://127.0.0.1:{port}/"})
        tenant.script["token"].append(step)
        tenant.script["jwks"].append(step)
        posted = await wire.send(
            HttpRequest(
                "POST",
                f"{tenant.base}/token",
                body=b"client_secret=x",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
        )
        got = await wire.send(HttpRequest("GET", f"{tenant.base}/jwks"))
        assert (posted.status, got.status) == (status, status)
        assert tenant.forms == [{"client_secret": "x"}]
    assert seen == []


async def test_ss_11_the_environment_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SS-11: no proxy and no netrc of somebody else's."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login evil password evil")
    async with Wire(issuer=LOCAL) as wire, listener() as (port, seen), ScriptedTenant() as tenant:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        await wire.send(HttpRequest("POST", f"{tenant.base}/token"))
        assert tenant.authorizations == [""]
    assert seen == []


async def test_ft_62_cookies_are_not_kept() -> None:
    """FT-62: what one answer sets, the next request does not carry."""

    async def two(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n")

    heads: list[bytes] = []
    async with Wire(issuer=LOCAL) as wire, listener(two) as (port, _):
        for _ in range(2):
            await wire.send(HttpRequest("GET", f"http://localhost:{port}/"))
    assert len(heads) == 2
    assert b"cookie" not in heads[1].lower()
    assert b"accept-encoding: identity" in heads[1].lower()


HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN: dict[str, tuple[Step, int]] = {
    "ft-38-reset": (Step(raw=b""), 502),
    "ft-38-cut-body": (Step(raw=HEAD + b"Content-Length: 100\r\n\r\n{"), 502),
    "ft-38-cut-head": (Step(raw=HEAD + b"Content-Le"), 502),
    "ft-38-cut-chunk": (Step(raw=HEAD + b"Transfer-Encoding: chunked\r\n\r\n50\r\n{"), 502),
    "ft-38-bad-chunk": (Step(raw=HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 502),
    "ft-38-bad-length": (Step(raw=HEAD + b"Content-Length: -5\r\n\r\n"), 502),
    "ft-38-no-http": (Step(raw=b"SSH-2.0-OpenSSH\r\n"), 502),
    "ft-38-drip": (Step(raw=HEAD + b"Content-Length: 500\r\n\r\n" + b"x" * 500, drip=0.05), 504),
    "ft-37-silent": (Step(hold=20), 504),
    "too-large": (Step(body=b"x" * 5000), 502),
    "ds-02-long-header": (Step(raw=HEAD + b"X: " + b"y" * 100_000 + b"\r\n\r\n"), 502),
    "gzip-bomb": (Step(body=gzip.compress(b"x" * 10_000_000)[:900], headers={"Content-Encoding": "gzip"}), 502),
    "unknown-coding": (Step(body=b"x", headers={"Content-Encoding": "br"}), 502),
}


@pytest.mark.parametrize(("step", "status"), BROKEN.values(), ids=list(BROKEN))
async def test_ft_38_a_broken_answer_is_one_error_and_one_post(step: Step, status: int) -> None:
    """FT-37, FT-38: cut, reset, slow, silent, too large, compressed: 502 or 504, in the same words; sent once."""
    async with Wire(issuer=LOCAL) as wire, ScriptedTenant() as tenant:
        tenant.always["token"] = step
        error = await failure(wire, f"{tenant.base}/token", method="POST", body=b"code=c", seconds=0.4, limit=4096)
        assert (error.status, error.description) == (status, TOLD)
        assert tenant.calls["token"] == 1


async def test_ft_37_a_slow_tenant_fills_its_own_places_only() -> None:
    """FT-37: twenty wait, the next hears "busy" at once, another tenant's call goes through."""
    async with Wire(issuer=LOCAL) as wire, ScriptedTenant() as slow, ScriptedTenant() as fast:
        slow.always["token"] = Step(hold=20)
        waiting = [
            asyncio.create_task(wire.send(HttpRequest("POST", f"{slow.base}/token", group="slow"))) for _ in range(20)
        ]
        await slow.wait_for("token", 20)
        busy = await failure(wire, f"{slow.base}/token", method="POST", group="slow")
        assert (busy.status, busy.reason) == (503, "busy")
        others = await asyncio.gather(
            *(wire.send(HttpRequest("GET", f"{fast.base}/jwks", group="fast")) for _ in range(20))
        )
        assert {one.status for one in others} == {200}
        slow.release()
        await asyncio.gather(*waiting)
        assert (await wire.send(HttpRequest("POST", f"{slow.base}/token", group="slow"))).status == 200


async def test_ft_37_the_node_has_a_bound_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """FT-37: many tenants together take no more than the node's places."""
    monkeypatch.setattr(wire_module, "PER_NODE", 3)
    async with Wire(issuer=LOCAL) as wire, ScriptedTenant() as tenant:
        tenant.always["token"] = Step(hold=20)
        waiting = [
            asyncio.create_task(wire.send(HttpRequest("POST", f"{tenant.base}/token", group=f"g{i}"))) for i in range(3)
        ]
        await tenant.wait_for("token", 3)
        assert (await failure(wire, f"{tenant.base}/jwks", group="g9")).reason == "busy"
        tenant.release()
        await asyncio.gather(*waiting)


async def test_lo_13_rg_09_clients_that_hang_leave_tenants_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """LO-13, RG-09, FT-37: clients of a kind together have so many places, however many they are; another kind and the
    tenants have theirs."""
    monkeypatch.setattr(wire_module, "PER_KIND", 3)
    async with Wire(issuer=LOCAL) as wire, ScriptedTenant() as slow, ScriptedTenant() as fast:
        slow.always["token"] = Step(hold=20)
        waiting = [
            asyncio.create_task(wire.send(HttpRequest("POST", f"{slow.base}/token", group=f"registered:{i}")))
            for i in range(3)
        ]
        await slow.wait_for("token", 3)
        assert (await failure(wire, f"{fast.base}/jwks", group="registered:9")).reason == "busy"
        for group in ("client:webapp", "registered-logout:1", "corp"):
            assert (await wire.send(HttpRequest("GET", f"{fast.base}/jwks", group=group))).status == 200
        slow.release()
        await asyncio.gather(*waiting)
        assert (await wire.send(HttpRequest("GET", f"{fast.base}/jwks", group="registered:9"))).status == 200


def test_the_kinds_together_leave_room() -> None:
    """FT-37: registered clients, declared ones, notices of logout and registrations, all hanging at once."""
    assert 2 * wire_module.PER_KIND + AT_ONCE + wire_module.PER_GROUP <= wire_module.PER_NODE * 4 // 5


async def test_rg_09_names_that_nobody_answers_for_hold_up_no_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """RG-09, LO-13: a client's name server that is silent holds no thread that others need."""
    gate, real = threading.Event(), socket.getaddrinfo

    def look_up(host: str, *rest: Any, **more: Any) -> Any:
        if host.endswith(".evil.example"):
            gate.wait(20)
        return real("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with Wire(issuer=LOCAL) as wire, listener() as (port, seen):
        asks = [HttpRequest("GET", f"http://a{i}.evil.example:{port}/", group=f"registered:{i}") for i in range(40)]
        monkeypatch.setattr(wire_module, "check_url", lambda url, issuer: None)
        waiting = [asyncio.create_task(wire.send(each)) for each in asks]
        await asyncio.sleep(0)
        for group in ("corp", "client:webapp", "client-logout:webapp"):
            answer = await wire.send(HttpRequest("GET", f"http://{group[:4]}.example:{port}/", seconds=3, group=group))
            assert answer.status == 200
        assert len(seen) == 3
        monkeypatch.setattr(wire_module, "PER_KIND", 40)  # calls may end while their lookups go on
        monkeypatch.setattr(wire, "_kinds", Counter())
        assert (await failure(wire, f"http://b.evil.example:{port}/", group="registered:b")).reason == "unreachable"
        gate.set()
        assert {each.status for each in await asyncio.gather(*waiting)} == {200}


@pytest.mark.parametrize(
    ("method", "good", "calls"), [("GET", True, 3), ("POST", False, 2)], ids=["ft-42-get", "ft-42-post"]
)
async def test_ft_42_a_stale_socket(method: str, good: bool, calls: int) -> None:
    """FT-42: a pooled socket that dies under a request: a GET is repeated once on a new one, a POST never."""
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answers in (True, len(heads) > 0):  # the first connection answers once, then dies under the second request
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            if len(heads) == 2 or not answers:
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with Wire(issuer=LOCAL) as wire, listener(handle) as (port, seen):
        url = f"http://127.0.0.1:{port}/"
        await wire.send(HttpRequest("GET", url))
        if good:
            assert (await wire.send(HttpRequest(method, url))).body == b"ok"
        else:
            assert (await failure(wire, url, method=method, body=b"")).status == 502
    assert len(heads) == calls
    assert len(seen) == calls - 1


async def test_ss_09_failures_look_alike(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """SS-09: forbidden, closed and no-HTTP ports have one text and one least delay; the log has no query."""
    monkeypatch.setattr(wire_module, "FLOOR_SECONDS", 7.0)
    waits: list[float] = []
    sleep = asyncio.sleep

    async def record(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        shut = closed.getsockname()[1]
    async with Wire(issuer=LOCAL) as wire, ScriptedTenant() as tenant:
        tenant.script["jwks"].append(Step(raw=b"220 mail\r\n"))
        monkeypatch.setattr(wire_module.asyncio, "sleep", record)
        urls = [f"{tenant.base}/jwks?secret=x", f"http://127.0.0.1:{shut}/?secret=x", "http://10.0.0.1/?secret=x"]
        errors = [await failure(wire, url) for url in urls]
        monkeypatch.undo()
    assert {(error.status, error.code, error.description) for error in errors} == {(502, "server_error", TOLD)}
    assert [error.reason for error in errors] == ["broken", "unreachable", "blocked"]
    assert len(waits) == 3
    assert min(waits) > 1.0
    assert "secret" not in caplog.text
    assert not any("secret" in str(vars(record)) for record in caplog.records)


async def test_ss_10_we_do_not_call_ourselves() -> None:
    """SS-10: our own address is refused, even on loopback."""
    async with listener() as (port, seen), Wire(issuer=f"http://127.0.0.1:{port}/") as wire:
        assert (await failure(wire, f"http://127.0.0.1:{port}/api/v2/")).reason == "blocked"
    assert seen == []


async def test_ft_59_a_caller_who_leaves_frees_the_place() -> None:
    """FT-59: cancelled calls leave no place taken, and closing the wire leaves no socket open."""
    async with Wire(issuer=LOCAL) as wire, ScriptedTenant() as tenant:
        tenant.always["token"] = Step(hold=20)
        waiting = [
            asyncio.create_task(wire.send(HttpRequest("POST", f"{tenant.base}/token", group="g"))) for _ in range(20)
        ]
        await tenant.wait_for("token", 20)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not wire._calls
        assert (await wire.send(HttpRequest("GET", f"{tenant.base}/jwks", group="g"))).status == 200

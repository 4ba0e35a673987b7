"""Connections to apps: addresses, names, sockets, TLS; refused, silent, untrusted, and where clouds keep secrets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.gateway.connecting import CannotConnect, Place, Way, place, refuse_metadata, share, trusting
from proxy.oidc.errors import Misconfigured
from tests.kit.listener import listening

HOST = "app.internal"


class End(asyncio.Protocol):
    """Our end of a connection: notes what comes."""

    def __init__(self) -> None:
        self.got = b""
        self.peer: Any = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.peer, self.wire = transport.get_extra_info("peername"), transport

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


def greeter(word: bytes = b"hello", **where: Any) -> AbstractAsyncContextManager[int]:
    """A server that says one word to everybody and hangs up; gives its port."""

    async def greet(_: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        out.write(word)

    return listening(greet, **where)


def soon(seconds: float = 10) -> float:
    """A deadline, as loop time."""
    return asyncio.get_running_loop().time() + seconds


async def heard(way: Way) -> bytes:
    """What the server at the other end says."""
    end = await way.open(End, soon())
    await asyncio.wait_for(end.lost.wait(), 10)
    return end.got


async def refusal(way: Way, seconds: float = 10) -> tuple[str, int]:
    """Why there is no connection."""
    with pytest.raises(CannotConnect) as failed:
        await way.open(End, soon(seconds))
    return failed.value.reason, failed.value.status


def leads(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """The system's look-ups give these answers, one after the other, the last one ever after; gives what was asked."""
    left, asked = list(answers), []

    async def look_up(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(0, 0, 0, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", Place("127.0.0.1:8080", "127.0.0.1", 8080)),
        ("http://app", Place("app", "app", 80)),
        ("https://app.internal", Place("app.internal", "app.internal", 443, tls=True)),
        ("https://[::1]:8443", Place("[::1]:8443", "::1", 8443, tls=True)),
        ("unix:/run/app.sock", Place("localhost", path="/run/app.sock")),
    ],
)
def test_a_place_is_what_the_route_names(url: str, expected: Place) -> None:
    """A default port by scheme; for a socket a Host that every app takes."""
    assert place(url) == expected


def test_attempts_share_the_time() -> None:
    """The first of two may take half of what is left, the last one all."""
    assert share(10, 12, 2) == 11
    assert share(11, 12, 1) == 12


async def test_an_address_a_name_and_a_socket_are_reached(tmp_path: Path) -> None:
    """Each way once, with real sockets."""
    async with greeter() as port, greeter(path=tmp_path / "app.sock"):
        assert await heard(Way(place(f"http://127.0.0.1:{port}"))) == b"hello"
        assert await heard(Way(place(f"http://localhost:{port}"))) == b"hello"
        assert await heard(Way(place(f"unix:{tmp_path}/app.sock"))) == b"hello"


async def test_nobody_there_is_502(tmp_path: Path) -> None:
    """Refused, no such socket, no such name, a name that is none."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert await refusal(Way(place(f"http://127.0.0.1:{closed.getsockname()[1]}"))) == ("unreachable", 502)
    assert await refusal(Way(place(f"unix:{tmp_path}/none.sock"))) == ("unreachable", 502)
    assert await refusal(Way(Place("", "a..b", 80))) == ("unreachable", 502)


async def test_a_name_that_leads_nowhere_is_502(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system's resolver raises, and no answer at all."""
    leads(monkeypatch, [])
    assert await refusal(Way(place("http://app.internal"))) == ("unreachable", 502)

    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    assert await refusal(Way(place("http://app.internal"))) == ("unreachable", 502)


async def test_silence_is_504() -> None:
    """A listener whose queue is full, and one that takes the connection but never shakes hands."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        name = silent.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(name)
            tls = Way(place(f"https://127.0.0.1:{name[1]}"), trusting(()))
            assert await refusal(tls, 0.1) == ("timeout", 504)
        finally:
            for one in waiting:
                one.close()


async def test_a_silent_name_server_is_504_and_holds_one_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait for a server's name, the system is asked once; whoever comes later is served."""
    answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
    asked = []

    async def silent(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        return await answer

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", silent)
    async with greeter() as port:
        way = Way(place(f"http://app.internal:{port}"))
        assert [await refusal(way, 0.01) for _ in range(3)] == [("timeout", 504)] * 3
        answer.set_result([(0, 0, 0, "", ("127.0.0.1", port))])
        assert await heard(way) == b"hello"
    assert asked == [HOST]


async def test_ft_41_a_server_that_moved_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """FT-41: names are looked up for each connection."""
    leads(monkeypatch, ["127.0.0.2"], ["127.0.0.3"])
    async with greeter(b"old", host="127.0.0.2") as port, greeter(b"new", host="127.0.0.3", port=port):
        way = Way(place(f"http://app.internal:{port}"))
        assert [await heard(way), await heard(way)] == [b"old", b"new"]


async def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with two addresses, of which the first refuses."""
    leads(monkeypatch, ["127.0.0.2", "127.0.0.3"])
    async with greeter(host="127.0.0.3") as port:
        assert await heard(Way(place(f"http://app.internal:{port}"))) == b"hello"


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fe80::1", "fe80::1%2", "::ffff:169.254.169.254",
     "64:ff9b::a9fe:a9fe"],
)  # fmt: skip
async def test_ss_06_a_name_that_leads_to_metadata(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """SS-06: refused after the look-up, also as one answer among good ones, before any connection."""
    for found in ([address], ["127.0.0.1", address]):
        leads(monkeypatch, found)
        assert await refusal(Way(place("http://metadata.google.internal"))) == ("blocked", 502)


@pytest.mark.parametrize("host", ["169.254.169.254", "0xa9fea9fe", "2852039166", "[fd00:ec2::254]"])
async def test_ss_06_metadata_by_number(host: str) -> None:
    """SS-06: in every way of writing the address that the system reads."""
    assert await refusal(Way(place(f"http://{host}/"))) == ("blocked", 502)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "100.100.1.1", "::1", "fd00::1", "1.1.1.1"]
)
def test_ss_06_nothing_else_is_refused(address: str) -> None:
    """The operator named the app: it may live where the tenants' calls may not go."""
    refuse_metadata([address])


async def test_ss_11_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SS-11: no proxy of the environment is used, no TLS keys are written where it says, no names file is read."""
    keys, authority = tmp_path / "keys", trustme.CA()
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    async with greeter() as port, greeter(tls=serving(authority, "127.0.0.1")) as tls:
        assert await heard(Way(place(f"http://127.0.0.1:{port}"))) == b"hello"
        assert await heard(Way(place(f"https://127.0.0.1:{tls}"), trusting([str(ca)]))) == b"hello"
    assert not keys.exists()


def serving(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """A server's side, with a certificate for ``name``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_tls_takes_the_right_certificate_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of an authority that the route trusts, and for the host that the operator named."""
    leads(monkeypatch, ["127.0.0.1"])
    authority, ca = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    async with (
        greeter(tls=serving(authority, HOST)) as right,
        greeter(tls=serving(authority, "else.internal")) as wrong,
    ):
        assert await heard(Way(place(f"https://{HOST}:{right}"), trusting([str(ca)]))) == b"hello"
        assert await refusal(Way(place(f"https://{HOST}:{wrong}"), trusting([str(ca)]))) == ("untrusted", 502)
        assert await refusal(Way(place(f"https://{HOST}:{right}"), trusting([]))) == ("untrusted", 502)


async def test_tls_asked_of_a_server_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that is no handshake."""
    leads(monkeypatch, ["127.0.0.1"])
    async with greeter(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        reason, status = await refusal(Way(place(f"https://{HOST}:{port}"), trusting([])))
    assert status == 502
    assert reason in ("no_tls", "unreachable")  # by which of its bytes and its end is seen first


async def test_old_tls_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing below 1.2 is spoken."""
    assert trusting(()).minimum_version == ssl.TLSVersion.TLSv1_2
    assert trusting(()).verify_mode == ssl.CERT_REQUIRED
    assert trusting(()).check_hostname


def test_a_trust_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """The operator hears which, and what to do."""
    with pytest.raises(Misconfigured, match=r"none\.pem"):
        trusting([str(tmp_path / "none.pem")])


async def test_who_gives_up_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that is cancelled while it waits for a handshake: the connection is closed."""
    ended = asyncio.Event()

    async def silent(far: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await far.read()
        ended.set()

    async with listening(silent) as port:
        opening = asyncio.create_task(Way(place(f"https://127.0.0.1:{port}"), trusting(())).open(End, soon()))
        await asyncio.sleep(0.05)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await asyncio.wait_for(ended.wait(), 10)

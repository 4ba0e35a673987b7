"""What an app gets and what its answers become, byte by byte: raw sockets on both sides of the real data path."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proxy.models import Session
from tests.downstream.world import PROFILE, a_session
from tests.gateway.on_the_wire import GW_COOKIE, head_of, on_the_wire
from tests.gateway.spellings import CONFIGURED, FORBIDDEN, HOP_BY_HOP, spellings

ADA = a_session()
OURS = {"x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-isthmus-assertion", "x-forwarded-proto",
        "x-forwarded-host", "x-forwarded-port", "x-forwarded-for", "x-real-ip", "forwarded", "x-request-id",
        "x-team"}  # fmt: skip


def every_spelling() -> Iterator[bytes]:
    """A header line for every spelling of every name."""
    for name in (*FORBIDDEN, *HOP_BY_HOP):
        yield from (spelled + b": EVIL" for spelled in spellings(name))


@pytest.mark.parametrize("path", ["/", "/public/x"])
async def test_gw_01_gw_02_no_spelling_reaches_the_app(path: str) -> None:
    """GW-01, GW-02, GW-06, GW-14, GW-30: every spelling of every name, with a session and on a public path."""
    async with on_the_wire(ADA, headers={"X-Team": "team"}) as wire:
        everything = list(every_spelling())
        for lines in (everything[at : at + 90] for at in range(0, len(everything), 90)):
            status, _ = await wire.send(b"X-Harmless: 1", *lines, path=path)
            assert status == 200
            assert b"EVIL" not in wire.app.heads[-1] and wire.app.named("x-harmless") == ["1"]
            names = {name.lower().decode() for name, _ in wire.app.headers()}
            assert names <= OURS | {"host", "x-harmless"}


async def test_gw_03_the_app_sees_one_of_each_and_it_is_ours() -> None:
    """GW-03: three times, empty, before and after others."""
    async with on_the_wire(ADA) as wire:
        await wire.send(
            b"X-Forwarded-User: admin", b"X-Forwarded-User:", b"x-forwarded-user: root", b"Forwarded: for=x"
        )
        assert wire.app.named("x-forwarded-user") == ["oidc|corp|ada"]
        assert len(wire.app.named("forwarded")) == 1 and wire.app.named("x-forwarded-for") == ["127.0.0.1"]


@pytest.mark.parametrize("preset", ["oauth2-proxy", "authelia", "cloudflare", "none"])
async def test_gw_04_what_is_absent_stays_absent(preset: str) -> None:
    """GW-04: of a person without groups, name and address no header comes through, whatever the client sends."""
    nobody: Session = a_session(profile={})
    async with on_the_wire(nobody, headers=preset) as wire:
        await wire.send(*(name.encode() + b": admins" for name in FORBIDDEN if name not in CONFIGURED))
        assert b"admins" not in wire.app.heads[-1]
        assert {name.lower().decode() for name, _ in wire.app.headers()} <= OURS | {
            "host", "remote-user", "cf-access-jwt-assertion"}  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: close, X-Forwarded-User",
        b"connection: x-forwarded-email, X-Isthmus-Assertion",
        b"Keep-Alive: X-Forwarded-User",
        b"Connection: close\r\nConnection: X-Forwarded-Groups, Host, X-Request-Id",
        b"Proxy-Connection: x-forwarded-user",
    ],
)
async def test_gw_05_connection_takes_nothing_of_ours_away(line: bytes) -> None:
    """GW-05: and is not passed on."""
    async with on_the_wire(ADA) as wire:
        await wire.send(line, b"X-Mine: 1")
        for name in ("x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-isthmus-assertion", "host"):
            assert len(wire.app.named(name)) == 1
        assert not wire.app.named("connection") and not wire.app.named("keep-alive")
        await wire.send(b"Connection: X-Mine", b"X-Mine: 1")
        assert not wire.app.named("x-mine")


async def test_gw_21_se_17_our_cookie_never_reaches_the_app() -> None:
    """GW-21, SE-17: in whatever place of the header; the app's own cookies pass byte for byte."""
    async with on_the_wire(ADA) as wire:
        for sent, left in (
            (GW_COOKIE, []),
            (b"a=1; " + GW_COOKIE + b"; b=2", ["a=1; b=2"]),
            (GW_COOKIE + b"\r\nCookie: a=1", ["a=1"]),
            (b"a=1; \xe2\x80\x80" + GW_COOKIE, ["a=1"]),
        ):
            await wire.send(b"Cookie: " + sent)
            assert wire.app.named("cookie") == left and b"xxxx" not in wire.app.heads[-1]


async def test_gw_34_trailers_are_dropped() -> None:
    """GW-34: of a request, and what announces them."""
    async with on_the_wire(ADA) as wire:
        chunked = b"3\r\nabc\r\n0\r\nX-Forwarded-User: admin\r\nX-Auth-User: admin\r\n\r\n"
        status, _ = await wire.send(b"Transfer-Encoding: chunked", b"Trailer: X-Auth-User", rest=chunked)
        assert status == 200 and not wire.app.named("trailer")
        assert wire.app.bodies == [b"3\r\nabc\r\n0\r\n\r\n"]


async def test_gw_31_a_claim_is_never_more_than_one_line() -> None:
    """GW-31: the bytes on the wire are ASCII, whatever the name."""
    async with on_the_wire(a_session(profile={**PROFILE, "name": "Zo\u00eb \u738b"}), headers="authelia") as wire:
        await wire.send()
        assert wire.app.heads[-1].isascii() and wire.app.named("remote-name") == ["Zo%C3%AB %E7%8E%8B"]


async def test_users_13_five_thousand_groups_go_to_an_app_with_room_for_eight_kilobytes() -> None:
    """users.md section 3, 13: the whole head is smaller than what such an app reads."""
    async with on_the_wire(a_session(profile={**PROFILE, "groups": [f"team-{n}" for n in range(5000)]})) as wire:
        await wire.send()
        assert len(wire.app.heads[-1]) < 8192
        assert wire.app.named("x-isthmus-claims-url") == ["https://app.example/.isthmus/claims"]


async def test_gw_22_gw_27_what_the_browser_gets() -> None:
    """GW-22, GW-27: raw, from the app to the client."""
    says = (
        b"Set-Cookie: __Host-isthmus-gateway-0a1b2c3d=EVIL; Path=/; Secure\r\n"
        b"Set-Cookie: a=b; Domain=.example; Path=/\r\n"
        b"X-Accel-Redirect: /EVIL\r\nX-Isthmus-Assertion: EVIL\r\nRemote-User: EVIL\r\n"
        b"Connection: X-Hop\r\nX-Hop: EVIL\r\nX-Request-Id: EVIL\r\n"
        b'Clear-Site-Data: "cookies", "cache"\r\nLocation: //elsewhere.example/\r\n'
    )
    async with on_the_wire(ADA) as wire:
        head = await head_of(wire, says)
        assert b"EVIL" not in head
        assert b"Set-Cookie: a=b; Path=/\r\n" in head and b'Clear-Site-Data: "cache"\r\n' in head
        assert b"Location: //elsewhere.example/\r\n" in head
        assert b"Cache-Control: private\r\n" in head and b"Vary: Cookie, Authorization\r\n" in head
        assert b"Cache-Control: private" not in await head_of(wire, b"Cache-Control: no-cache\r\n")

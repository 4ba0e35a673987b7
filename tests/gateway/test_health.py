"""Checks of the apps' servers, on real sockets: what is well, what is not, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.gateway import health
from proxy.gateway.connecting import Way, place
from proxy.gateway.health import Health, is_well
from proxy.gateway.upstreams import Pooled, Upstreams
from proxy.models.route import Route
from proxy.telemetry import metrics
from tests.kit.listener import listening
from tests.kit.waiting import eventually

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@asynccontextmanager
async def app(answer: bytes, hold: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Gives this answer to everybody; with ``hold`` it does not hang up. Gives its address and what it was asked."""
    asked: list[bytes] = []

    async def serve(near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        asked.append(await near.readuntil(b"\r\n\r\n"))
        out.write(answer)
        if hold:
            await near.read()

    async with listening(serve) as port:
        yield f"http://127.0.0.1:{port}", asked


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (OK, True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", True),
        (b"HTTP/1.1 200\r\n\r\n", True),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", False),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", False),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"HTTP/2.0 200 OK\r\n\r\n", False),
        (b"HTTP/1.1 2000 OK\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False),
        (b"HTTP/1.1 200 OK", False),
        (b"x" * 5000, False),
        (b"", False),
    ],
)
async def test_what_is_well(answer: bytes, well: bool) -> None:
    """By the status alone; SS-05: a redirect is a sign of life, and is not followed."""
    async with app(answer) as (url, asked):
        assert await is_well(Way(place(url)), "app.example.com", "/up") is well
    assert asked[0].startswith(b"GET /up HTTP/1.1\r\nHost: app.example.com\r\n")
    assert len(asked) == 1


async def test_an_answer_is_enough_without_an_end() -> None:
    """A body that never ends is not waited for."""
    async with app(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", hold=True) as (url, _):
        assert await is_well(Way(place(url)), "app.example.com", "/up")


async def test_silence_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the time for it."""
    monkeypatch.setattr(health, "WITHIN_SECONDS", 0.1)
    async with app(b"", hold=True) as (url, _):
        assert not await is_well(Way(place(url)), "app.example.com", "/up")


async def test_nobody_there_is_not_well() -> None:
    """Refused."""
    assert not await is_well(Way(place("unix:/nonexistent/app.sock")), "app.example.com", "/up")


async def test_a_server_is_put_aside_until_it_is_well_again() -> None:
    """And the gauge says how many are up."""
    async with app(OK) as (good, _), app(b"HTTP/1.1 503 Busy\r\n\r\n") as (bad, asked):
        route = Route(host="app.example.com", upstream=(bad, good), health_path="/up", name="checked")
        made: Upstreams[Pooled] = Upstreams(lambda _: Pooled(), [route])
        sick, sound = made.of(route).all
        await Health(made).look()
        assert (sick.usable(0), sound.usable(0)) == (False, True)
        assert b'isthmus_gateway_servers_up{route="checked"} 1.0' in metrics.page()
        assert len(asked) == 1
    async with app(OK) as (good, _), app(OK) as (better, _):
        sick.way, sound.way = Way(place(good)), Way(place(better))
        await Health(made).look()
        assert sick.usable(0)
        assert b'isthmus_gateway_servers_up{route="checked"} 2.0' in metrics.page()


async def test_the_app_is_asked_by_its_public_name_unless_it_never_hears_that() -> None:
    """As requests are."""
    async with app(OK) as (url, asked):
        for keep in (True, False):
            route = Route(host="app.example.com", upstream=(url,), health_path="/up", preserve_host=keep)
            await Health(Upstreams(lambda _: Pooled(), [route])).look()
    assert b"Host: app.example.com\r\n" in asked[0]
    assert f"Host: {url.removeprefix('http://')}\r\n".encode() in asked[1]


async def test_it_goes_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round after the other, until it is cancelled."""
    monkeypatch.setattr(health, "EVERY_SECONDS", 0)
    async with app(OK) as (url, asked):

        async def often() -> bool:
            return len(asked) > 2

        made = Upstreams(lambda _: Pooled(), [Route(host="a.example.com", upstream=(url,), health_path="/up")])
        task = asyncio.create_task(Health(made).run())
        await eventually(often)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

"""The way down: nothing that began is lost, and nothing takes for ever."""

from __future__ import annotations

import asyncio

from aiohttp import web

from proxy.web.limits import Capacity
from proxy.web.runner import Farewell, Runner, Serving, go_down, listen
from tests.kit.serving_site import HOST, Knock, answered, socket_on_loopback, until


async def running(handler: object, farewell: Farewell) -> Knock:
    """A runner on a free port that the test takes down itself."""
    site = web.Application()
    site.router.add_route("*", "/", handler)  # type: ignore[arg-type]
    sock = socket_on_loopback()
    port = sock.getsockname()[1]
    issuer = f"http://{HOST}:{port}/"
    runner = Runner(site, Serving(issuer, farewell=farewell, capacity=Capacity(deadline=2)))
    await runner.setup()
    await listen(runner, sock)
    return Knock(port, runner, issuer)


async def test_ft_22_drain_loses_no_request() -> None:
    """Requests before, during and at the end of the drain are all answered; then nobody listens (FT-22, P6)."""
    go, started = asyncio.Event(), 0

    async def slow(_: web.Request) -> web.Response:
        nonlocal started
        started += 1
        await go.wait()
        return web.Response(text="done")

    site = await running(slow, Farewell(drain=0.3, pause=0.1, finish=10, hard=10))
    steps: list[str] = []
    before = [asyncio.create_task(site.ask()) for _ in range(20)]
    await until(lambda: started == 20)
    down = asyncio.create_task(go_down(site.runner, lambda: steps.append("unready"), asyncio.Event()))
    await until(lambda: site.runner.gate.draining)
    during = asyncio.create_task(site.ask(headers={"Connection": "keep-alive"}))
    await until(lambda: started == 21)
    await until(lambda: not site.runner.sites)
    go.set()
    answers = await asyncio.gather(*before, during)
    await down
    assert [answer.status for answer in answers] == [200] * 21
    assert answers[-1].header("Connection") == "close"
    assert steps == ["unready"]


async def test_ft_22_a_body_under_way_still_arrives() -> None:
    """The rest of a request's body is taken in until the very end: whoever began to send it is answered (FT-22)."""
    begun = asyncio.Event()

    async def reads(request: web.Request) -> web.Response:
        begun.set()
        return web.Response(text=await request.text())

    site = await running(reads, Farewell(drain=0, pause=0, finish=10, hard=10))
    reader, writer = await asyncio.open_connection(HOST, site.port)
    writer.write(f"POST / HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 6\r\n\r\nabc".encode())
    await begun.wait()
    down = asyncio.create_task(go_down(site.runner, lambda: None, asyncio.Event()))
    (connection,) = site.runner.server.connections  # type: ignore[union-attr]
    await until(lambda: connection._close)
    writer.write(b"def")
    async with asyncio.timeout(10):
        assert answered(await reader.read()).body == b"abcdef"
        await down
    writer.close()


async def test_ft_22_a_second_signal_cuts_the_waiting_short() -> None:
    """Whoever insists does not wait for the drain, nor for what runs (FT-22)."""
    begun = asyncio.Event()

    async def stuck(_: web.Request) -> web.Response:
        begun.set()
        await asyncio.Event().wait()
        return web.Response()

    site = await running(stuck, Farewell(drain=100, pause=100, finish=100, hard=100))
    asking = asyncio.create_task(site.ask())
    await begun.wait()
    hurry = asyncio.Event()
    down = asyncio.create_task(go_down(site.runner, lambda: None, hurry))
    hurry.set()
    async with asyncio.timeout(10):
        await down
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await site.runner.cleanup()


async def test_ft_22_the_hard_stop_bounds_it_all() -> None:
    """A request that never ends does not keep the process (FT-22)."""
    begun = asyncio.Event()

    async def stuck(_: web.Request) -> web.Response:
        begun.set()
        await asyncio.Event().wait()
        return web.Response()

    site = await running(stuck, Farewell(drain=0, pause=0, finish=0.05, hard=0.3))
    asking = asyncio.create_task(site.ask())
    await begun.wait()
    async with asyncio.timeout(10):
        await go_down(site.runner, lambda: None, asyncio.Event())
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

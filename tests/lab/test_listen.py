"""Sockets on loopback, and applications on them for a while."""

from __future__ import annotations

from contextlib import closing

import aiohttp
import pytest
from aiohttp import web

from proxy.lab.listen import listen, port_of, serving


def test_a_taken_port_is_no_obstacle() -> None:
    """The port that was wanted, or another one if somebody listens there."""
    with closing(listen()) as first:
        wanted = port_of(first)
        with closing(listen(wanted)) as second:
            assert port_of(second) not in (0, wanted)
    with closing(listen(wanted)) as again:
        assert port_of(again) == wanted


def test_it_stays_on_loopback() -> None:
    """Nobody on another machine reaches it."""
    with closing(listen()) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"


async def test_an_application_is_served_while_the_block_runs() -> None:
    """It answers inside the block and not after it."""
    app = web.Application()
    sock = listen()
    url = f"http://127.0.0.1:{port_of(sock)}/"
    async with aiohttp.ClientSession() as http:
        async with serving(app, sock), http.get(url) as answer:
            assert answer.status == 404
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get(url)

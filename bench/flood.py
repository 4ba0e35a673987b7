"""Requests through a gateway, as many as one likes, cheap to make: ready bytes, and answers whose length is counted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import cast

from bench.load import WentWrong

PATIENCE = 120.0
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
    "Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Cache-Control": "max-age=0",
    "Upgrade-Insecure-Requests": "1",
    "sec-ch-ua": '"Chromium";v="131", "Not_A Brand";v="24"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
"""What a browser sends with every request, beside Host, Cookie and Referer."""


def request(target: str, netloc: str, headers: dict[str, str]) -> bytes:
    """The bytes of a GET with a browser's headers and these."""
    sent = {"Host": netloc, **BROWSER, "Referer": f"http://{netloc}/an/earlier/page?with=query", **headers}
    return "\r\n".join(
        [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
    ).encode()


class _Asking(asyncio.Protocol):
    """One connection: one request after the other, as long as there are any. ``left`` is how much of the answer's body
    is to come, None before it begins and between two."""

    def __init__(self, requests: Iterator[bytes], size: int) -> None:
        self.requests, self.size = requests, size
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.head, self.left, self.over = b"", cast("int | None", None), False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        if self.left is None:
            self.head += data
            head, ended, data = self.head.partition(b"\r\n\r\n")
            if not ended:
                return
            if head[9:12] != b"200":
                self._fail(f"answered {head[:300]!r}")
            self.head, self.left = b"", self.size
        self.left -= len(data)
        if self.left == 0:
            self.left = None
            self._next()

    def _next(self) -> None:
        one = next(self.requests, None)
        if one is None:
            self.over = True
            self.wire.close()
        else:
            self.wire.write(one)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over:
            self._fail(f"hung up: {exc}")
        elif not self.done.done():
            self.done.set_result(None)

    def _fail(self, words: str) -> None:
        if not self.done.done():
            self.done.set_exception(WentWrong(f"the gateway {words}"))


async def flood(netloc: str, requests: list[bytes], size: int, times: int, at_once: int) -> None:
    """``times`` requests, these in turns, over ``at_once`` connections; each answer is 200 and has ``size`` bytes.
    Raises ``WentWrong``."""
    loop, (host, _, port) = asyncio.get_running_loop(), netloc.partition(":")
    left = itertools.islice(itertools.cycle(requests), times)
    asking = [(await loop.create_connection(lambda: _Asking(left, size), host, int(port)))[1] for _ in range(at_once)]
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(one.done for one in asking))
    finally:
        for one in asking:
            one.wire.abort()

"""The app behind the gateway while it is measured: ``/small`` is eleven bytes, ``/big`` a mebibyte, for any request
without a body. It speaks just enough HTTP, since it shares its core with the load.

    python -m bench.pages PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

SMALL, BIG = 11, 1 << 20
ANSWERS = {
    name: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size)
    for name, size in ((b"GET /small ", SMALL), (b"GET /big HT", BIG))
}


class Pages(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire, self.got = cast("asyncio.Transport", transport), b""

    def data_received(self, data: bytes) -> None:
        self.got += data
        if self.got.endswith(b"\r\n\r\n"):
            self.wire.write(ANSWERS[self.got[:11]])
            self.got = b""


async def main(port: int) -> None:
    """Listen until ended."""
    server = await asyncio.get_running_loop().create_server(Pages, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))

"""A bare aiohttp server: one handler that answers two bytes. What an exchange costs before anything is done in it.

python -m bench.yardstick PORT
"""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web

from bench.tenant import serve


async def answer(_: web.Request) -> web.Response:
    """Two bytes."""
    return web.Response(text="ok")


if __name__ == "__main__":
    bare = web.Application()
    bare.router.add_get("/", answer)
    uvloop.run(serve(bare, int(sys.argv[1])))

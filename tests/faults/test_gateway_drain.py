"""The real command is told to go while apps are being used through its gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.kit.echo_app import echo_app
from tests.kit.invariants import check_log
from tests.kit.isthmus import connection
from tests.kit.valkey import Valkey, free_port
from tests.kit.waiting import eventually
from tests.kit.whole import served

HOST = "127.0.0.1"


@pytest.mark.timeout(90)
@pytest.mark.parametrize("workers", [1, 2])
async def test_ft_22_ft_23_what_is_under_way_ends_well_and_what_has_no_end_is_ended(
    tmp_path: Path, server: Valkey, workers: int
) -> None:
    """FT-22, FT-23: twenty slow requests are answered, on connections that then close; WebSockets hear 1001;
    exit 0, and nothing left open or unsaid."""
    port = free_port()
    async with echo_app() as app:
        route = {"host": HOST, "upstream": app.url, "public_paths": ["/poll", "/socket"], "websocket": True}
        tables = {
            "gateway": {"port": port, "routes": [route]},
            "connections": [connection("corp", "http://localhost:9/", "front_channel", ("gateway",))],
        }
        redis = f"redis://127.0.0.1:{server.port}/{workers}"
        async with served(tmp_path, redis=redis, workers=workers, **tables) as node:
            await node.becomes(200)
            lines = [await asyncio.open_connection(HOST, port) for _ in range(26)]
            for number, (_, out) in enumerate(lines):
                path, more = "poll", ""
                if number >= 20:
                    path, more = (
                        "socket",
                        f"Upgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://{HOST}:{port}\r\n",
                    )
                    more += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                out.write(f"GET /{path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n{more}\r\n".encode())
            for near, _ in lines[20:]:
                assert (await near.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")

            async def asked() -> bool:
                return len(app.heads) == 26

            await eventually(asked)
            node.tell()
            await node.becomes(0, "/healthz")  # nobody is let in any more
            app.go_on.set()
            for near, out in lines[:20]:
                raw = await asyncio.wait_for(near.read(), 20)
                assert raw.startswith(b"HTTP/1.1 200 ") and b"\r\nConnection: close\r\n" in raw
                out.close()
            for near, out in lines[20:]:
                raw = await asyncio.wait_for(near.read(), 20)
                assert raw[:1] == b"\x88" and raw[2:4] == (1001).to_bytes(2)
                out.close()
            assert await node.ended(30) == 0
        check_log(node.said, ())
        assert node.err.read_text() == ""

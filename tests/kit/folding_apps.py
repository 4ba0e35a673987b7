"""Apps that fold header names as CGI does, a WSGI app on wsgiref and a PHP page: both answer with their environment."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.kit.valkey import free_port
from tests.kit.waiting import eventually

PAGE = """<?php
header("Content-Type: application/json");
$said = array_filter($_SERVER, fn($value) => is_string($value));
$body = json_encode($said + ["COOKIES" => implode(" ", array_keys($_COOKIE))], JSON_INVALID_UTF8_SUBSTITUTE);
header("Content-Length: " . strlen($body));
echo $body;
"""


def environment(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """The WSGI app."""
    said = {name: value for name, value in environ.items() if isinstance(value, str)}
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(said).encode("ascii")]


class Silent(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@asynccontextmanager
async def wsgi_app() -> AsyncIterator[int]:
    """Its port."""
    server = make_server("127.0.0.1", 0, environment, handler_class=Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


@asynccontextmanager
async def php_app(folder: Path) -> AsyncIterator[int]:
    """Its port."""
    page, port = folder / "page.php", free_port()
    page.write_text(PAGE)
    process = await asyncio.create_subprocess_exec(
        shutil.which("php") or "php", "-S", f"127.0.0.1:{port}", str(page),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    async def answers() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await eventually(answers)
        yield port
    finally:
        process.kill()
        await process.wait()


async def raw(port: int, request: bytes) -> tuple[int, bytes]:
    """Send a request as it is on a connection of its own; the status and the body of what comes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1] or b"0"), body

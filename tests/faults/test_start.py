"""The real command starts, or says in one line why not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.kit.invariants import check_log
from tests.kit.isthmus import connection
from tests.kit.plain_app import CLIENT, PlainApp
from tests.kit.valkey import free_port, valkey
from tests.kit.whole import command, served


async def test_ft_27_the_store_comes_later(tmp_path: Path) -> None:
    """FT-27: with Redis down the process stays up, alive and not ready; when Redis comes, it becomes ready."""
    with valkey(tcp=True) as later:
        later.stop()
        async with served(tmp_path, redis=later.url) as node:
            await node.becomes(200, "/healthz")
            assert await node.status("/readyz") == 503
            assert await node.status("/.well-known/openid-configuration") == 200
            later.start()
            await node.becomes(200)
            assert await node.status("/.well-known/jwks.json") == 200
            node.tell()
            assert await node.ended() == 0
        check_log(node.said, ())


async def test_ft_27_a_tenant_that_is_down_keeps_nobody_from_starting(tmp_path: Path) -> None:
    """FT-27: with the tenant down the server starts and is ready; only that login fails, with a page."""
    way = connection("corp", f"http://127.0.0.1:{free_port()}/", "back_channel")
    async with served(tmp_path, connections=[way], clients=[CLIENT]) as node:
        await node.becomes(200)
        async with PlainApp(f"http://127.0.0.1:{node.port}/") as app:
            told = await app.ask(app.begin().url)
            assert told.status == 502
            assert "login service" in told.text
        node.tell()
        assert await node.ended() == 0
    check_log(node.said, ())


BAD = {
    "an unknown key": '[tenant]\nissuer = "http://127.0.0.1:9000/"\nisuer = "x"\n',
    "no toml": "[tenant\n",
    "a wrong type": '[tenant]\nissuer = "http://127.0.0.1:9000/"\n[server]\nport = "x"\n',
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
async def test_ft_27_a_bad_configuration_is_one_line(text: str, tmp_path: Path) -> None:
    """FT-27: one mistake, status 2, and one line that names the file."""
    file = tmp_path / "isthmus.toml"
    file.write_text(text)
    async with command(tmp_path, "serve", "--config", str(file)) as started:
        assert await started.ended() == 2
    said = started.err.read_text()
    assert said.count("\n") == 1, said
    assert str(file) in said
    assert started.out.read_text() == ""


async def test_ft_27_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """FT-27: an address that is taken: status 2, and one line that says which."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with served(tmp_path, port=port) as started:
            assert await started.ended() == 2
        said = started.err.read_text()
    assert said.count("\n") == 1, said
    assert "server.port" in said
    assert str(port) in said

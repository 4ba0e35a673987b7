"""``isthmus gateway-config``: the files, where they go, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.gateway.servers import SERVERS
from tests.cli.conftest import Run, configure

ROUTE = """
[gateway]
port = 9003
[[gateway.routes]]
host = "127.0.0.1:9005"
name = "wiki"
upstream = "http://127.0.0.1:9004"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration with one route."""
    return configure(tmp_path, tail=ROUTE)


@pytest.mark.parametrize("server", SERVERS)
def test_a_configuration_is_printed(run: Run, file: Path, server: str) -> None:
    """On standard output, with the address that is asked and the one of the app."""
    said = run("gateway-config", server, "--config", file)
    assert said.status == 0, said.err
    assert (
        "isthmus gateway-config" in said.out and "127.0.0.1" in said.out and "9003" in said.out and "9004" in said.out
    )


def test_haproxys_lua_is_printed_alone(run: Run, file: Path) -> None:
    """The file that asks."""
    said = run("gateway-config", "haproxy", "--lua", "--config", file)
    assert said.status == 0 and "core.register_action" in said.out and "backend" not in said.out


def test_the_files_are_written(run: Run, file: Path, tmp_path: Path) -> None:
    """Both of HAProxy's; their paths are told."""
    said = run("gateway-config", "haproxy", "--output", tmp_path, "--config", file)
    assert said.status == 0 and said.out.split() == [str(tmp_path / name) for name in SERVERS["haproxy"]]
    assert "lua-load" in (tmp_path / "haproxy.cfg").read_text()


def test_another_address_and_the_cached_form(run: Run, file: Path) -> None:
    """``--isthmus`` says where the server asks, ``--cached`` that it keeps answers."""
    said = run("gateway-config", "nginx", "--cached", "--isthmus", "http://10.0.0.7:9003", "--config", file)
    assert said.status == 0 and "server 10.0.0.7:9003;" in said.out and "proxy_cache isthmus" in said.out


@pytest.mark.parametrize(
    "words",
    [
        ("apache",),
        ("caddy", "--cached"),
        ("nginx", "--lua"),
        ("nginx", "--route", "none"),
        ("nginx", "--isthmus", "https://isthmus"),
        ("nginx", "--output", "/nowhere/at/all"),
        (),
    ],
)
def test_bad_input_is_one_clear_line(run: Run, file: Path, words: tuple[str, ...]) -> None:
    """Status 2, no traceback, nothing on standard output."""
    said = run("gateway-config", *words, "--config", file)
    assert said.status == 2 and len(said.err.splitlines()) == 1 and not said.out

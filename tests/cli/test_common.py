"""What commands share."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

from proxy.cli.common import RED, configuration, open_store, painted, plain, some_at_a_time, table
from proxy.oidc.errors import Misconfigured
from proxy.store import key
from proxy.store.embedded import EmbeddedServer, running_socket
from proxy.wire import PER_NODE
from tests.cli.conftest import configure

THING = key("thing", "one")


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them() -> None:
    """Not for files, and not with NO_COLOR; the words are there in any case."""
    assert painted("no", RED, Terminal(), {}) == "\x1b[31mno\x1b[0m"
    assert painted("no", RED, Terminal(), {"NO_COLOR": "1"}) == "no"
    assert painted("no", RED, io.StringIO(), {}) == "no"


def test_rows_stand_in_columns() -> None:
    """And a value with a line break in it stays one row."""
    assert table([("A", "B"), ("long", "x\ny")]) == "A     B\nlong  x y"


async def test_a_command_starts_the_embedded_server_if_none_runs(tmp_path: Path) -> None:
    """What one command wrote the next one reads, and no server stays behind."""
    settings = configuration(configure(tmp_path))
    async with open_store(settings) as store:
        await store.put(THING, {"n": 1}, 60)
    assert running_socket(settings.server.data_dir) is None
    async with open_store(settings) as store:
        record = await store.get(THING)
    assert record is not None
    assert record.value == {"n": 1}


async def test_a_command_uses_the_server_that_runs(tmp_path: Path) -> None:
    """Beside a running ``serve`` it speaks to the same store, and leaves it running."""
    settings = configuration(configure(tmp_path))
    async with EmbeddedServer(settings.server.data_dir) as server:
        async with open_store(settings) as store:
            await store.put(THING, {"n": 2}, 60)
        assert running_socket(settings.server.data_dir) == server.socket_path


def test_a_missing_file_is_the_operators_mistake(tmp_path: Path) -> None:
    """Told like any other."""
    with pytest.raises(Misconfigured, match="--config or ISTHMUS_CONFIG"):
        configuration(tmp_path / "none.toml")


@pytest.mark.parametrize("evil", ["\x1b]0;owned\x07", "\x9b31m", "\u202egpj", "\x7f", "\ud800", "a\r\nb"])
def test_mg_13_what_others_say_does_not_reach_the_terminal_as_orders(evil: str) -> None:
    """MG-13: a tenant's or a client's words with terminal codes in them are shown as their escapes, in one line."""
    assert plain(evil).isprintable() and table([(evil, "x")]).isprintable()
    assert plain("Grüße, 日本 ✓") == "Grüße, 日本 ✓"


async def test_many_tenants_are_asked_some_at_a_time() -> None:
    """The way out has places for 200 calls, and tells the next one that it is busy: that would be a red mark."""
    under_way, most = 0, 0

    async def work(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return number * 2

    assert await some_at_a_time(work, range(1000)) == [number * 2 for number in range(1000)]
    assert 1 < most < PER_NODE / 2

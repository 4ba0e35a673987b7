"""What stands at the door of the site: the gateway is such a thing, and a site without one has none."""

from __future__ import annotations

import inspect
from pathlib import Path

from proxy.gateway.reverse_proxy import ReverseProxy
from proxy.store.memory import MemoryStore
from proxy.web.porch import PORCH, Porch
from tests.kit.isthmus import connection, isthmus

METHODS = [name for name in vars(Porch) if not name.startswith("_")]
ROUTE = {"host": "127.0.0.1", "upstream": "http://127.0.0.1:9004"}
CORP = connection("corp", "http://127.0.0.1:9/", "back_channel", ("gateway",))


def test_the_gateway_can_all_that_is_asked_of_it() -> None:
    """Under the same names, with the same arguments."""
    assert len(METHODS) == 8
    for name in METHODS:
        asked, found = (inspect.signature(getattr(each, name)).parameters for each in (Porch, ReverseProxy))
        assert list(asked) == list(found), name


async def test_a_site_brings_one_only_with_routes(tmp_path: Path) -> None:
    """Without routes to apps nothing stands before it."""
    async with isthmus(tmp_path, MemoryStore()) as node:
        assert PORCH not in node.site
    async with isthmus(tmp_path, MemoryStore(), connections=[CORP], gateway={"routes": [ROUTE], "port": 0}) as node:
        assert isinstance(node.site[PORCH], ReverseProxy)

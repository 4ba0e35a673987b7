"""Signing keys are rotated and revoked by the real command while the real server runs on its embedded store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt

from proxy.lab.browser import Browser
from proxy.store.embedded import running_socket
from tests.kit.invariants import check_log, check_store
from tests.kit.isthmus import connection
from tests.kit.moody import moody
from tests.kit.plain_app import CLIENT, PlainApp, arrived, stop_at_the_app
from tests.kit.valkey import Valkey, free_port
from tests.kit.waiting import eventually
from tests.kit.whole import MIRA, Command, command, served


async def keys(directory: Path, node: Command, *words: str) -> list[dict[str, Any]]:
    """``isthmus keys WORDS`` beside a running node: what it shows."""
    asking = ("keys", *words, "--json", "--config", node.config)
    async with command(directory, *asking, environ=node.environ) as asked:
        assert await asked.ended() == 0, asked.said
    found: list[dict[str, Any]] = json.loads(asked.out.read_text())
    return found


async def published(app: PlainApp) -> set[str]:
    """The ids in the key set."""
    return {key["kid"] for key in (await app.ask(".well-known/jwks.json")).json["keys"]}


async def verified(app: PlainApp, token: str) -> bool:
    """Whether a client that reads our key set now accepts an ID token."""
    known = {k["kid"]: k for k in (await app.ask(".well-known/jwks.json")).json["keys"]}
    kid = jwt.get_unverified_header(token)["kid"]
    if kid not in known:
        return False
    jwt.decode(token, jwt.PyJWK(known[kid]), algorithms=["RS256"], audience="webapp", issuer=app.issuer)
    return True


async def test_ft_45_ft_46_keys_change_under_a_running_server(tmp_path: Path) -> None:
    """FT-45, FT-46: after a rotation the new key is published and tokens of before verify; a revoked key leaves the set
    within seconds, its tokens verify no more, opaque tokens and sessions live on, and the heir signs."""
    port = free_port()
    async with moody() as tenant, Browser() as browser, PlainApp(f"http://127.0.0.1:{port}/") as app:
        tenant.know(app.issuer)
        way = connection("corp", tenant.issuer, "back_channel")
        async with served(tmp_path, port=port, connections=[way], clients=[CLIENT]) as node:
            await node.becomes(200)

            async def log_in() -> dict[str, Any]:
                trip = app.begin()
                tab = await stop_at_the_app(browser).open(trip.url)
                if not arrived(tab):
                    await tab.click(MIRA.name)
                return (await app.redeem(trip, arrived(tab)["code"])).json

            before = await log_in()
            first = await published(app)
            entries = await keys(tmp_path, node, "rotate")
            rotated = {key["kid"]: (key["alg"], key["state"]) for key in entries}

            async def shows_all() -> bool:
                return await published(app) == set(rotated)

            await eventually(shows_all, within=15)
            assert len(rotated) == len(first) + 2  # one for each algorithm
            assert await verified(app, before["id_token"])
            current = next(kid for kid, state in rotated.items() if state == ("RS256", "current"))
            assert jwt.get_unverified_header((await log_in())["id_token"])["kid"] == current
            await keys(tmp_path, node, "revoke", current)

            async def is_gone() -> bool:
                return current not in await published(app)

            await eventually(is_gone, within=15)
            assert not await verified(app, before["id_token"])
            after = await log_in()
            assert jwt.get_unverified_header(after["id_token"])["kid"] != current
            assert await verified(app, after["id_token"])
            assert (await app.userinfo(before["access_token"])).status == 200
            socket = running_socket(tmp_path / "var")
            assert socket is not None
            check_store(Valkey(socket), app.secrets)
            node.tell()
            assert await node.ended() == 0
        check_log(node.said, app.secrets)
    assert running_socket(tmp_path / "var") is None

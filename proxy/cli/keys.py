"""``isthmus keys``: the keys that sign our tokens. A running server sees a change within seconds."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from proxy.cli.common import Config, Json, configuration, instant, noted, open_store, table
from proxy.oidc.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from proxy.downstream.keys import KeyRing
    from proxy.downstream.ring import Entry

    Work = Callable[[KeyRing], Awaitable[Sequence[Entry]]]


def list_keys(*, json: Json = False, config: Config = None) -> int:
    """Show every signing key: next, current, previous or revoked, its algorithm, and since when.

    Example: isthmus keys list --json
    """
    return _run(config, json, lambda ring: ring.entries(time.time()))


def rotate(
    *,
    alg: Annotated[str | None, Parameter(help="Rotate the keys of this algorithm alone.")] = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Let the next key of each algorithm take over once every client can know it, and publish a new next one.

    While a rotation is still ahead, another changes nothing.
    Example: isthmus keys rotate --alg PS256
    """

    async def work(ring: KeyRing) -> Sequence[Entry]:
        try:
            return await ring.rotate(time.time(), alg)
        except KeyError:
            on = ", ".join(ring.algorithms)
            raise Misconfigured(Problem("keys", "--alg", f"must be from keys.algorithms: {on}")) from None

    status = _run(config, json, work)
    noted("keys_rotated", operator="isthmus keys", alg=alg or "all")
    return status


def revoke(
    kid: Annotated[str, Parameter(help="The key's id, as the list shows it.")],
    /,
    *,
    json: Json = False,
    config: Config = None,
) -> int:
    """Take a key out at once: nothing it signed is valid any more. If it was the current one, the next of its algorithm
    takes over.

    Example: isthmus keys revoke KID
    """

    async def work(ring: KeyRing) -> Sequence[Entry]:
        try:
            return await ring.revoke(kid, time.time())
        except KeyError:
            raise Misconfigured(Problem("keys", "KID", "there is no such key; see isthmus keys list")) from None

    status = _run(config, json, work)
    noted("key_revoked", operator="isthmus keys", kid=kid)
    return status


def _run(config: Path | None, as_json: bool, work: Work) -> int:
    """Do ``work`` with the rings in the store, and show what is there afterwards."""
    from proxy.downstream.keys import KeyRing

    settings = configuration(config)

    async def go() -> Sequence[Entry]:
        async with open_store(settings) as store:
            return await work(KeyRing(store, algorithms=settings.keys.algorithms))

    entries = asyncio.run(go())
    print(json.dumps([asdict(entry) for entry in entries], indent=2) if as_json else _shown(entries))
    return 0


def _shown(entries: Sequence[Entry]) -> str:
    rows = [(entry.state, entry.kid, entry.alg, instant(entry.since)) for entry in entries]
    return table([("STATE", "KID", "ALG", "SINCE"), *rows])

"""``isthmus clients token``: initial access tokens, with which applications register themselves (RFC 7591 3)."""

from __future__ import annotations

import asyncio
import json as jsons
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter

from proxy.cli.common import Config, Json, configuration, instant, noted, open_store, table
from proxy.oidc.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from proxy.downstream.initial_tokens import InitialToken, InitialTokens

T = TypeVar("T")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST = 10 * 365 * 86_400


def token(
    *,
    uses: Annotated[int | None, Parameter(help="How many clients it may register; 1 if nothing is said.")] = None,
    unlimited: Annotated[bool, Parameter(negative="", help="Any number, until it ends or is revoked.")] = False,
    expires: Annotated[str, Parameter(help="How long it is good: 90s, 15m, 12h, 30d.")] = "30d",
    first_party: Annotated[
        bool, Parameter(negative="", help="What it registers is the operator's own: no consent page.")
    ] = False,
    config: Config = None,
) -> int:
    """Make an initial access token and print it, this once.

    Example: isthmus clients token --uses 5 --expires 30d
    """
    if uses is not None and (unlimited or uses < 1):
        raise Misconfigured(Problem("clients", "--uses", "must be at least 1, and not stand beside --unlimited"))
    count, lifetime = None if unlimited else uses or 1, seconds(expires)
    made = _run(
        config, lambda kept: kept.issue(time.time(), uses=count, seconds=lifetime, first_party=first_party), warn=True
    )
    noted("initial_token_issued", operator="isthmus clients", uses=count, seconds=lifetime, first_party=first_party)
    print(made)
    return 0


def tokens(*, json: Json = False, config: Config = None) -> int:
    """Show every initial access token by its id: uses left, end.

    Example: isthmus clients tokens --json
    """
    found = _run(config, lambda kept: kept.all())
    if json:
        print(jsons.dumps([_row(each) for each in found], indent=2))
    else:
        print(table([("ID", "USES LEFT", "EXPIRES", "PARTY"), *map(_cells, found)]))
    return 0


def revoke_token(
    id: Annotated[str, Parameter(help="The token's id, as the list shows it; its part before the dot.")],
    /,
    *,
    config: Config = None,
) -> int:
    """End an initial access token at once. What it registered stays.

    Example: isthmus clients revoke-token ID
    """
    if not _run(config, lambda kept: kept.revoke(id)):
        raise Misconfigured(Problem("clients", "ID", "there is no such token; see isthmus clients tokens"))
    noted("initial_token_revoked", operator="isthmus clients", id=id)
    return 0


def seconds(text: str) -> int:
    """A length of time like ``30d``. Raises ``Misconfigured``."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    length = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < length <= LONGEST:
        raise Misconfigured(Problem("clients", "--expires", "must be like 90s, 15m, 12h or 30d, at most 3650d"))
    return length


def _run(config: Path | None, work: Callable[[InitialTokens], Awaitable[T]], *, warn: bool = False) -> T:
    from proxy.downstream.initial_tokens import InitialTokens

    settings = configuration(config)
    if warn and settings.registration.mode == "off":
        print('registration.mode is "off": nobody can use the token until you change it', file=sys.stderr)

    async def go() -> T:
        async with open_store(settings) as store:
            return await work(InitialTokens(store))

    return asyncio.run(go())


def _row(each: InitialToken) -> dict[str, object]:
    return {
        "id": each.id,
        "uses_left": each.uses,
        "created_at": each.created_at,
        "expires_at": each.expires_at,
        "is_first_party": each.first_party,
    }


def _cells(each: InitialToken) -> list[str]:
    left = "unlimited" if each.uses is None else str(each.uses)
    return [each.id, left, instant(each.expires_at), "first" if each.first_party else "third"]

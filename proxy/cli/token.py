"""``isthmus token``: a Management API access token, for the first steps and for scripts on this machine.

It is signed with the keys of the store, so a running server takes it at once; it ends by itself, and with its record.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from proxy.cli.common import Config, configuration, noted, open_store
from proxy.oidc.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from proxy.settings import Settings
    from proxy.store import Store

USUAL, LONGEST = 600, 86_400
SUBJECT = "cli"


def token(
    *,
    scope: Annotated[str, Parameter(help='What it may do, like "read:connections create:connections".')],
    seconds: Annotated[int, Parameter(help="How long it is good.")] = USUAL,
    config: Config = None,
) -> int:
    """Make a Management API access token and print it, and nothing else.

    Example: isthmus token --scope "read:connections create:connections"
    """
    scopes = tuple(dict.fromkeys(scope.split()))
    if not scopes or not all(re.fullmatch(r"[a-z_]+:[a-z_]+", one) for one in scopes):
        raise Misconfigured(Problem("token", "--scope", 'must be words like "read:connections", with blanks between'))
    if not 0 < seconds <= LONGEST:
        raise Misconfigured(Problem("token", "--seconds", f"must be from 1 to {LONGEST}"))
    settings = configuration(config)

    async def go() -> str:
        async with open_store(settings) as store:
            return await _issue(settings, store, scopes, seconds)

    made = asyncio.run(go())
    noted("token_issued", operator="isthmus token", scopes=scopes, seconds=seconds)
    print(made)
    return 0


async def _issue(settings: Settings, store: Store, scopes: tuple[str, ...], seconds: int) -> str:
    from proxy.downstream import grant as grants
    from proxy.downstream.access_token import AccessTokens
    from proxy.downstream.keys import KeyRing
    from proxy.store import Put
    from proxy.web.callers_operator import API, COMMAND

    now, issuer = time.time(), settings.tenant.issuer
    keys = KeyRing(store, algorithms=settings.keys.algorithms)
    await keys.load(now)
    grant = grants.Grant(
        id=grants.new_id(),
        client_id=COMMAND,
        user_id="",
        sid="",
        connection="",
        scopes=scopes,
        auth_time=0,
        created_at=int(now),
        expires_at=int(now) + seconds,
        profile={},
        subject=SUBJECT,
        audiences=(f"{issuer}{API}",),
        offline=True,
    )
    made, writes = AccessTokens(issuer, store, keys, grants.Lifetimes(access_token=seconds)).issue(grant, scopes, now)
    await store.run(Put(grants.grant_key(grant.id), grant.as_value(), seconds), *writes)
    return made

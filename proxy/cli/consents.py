"""``isthmus consents``: what a person allowed applications that are not the operator's, and how it is taken back.

Refresh tokens and codes that were given out under a consent are worth nothing from the moment it is gone; the
application has to ask the person again.
"""

from __future__ import annotations

import json as jsons
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter

from proxy.cli.common import Config, Json, configuration, instant, noted, table, with_store
from proxy.oidc.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from proxy.downstream.consents import Consents
    from proxy.settings import Settings

T = TypeVar("T")
User = Annotated[str, Parameter(name="--user", help="The person, by user id: oidc|corp|ada.")]


def list_consents(*, user: User, json: Json = False, config: Config = None) -> int:
    """Show what a person allowed applications of others, oldest first.

    Example: isthmus consents list --user 'oidc|corp|ada'
    """
    found = _with_consents(configuration(config), lambda consents: consents.given_by(user))
    if json:
        print(jsons.dumps([asdict(each) for each in found], indent=2))
        return 0
    rows = [(each.client_id, instant(each.since), ", ".join(each.things)) for each in found]
    print(table([("CLIENT", "SINCE", "ALLOWED"), *rows]) if rows else f"{user} allowed nothing")
    return 0


def revoke(
    *,
    user: User,
    client: Annotated[
        str | None, Parameter(name="--client", help="One application, by its client id; without it all.")
    ] = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Take a person's consents back: what was given out under them is worth nothing from now on.

    Example: isthmus consents revoke --user 'oidc|corp|ada' --client reg_7c1d
    """

    async def work(consents: Consents) -> int:
        ids = [client] if client else [each.client_id for each in await consents.given_by(user)]
        return sum([await consents.revoke(user, id) for id in ids])

    count = _with_consents(configuration(config), work)
    if client and not count:
        raise Misconfigured(Problem("consents", "--client", f"{user} allowed {client} nothing; see consents list"))
    noted("consents_revoked", operator="isthmus consents", user=user, client=client or "", revoked=count)
    print(jsons.dumps({"revoked": count}) if json else f"{count} consents taken back")
    return 0


def _with_consents(settings: Settings, work: Callable[[Consents], Awaitable[T]]) -> T:
    from proxy.downstream.consents import Consents

    return with_store(settings, lambda store: work(Consents(store)))

"""``isthmus users``: who came through a connection, and how somebody is let in no more, or forgotten.

Blocking and deleting end all that the person has, on every node: sessions, refresh tokens, the tenant's tokens. What an
application has in its hands ends with its own lifetime, or when it asks here.
"""

from __future__ import annotations

import json as jsons
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from proxy.cli.common import Config, Json, configuration, instant, logout_of, noted, plain, table, with_store
from proxy.oidc.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from proxy.bridge.offboarding import Offboarding
    from proxy.bridge.users import User
    from proxy.store import Store

MOST_SHOWN = 1000
BY = "isthmus users"
UserId = Annotated[str, Parameter(help="The person, by user id: oidc|corp|ada.")]


def list_users(
    *,
    connection: Annotated[str, Parameter(name="--connection", help="The connection they came through.")],
    json: Json = False,
    config: Config = None,
) -> int:
    """Show who came through a connection, the first thousand at most, those first who were away for the longest time.

    Example: isthmus users list --connection corp
    """
    from proxy.bridge.users import Users

    settings = configuration(config)
    found, total = with_store(settings, lambda store: Users(store).of_connection(connection, 0, MOST_SHOWN))
    if json:
        print(jsons.dumps({"users": [_row(user) for user in found], "total": total}, indent=2))
        return 0
    if not found:
        print(f"nobody came through {plain(connection)} yet")
        return 0
    print(table([("USER", "NAME", "LAST LOGIN", "LOGINS", "BLOCKED"), *map(_cells, found)]))
    if total > len(found):
        print(f"and {total - len(found)} more")
    return 0


def show(user_id: UserId, /, *, json: Json = False, config: Config = None) -> int:
    """Show what is kept of a person.

    Example: isthmus users show 'oidc|corp|ada'
    """
    from proxy.bridge.users import Users

    user = with_store(configuration(config), lambda store: Users(store).find(user_id))
    if user is None:
        raise _unknown()
    row = _row(user)
    lines = [(name, plain(value if isinstance(value, str) else jsons.dumps(value))) for name, value in row.items()]
    print(jsons.dumps(row, indent=2) if json else table(lines))
    return 0


def block(user_id: UserId, /, *, config: Config = None) -> int:
    """Let a person in no more, and end all they have; somebody who never came can be blocked, too.

    Example: isthmus users block 'oidc|corp|ada'
    """
    known = _change("user_blocked", user_id, config, lambda people: people.block(user_id, time.time()))
    print("blocked" if known else "blocked, though nobody of that id came yet; see isthmus users list")
    return 0


def unblock(user_id: UserId, /, *, config: Config = None) -> int:
    """Let a person in again, by a new login.

    Example: isthmus users unblock 'oidc|corp|ada'
    """
    if not _change("user_unblocked", user_id, config, lambda people: people.unblock(user_id)):
        raise Misconfigured(Problem("users", "USER-ID", "this person is not blocked"))
    print("unblocked")
    return 0


def delete(user_id: UserId, /, *, config: Config = None) -> int:
    """Forget a person and end all they have; who logs in afterwards is new.

    Example: isthmus users delete 'oidc|corp|ada'
    """
    if not _change("user_deleted", user_id, config, lambda people: people.delete(user_id, time.time())):
        raise _unknown()
    print("deleted")
    return 0


def _change(event: str, user_id: str, config: Config, work: Callable[[Offboarding], Awaitable[bool]]) -> bool:
    """Do it, and leave a line about it if it did anything."""
    from proxy.bridge.offboarding import Offboarding
    from proxy.downstream.clients import Clients

    settings = configuration(config)

    async def go(store: Store) -> bool:
        return await work(Offboarding(store, logout_of(store, Clients(settings.clients, store)).end))

    done = with_store(settings, go)
    if done or event == "user_blocked":
        noted(event, operator=BY, user_id=user_id)
    return done


def _row(user: User) -> Mapping[str, Any]:
    return {**vars(user), "identities": list(user.identities)}


def _cells(user: User) -> tuple[str, ...]:
    name = plain(str(user.profile.get("name", "")))
    return (user.user_id, name, instant(user.last_login), str(user.logins_count), "yes" if user.blocked else "")


def _unknown() -> Misconfigured:
    return Misconfigured(Problem("users", "USER-ID", "nobody of that id is known; see isthmus users list"))

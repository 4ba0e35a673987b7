"""``isthmus gateway explain``: who may reach what behind the gateway, and why.

The verdict is that of ``decide``, which decides on requests. Who a person is comes from their newest session, or else
from what their last login left.
"""

from __future__ import annotations

import asyncio
import json as jsons
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit

from cyclopts import Parameter

from proxy.cli.common import Config, Json, configuration, plain, table, with_store
from proxy.oidc.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from proxy.bridge.users import User
    from proxy.gateway.explain import Asking, Explained
    from proxy.gateway.routes import Routes
    from proxy.models import Connection, Session
    from proxy.models.route import Route
    from proxy.plugins import Plugins
    from proxy.settings import Settings
    from proxy.store import Store

PORTION = 1000
USER = "A person, by user id, or by an email address that one person alone has."
METHOD = "What the request asks for."


def explain(
    *,
    user: Annotated[str, Parameter(name="--user", help=USER)] = "",
    url: Annotated[str, Parameter(name="--url", help="The address of a request.")] = "",
    method: Annotated[str, Parameter(name="--method", help=METHOD)] = "GET",
    json: Json = False,
    config: Config = None,
) -> int:
    """Show every route with its rules; for a person, whether they may reach it; for an address, whether it is reached.

    Example: isthmus gateway explain --user 'oidc|corp|ada' --url https://wiki.example.com/admin

    Exit status, with --url: 0 the request gets through, 1 it does not; 2 the command or the configuration is wrong.
    """
    from proxy.gateway.explain import Asking
    from proxy.gateway.routes import Routes

    settings = configuration(config)
    if not settings.gateway.routes:
        raise Misconfigured(Problem("gateway", "routes", "there are none; add one under [[gateway.routes]]"))
    routes = Routes(settings)
    place = _place(routes, url) if url else None
    session, connections = None, settings.connections
    if user:
        session, connections = with_store(settings, lambda store: _who(store, settings, user))
    desk = Desk(settings, routes, Asking(session, connections, settings.gateway.groups_claim, method))
    with desk:
        return _all(desk, json=json) if place is None else _one(desk, *place, json=json)


def _place(routes: Routes, url: str) -> tuple[str, str]:
    """Host and target of the request that a browser makes of ``url``. Raises Misconfigured."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != routes.scheme or not parts.netloc or "@" in parts.netloc:
        raise Misconfigured(Problem("gateway explain", "--url", f"must begin with {routes.scheme}:// and have a host"))
    target = url.partition("#")[0].partition("//")[2].removeprefix(parts.netloc)
    target = target if target.startswith("/") else f"/{target}"
    return parts.netloc, "".join(sign if sign.isascii() else quote(sign) for sign in target)


async def _who(store: Store, settings: Settings, user: str) -> tuple[Session, Mapping[str, Connection]]:
    """A session of the person, and all connections. Raises Misconfigured, ``Unavailable``."""
    from proxy.roster import Roster

    roster = Roster(settings.connections, store)
    await roster.refresh()
    found = await _find(store, roster, user)
    if found.blocked:
        raise Misconfigured(Problem("gateway explain", "--user", "this person is blocked: nothing lets them in"))
    return await _newest(store, found) or _as_session(found), roster


async def _find(store: Store, connections: Mapping[str, Connection], user: str) -> User:
    """By user id, else by email address. Raises Misconfigured."""
    from proxy.bridge.users import Users

    users = Users(store)
    if known := await users.find(user):
        return known
    found: list[User] = []
    for name in connections if "@" in user else ():
        start, total = 0, 1
        while start < total:
            people, total = await users.of_connection(name, start, PORTION)
            found += [one for one in people if str(one.profile.get("email", "")).lower() == user.lower()]
            start += PORTION
    if len(found) == 1:
        return found[0]
    ids = ", ".join(plain(one.user_id) for one in found[:5])
    said = (
        f"several people have this address: {ids}" if found else "nobody of that name came yet; see isthmus users list"
    )
    raise Misconfigured(Problem("gateway explain", "--user", said))


async def _newest(store: Store, user: User) -> Session | None:
    """The newest session of a person that has not ended."""
    from proxy.bridge.session import from_value, sessions_of_user
    from proxy.store import Get

    keys = await store.list(sessions_of_user(user.user_id))
    records = await store.run(*map(Get, keys)) if keys else ()
    sessions = [session for record in records if record and (session := from_value(record.value))]
    alive = [session for session in sessions if session.expires_at > time.time()]
    return max(alive, key=lambda session: session.created_at, default=None)


def _as_session(user: User) -> Session:
    """What a login would leave that says what the last one said."""
    from proxy.models import Session

    when = user.last_login
    return Session("", user.user_id, user.connection, user.issuer, user.subject, when, when, when, user.profile)


@dataclass
class Desk:
    """Explains, and asks the plugins if it comes to that."""

    settings: Settings
    routes: Routes
    asking: Asking
    _plugins: Plugins | None = None

    def __enter__(self) -> None:
        """Nothing yet: plugins are loaded when one is needed."""

    def __exit__(self, *error: object) -> None:
        """Their threads may end."""
        if self._plugins is not None:
            self._plugins.close()

    @property
    def who(self) -> str | None:
        """The person that is meant."""
        return self.asking.session.user_id if self.asking.session else None

    def explained(self, route: Route, path: str) -> Explained:
        """What comes of asking a route for a path."""
        from proxy.gateway.decide import Step

        session = self.asking.session
        if session is None or self.asking.decided(route, path).step is not Step.ASK_PLUGIN:
            return self.asking.explained(route, path)
        said = asyncio.run(self._ask(session, route, path))
        return replace(self.asking, verdict=said).explained(route, path)

    async def _ask(self, session: Session, route: Route, path: str) -> bool:
        from proxy.plugins import load

        if self._plugins is None:
            self._plugins = load(self.settings.plugins)
        connection = self.asking.connections[session.connection]
        return await self._plugins.gateway_access(connection, route, self.asking.method, path, session.profile)


def _one(desk: Desk, host: str, target: str, *, json: bool) -> int:
    """The verdict for one request."""
    from proxy.gateway.explain import Explained, find

    found = find(desk.routes, host, target)
    whole: dict[str, Any] = {"user": desk.who, "method": desk.asking.method, "route": None, "path": None}
    if isinstance(found, Explained):
        said = found
    else:
        whole |= {"route": found.route.label, "path": found.path}
        said = desk.explained(found.route, found.path)
    whole |= asdict(said)
    lines = [(name.upper(), str(whole[name] or "-")) for name in ("user", "method", "route", "path", "reason")]
    verdict = ("VERDICT", f"{'yes' if said.allowed else 'no'}: {said.words}")
    print(jsons.dumps(whole, indent=2) if json else table([*lines, verdict]))
    return 0 if said.allowed else 1


def _all(desk: Desk, *, json: bool) -> int:
    """Every route; for a person with the verdict."""
    rows = [_row(desk, route) for route in desk.settings.gateway.routes]
    if json:
        print(jsons.dumps({"user": desk.who, "method": desk.asking.method, "routes": rows}, indent=2))
        return 0
    verdict = ("VERDICT", "WHY") if desk.who else ("PUBLIC", "METHODS", "WHO")
    print(table([("ROUTE", "ADDRESS", *verdict), *map(_cells, rows)]))
    return 0


def _row(desk: Desk, route: Route) -> dict[str, Any]:
    from proxy.gateway.explain import rules

    said = asdict(desk.explained(route, route.path_prefix)) if desk.who else {}
    return {
        "route": route.label,
        "address": f"{desk.routes.origin(route.host)}{route.path_prefix}",
        "public_paths": route.public_paths,
        "methods": route.methods,
        "rules": tuple(rules(route)),
        **said,
    }


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    if "allowed" in row:
        return (row["route"], row["address"], "yes" if row["allowed"] else "no", f"{row['reason']}: {row['words']}")
    who = "; ".join(row["rules"]) or "everybody who logs in"
    return (row["route"], row["address"], " ".join(row["public_paths"]), " ".join(row["methods"]) or "all", who)

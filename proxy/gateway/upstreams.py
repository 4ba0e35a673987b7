"""The servers behind the routes, and the connections to them that are open.

A connection serves one exchange at a time and waits for the next: the one used last goes first. It is closed after 15
seconds without one, and after a minute in any case, so that a server whose name leads elsewhere is left. Bytes or an
end while it waits close it (the protocol sees to that), so that no answer out of turn is taken for the next one's.

Of several servers, the one with the fewest exchanges is asked; one that cannot be reached is put aside for some
seconds, and the next one asked within the same deadline. If all are aside they are asked all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from proxy.gateway.connecting import CannotConnect, Way, place, share, trusting
from proxy.models.route import Route

log = logging.getLogger("isthmus.gateway")

IDLE_SECONDS = 15.0
LIFE_SECONDS = 60.0
ASIDE_SECONDS = 3.0
SWEEP_SECONDS = 5.0
MOST = 1000
"""Connections to one server. Who comes when they are all in use hears "busy" at once."""


class Pooled(asyncio.Protocol):
    """A connection to a server, as the pool sees it. ``closed`` must be true from the moment that it can carry no
    further exchange; whoever sees it close says so with ``Servers.gone``. ``born`` and ``since`` (loop time) are the
    pool's."""

    server: Server[Any]
    closed: bool = False
    born: float = 0.0
    since: float = 0.0

    def close(self) -> None:
        """Close it, whatever goes on in it."""
        raise NotImplementedError


B = TypeVar("B", bound=Pooled)


@dataclass(eq=False)
class Server(Generic[B]):
    """One server: ``free`` are the connections that wait, the one used last at the end, ``open`` all of them,
    ``opening`` is how many more are on their way. ``healthy`` is what checks found, if there are any."""

    way: Way
    free: dict[B, None] = field(default_factory=dict)
    open: set[B] = field(default_factory=set)
    opening: int = 0
    healthy: bool = True
    aside_until: float = 0.0

    @property
    def netloc(self) -> str:
        """What its Host header says when it is not told the public name."""
        return self.way.place.netloc

    @property
    def under_way(self) -> int:
        """How many exchanges it has, counting those that wait for a connection."""
        return len(self.open) - len(self.free) + self.opening

    def usable(self, now: float) -> bool:
        """Whether it is asked like the others."""
        return self.healthy and self.aside_until <= now

    def put_aside(self, now: float, reason: str) -> None:
        """It could not be reached."""
        if self.aside_until <= now:
            log.warning("app_unreachable", extra={"server": self.netloc, "path": self.way.place.path, "reason": reason})
        self.aside_until = now + ASIDE_SECONDS

    async def connect(self, make: Callable[[Server[B]], B], until: float) -> B:
        """One more connection to it. Raises ``CannotConnect``."""
        if len(self.open) + self.opening >= MOST:
            raise CannotConnect("busy", 503)
        loop = asyncio.get_running_loop()
        self.opening += 1
        try:
            back = await self.way.open(lambda: make(self), until)
            if back.closed:
                raise CannotConnect("unreachable")
        except CannotConnect as failed:
            self.put_aside(loop.time(), failed.reason)
            raise
        finally:
            self.opening -= 1
        back.born, self.aside_until = loop.time(), 0.0
        self.open.add(back)
        return back

    def gone(self, back: B) -> None:
        """It is closed. May be said more than once, and of one that never was open."""
        self.open.discard(back)
        self.free.pop(back, None)

    def sweep(self, now: float) -> None:
        """Close what has waited too long; the oldest stand in front."""
        for back in tuple(self.free):
            if now - back.since < IDLE_SECONDS:
                break
            self.drop(back)

    def drop(self, back: B) -> None:
        """Close it."""
        self.gone(back)
        back.close()


class Servers(Generic[B]):
    """The servers of one route, or of several that name the same."""

    def __init__(self, ways: Iterable[Way], make: Callable[[Server[B]], B], connect_seconds: float) -> None:
        self.all = [Server[B](way) for way in ways]
        self._make, self._seconds = make, connect_seconds
        self._turn = 0
        self._sweeping: asyncio.TimerHandle | None = None
        self._shut = False

    def idle(self) -> B | None:
        """An open connection that waits, out of the pool; None: ``connect``."""
        server = self.all[0] if len(self.all) == 1 else self._order(asyncio.get_running_loop().time())[0]
        if not server.free:
            return None
        now = asyncio.get_running_loop().time()
        while server.free:
            back, _ = server.free.popitem()
            if not back.closed and now - back.since < IDLE_SECONDS:
                return back
            server.drop(back)
        return None

    async def connect(self) -> B:
        """A new connection. Raises ``CannotConnect``: the last server's reason."""
        loop = asyncio.get_running_loop()
        until, order = loop.time() + self._seconds, self._order(loop.time())
        failed = CannotConnect("unreachable")
        for tried, server in enumerate(order):
            try:
                return await server.connect(self._make, share(loop.time(), until, len(order) - tried))
            except CannotConnect as error:
                failed = error
        raise failed

    def give_back(self, back: B) -> None:
        """Its exchange is over, and all of the answer was read."""
        server: Server[B] = back.server
        loop = asyncio.get_running_loop()
        now = loop.time()
        if back.closed or self._shut or now - back.born > LIFE_SECONDS:
            server.drop(back)
            return
        back.since = now
        server.free[back] = None
        if self._sweeping is None:
            self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    def gone(self, back: B) -> None:
        """It is closed."""
        back.server.gone(back)

    def close(self) -> None:
        """Close all, whatever goes on in them; what still comes back is closed, too."""
        self._shut = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for server in self.all:
            for back in tuple(server.open):
                server.drop(back)

    def _order(self, now: float) -> list[Server[B]]:
        """Whom to ask, in this order: those with the fewest exchanges first, equals in turns."""
        self._turn = (self._turn + 1) % len(self.all)
        turned = self.all[self._turn :] + self.all[: self._turn]
        usable = [server for server in turned if server.usable(now)]
        return sorted(usable or turned, key=lambda server: server.under_way)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        for server in self.all:
            server.sweep(loop.time())
        waiting = any(server.free for server in self.all)
        self._sweeping = loop.call_later(SWEEP_SECONDS, self._sweep, loop) if waiting else None


class Upstreams(Generic[B]):
    """The servers of all routes. ``make`` makes the protocol of a connection to a server."""

    def __init__(self, make: Callable[[Server[B]], B], routes: Iterable[Route] = ()) -> None:
        """Raises ``Misconfigured``: a file of ``trust`` that cannot be read."""
        self._make = make
        self._contexts: dict[tuple[str, ...], Any] = {}
        self._shared: dict[tuple[object, ...], Servers[B]] = {}
        self._of: dict[int, tuple[Route, Servers[B]]] = {}  # a route is too much to hash for each request
        for route in routes:
            self.of(route)

    def of(self, route: Route) -> Servers[B]:
        """The servers of ``route``."""
        known = self._of.get(id(route))
        return known[1] if known is not None else self._first_asked(route)

    def checked(self) -> list[tuple[Servers[B], list[Route]]]:
        """Servers that are to be looked at, with the routes they serve."""
        found: dict[int, tuple[Servers[B], list[Route]]] = {}
        for route, servers in self._of.values():
            if route.health_path:
                found.setdefault(id(servers), (servers, []))[1].append(route)
        return list(found.values())

    def close(self) -> None:
        """Close all connections."""
        for servers in self._shared.values():
            servers.close()

    def _first_asked(self, route: Route) -> Servers[B]:
        key = (route.upstream, route.trust, route.timeouts, route.health_path)
        servers = self._shared.get(key)
        if servers is None:
            ways = [self._way(url, route.trust) for url in route.upstream]
            servers = self._shared[key] = Servers(ways, self._make, route.timeouts.connect)
        self._of[id(route)] = route, servers
        return servers

    def _way(self, url: str, trust: tuple[str, ...]) -> Way:
        where = place(url)
        if not where.tls:
            return Way(where)
        if trust not in self._contexts:
            self._contexts[trust] = trusting(trust)
        return Way(where, self._contexts[trust])

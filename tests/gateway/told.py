"""Identities put together with real keys: what the apps of routes are told, with no gateway around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proxy.downstream.access_token import AccessTokens
from proxy.downstream.grant import Grant
from proxy.downstream.keys import KeyRing
from proxy.gateway.assertion import Assertions
from proxy.gateway.claims_source import ClaimsSource, References
from proxy.gateway.identity import Identities
from proxy.gateway.tokens import AppTokens
from proxy.models import Session, TenantTokens
from proxy.models.route import Route
from proxy.settings.shape import Gateway
from proxy.store.memory import MemoryStore
from tests.downstream.world import ISSUER, World, a_session

HOST = "app.example"


def origin(host: str) -> str:
    """The public origin of a route's host."""
    return f"https://{host}"


def a_route(**changes: Any) -> Route:
    """The route of one app."""
    return Route.model_validate({"host": HOST, "upstream": "http://127.0.0.1:9004", **changes})


@dataclass
class Told:
    """The parts. ``given`` is what the tenant gave, or what went wrong; ``asked`` how often it was asked for."""

    world: World
    gateway: Gateway
    keys: KeyRing
    given: TenantTokens | Exception | None = None
    asked: list[Grant] = field(default_factory=list)
    session: Session | None = None

    def __post_init__(self) -> None:
        self.references = References(ISSUER, self.keys)
        self.tokens = AppTokens(self.find, AccessTokens(ISSUER, self.world.store, self.keys, self.world.lifetimes))
        assertions = Assertions(ISSUER, self.keys, self.gateway.assertion_seconds)
        self.identities = Identities(self.gateway, origin, assertions, self.references, self.tokens)
        self.source = ClaimsSource(self.references, self.gateway.routes, origin, self.live, self.gateway.groups_claim)

    async def find(self, grant: Grant, now: float) -> TenantTokens | None:
        """In place of ``UpstreamTokens``."""
        self.asked.append(grant)
        if isinstance(self.given, Exception):
            raise self.given
        return self.given

    async def live(self, sid: str, now: float) -> Session | None:
        """The session, if it is this one."""
        return self.session if self.session and self.session.sid == sid else None

    @property
    def now(self) -> float:
        """What time it is."""
        return self.world.clock.now

    @property
    def route(self) -> Route:
        """The first one."""
        return self.gateway.routes[0]

    def headers(self, session: Session | None = None) -> dict[str, str]:
        """What the app of the first route gets, by name."""
        lines = self.identities.lines(self.route, session or a_session(), self.now)
        found = [line.partition(": ") for line in lines.decode("ascii").split("\r\n")[:-1]]
        assert len({name for name, _, _ in found}) == len(found)
        return {name: value for name, _, value in found}


async def told(*routes: Route, algorithms: tuple[str, ...] = ("RS256",), **gateway: Any) -> Told:
    """The parts for these routes, or for one. With other algorithms than RS256 alone, the keys are nobody else's."""
    world = await World().begin(a_session())
    keys = world.keys
    if algorithms != ("RS256",):
        keys = KeyRing(MemoryStore(clock=world.clock), world.lifetimes.signed, algorithms=algorithms)
        await keys.load(world.clock.now)
    made = Gateway(routes=routes or (a_route(),), **gateway)
    return Told(world, made, keys, session=a_session())

"""What the app of a route is told about a person: header lines, ready to send.

Which headers there are says a preset or a table; what they say comes from the session's profile, and what the profile
does not have is not said (GW-04): whatever a client sent under these names is long gone (``names``). All of it together
has a budget. Lists that do not fit are left out, the longest first, and can be fetched with a signed reference; what is
not a list and does not fit cannot be said, and nothing is ever cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from proxy.gateway.assertion import HEADER, Assertions, Elsewhere, audience_of, claims_endpoint
from proxy.gateway.claims_source import References, attribute_of, claim_name
from proxy.gateway.spelling import CannotSay, spelled
from proxy.gateway.tokens import AppTokens
from proxy.models import Session
from proxy.models.route import Route
from proxy.oidc.errors import Unavailable
from proxy.settings.shape import Gateway
from proxy.telemetry import logs

__all__ = ["CannotSay", "Identities", "names_of", "table_of"]

GROUPS, ASSERTION = object(), object()
"""In a preset: the attribute that the configuration calls the groups; the signed assertion."""
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "oauth2-proxy": {
        "X-Forwarded-User": "user_id",
        "X-Forwarded-Email": "email",
        "X-Forwarded-Preferred-Username": "preferred_username",
        "X-Forwarded-Groups": GROUPS,
    },
    "authelia": {"Remote-User": "user_id", "Remote-Email": "email", "Remote-Name": "name", "Remote-Groups": GROUPS},
    "cloudflare": {"Cf-Access-Authenticated-User-Email": "email", "Cf-Access-Jwt-Assertion": ASSERTION},
    "none": {},
}
OF_ASSERTION = ("email", "email_verified", "name", "preferred_username")
"""What every assertion says, if the profile has it, beside the groups and what the headers say."""
CLAIMS_URL, CLAIMS_TOKEN, ACCESS_TOKEN = "X-Isthmus-Claims-Url", "X-Isthmus-Claims-Token", "X-Forwarded-Access-Token"
MOST = 8192
"""How many sessions and routes are remembered."""
Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class _Told:
    """What was made for a session and a route, good until ``until``."""

    session: Session
    route: Route
    pairs: Pairs
    lines: bytes
    until: float


class Identities:
    """Tells apps who somebody is. ``origin`` makes the public origin of a route's host."""

    def __init__(
        self,
        gateway: Gateway,
        origin: Callable[[str], str],
        assertions: Assertions,
        references: References,
        tokens: AppTokens,
    ) -> None:
        self._gateway = gateway
        self._origin = origin
        self._assertions = assertions
        self._references = references
        self._tokens = tokens
        self._told: dict[tuple[str, int], _Told] = {}

    def lines(self, route: Route, session: Session, now: float) -> bytes:
        """Header lines for the app, each with its CRLF. Raises ``CannotSay``."""
        told = self._told.get((session.sid, id(route)))
        if told is not None and told.session is session and told.route is route and now < told.until:
            return told.lines
        return self._tell(route, session, now).lines

    def pairs(self, route: Route, session: Session, now: float) -> Pairs:
        """The same by name and value, for a server that asks us and hands them on; with the preset of oauth2-proxy also
        under the names that its answers to such servers have. Raises ``CannotSay``."""
        pairs = self._tell(route, session, now).pairs
        if self._preset(route) != "oauth2-proxy":
            return pairs
        return pairs + [
            (name.replace("X-Forwarded-", "X-Auth-Request-"), value)
            for name, value in pairs
            if name.startswith("X-Forwarded-")
        ]

    def ready(self, route: Route, session: Session, now: float) -> bool:
        """Whether nobody has to be asked before ``lines``: else ``prepare`` comes first."""
        return not route.token or self._tokens.held(route, session, now) is not None

    async def prepare(self, route: Route, session: Session, now: float) -> None:
        """Get the token that the app of the route is given. Raises ``CannotSay``."""
        if route.token:
            try:
                await self._tokens.prepare(route, session, now)
            except CannotSay as error:
                raise _logged(error, route) from None

    def _preset(self, route: Route) -> Any:
        return self._gateway.headers if route.headers is None else route.headers

    def _tell(self, route: Route, session: Session, now: float) -> _Told:
        key = (session.sid, id(route))
        told = self._told.get(key)
        if told is not None and told.route is route and now < told.until and told.session == session:
            told.session = session  # read from the store anew, and the same
            return told
        try:
            pairs, until = self._make(route, session, now)
        except CannotSay as error:
            raise _logged(error, route) from None
        except Unavailable as error:
            failed = CannotSay(error.reason, status=503, retry_after=error.retry_after)
            raise _logged(failed, route) from error
        told = _Told(session, route, pairs, as_lines(pairs), until)
        self._told.pop(key, None)
        self._make_room(now)
        self._told[key] = told
        return told

    def _make_room(self, now: float) -> None:
        """The oldest go: those that are over, some at a time, and one more if there are too many."""
        for key in list(islice(self._told, 4)):
            if now >= self._told[key].until or len(self._told) >= MOST:
                del self._told[key]

    def _make(self, route: Route, session: Session, now: float) -> tuple[Pairs, float]:
        """What is told, and until when it can be told again. Raises ``CannotSay``, ``Unavailable``."""
        pairs = self._within_budget(route, session, now)
        until = now + min(self._assertions.seconds, self._references.seconds) / 2  # never less than half of its life
        if route.token:
            token = self._tokens.held(route, session, now)
            if token is None:
                raise CannotSay("no_token_yet", status=503)
            pairs.append((ACCESS_TOKEN, token.text))
            until = min(until, token.until)
        return pairs, until

    def _within_budget(self, route: Route, session: Session, now: float) -> Pairs:
        """With as few lists as possible left out, the longest first."""
        table = table_of(self._preset(route), self._gateway.groups_claim)
        values = self._values(table, route, session)
        texts = {attribute: spelled(value, attribute) for attribute, value in values.items()}
        lists = sorted((name for name, value in values.items() if isinstance(value, list | tuple)),
                       key=lambda name: len(texts[name]), reverse=True)  # fmt: skip
        for count in range(len(lists) + 1):
            away = tuple(lists[:count])
            pairs = [(name, texts[attribute]) for name, attribute in table.items()
                     if isinstance(attribute, str) and texts.get(attribute) and attribute not in away]  # fmt: skip
            if _size(pairs) > self._gateway.header_budget:
                continue
            pairs += self._signed(route, session, now, {n: v for n, v in values.items() if n not in away}, away)
            if _size(pairs) <= self._gateway.header_budget:
                return pairs
        raise CannotSay("too_long", max(texts, key=lambda name: len(texts[name]), default=""))

    def _values(self, table: Mapping[str, Any], route: Route, session: Session) -> dict[str, Any]:
        """The attributes that headers and assertion tell, by name."""
        wanted = [name for name in table.values() if isinstance(name, str)]
        if route.assertion:
            wanted += [*OF_ASSERTION, self._gateway.groups_claim]
        found = {name: attribute_of(session, name) for name in dict.fromkeys(wanted)}
        return {name: value for name, value in found.items() if value not in (None, "", [], (), {})}

    def _signed(
        self, route: Route, session: Session, now: float, values: Mapping[str, Any], away: tuple[str, ...]
    ) -> Pairs:
        """The reference to what is left out, and the assertion."""
        origin, elsewhere, pairs = self._origin(route.host), None, Pairs()
        if away:
            reference = self._references.sign(route, origin, session, away, now)
            named = tuple(claim_name(name, self._gateway.groups_claim) for name in away)
            elsewhere = Elsewhere(named, claims_endpoint(origin), reference)
            pairs = [(CLAIMS_URL, elsewhere.endpoint), (CLAIMS_TOKEN, reference)]
        if route.assertion:
            said = {claim_name(n, self._gateway.groups_claim): v for n, v in values.items() if n != "user_id"}
            signed = self._assertions.sign(audience_of(route, origin), session, said, now, elsewhere)
            header = next((n for n, what in self._table(route).items() if what is ASSERTION), HEADER)
            pairs.append((header, signed))
        return pairs

    def _table(self, route: Route) -> Mapping[str, Any]:
        return table_of(self._preset(route), self._gateway.groups_claim)


def table_of(headers: str | Mapping[str, str], groups_claim: str) -> Mapping[str, Any]:
    """Header names, each with the attribute it tells: of a preset, or as they are."""
    if not isinstance(headers, str):
        return headers
    return {name: groups_claim if what is GROUPS else what for name, what in PRESETS[headers].items()}


def names_of(route: Route, gateway: Gateway) -> tuple[str, ...]:
    """Every header in which the app of the route may be told something of a person."""
    told = table_of(gateway.headers if route.headers is None else route.headers, gateway.groups_claim)
    signed = (HEADER,) if route.assertion and ASSERTION not in told.values() else ()
    token = (ACCESS_TOKEN,) if route.token else ()
    return (*told, *signed, CLAIMS_URL, CLAIMS_TOKEN, *token)


def as_lines(pairs: Pairs) -> bytes:
    """Header lines. The values are printable ASCII."""
    return "".join([f"{name}: {value}\r\n" for name, value in pairs]).encode("ascii")


def _size(pairs: Pairs) -> int:
    return sum(len(name) + len(value) + 4 for name, value in pairs)


def _logged(error: CannotSay, route: Route) -> CannotSay:
    logs.seldom("identity_not_told", reason=error.reason, route=route.label, attribute=error.attribute)
    return error

"""What there was no room for in a header: an app fetches it at ``/.isthmus/claims`` on its own host, with a reference.

The reference is a bearer token (RFC 6750), signed by us, of a type of its own: for one host, one route, one session and
the attributes it names, for a few minutes. It opens nothing when the session has ended; what is answered is the profile
as it is now. In an assertion it stands as the access token of distributed claims (OpenID Connect Core 5.6.2).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream.keys import KeyRing
from proxy.gateway.assertion import audience_of, claims_endpoint, signer_of
from proxy.gateway.verdict import Reply
from proxy.models import Session
from proxy.models.route import Route
from proxy.oidc import jose
from proxy.oidc.errors import Unavailable

TYPE = "isthmus-claims+jwt"
SECONDS = 300
"""How long a reference lives."""
JSON = ("Content-Type", "application/json")
Live = Callable[[str, float], Awaitable[Session | None]]
"""The live session of a sid. Raises ``Unavailable``."""


def attribute_of(session: Session, name: str) -> Any:
    """An attribute of the profile, None without it: under its whole name, else, at dots, inside of others.
    ``user_id`` and ``sub`` are who the person is to us, whatever the profile says."""
    if name in ("user_id", "sub"):
        return session.user_id
    if name in session.profile or "." not in name:
        return session.profile.get(name)
    found: Any = session.profile
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def claim_name(attribute: str, groups_claim: str) -> str:
    """What an assertion and the claims' source call an attribute."""
    return "groups" if attribute == groups_claim else attribute


@dataclass(frozen=True, slots=True)
class Reference:
    """What a reference is good for: attributes of the session's person, for the route whose audience is ``route``."""

    sid: str
    user_id: str
    route: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class References:
    """Signs and reads references. ``issuer`` is our own."""

    issuer: str
    keys: KeyRing
    seconds: int = SECONDS

    def sign(self, route: Route, origin: str, session: Session, names: Sequence[str], now: float) -> str:
        """A reference to attributes of the session's person. Raises ``Unavailable``."""
        claims = {
            "iss": self.issuer,
            "aud": claims_endpoint(origin),
            "sub": session.user_id,
            "sid": session.sid,
            "route": audience_of(route, origin),
            "names": list(names),
            "iat": int(now),
            "exp": int(now) + self.seconds,
        }
        return signer_of(self.keys, now).sign(claims, typ=TYPE)

    def read(self, token: str, origin: str, now: float) -> Reference | None:
        """What a token refers to at ``origin``; None for one that we did not make, for another host, or that is over.
        Raises ``Unavailable`` without keys."""
        try:
            said = jose.verify_own(token, self.keys.key_set(now), typ=TYPE)
        except jose.JoseError:
            return None
        if said.get("iss") != self.issuer or said.get("aud") != claims_endpoint(origin):
            return None
        if not isinstance(said.get("exp"), int) or now >= said["exp"]:
            return None
        return Reference(str(said["sid"]), str(said["sub"]), str(said["route"]), tuple(said["names"]))


@dataclass(frozen=True)
class ClaimsSource:
    """Answers on the hosts of ``routes``. ``origin`` makes the public origin of a route's host."""

    references: References
    routes: Sequence[Route]
    origin: Callable[[str], str]
    live: Live
    groups_claim: str

    async def answer(self, host: str, authorization: bytes, accept: bytes, now: float) -> Reply:
        """The claims that a bearer token refers to: as JSON, or signed where ``Accept`` names ``application/jwt``
        (OpenID Connect Core 5.6.2). 401 for a token that is good for nothing here, 503 when nobody can say."""
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not token.isascii():
            return _no("no_reference", "Bearer")
        origin = self.origin(host)
        try:
            reference = self.references.read(token.strip().decode("ascii"), origin, now)
            session = await self.live(reference.sid, now) if reference else None
            if reference is None or session is None or session.user_id != reference.user_id:
                return _no("bad_reference")
            if not any(route.host == host and audience_of(route, origin) == reference.route for route in self.routes):
                return _no("bad_reference")
            return self._claims(session, reference, origin, b"application/jwt" in accept.lower(), now)
        except Unavailable as error:
            return Reply(503, (("Retry-After", str(error.retry_after)), JSON), b"{}", reason=error.reason)

    def _claims(self, session: Session, reference: Reference, origin: str, signed: bool, now: float) -> Reply:
        found = {claim_name(name, self.groups_claim): attribute_of(session, name) for name in reference.names}
        claims = {**{name: value for name, value in found.items() if value is not None}, "sub": session.user_id}
        if not signed:
            return Reply(200, (JSON,), json.dumps(claims, separators=(",", ":")).encode("ascii"), reason="claims")
        own = {"iss": self.references.issuer, "aud": reference.route, "iat": int(now)}
        text = signer_of(self.references.keys, now).sign({**claims, **own}, typ=TYPE.replace("claims", "claims-answer"))
        return Reply(200, (("Content-Type", "application/jwt"),), text.encode("ascii"), reason="claims")


def _no(reason: str, challenge: str = 'Bearer error="invalid_token"') -> Reply:
    """RFC 6750 3: without a token no error is named."""
    body = b'{"error":"invalid_token"}'
    return Reply(401, (("WWW-Authenticate", challenge), JSON), body, reason=reason)

"""What a tenant tells us when a session of its ends: the whole check of a logout token (Back-Channel Logout 1.0, 2.4
and 2.6).

The signature comes first; then the rules, in the order they stand in ``RULES``. Whether the token was used before is
the caller's matter: it must be remembered as long as ``REMEMBERED``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.models import Connection
from proxy.oidc import jose
from proxy.oidc.errors import Refused
from proxy.oidc.keys import KeySet
from proxy.upstream.issuer import speaks_for, subject_of

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPES, STRICT_TYPES = ("", "jwt", "logout+jwt"), ("logout+jwt",)
"""``typ`` of a logout token: many tenants send none. Where the connection is strict, only its own (RFC 8725 3.11)."""
LONGEST_AGE = 300
"""Seconds since a token was issued: a notice is news."""
LONGEST = 255


@dataclass(frozen=True)
class Claimed:
    """Who a token says it is from and for: good for choosing a connection, for nothing else."""

    issuer: str
    audience: str
    kid: str | None


@dataclass(frozen=True)
class Notice:
    """Whose sessions at a tenant ended: the one named ``sid``, or without one all of ``subject``."""

    issuer: str
    jti: str
    subject: str = ""
    sid: str = ""


@dataclass(frozen=True)
class Expected:
    """What a token for this connection must agree with. ``issuer`` is what the tenant's metadata names."""

    connection: Connection
    issuer: str
    leeway: int


@dataclass(frozen=True)
class Facts:
    """What the rules read: the claims, what is expected, the time."""

    claims: Mapping[str, Any]
    expected: Expected
    now: float

    def number(self, name: str) -> float:
        """A NumericDate (RFC 7519 2): a JSON number, no other. Raises ``Refused``."""
        value = self.claims.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise bad(f"{name} is missing, or no number", f"bad_{name}")
        return value


def remembered(leeway: int) -> int:
    """Seconds that a used token must be remembered: as long as it could come again."""
    return LONGEST_AGE + 2 * leeway + 1


def claimed(token: str) -> Claimed:
    """What ``token`` says of itself. Raises ``Refused`` for what is no token, or names no one issuer and audience."""
    try:
        header, claims = jose.peek(token)
    except jose.JoseError as error:
        raise bad("logout_token is malformed", error.reason) from None
    issuer, audience = claims.get("iss"), claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]  # we trust no other audience, so a list may hold us alone
    if not isinstance(issuer, str) or not isinstance(audience, str):
        raise bad("iss or aud is missing", "iss_mismatch")
    return Claimed(issuer, audience, header.get("kid"))


def verify_logout_token(token: str, keys: KeySet, expected: Expected, now: float) -> Notice:
    """Whose sessions ended. Raises ``Refused`` (400) with the reason."""
    options = expected.connection.options
    types = STRICT_TYPES if options.strict_logout_token else TYPES
    try:
        verified = jose.verify(token, keys, options.id_token_signed_response_algs, types)
    except jose.JoseError as error:
        raise bad("logout_token is not signed by the tenant as agreed", error.reason) from None
    facts = Facts(verified.claims, expected, now)
    for rule in RULES:
        rule(facts)
    return _notice(facts)


def issuer_is_the_tenant(facts: Facts) -> None:
    """2.6 (3): byte for byte."""
    expected = facts.expected
    if not speaks_for(facts.claims.get("iss"), expected.connection.options, expected.issuer):
        raise bad("iss is another tenant", "iss_mismatch")


def audience_is_us_alone(facts: Facts) -> None:
    """2.6 (3), as with an ID token."""
    us = facts.expected.connection.options.client_id
    if facts.claims.get("aud") not in (us, [us]):
        raise bad("aud is somebody else", "aud_mismatch")


def is_news(facts: Facts) -> None:
    """2.6 (3): issued within minutes, and not in the future; ended, if it says when, it must not be."""
    iat, leeway = facts.number("iat"), facts.expected.leeway
    if iat > facts.now + leeway:
        raise bad("iat lies in the future", "clock_ahead")
    if iat < facts.now - LONGEST_AGE - leeway:
        raise bad("iat is too long ago", "too_old")
    if "exp" in facts.claims and facts.number("exp") <= facts.now - leeway:
        raise bad("the token has expired", "expired")


def tells_of_a_logout(facts: Facts) -> None:
    """2.4, 2.6 (5): the object of events has this one, with an object. Others beside it are the tenant's own: Keycloak
    puts ``revoke_offline_access`` there."""
    events = facts.claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise bad("events tells of no logout", "bad_events")


def is_no_id_token(facts: Facts) -> None:
    """2.6 (6)."""
    if "nonce" in facts.claims:
        raise bad("nonce is in no logout token", "nonce_present")


def names_itself(facts: Facts) -> None:
    """2.4: without ``jti`` nobody could tell that it comes again."""
    if not _is_name(facts.claims.get("jti")):
        raise bad("jti is missing", "bad_jti")


def names_somebody(facts: Facts) -> None:
    """2.6 (4): ``sub``, ``sid`` or both, each a name."""
    given = [facts.claims[name] for name in ("sub", "sid") if name in facts.claims]
    if not given or not all(map(_is_name, given)):
        raise bad("neither sub nor sid names anybody", "nobody_named")


RULES: tuple[Callable[[Facts], None], ...] = (
    issuer_is_the_tenant,
    audience_is_us_alone,
    is_news,
    tells_of_a_logout,
    is_no_id_token,
    names_itself,
    names_somebody,
)


def _is_name(value: Any) -> bool:
    plain = isinstance(value, str) and 0 < len(value) <= LONGEST
    return plain and not any(unicodedata.category(char) == "Cc" for char in value)


def _notice(facts: Facts) -> Notice:
    claims, options = facts.claims, facts.expected.connection.options
    issuer, sub = str(claims["iss"]), claims.get("sub", "")
    return Notice(
        issuer, str(claims["jti"]), subject_of(sub, issuer, options) if sub else "", str(claims.get("sid", ""))
    )


def bad(description: str, reason: str) -> Refused:
    """The token does not count: 400, and nobody is logged out (2.8)."""
    return Refused("invalid_request", description, reason=reason)

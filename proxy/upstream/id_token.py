"""Who the tenant says this is: the whole check of an ID token (OpenID Connect Core 3.1.3.7, 3.2.2.11).

The signature comes first; then the rules, in the order they stand in ``RULES``. Each takes the claims, what we expect,
and the time.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.models import Connection, Identity, Transaction
from proxy.oidc import jose
from proxy.oidc.errors import UpstreamError
from proxy.oidc.keys import KeySet

TYPES = ("", "jwt")
"""``typ`` of an ID token: none or JWT. Never that of an access or a logout token (RFC 8725 3.11)."""
LONGEST_LIFE = 30 * 86_400
LONGEST_SUBJECT = 255


@dataclass(frozen=True)
class Expected:
    """What an ID token of this trip must agree with. ``access_token`` is empty when none came along."""

    connection: Connection
    issuer: str
    trip: Transaction
    leeway: int
    access_token: str = ""


@dataclass(frozen=True)
class Facts:
    """What the rules read: the claims, the algorithm, what is expected, the time."""

    claims: Mapping[str, Any]
    alg: str
    expected: Expected
    now: float

    def number(self, name: str) -> float:
        """A NumericDate (RFC 7519 2): a JSON number, no other. Raises ``UpstreamError``."""
        value = self.claims.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise bad("the ID token lacks a date, or it is no number", f"bad_{name}")
        return value


def verify_id_token(token: str, keys: KeySet, expected: Expected, now: float) -> Identity:
    """The person. Raises ``UpstreamError``: 400 with the reason, ``stale_login`` for a login that is too old."""
    try:
        verified = jose.verify(token, keys, expected.connection.options.id_token_signed_response_algs, TYPES)
    except jose.JoseError as error:
        raise bad("the ID token is not signed by the login service", error.reason) from None
    facts = Facts(verified.claims, verified.alg, expected, now)
    for rule in RULES:
        rule(facts)
    return _identity(facts)


def issuer_is_the_tenant(facts: Facts) -> None:
    """Core 3.1.3.7 (2): byte for byte."""
    iss = facts.claims.get("iss")
    if not isinstance(iss, str) or iss != facts.expected.issuer:
        raise bad("the ID token comes from somebody else", "iss_mismatch")


def audience_is_us_alone(facts: Facts) -> None:
    """Core 3.1.3.7 (3-5). We trust no other audience, so a list may hold us alone."""
    us, aud = facts.expected.connection.options.client_id, facts.claims.get("aud")
    if aud not in (us, [us]):
        raise bad("the ID token is for somebody else", "aud_mismatch")
    if facts.claims.get("azp", us) != us:
        raise bad("the ID token was given to somebody else", "azp_mismatch")


def has_not_ended(facts: Facts) -> None:
    """Core 3.1.3.7 (9), and an end that nobody means seriously."""
    exp = facts.number("exp")
    if exp <= facts.now - facts.expected.leeway:
        raise bad("the ID token has expired", "expired")
    if exp > facts.now + LONGEST_LIFE + facts.expected.leeway:
        raise bad("the ID token lives too long", "bad_exp")


def was_issued_for_this_trip(facts: Facts) -> None:
    """Core 3.1.3.7 (10): not before the trip began, not in the future."""
    iat, leeway = facts.number("iat"), facts.expected.leeway
    if iat > facts.now + leeway:
        raise bad("the clock of the login service is ahead of ours", "clock_ahead")
    if iat < facts.expected.trip.started_at - leeway:
        raise bad("the ID token is older than this login", "clock_behind")


def has_begun(facts: Facts) -> None:
    """RFC 7519 4.1.5."""
    if "nbf" in facts.claims and facts.number("nbf") > facts.now + facts.expected.leeway:
        raise bad("the ID token is not good yet", "clock_ahead")


def subject_is_a_name(facts: Facts) -> None:
    """Core 2, ``sub``: a string of 1 to 255 characters. Control characters are in no name, and disguise one."""
    sub = facts.claims.get("sub")
    if not isinstance(sub, str) or not 0 < len(sub) <= LONGEST_SUBJECT:
        raise bad("the ID token names nobody", "bad_sub")
    if any(unicodedata.category(char) == "Cc" for char in sub):
        raise bad("the ID token names nobody", "bad_sub")


def nonce_is_ours(facts: Facts) -> None:
    """Core 3.1.3.7 (11): this token answers this trip, and no other."""
    nonce, ours = facts.claims.get("nonce"), facts.expected.trip.nonce
    if not isinstance(nonce, str) or not ours or not hmac.compare_digest(nonce.encode(), ours.encode()):
        raise bad("the ID token belongs to another login", "nonce_mismatch")


def access_token_belongs_to_it(facts: Facts) -> None:
    """Core 3.1.3.8: ``at_hash`` is optional beside a code, but if it is there it must be right."""
    if "at_hash" not in facts.claims or not facts.expected.access_token:
        return
    claimed, right = facts.claims["at_hash"], jose.half_hash(facts.alg, facts.expected.access_token)
    if not isinstance(claimed, str) or not hmac.compare_digest(claimed.encode(), right.encode()):
        raise bad("the access token belongs to another ID token", "at_hash_mismatch")


def login_is_new_enough(facts: Facts) -> None:
    """Core 3.1.3.7 (13). Ages are counted by the tenant's own clock, from its login to its token: what is at most as
    old as the trip (and a second, for rounding) happened during the trip."""
    wishes, trip = facts.expected.trip.wishes, facts.expected.trip
    if not wishes.fresh and wishes.max_age is None:
        return
    if "auth_time" not in facts.claims:
        if not facts.expected.connection.options.trust_prompt:
            raise stale("the login service does not say when the login was")
        return
    auth_time = facts.number("auth_time")
    age, during_the_trip = facts.number("iat") - auth_time, facts.now - trip.started_at + 1
    allowed = during_the_trip if wishes.fresh else max(wishes.max_age or 0, during_the_trip)
    if age > allowed or auth_time > facts.now + facts.expected.leeway:
        raise stale("the login at the login service is too old")


RULES: tuple[Callable[[Facts], None], ...] = (
    issuer_is_the_tenant,
    audience_is_us_alone,
    has_not_ended,
    was_issued_for_this_trip,
    has_begun,
    subject_is_a_name,
    nonce_is_ours,
    access_token_belongs_to_it,
    login_is_new_enough,
)


def _identity(facts: Facts) -> Identity:
    sid, auth_time = facts.claims.get("sid"), None
    if facts.claims.get("auth_time") is not None:  # its age by the tenant's clock, which is not ours
        auth_time = int(facts.now - max(0, facts.number("iat") - facts.number("auth_time")))
    return Identity(
        connection=facts.expected.connection.name,
        issuer=facts.expected.issuer,
        subject=facts.claims["sub"],
        claims=plain_claims(facts.claims),
        sid=_short(sid),
        auth_time=auth_time,
        acr=_short(facts.claims.get("acr")),
        amr=_methods(facts.claims.get("amr")),
    )


def _short(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= LONGEST_SUBJECT else ""


def _methods(value: Any) -> tuple[str, ...]:
    """``amr``: a list of short names (OpenID Connect Core 2); what is none says nothing."""
    return tuple(filter(None, map(_short, value[:20]))) if isinstance(value, list) else ()


def plain_claims(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """The claims as others may believe them: verified is what JSON ``true`` says and nothing else (Core 5.1); claims
    that lie elsewhere (Core 5.6.2) are left out and never fetched."""
    kept = {name: value for name, value in claims.items() if name not in ("_claim_names", "_claim_sources")}
    for name in ("email_verified", "phone_number_verified"):
        if name in kept:
            kept[name] = kept[name] is True
    return kept


def bad(description: str, reason: str) -> UpstreamError:
    """The ID token does not count."""
    return UpstreamError("access_denied", description, reason=reason)


def stale(description: str) -> UpstreamError:
    """The person must log in anew: the app hears ``login_required`` (Core 3.1.2.6)."""
    return UpstreamError("login_required", description, reason="stale_login")

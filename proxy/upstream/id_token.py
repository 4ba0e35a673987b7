"""Who the tenant says this is: the whole check of an ID token (OpenID Connect Core 3.1.3.7, 3.2.2.11, 3.3.2.12).

The signature comes first; then the rules, in the order they stand in ``RULES``. Each takes the claims, what we expect,
and the time. A refreshed token has rules of its own trip's no more (``REFRESHED``; Core 12.2).
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.models import Connection, Identity, Transaction
from proxy.oidc import jose
from proxy.oidc.errors import UpstreamError
from proxy.oidc.keys import KeySet
from proxy.upstream.issuer import speaks_for, subject_of, tenant_of

TYPES = ("", "jwt")
"""``typ`` of an ID token: none or JWT. Never that of an access or a logout token (RFC 8725 3.11)."""
LONGEST_LIFE = 30 * 86_400
LONGEST_SUBJECT = 255


@dataclass(frozen=True)
class Expected:
    """What an ID token of this trip must agree with. ``access_token`` and ``code`` are empty when none came along;
    ``front``: it came through the browser, so what came along must be bound to it. ``issuer`` is what the tenant's
    metadata names."""

    connection: Connection
    issuer: str
    trip: Transaction
    leeway: int
    access_token: str = ""
    code: str = ""
    front: bool = False


@dataclass(frozen=True)
class Facts:
    """What the rules read: the claims, the algorithm, what is expected, the time."""

    claims: Mapping[str, Any]
    alg: str
    expected: Expected
    now: float

    def number(self, name: str) -> float:
        """A NumericDate (RFC 7519 2): a JSON number, no other, and none before 1970. Raises ``UpstreamError``."""
        value = self.claims.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise bad("the ID token lacks a date, or it is no number", f"bad_{name}")
        return value


Rule = Callable[[Facts], None]


def verify_id_token(
    token: str, keys: KeySet, expected: Expected, now: float, rules: Sequence[Rule] | None = None
) -> Identity:
    """The person. ``rules`` are ``RULES`` unless others are named. Raises ``UpstreamError``: 400 with the reason,
    ``stale_login`` for a login that is too old."""
    try:
        verified = jose.verify(token, keys, expected.connection.options.id_token_signed_response_algs, TYPES)
    except jose.JoseError as error:
        raise bad("the ID token is not signed by the login service", error.reason) from None
    facts = Facts(verified.claims, verified.alg, expected, now)
    for rule in RULES if rules is None else rules:
        rule(facts)
    return _identity(facts)


def issuer_is_the_tenant(facts: Facts) -> None:
    """Core 3.1.3.7 (2): byte for byte; of a family of tenants one that is listed, and the one that ``tid`` names."""
    iss, options = facts.claims.get("iss"), facts.expected.connection.options
    if not speaks_for(iss, options, facts.expected.issuer):
        raise bad("the ID token comes from somebody else", "iss_mismatch")
    if options.tenant_ids and facts.claims.get("tid", tenant_of(str(iss), options)) != tenant_of(str(iss), options):
        raise bad("the ID token comes from another tenant", "tid_mismatch")


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
    """Core 3.1.3.7 (11): this token answers this trip, and no other. Where no nonce was sent, one is a stranger's."""
    nonce, ours = facts.claims.get("nonce"), facts.expected.trip.nonce
    if not ours and "nonce" not in facts.claims:
        return
    if not isinstance(nonce, str) or not ours or not _same(nonce, ours):
        raise bad("the ID token belongs to another login", "nonce_mismatch")


def access_token_belongs_to_it(facts: Facts) -> None:
    """Core 3.1.3.8, 3.2.2.9: ``at_hash`` must be right, and may be missing only where no browser was between."""
    _check_hash(facts, "at_hash", facts.expected.access_token, needed=facts.expected.front)


def code_belongs_to_it(facts: Facts) -> None:
    """Core 3.3.2.10: the same of ``c_hash``."""
    _check_hash(facts, "c_hash", facts.expected.code, needed=facts.expected.front)


def state_belongs_to_it(facts: Facts) -> None:
    """``s_hash`` (FAPI 1.0 Advanced 5.1), where a tenant has it."""
    _check_hash(facts, "s_hash", facts.expected.trip.id, needed=False)


def _check_hash(facts: Facts, name: str, value: str, *, needed: bool) -> None:
    if not value or (name not in facts.claims and not needed):
        return
    claimed, right = facts.claims.get(name), jose.half_hash(facts.alg, value)
    if not isinstance(claimed, str) or not _same(claimed, right):
        raise bad("what came along belongs to another ID token", f"{name}_mismatch")


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


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


REFRESHED: tuple[Rule, ...] = (
    issuer_is_the_tenant,
    audience_is_us_alone,
    has_not_ended,
    was_issued_for_this_trip,
    has_begun,
    subject_is_a_name,
    access_token_belongs_to_it,
)
RULES: tuple[Rule, ...] = (
    issuer_is_the_tenant,
    audience_is_us_alone,
    has_not_ended,
    was_issued_for_this_trip,
    has_begun,
    subject_is_a_name,
    nonce_is_ours,
    access_token_belongs_to_it,
    code_belongs_to_it,
    state_belongs_to_it,
    login_is_new_enough,
)


def _identity(facts: Facts) -> Identity:
    sid, auth_time = facts.claims.get("sid"), None
    if facts.claims.get("auth_time") is not None:  # its age by the tenant's clock, which is not ours
        auth_time = int(facts.now - max(0, facts.number("iat") - facts.number("auth_time")))
    connection, issuer = facts.expected.connection, str(facts.claims["iss"])
    return Identity(
        connection=connection.name,
        issuer=issuer,
        subject=subject_of(facts.claims["sub"], issuer, connection.options),
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

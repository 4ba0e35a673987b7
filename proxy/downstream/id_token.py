"""Issue ID tokens (OpenID Connect Core 2, 3.1.3.6) and the claims of granted scopes (5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream.grant import Grant
from proxy.models import Client, Session
from proxy.oidc import jose

SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "profile": (
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
STANDARD = frozenset(name for names in SCOPE_CLAIMS.values() for name in names)


def claims_for(scopes: tuple[str, ...], profile: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of ``profile`` that ``scopes`` release (5.4); what plugins add goes with ``profile``."""
    names = {name for scope in scopes for name in SCOPE_CLAIMS.get(scope, ())}
    if "profile" in scopes:
        names |= set(profile) - STANDARD
    return {name: value for name, value in profile.items() if name in names}


def protocol_claims(login: Grant | Session, client_id: str, *, issuer: str, now: float, seconds: int) -> dict[str, Any]:
    """The claims that every ID token has (2): who says it, about whose login, to whom, and until when."""
    return {
        "iss": issuer,
        "sub": login.user_id,
        "aud": client_id,
        "iat": int(now),
        "exp": int(now) + seconds,
        "auth_time": login.auth_time,
        "sid": login.sid,
    }


@dataclass(frozen=True)
class Occasion:
    """What differs from one ID token of a grant to the next. ``nonce`` goes along once, with the code (12.2)."""

    scopes: tuple[str, ...]
    access_token: str
    now: float
    nonce: str = ""


def issue(grant: Grant, client: Client, signer: jose.Signer, what: Occasion, *, issuer: str, seconds: int) -> str:
    """A signed ID token for the grant, good for ``seconds``."""
    claims: dict[str, Any] = {
        **(claims_for(what.scopes, grant.profile) if client.id_token_claims == "profile" else {}),
        **protocol_claims(grant, client.client_id, issuer=issuer, now=what.now, seconds=seconds),
        "at_hash": jose.half_hash(signer.alg, what.access_token),
    }
    if what.nonce:
        claims["nonce"] = what.nonce
    return signer.sign(claims, typ="JWT")

"""Issue ID tokens (OpenID Connect Core 2, 3.1.3.6) and the claims of granted scopes (5.4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream.grant import Grant
from proxy.downstream.keys import KeyRing
from proxy.models import Client
from proxy.models.client_rules import ID_TOKEN_MAC
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


def claims_for(scopes: tuple[str, ...], profile: Mapping[str, Any], by_name: Collection[str] = ()) -> dict[str, Any]:
    """The claims of ``profile`` that ``scopes`` release (5.4) and those asked for by name (5.5); what plugins add goes
    with ``profile``."""
    names = {*by_name, *(name for scope in scopes for name in SCOPE_CLAIMS.get(scope, ()))}
    if "profile" in scopes:
        names |= set(profile) - STANDARD
    return {name: value for name, value in profile.items() if name in names}


@dataclass(frozen=True)
class Occasion:
    """What differs from one ID token of a login to the next. ``nonce`` goes along once, with the code (12.2); what is
    empty did not come along. ``whole``: there is no userinfo to ask, so all claims are in it (5.4)."""

    scopes: tuple[str, ...]
    now: float
    access_token: str = ""
    code: str = ""
    nonce: str = ""
    whole: bool = False


@dataclass(frozen=True)
class IdTokens:
    """Issues ID tokens, good for ``seconds``."""

    issuer: str
    keys: KeyRing
    seconds: int

    def issue(self, grant: Grant, client: Client, what: Occasion) -> str:
        """A signed ID token about the login that ``grant`` holds. Raises ``Unavailable`` without a key."""
        alg = client.id_token_signed_response_alg
        claims = {**self._profile(grant, client, what), **self._protocol(grant, client, what), **hashes(alg, what)}
        if alg == ID_TOKEN_MAC and client.client_secret is not None:
            return jose.sign_mac(claims, client.client_secret.get_secret_value(), alg, "JWT")
        return self.keys.signer(what.now, alg).sign(claims, typ="JWT")

    def _profile(self, grant: Grant, client: Client, what: Occasion) -> dict[str, Any]:
        by_name = grant.claims.get("id_token", ())
        scopes = what.scopes if what.whole or client.id_token_claims == "profile" else ()
        return claims_for(scopes, grant.profile, by_name) if scopes or by_name else {}

    def _protocol(self, grant: Grant, client: Client, what: Occasion) -> dict[str, Any]:
        """Who says it, about whose login, to whom, until when, and how they logged in (2)."""
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": grant.subject,
            "aud": client.client_id,
            "iat": int(what.now),
            "exp": int(what.now) + self.seconds,
            "auth_time": grant.auth_time,
            "sid": grant.sid,
        }
        said = {"nonce": what.nonce, "acr": grant.acr, "amr": list(grant.amr)}
        return claims | {name: value for name, value in said.items() if value}


def hashes(alg: str, what: Occasion) -> dict[str, str]:
    """What binds an ID token to the access token and the code beside it (3.1.3.6, 3.3.2.11)."""
    beside = {"at_hash": what.access_token, "c_hash": what.code}
    return {name: jose.half_hash(alg, value) for name, value in beside.items() if value}

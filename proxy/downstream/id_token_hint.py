"""What an ``id_token_hint`` of ours says (OpenID Connect Core 3.1.2.1, RP-Initiated Logout 2).

A hint that does not verify says nothing; an expired one is fine. It never logs anyone in and never chooses an account.
One that is signed with a client's secret can only be about that client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream.clients import Clients
from proxy.downstream.keys import KeyRing
from proxy.models import Client
from proxy.models.client_rules import ID_TOKEN_MAC
from proxy.oidc import jose


@dataclass(frozen=True)
class Hint:
    """For whom an ID token was, about whom, from which session. Empty: no hint, or one that says nothing."""

    client_id: str = ""
    subject: str = ""
    sid: str = ""


async def read_hint(token: str, clients: Clients, keys: KeyRing, issuer: str, now: float) -> Hint:
    """The hint in ``token``, whoever it was for. Raises ``Unavailable``."""
    if not token:
        return Hint()
    try:
        header, claims = jose.peek(token)
    except jose.JoseError:
        return Hint()
    client = None
    if header.get("alg") == ID_TOKEN_MAC and isinstance(claims.get("aud"), str):
        client = await clients.find(claims["aud"], now)
    return check_hint(token, client, keys, issuer, now)


def check_hint(token: str, client: Client | None, keys: KeyRing, issuer: str, now: float) -> Hint:
    """The hint in ``token``, signed with a key of ours or, if ``client`` wants that, with its secret."""
    if not token:
        return Hint()
    try:
        claims = _claims(token, client, keys, now)
    except jose.JoseError:
        return Hint()
    if claims.get("iss") != issuer or not isinstance(claims.get("aud"), str):
        return Hint()
    return Hint(claims["aud"], str(claims.get("sub", "")), str(claims.get("sid", "")))


def _claims(token: str, client: Client | None, keys: KeyRing, now: float) -> Mapping[str, Any]:
    """The claims, proved. What the client chose decides what may prove them, never the token (RFC 8725 3.1)."""
    header, _ = jose.peek(token)
    if header.get("alg") != ID_TOKEN_MAC:
        return jose.verify_own(token, keys.key_set(now), typ="JWT")
    for secret in _secrets(client):
        try:
            claims = jose.verify_mac(token, secret, (ID_TOKEN_MAC,), ("jwt",)).claims
        except jose.JoseError:
            continue
        if client is not None and claims.get("aud") == client.client_id:
            return claims
    raise jose.JoseError("bad_signature")


def _secrets(client: Client | None) -> tuple[str, ...]:
    if client is None or client.id_token_signed_response_alg != ID_TOKEN_MAC:
        return ()
    both = (client.client_secret, client.client_secret_previous)
    return tuple(secret.get_secret_value() for secret in both if secret is not None)

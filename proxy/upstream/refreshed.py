"""Refreshing a tenant's tokens: the request, and the ID token that may come with them (OpenID Connect Core 12).

That token is checked as whole as the first, and must be of the same person at the same issuer (12.2). No nonce is
looked at: a refreshed token need not have one, and the first one's is not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.models import Connection, Identity, Transaction
from proxy.oidc.keys import KeySet
from proxy.upstream.id_token import REFRESHED, Expected, bad, verify_id_token


@dataclass(frozen=True)
class Known:
    """Whose tokens are refreshed: ``issuer`` and ``subject`` of the login's ``Identity``."""

    issuer: str
    subject: str


def build_refresh(refresh_token: str) -> Mapping[str, str]:
    """The form of the request, but for what authenticates it (12.1)."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}


def expected_of(connection: Connection, issuer: str, leeway: int, access_token: str, since: float) -> Expected:
    """What a refreshed ID token must agree with. ``issuer`` is what the tenant's metadata names, ``since`` when the
    refresh was asked for."""
    asked = Transaction("", {}, "", int(since), connection=connection.name)
    return Expected(connection, issuer, asked, leeway, access_token)


def check_refreshed(token: str, known: Known, keys: KeySet, expected: Expected, now: float) -> Identity:
    """The person as the refreshed ID token describes them. Raises ``UpstreamError`` (400): ``other_person`` for
    somebody else, whose tokens must not be used and whose session ends."""
    identity = verify_id_token(token, keys, expected, now, REFRESHED)
    if (identity.issuer, identity.subject) != (known.issuer, known.subject):
        raise bad("the refreshed tokens are somebody else's", "other_person")
    return identity

"""Client assertions: what a signed proof of a client's identity must say (RFC 7523 3, OpenID Connect Core 9).

Pure rules. ``client_auth`` asks whether the signature is the client's, and sees that each assertion is used once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.models import Client
from proxy.models.client import SIGNED_WITH_A_KEY, SIGNED_WITH_THE_SECRET
from proxy.oidc import jose
from proxy.oidc.jose import JoseError, Verified

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TYPES = ("", "jwt", "client-authentication+jwt")
"""``typ`` values of an assertion: any other names another kind of token (RFC 8725 3.11)."""
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "private_key_jwt": SIGNED_WITH_A_KEY,
    "client_secret_jwt": SIGNED_WITH_THE_SECRET,
}
"""The algorithms of each method. A client has one method, so a public key is never taken for a secret."""
LEEWAY = 60
"""Seconds that a client's clock may differ from ours."""
LONGEST_LIFE = 3600
"""Seconds until an assertion must end: it is remembered that long."""
LONGEST_JTI = 255


@dataclass(frozen=True)
class Once:
    """What makes an assertion single: its name, and how many seconds it must be remembered."""

    jti: str
    seconds: int


def read(token: str) -> tuple[str, str]:
    """Whose assertion it claims to be, and by which method: good for choosing what to verify with, for nothing else.
    Raises ``JoseError``."""
    header, claims = jose.peek(token)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise JoseError("no_subject")
    return subject, "client_secret_jwt" if header.get("alg") in SIGNED_WITH_THE_SECRET else "private_key_jwt"


def algorithms(client: Client, method: str) -> tuple[str, ...]:
    """What ``client`` may sign its assertions with: the algorithm it registered alone, or those of the method."""
    registered = client.token_endpoint_auth_signing_alg
    return (registered,) if registered else FAMILIES[method]


def verify_with_secrets(client: Client, token: str) -> Verified:
    """The claims of ``token``, if it was signed with a live secret of ``client``. Raises ``JoseError``."""
    failure = JoseError("no_secret")
    for secret in filter(None, (client.client_secret, client.client_secret_previous)):
        try:
            return jose.verify_mac(token, secret.get_secret_value(), algorithms(client, "client_secret_jwt"), TYPES)
        except JoseError as error:
            failure = error
    raise failure


def check(claims: Mapping[str, Any], client_id: str, audiences: Collection[str], now: float) -> Once:
    """The claims of an assertion whose signature was proved. ``audiences`` are our names and addresses that it may be
    made for. Raises ``JoseError``."""
    if not claims.get("iss") == claims.get("sub") == client_id:
        raise JoseError("wrong_client")
    if not _is_for(claims.get("aud"), audiences):
        raise JoseError("wrong_audience")
    expires = _check_times(claims, now)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        raise JoseError("no_jti")
    return Once(jti, math.ceil(expires + LEEWAY - now) + 1)


def _is_for(audience: Any, ours: Collection[str]) -> bool:
    """Whether we alone are meant: who shares an assertion with us could be the client here."""
    named = [audience] if isinstance(audience, str) else audience
    return isinstance(named, list) and bool(named) and all(isinstance(one, str) and one in ours for one in named)


def _check_times(claims: Mapping[str, Any], now: float) -> float:
    expires = moment(claims, "exp")
    if expires is None or expires <= now - LEEWAY:
        raise JoseError("expired")
    if expires > now + LONGEST_LIFE + LEEWAY:
        raise JoseError("lives_too_long")
    check_begun(claims, now)
    return expires


def check_begun(claims: Mapping[str, Any], now: float) -> None:
    """A token is not from the future, and not for later: ``iat`` and ``nbf``, where given. Raises ``JoseError``."""
    for name in ("iat", "nbf"):
        begins = moment(claims, name)
        if begins is not None and begins > now + LEEWAY:
            raise JoseError("not_yet_valid")


def moment(claims: Mapping[str, Any], name: str) -> float | None:
    """A time in seconds, or None if it is not given (RFC 7519 2). Raises ``JoseError`` for what is no number."""
    value = claims.get(name)
    if name in claims and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise JoseError("bad_time")
    return value

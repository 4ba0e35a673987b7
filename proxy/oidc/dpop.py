"""DPoP proofs: what shows that the sender of a request holds a key (RFC 9449 4).

A proof is signed with the key that stands in its own header. It is good for one request: this method, this address,
about now, and with this access token if there is one. Pure rules; whoever asks sees that each proof is used once, and
whether its nonce is good.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from proxy.oidc import jose
from proxy.oidc.jose import JoseError
from proxy.oidc.jws import encode

ALGORITHMS = ("ES256", "PS256", "RS256", "EdDSA")
TYPE = "dpop+jwt"
LEEWAY = 60
"""Seconds that the sender's clock may be ahead of ours."""
LONGEST_LIFE = 300
"""Seconds that a proof is good for."""
LONGEST_JTI = 128
_PORTS = {"https": ":443", "http": ":80"}


@dataclass(frozen=True)
class Proof:
    """A proof that holds: the thumbprint of the key (RFC 7638), its own name and the nonce it took from us, or empty;
    ``seconds`` is how long the name must be remembered."""

    jkt: str
    jti: str
    nonce: str
    seconds: int


def check_proof(proof: str, method: str, url: str, now: float, *, access_token: str = "") -> Proof:
    """The proof of a request of ``method`` to ``url``, sent with ``access_token`` if there is one (4.3). Raises
    ``JoseError``."""
    verified, jkt = jose.verify_with_jwk(proof, ALGORITHMS, (TYPE,))
    claims = verified.claims
    if claims.get("htm") != method:
        raise JoseError("wrong_method")
    if not _same_place(claims.get("htu"), url):
        raise JoseError("wrong_address")
    if access_token and claims.get("ath") != token_hash(access_token):
        raise JoseError("wrong_access_token")
    return Proof(jkt, _name(claims), _nonce(claims), _remembered(claims, now))


def token_hash(access_token: str) -> str:
    """``ath``: how a proof names an access token (4.2)."""
    return encode(hashlib.sha256(access_token.encode("utf-8", "surrogatepass")).digest())


def _same_place(given: Any, url: str) -> bool:
    """Whether both are one address, but for query and fragment (4.3, step 9)."""
    if not isinstance(given, str) or not (given.isascii() and given.isprintable()) or " " in given:
        return False
    try:
        return _place(given) == _place(url)
    except ValueError:
        return False


def _place(url: str) -> tuple[str, str, str]:
    """Scheme, host and path, in the one spelling that RFC 3986 6.2.2 and 6.2.3 give them."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower().removesuffix(_PORTS.get(parts.scheme, ":")), parts.path or "/"


def _name(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        raise JoseError("no_jti")
    return jti


def _nonce(claims: Mapping[str, Any]) -> str:
    nonce = claims.get("nonce", "")
    if not isinstance(nonce, str):
        raise JoseError("bad_nonce")
    return nonce


def _remembered(claims: Mapping[str, Any], now: float) -> int:
    """Seconds until the proof is too old to be shown again."""
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        raise JoseError("bad_time")
    if not now - LONGEST_LIFE <= issued <= now + LEEWAY:
        raise JoseError("wrong_time")
    return math.ceil(issued + LONGEST_LIFE - now) + 1

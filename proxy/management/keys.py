"""The keys with which a connection proves who we are (``private_key_jwt``), in Auth0's shape. Public halves alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.models import Connection
from proxy.oidc.keys import parse_key
from proxy.upstream.connection_keys import ConnectionKey


class ConnectionKeys(Protocol):
    """What is needed of whoever keeps them. Everything here raises ``Unavailable``."""

    async def begun(self, connection: Connection) -> bool:
        """Whether it has them already."""

    async def entries(self, connection: Connection, now: float) -> Sequence[ConnectionKey]:
        """Every key that the tenant may meet; the first ones are made when they are first asked for."""

    async def rotate(self, connection: Connection, now: float) -> Sequence[ConnectionKey]:
        """The next keys sign from now on, and new ones wait; nothing changes so soon after the last time."""


def as_json(key: ConnectionKey) -> Mapping[str, Any]:
    """A key in Auth0's shape. ``cert`` is the public key in PEM: nobody certified it, and nobody needs to."""
    since = datetime.fromtimestamp(key.since, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    pem, digest = _encoded(key.jwk)
    return {
        "kid": key.jwk["kid"],
        "cert": pem,
        "fingerprint": digest,
        "thumbprint": digest,
        "algorithm": key.alg,
        "key_use": "signing",
        key.state: True,
        **({"current_since": since} if key.state == "current" else {}),
        "jwk": dict(key.jwk),
    }


def _encoded(jwk: Mapping[str, Any]) -> tuple[str, str]:
    """The key in PEM, and the hash of its bytes."""
    key = parse_key(dict(jwk))
    if key is None:
        return "", ""
    der: bytes = key.prepared.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem: bytes = key.prepared.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode("ascii"), hashlib.sha256(der).hexdigest()

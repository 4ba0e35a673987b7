"""Authorization requests as one signed object (RFC 9101, OpenID Connect Core 6): nobody on the way changes a thing.

By value it stands in the address; by reference it lies with us for a few minutes, and the tenant fetches it. Unsigned
ones (``none``) only where the connection says so: they protect nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from proxy.models import Connection
from proxy.oidc.jose import Signer
from proxy.oidc.jws import encode_json
from proxy.store import Key, Put, Store, key
from proxy.upstream.metadata import Metadata

TYPE = "oauth-authz-req+jwt"
LIFE = 300
"""Seconds that an object is good for, and lies at its address."""
OUTSIDE = ("client_id", "response_type", "scope")
"""What stands beside the object all the same (OpenID Connect Core 6.1)."""
_NUMBERS = ("max_age",)


def build_object(
    connection: Connection, metadata: Metadata, params: Mapping[str, str], signer: Signer | None, now: float
) -> str:
    """``params`` as a token from us for the tenant, good once and not for long (RFC 9101 4). Without ``signer`` it is
    unsigned."""
    claims: dict[str, Any] = {name: _value(name, text) for name, text in params.items()}
    claims |= {
        "iss": connection.options.client_id,
        "aud": metadata.issuer,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now) + LIFE,
        "jti": secrets.token_urlsafe(16),
    }
    if signer is not None:
        return signer.sign(claims, typ=TYPE)
    return f"{encode_json({'alg': 'none', 'typ': TYPE})}.{encode_json(claims)}."


def _value(name: str, text: str) -> int | str:
    """A number as one; a text that ``upstream_params`` put in its place is the tenant's to refuse."""
    return int(text) if name in _NUMBERS and text.isascii() and text.isdigit() and len(text) < 10 else text


def object_key(id: str) -> Key:
    """Where an object that the tenant fetches lies."""
    return key("request_object", id)


async def host(store: Store, issuer: str, token: str) -> str:
    """Keep ``token`` where the tenant finds it; answers the address, which nobody can guess. Raises ``Unavailable``."""
    id = secrets.token_urlsafe(32)
    await store.run(Put(object_key(id), {"token": token}, LIFE))
    return f"{issuer}login/request/{id}"

"""Somebody who holds a key and proves it with every request (RFC 9449)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from proxy.oidc.dpop import token_hash
from proxy.oidc.keys import MEMBERS, thumbprint
from tests.kit.tenant import jws, signer

_names = itertools.count()


class Holder:
    """The holder of one key; the same name and algorithm are the same key."""

    def __init__(self, name: str = "holder", alg: str = "ES256") -> None:
        self.key = signer(f"dpop {name} {alg}", alg)
        whole = self.key.public_jwk
        self.jwk = {member: whole[member] for member in ("kty", *MEMBERS[whole["kty"]])}
        self.jkt = thumbprint(self.jwk)

    def proof(
        self,
        method: str,
        url: str,
        now: float,
        *,
        access_token: str = "",
        header: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """A proof, honest but for the changes; a change to None takes a member out."""
        usual = {
            "jti": f"proof-{next(_names)}",
            "htm": method,
            "htu": url,
            "iat": int(now),
            "ath": token_hash(access_token) if access_token else None,
        }
        claims = {name: value for name, value in {**usual, **changes}.items() if value is not None}
        return jws(self.key, claims, {"typ": "dpop+jwt", "kid": None, "jwk": self.jwk, **(header or {})})

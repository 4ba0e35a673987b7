"""Proofs that we hold the key our tokens are bound to (RFC 9449), towards tenants: a connection's ``dpop_signing_alg``.

A tenant may ask that proofs carry a nonce of its own: then the call is made once more, and the nonce kept for the next
(8). Without the option a call passes through untouched.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from proxy.models import Connection
from proxy.oidc.dpop import TYPE, token_hash
from proxy.oidc.jose import Signer
from proxy.oidc.keys import thumbprint
from proxy.oidc.messages import HttpRequest, HttpResponse, Send
from proxy.oidc.strict_json import NotStrict, load_object
from proxy.oidc.urls import origin
from proxy.upstream.connection_keys import PROVING, ConnectionKeys

LONGEST_NONCE = 1024
_NAMES = {"Ed25519": "EdDSA"}  # RFC 9864 has a second name for it, which few know


class Proofs:
    """Sends calls with a proof. The nonces of tenants are kept by connection and origin (RFC 9449 8.2)."""

    def __init__(self, send: Send, keys: ConnectionKeys) -> None:
        self._send = send
        self._keys = keys
        self._nonces: dict[tuple[str, str], str] = {}

    async def thumbprint(self, connection: Connection, now: float) -> str:
        """``dpop_jkt``: the key that the code shall be bound to (10); empty without the option."""
        signer = await self._signer(connection, now)
        return thumbprint(signer.public_jwk) if signer else ""

    async def send(
        self,
        request: HttpRequest,
        connection: Connection,
        now: float,
        *,
        access_token: str = "",
        anew: Callable[[], HttpRequest] | None = None,
    ) -> HttpResponse:
        """The answer, as ``messages.Send`` gives it. ``anew`` makes the request for a second call, where something in
        it is good once. Raises ``UpstreamError``, ``Unavailable``."""
        signer = await self._signer(connection, now)
        if signer is None:
            return await self._send(request)
        place = connection.name, origin(request.url)
        for _ in range(2):
            shown = self._nonces.get(place, "")  # another call may hear of a newer one while this is on its way
            proof = build_proof(signer, request, now, shown, access_token)
            response = await self._send(replace(request, headers={**request.headers, "DPoP": proof}))
            nonce = response.headers.get("dpop-nonce", "")
            if not 0 < len(nonce) <= LONGEST_NONCE or nonce == shown:
                break
            self._nonces[place] = nonce
            if not wants_nonce(response):
                break
            request = anew() if anew else request
        return response

    async def _signer(self, connection: Connection, now: float) -> Signer | None:
        alg = connection.options.dpop_signing_alg
        return await self._keys.signer(connection, _NAMES.get(alg, alg), now, use=PROVING) if alg else None


def build_proof(signer: Signer, request: HttpRequest, now: float, nonce: str, access_token: str) -> str:
    """The proof for one request (4.2)."""
    claims: dict[str, Any] = {
        "jti": secrets.token_urlsafe(16),
        "htm": request.method,
        "htu": request.url.partition("#")[0].partition("?")[0],
        "iat": int(now),
    }
    if nonce:
        claims["nonce"] = nonce
    if access_token:
        claims["ath"] = token_hash(access_token)
    return signer.prove(claims, typ=TYPE)


def wants_nonce(response: HttpResponse) -> bool:
    """Whether only the nonce was missing: as a token endpoint says it (8), or a resource (9)."""
    if response.status == 401 and 'error="use_dpop_nonce"' in response.headers.get("www-authenticate", ""):
        return True
    return response.status in (400, 401) and oauth_error(response) == "use_dpop_nonce"


def oauth_error(response: HttpResponse) -> str:
    """The ``error`` of an answer (RFC 6749 5.2), or empty."""
    try:
        found: Mapping[str, Any] = load_object(response.body)
    except NotStrict:
        return ""
    error = found.get("error")
    return error if isinstance(error, str) else ""

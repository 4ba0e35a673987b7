"""Proofs of possession at our endpoints (RFC 9449): which key a request was made with, each proof once.

A token endpoint binds what it gives to the key; an endpoint for access tokens asks for the key again. Our nonce (8) is
made of the time alone, so nothing is kept for it. A request without a ``DPoP`` header costs nothing here.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.features import Request
from proxy.oidc import dpop
from proxy.oidc.dpop import Proof
from proxy.oidc.errors import Refused
from proxy.oidc.jose import JoseError
from proxy.oidc.jws import encode
from proxy.store import Add, Key, Store, key

NONCE_LIFE = 300
"""Seconds until we give another nonce; the one before is good for as long again."""
INVALID, USE_NONCE = "invalid_dpop_proof", "use_dpop_nonce"
ERRORS = (INVALID, USE_NONCE)
"""Error codes that are about the proof (12.2)."""


def proof_key(proof: Proof) -> Key:
    """Where it is remembered that a proof was used."""
    return key("dpop", proof.jti, group=proof.jkt)


def use(proof: Proof) -> Add:
    """What uses a proof up: it answers None to the first who does it."""
    return Add(proof_key(proof), {}, proof.seconds)


def used_before(status: int) -> Refused:
    """The proof was shown already (11.1)."""
    return invalid_proof("used_before", status)


def invalid_proof(reason: str, status: int) -> Refused:
    """One text for every reason; the reason itself goes to the log alone."""
    text = "the DPoP proof is not good for this request, or was used before"
    return Refused(INVALID, text, reason=f"dpop_{reason}", status=status)


@dataclass(frozen=True)
class Proofs:
    """Checks proofs. ``nonce_key`` makes the nonces; ``asks_nonce``: a proof must hold one."""

    issuer: str
    store: Store
    nonce_key: bytes
    asks_nonce: bool

    async def jkt_of_request(self, request: Request, path: str) -> str:
        """The thumbprint of the key that a client proves to hold in a request to our endpoint ``path``, or empty if it
        proves none (5, 10.1). Uses the proof up. Raises ``Refused`` (400), ``Unavailable``."""
        if not request.proofs:
            return ""
        proof = self._checked(request.proofs, request.method, path, request.now, status=400)
        if (await self.store.run(use(proof)))[0] is not None:
            raise used_before(400)
        return proof.jkt

    def of_bearer(self, given: Sequence[str], method: str, path: str, access_token: str, now: float) -> Proof:
        """The proof beside an access token at our endpoint ``path`` (7), not used up yet. Raises ``Refused`` (401)."""
        return self._checked(given, method, path, now, status=401, access_token=access_token)

    def headers(self, now: float) -> Mapping[str, str]:
        """What an answer to a request with a proof says besides: the nonce for the next one (8.2)."""
        return {"DPoP-Nonce": self._nonce(now)} if self.asks_nonce else {}

    def _checked(
        self, given: Sequence[str], method: str, path: str, now: float, *, status: int, access_token: str = ""
    ) -> Proof:
        if len(given) != 1:  # 4.3, step 1
            raise invalid_proof("not_one", status)
        try:
            proof = dpop.check_proof(given[0], method, f"{self.issuer}{path}", now, access_token=access_token)
        except JoseError as error:
            raise invalid_proof(error.reason, status) from None
        if self.asks_nonce and not self._is_good(proof.nonce, now):
            text = "the DPoP proof must hold the nonce that comes with this answer"
            raise Refused(USE_NONCE, text, status=status, headers=self.headers(now))
        return proof

    def _is_good(self, nonce: str, now: float) -> bool:
        """Ours of now, of the span before, or of a node whose clock is ahead."""
        given = nonce.encode()
        spans = (now, now - NONCE_LIFE, now + dpop.LEEWAY)
        return any(hmac.compare_digest(given, self._nonce(then).encode()) for then in spans)

    def _nonce(self, now: float) -> str:
        span = f"nonce {int(now) // NONCE_LIFE}"
        return encode(hmac.new(self.nonce_key, span.encode("ascii"), hashlib.sha256).digest()[:18])

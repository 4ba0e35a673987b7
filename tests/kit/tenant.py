"""A fake tenant that follows a script, for faults that an honest one never shows.

Each endpoint answers from its queue of steps; with an empty queue it answers as a healthy tenant would. Calls are
counted per endpoint. Tokens of any shape are made with ``jws``.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from proxy.oidc.jose import Signer
from proxy.oidc.keys import ALGORITHMS

CLIENT_ID = "isthmus"
NONCE = "n-0S6_WzA2Mj"
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@lru_cache
def signer(name: str, alg: str = "RS256", bits: int = 2048) -> Signer:
    """A key of that name; made once, since RSA keys take long to find."""
    private: Any
    if alg == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    elif alg.startswith("ES"):
        private = ec.generate_private_key(CURVES[alg])
    else:
        private = rsa.generate_private_key(65537, bits)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Signer(pem.decode("ascii"), name, alg)


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def jws(key: Signer, claims: Any, header: Mapping[str, Any] | bytes | None = None, *, alg: str = "") -> str:
    """A token signed by ``key``, whatever is in it. ``header`` adds to the usual one (None removes a name) or, as
    bytes, replaces it; ``claims`` may be bytes. ``alg`` signs with another algorithm of the same key."""
    usual = {"alg": alg or key.alg, "kid": key.kid, "typ": "JWT"}
    if not isinstance(header, bytes):
        whole = {name: value for name, value in {**usual, **(header or {})}.items() if value is not None}
        header = json.dumps(whole).encode()
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{b64(header)}.{b64(body)}"
    return f"{signed}.{b64(ALGORITHMS[alg or key.alg].sign(signed.encode(), key._key))}"


def good_claims(issuer: str, now: float, **changes: Any) -> dict[str, Any]:
    """The claims of a good ID token; a change to None removes one."""
    usual = {"iss": issuer, "sub": "1001", "aud": CLIENT_ID, "exp": int(now) + 300, "iat": int(now), "nonce": NONCE}
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


@dataclass
class Step:
    """One answer. ``hold`` waits that many seconds first; ``raw`` is sent as it is and the connection closed."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: float = 0.0
    raw: bytes | None = None
    drip: float = 0.0


class ScriptedTenant:
    """An async context manager. ``base`` is its issuer, without a slash at the end."""

    def __init__(self) -> None:
        self.keys: list[Signer] = [signer("one")]
        self.script: dict[str, deque[Step]] = {name: deque() for name in ("discovery", "jwks", "token")}
        self.always: dict[str, Step] = {}
        self.calls: Counter[str] = Counter()
        self.forms: list[Mapping[str, str]] = []
        self.authorizations: list[str] = []
        self.document: dict[str, Any] = {}
        self.id_token = ""
        self._runner: web.AppRunner | None = None
        self._released = asyncio.Event()
        self._called = asyncio.Event()

    async def __aenter__(self) -> Self:
        site = web.Application()
        site.router.add_get("/.well-known/openid-configuration", self._discovery)
        site.router.add_get("/jwks", self._jwks)
        site.router.add_post("/token", self._token)
        self._runner = web.AppRunner(site, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.document = {
            "issuer": self.base,
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "jwks_uri": f"{self.base}/jwks",
        }
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        if self._runner:
            await self._runner.cleanup()

    async def wait_for(self, name: str, calls: int) -> None:
        """Until the endpoint was called that often; five seconds at most."""
        async with asyncio.timeout(5):
            while self.calls[name] < calls:
                self._called.clear()
                await self._called.wait()

    def release(self) -> None:
        """End every hold."""
        self._released.set()

    async def _discovery(self, request: web.Request) -> web.StreamResponse:
        return await self._answer("discovery", request, self.document)

    async def _jwks(self, request: web.Request) -> web.StreamResponse:
        return await self._answer("jwks", request, {"keys": [dict(key.public_jwk) for key in self.keys]})

    async def _token(self, request: web.Request) -> web.StreamResponse:
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        self.authorizations.append(request.headers.get("Authorization", ""))
        tokens = {"id_token": self.id_token, "access_token": "at", "token_type": "Bearer"}
        return await self._answer("token", request, tokens)

    async def _answer(self, name: str, request: web.Request, healthy: Mapping[str, Any]) -> web.StreamResponse:
        self.calls[name] += 1
        self._called.set()
        step = self.script[name].popleft() if self.script[name] else self.always.get(name)
        if step is None:
            return web.json_response(healthy)
        if step.hold:
            await asyncio.wait([asyncio.ensure_future(self._released.wait())], timeout=step.hold)
        if step.raw is not None:
            return await self._raw(request, step)
        return web.Response(status=step.status, body=step.body, headers=step.headers)

    async def _raw(self, request: web.Request, step: Step) -> web.StreamResponse:
        transport = request.transport
        if transport is not None:
            for byte in [step.raw or b""] if not step.drip else [bytes([b]) for b in step.raw or b""]:
                transport.write(byte)
                if step.drip:
                    await asyncio.wait([asyncio.ensure_future(self._released.wait())], timeout=step.drip)
            transport.close()
        return web.Response()

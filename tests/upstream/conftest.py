"""A healthy tenant in memory, by which rules are tried: documents, a trip, a connection, a clock."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from proxy.models import Connection, Transaction, Wishes
from proxy.oidc.errors import UpstreamError
from proxy.oidc.jose import Signer
from proxy.oidc.messages import HttpRequest, HttpResponse
from tests.kit.tenant import CLIENT_ID, NONCE, signer

ISSUER = "https://idp.example"
NOW = 1_800_000_000.0
WELL_KNOWN = f"{ISSUER}/.well-known/openid-configuration"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
}


def connection(**options: Any) -> Connection:
    """A back-channel connection; ``options`` on top."""
    usual = {"type": "back_channel", "client_id": CLIENT_ID, "client_secret": "s3cret", "discovery_url": ISSUER}
    return Connection(name="corp", options={**usual, **options})


def front(**options: Any) -> Connection:
    """A front-channel connection."""
    return connection(**{"type": "front_channel", "client_secret": None, **options})


def trip(**changes: Any) -> Transaction:
    """A trip that began ten seconds ago."""
    usual = {"id": "state-1", "request": {}, "client_id": "webapp", "started_at": int(NOW) - 10}
    return Transaction(
        **{**usual, "connection": "corp", "nonce": NONCE, "verifier": "v" * 43, "wishes": Wishes(), **changes}
    )


def as_json(value: Any, status: int = 200, **headers: str) -> HttpResponse:
    """An answer with a JSON body."""
    return HttpResponse(status, {"content-type": "application/json", **headers}, json.dumps(value).encode())


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeTenant:
    """Answers ``send`` from memory. ``down`` names the addresses that do not answer."""

    keys: list[Signer] = field(default_factory=lambda: [signer("one")])
    document: dict[str, Any] = field(default_factory=lambda: dict(DOCUMENT))
    down: set[str] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)
    sent: list[HttpRequest] = field(default_factory=list)
    id_token: Callable[[], str] = lambda: ""
    answers: dict[str, HttpResponse] = field(default_factory=dict)

    async def send(self, request: HttpRequest) -> HttpResponse:
        """See ``messages.Send``."""
        name = "discovery" if "well-known" in request.url else request.url.rpartition("/")[2]
        self.calls[name] += 1
        self.sent.append(request)
        if name in self.down:
            raise UpstreamError("server_error", "no answer", reason="unreachable", status=502)
        if name in self.answers:
            return self.answers[name]
        if name == "discovery":
            return as_json(self.document)
        if name == "token":
            return as_json({"id_token": self.id_token(), "access_token": "at", "token_type": "Bearer"})
        return as_json({"keys": [dict(key.public_jwk) for key in self.keys]})

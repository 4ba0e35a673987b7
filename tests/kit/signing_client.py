"""A client that signs: its assertions, its request objects, its keys, and a place on the web where they lie."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Mapping
from typing import Any

from proxy.downstream.assertion import JWT_BEARER
from proxy.downstream.client_auth import ClientAuthenticator
from proxy.downstream.client_keys import ClientKeys
from proxy.downstream.clients import Clients
from proxy.models import Client
from proxy.oidc import jose
from proxy.oidc.errors import UpstreamError
from proxy.oidc.jose import Signer
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.store import Store
from tests.kit.tenant import jws

_names = itertools.count()


def jwks(*signers: Signer, **changes: Any) -> dict[str, Any]:
    """The public keys of ``signers``; a change to None takes a member out."""
    return {"keys": [given({**one.public_jwk, **changes}) for one in signers]}


def given(members: Mapping[str, Any]) -> dict[str, Any]:
    """Without the members that are None."""
    return {name: value for name, value in members.items() if value is not None}


def assertion_claims(client_id: str, audience: Any, now: float, **changes: Any) -> dict[str, Any]:
    """The claims of a good assertion, as the conformance suite makes them; a change to None removes one."""
    usual = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": f"assertion-{next(_names)}",
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now) + 60,
    }
    return given({**usual, **changes})


def signed(key: Signer, claims: Mapping[str, Any], **header: Any) -> str:
    """What the client signs, without a ``kid`` unless ``header`` has one."""
    return jws(key, dict(claims), {"kid": None, "typ": None, **header})


def mac(secret: str, claims: Mapping[str, Any], alg: str = "HS256", typ: str = "JWT") -> str:
    """What the client signs with its secret."""
    return jose.sign_mac(claims, secret, alg, typ)


def with_assertion(token: str, **more: str) -> dict[str, str]:
    """The form of a request that authenticates by an assertion."""
    return {"client_assertion_type": JWT_BEARER, "client_assertion": token, **more}


class Shelf:
    """A web of a few addresses: what lies where, and who was asked. What is not there cannot be reached."""

    def __init__(self) -> None:
        self.pages: dict[str, HttpResponse] = {}
        self.asked: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        """In place of the wire."""
        self.asked.append(request)
        await asyncio.sleep(0)
        if request.url not in self.pages:
            raise UpstreamError("server_error", "no answer", reason="unreachable", status=502)
        return self.pages[request.url]

    def put(self, url: str, body: str | Mapping[str, Any], kind: str = "application/json", status: int = 200) -> None:
        """Lay something there."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.pages[url] = HttpResponse(status, {"content-type": kind}, text.encode())


def authenticator(issuer: str, clients: Mapping[str, Client], store: Store) -> ClientAuthenticator:
    """Who lets these clients in, on a web that is empty."""
    return ClientAuthenticator(issuer, Clients(clients, store), ClientKeys(Shelf().send, time.time), store)

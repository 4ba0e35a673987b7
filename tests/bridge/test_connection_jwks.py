"""The public keys of connections, each at its own address."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.bridge.connection_jwks import ConnectionJwks
from proxy.features import Answer, Request
from proxy.models import Connection
from proxy.oidc.errors import Refused
from proxy.oidc.keys import PRIVATE
from proxy.store.memory import MemoryStore
from proxy.upstream.connection_keys import ConnectionKeys

NOW = 1_800_000_000.0
PLAIN = {"client_id": "i", "discovery_url": "https://idp.example", "type": "back_channel"}
SIGNS = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"}


async def asked(name: str) -> Answer:
    made: dict[str, dict[str, Any]] = {"signs": {**PLAIN, **SIGNS}, "plain": PLAIN}
    connections = {name: Connection(name=name, options=options) for name, options in made.items()}
    feature = ConnectionJwks(ConnectionKeys(MemoryStore()), connections)
    (endpoint,) = feature.endpoints()
    return await endpoint.handler(Request("GET", f"/{endpoint.path}", {}, {}, NOW, variables={"connection": name}))


async def test_current_and_next_are_published() -> None:
    """Before the first login too: the address can be registered at the tenant at once. Nothing private is in it."""
    answer = await asked("signs")
    keys = (answer.json or {})["keys"]
    assert len({jwk["kid"] for jwk in keys}) == 2
    assert all(jwk["alg"] == "ES256" and jwk["use"] == "sig" and not PRIVATE & jwk.keys() for jwk in keys)
    assert answer.headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("name", ["plain", "unknown", ""])
async def test_who_does_not_sign_has_no_keys(name: str) -> None:
    """404, and none are made."""
    with pytest.raises(Refused) as refused:
        await asked(name)
    assert refused.value.status == 404

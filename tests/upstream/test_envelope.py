"""How a request travels: open, signed, by reference, pushed, and each of these together."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from proxy.oidc import jose
from proxy.oidc.keys import parse_jwks
from proxy.store import Op
from proxy.store.memory import MemoryStore
from proxy.upstream.back_channel import BackChannel
from proxy.upstream.connection_keys import ConnectionKeys
from proxy.upstream.envelope import Envelope
from proxy.upstream.metadata import check_metadata
from proxy.upstream.request_object import TYPE, object_key
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, FakeTenant, as_json, connection

PARAMS = {"client_id": "isthmus", "response_type": "code", "scope": "openid", "state": "s", "nonce": "n"}
PAR = {**DOCUMENT, "pushed_authorization_request_endpoint": f"{ISSUER}/par"}


class Counting(MemoryStore):
    trips = 0

    async def run(self, *ops: Op) -> Any:
        self.trips += 1
        return await super().run(*ops)


class World:
    def __init__(self, **options: Any) -> None:
        self.one, self.tenant, self.store = connection(**options), FakeTenant(), Counting()
        self.tenant.answers["par"] = as_json({"request_uri": "urn:x"}, 201)
        self.keys = ConnectionKeys(self.store)
        self.back = BackChannel(self.tenant.send, self.keys)

    async def sent(self, document: dict[str, Any] = PAR) -> dict[str, str]:
        """The parameters in the address."""
        envelope = Envelope("https://sso.example/", self.store, self.keys, self.back)
        url = await envelope.address(self.one, check_metadata(document, self.one), PARAMS, NOW)
        assert url.startswith(DOCUMENT["authorization_endpoint"])
        return dict(parse_qsl(urlsplit(url).query))

    async def inside(self, token: str) -> dict[str, Any]:
        """The verified parameters of an object."""
        public = parse_jwks(await self.keys.jwks(self.one, NOW))
        claims = jose.verify(token, public, ("RS256", "ES256"), (TYPE,)).claims
        return {name: claims[name] for name in PARAMS}


async def test_open_is_the_usual_case_and_costs_nothing() -> None:
    """No store, no call, nothing added."""
    world = World()
    assert await world.sent() == PARAMS
    assert (world.store.trips, world.tenant.sent) == (0, [])


async def test_by_value() -> None:
    """Core 6.1: what must stand outside does, the rest inside alone; whoever changes the outside changes nothing."""
    world = World(request_object="value", request_object_signing_alg="ES256")
    sent = await world.sent()
    assert set(sent) == {"client_id", "response_type", "scope", "request"}
    assert await world.inside(sent["request"]) == PARAMS


async def test_by_reference() -> None:
    """Core 6.2: the object lies at the address of ours that stands in the request."""
    world = World(request_object="reference", request_object_signing_alg="ES256")
    sent = await world.sent()
    assert set(sent) == {"client_id", "response_type", "scope", "request_uri"}
    record = await world.store.get(object_key(sent["request_uri"].rpartition("/")[2]))
    assert record is not None and await world.inside(record.value["token"]) == PARAMS


async def test_unsigned_needs_no_key() -> None:
    """``none`` where the connection says so."""
    world = World(request_object="value", request_object_signing_alg="none")
    assert (await world.sent())["request"].endswith(".")
    assert world.store.trips == 0


@pytest.mark.parametrize("document", [PAR, {**PAR, "require_pushed_authorization_requests": True}])
async def test_pushed(document: dict[str, Any]) -> None:
    """Where it is switched on, or the tenant wants it: the address holds name and reference alone."""
    world = World(enable_pushed_authorization_requests=document is PAR)
    assert await world.sent(document) == {"client_id": "isthmus", "request_uri": "urn:x"}
    assert dict(parse_qsl(world.tenant.sent[0].body.decode())) == PARAMS


async def test_a_pushed_object_goes_by_value() -> None:
    """RFC 9126 2.1: no reference within a reference."""
    world = World(
        enable_pushed_authorization_requests=True, request_object="reference", request_object_signing_alg="ES256"
    )
    assert await world.sent() == {"client_id": "isthmus", "request_uri": "urn:x"}
    form = parse_qs(world.tenant.sent[0].body.decode())
    assert await world.inside(form["request"][0]) == PARAMS and "request_uri" not in form


async def test_a_bound_code() -> None:
    """RFC 9449 10: the code is bound to the key that the tokens will be bound to."""
    world = World(dpop_signing_alg="ES256")
    sent = await world.sent()
    assert sent == {**PARAMS, "dpop_jkt": await world.back.proofs.thumbprint(world.one, NOW)}

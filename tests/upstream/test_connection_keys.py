"""A connection's private keys: made once, the same on every node, known to the tenant before they sign."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.oidc import jose
from proxy.oidc.errors import Unavailable
from proxy.oidc.keys import parse_jwks
from proxy.store import Op
from proxy.store.memory import MemoryStore
from proxy.upstream.connection_keys import BETWEEN, COPY, PROVING, RETIRED, ConnectionKeys, algorithms
from tests.upstream.conftest import NOW, connection

KEYED = {"client_secret": None, "token_endpoint_auth_method": "private_key_jwt"}
SIGNS = connection(**KEYED, token_endpoint_auth_signing_alg="ES256")


async def kids(keys: ConnectionKeys, now: float = NOW) -> dict[str, str]:
    return {entry.state: entry.jwk["kid"] for entry in await keys.entries(SIGNS, now)}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ()),
        (KEYED, ("RS256",)),
        ({**KEYED, "token_endpoint_auth_signing_alg": "PS384"}, ("PS384",)),
        ({"request_object": "value"}, ("RS256",)),
        ({"request_object": "reference", "request_object_signing_alg": "none"}, ()),
        ({**KEYED, "request_object": "value"}, ("RS256",)),
        ({**KEYED, "request_object": "value", "request_object_signing_alg": "EdDSA"}, ("RS256", "EdDSA")),
        ({"dpop_signing_alg": "ES256"}, ()),
    ],
    ids=str,
)
def test_only_what_signs_has_keys_to_publish(options: dict[str, Any], expected: tuple[str, ...]) -> None:
    """One ring an algorithm (RFC 8725 3.1); the key of proofs is not published."""
    assert algorithms(connection(**options).options) == expected


async def test_keys_are_made_once_for_all_nodes() -> None:
    """Nodes that need a key in the same moment end with one; a connection of another name has another."""
    store = MemoryStore()
    nodes = [ConnectionKeys(store) for _ in range(3)]
    found = await asyncio.gather(*(node.signer(SIGNS, "ES256", NOW) for node in nodes))
    assert len({signer.kid for signer in found}) == 1
    other = connection(**KEYED).model_copy(update={"name": "other"})
    assert (await nodes[0].signer(other, "ES256", NOW)).kid != found[0].kid


@pytest.mark.parametrize("alg", ["RS256", "PS512", "ES384", "ES512", "EdDSA"])
async def test_what_is_signed_is_verified_by_what_is_published(alg: str) -> None:
    """Every family: the public set, read as a tenant reads it, proves the signature; nothing private is in it."""
    one = connection(request_object="value", request_object_signing_alg=alg) if alg != "ES512" else SIGNS
    keys = ConnectionKeys(MemoryStore())
    signer = await keys.signer(one, alg, NOW)
    public = parse_jwks(await keys.jwks(one, NOW) if alg != "ES512" else {"keys": [dict(signer.public_jwk)]})
    assert jose.verify(signer.sign({"a": 1}, typ="JWT"), public, (alg,), ("jwt",)).claims == {"a": 1}
    for jwk in (await keys.jwks(one, NOW))["keys"]:
        assert not {"d", "p", "q", "k"} & jwk.keys()


async def test_the_next_key_is_known_before_it_signs() -> None:
    """Rotation: next becomes current, current previous, which is published until nothing it signed lives."""
    keys = ConnectionKeys(MemoryStore())
    before = await kids(keys)
    assert set(before) == {"current", "next"}
    after = {entry.state: entry.jwk["kid"] for entry in await keys.rotate(SIGNS, NOW)}
    assert (after["previous"], after["current"]) == (before["current"], before["next"])
    assert after["next"] not in before.values()
    assert (await keys.signer(SIGNS, "ES256", NOW)).kid == before["next"]
    assert set(await kids(keys, NOW + RETIRED)) == {"current", "next"}


async def test_another_node_follows_a_rotation() -> None:
    """By its copy it signs with a key that is still published, and soon with the new one."""
    store = MemoryStore()
    here, there = ConnectionKeys(store), ConnectionKeys(store)
    old = (await there.signer(SIGNS, "ES256", NOW)).kid
    await here.rotate(SIGNS, NOW + 1)
    assert (await there.signer(SIGNS, "ES256", NOW + 2)).kid == old
    assert old in (await kids(here, NOW + 2)).values()
    assert (await there.signer(SIGNS, "ES256", NOW + COPY)).kid == (await kids(here, NOW + COPY))["current"] != old


async def test_mg_17_two_rotations_at_once_are_one() -> None:
    """MG-17: a second one would take back the key that other nodes still sign with, and let one sign that no tenant can
    have fetched. A little later it is a rotation like any other."""
    store = MemoryStore()
    nodes = [ConnectionKeys(store) for _ in range(2)]
    first = await kids(nodes[0])
    await asyncio.gather(*(node.rotate(SIGNS, NOW) for node in nodes))
    await nodes[0].rotate(SIGNS, NOW + BETWEEN - 1)
    after = await kids(ConnectionKeys(store))
    assert (after["previous"], after["current"]) == (first["current"], first["next"])
    await nodes[1].rotate(SIGNS, NOW + BETWEEN)
    assert (await kids(ConnectionKeys(store), NOW + BETWEEN))["current"] == after["next"]


async def test_the_key_of_proofs_is_another() -> None:
    """RFC 9449: one key for one use; it has no next."""
    keys = ConnectionKeys(MemoryStore())
    proving = await keys.signer(SIGNS, "ES256", NOW, use=PROVING)
    assert proving.kid not in (await kids(keys)).values()
    assert (await keys.signer(SIGNS, "ES256", NOW + 2 * COPY, use=PROVING)).kid == proving.kid


async def test_a_store_that_cannot_be_asked_is_no_new_key() -> None:
    """503: a key that nobody keeps would sign what the tenant cannot verify."""

    class Down(MemoryStore):
        async def run(self, *ops: Op) -> Any:
            raise Unavailable("down")

    with pytest.raises(Unavailable):
        await ConnectionKeys(Down()).signer(SIGNS, "ES256", NOW)


async def test_mg_15_a_connection_that_goes_takes_its_keys_along() -> None:
    """MG-15: another of its name signs with keys of its own; whether there are keys is told without making any."""
    keys = ConnectionKeys(MemoryStore())
    assert not await keys.begun(SIGNS) and not await keys.begun(connection())
    before, proof = await kids(keys), await keys.signer(SIGNS, "ES256", NOW, use=PROVING)
    assert await keys.begun(SIGNS)
    await keys.forget(SIGNS)
    assert not await keys.begun(SIGNS)
    assert not set(before.values()) & set((await kids(keys)).values())
    assert (await keys.signer(SIGNS, "ES256", NOW, use=PROVING)).kid != proof.kid

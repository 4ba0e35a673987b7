"""Request objects at their address: found by those who know it, as long as they are good."""

from __future__ import annotations

import pytest

from proxy.bridge.hosted_requests import HostedRequests
from proxy.features import Caller, Request
from proxy.oidc.errors import Refused
from proxy.store.memory import MemoryStore
from proxy.upstream.request_object import host

NOW = 1_800_000_000.0


def asking(id: str) -> Request:
    return Request("GET", f"/login/request/{id}", {}, {}, NOW, variables={"id": id})


async def test_the_object_is_served_as_what_it_is() -> None:
    """RFC 9101 5.2.3: with its type, to anyone who knows the address, as often as they ask."""
    store = MemoryStore()
    feature = HostedRequests(store)
    (endpoint,) = feature.endpoints()
    id = (await host(store, "https://sso.example/", "a.b.c")).rpartition("/")[2]
    for _ in range(2):
        answer = await endpoint.handler(asking(id))
        assert (answer.jwt, answer.jwt_type) == ("a.b.c", "application/oauth-authz-req+jwt")
    assert (endpoint.path, endpoint.methods, endpoint.caller) == ("login/request/{id}", ("GET",), Caller.ANYONE)


@pytest.mark.parametrize("id", ["", "x", "x" * 43, "../keys", "\0"])
async def test_anything_else_is_not_there(id: str) -> None:
    """404, whatever was asked for."""
    with pytest.raises(Refused) as refused:
        await HostedRequests(MemoryStore()).serve(asking(id))
    assert refused.value.status == 404

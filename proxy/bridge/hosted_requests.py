"""``login/request/{id}``: request objects that lie with us until the tenant fetches them (RFC 9101 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.oidc.errors import Refused
from proxy.store import Store
from proxy.upstream.request_object import TYPE, object_key


@dataclass(frozen=True)
class HostedRequests(Feature):
    """Whoever knows the address gets the object, as often as they ask while it is good."""

    store: Store

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("login/request/{id}", ("GET",), Caller.ANYONE, self.serve),)

    async def serve(self, request: Request) -> Answer:
        """The object. Raises ``Refused`` (404), ``Unavailable``."""
        record = await self.store.get(object_key(request.variables["id"]))
        if record is None:
            raise Refused("not_found", "there is no request object here, or it has ended", status=404)
        return Answer(jwt=record.value["token"], jwt_type=f"application/{TYPE}")

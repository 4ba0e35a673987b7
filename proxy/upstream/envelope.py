"""How an authorization request travels: open in the address, as a signed object, by reference to one, or pushed.

Open is the usual case and costs nothing. A pushed request may hold an object by value; a reference to a reference there
is not (RFC 9126 2.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.models import Connection
from proxy.oidc.urls import with_params
from proxy.store import Store
from proxy.upstream import par
from proxy.upstream.back_channel import BackChannel
from proxy.upstream.connection_keys import ConnectionKeys
from proxy.upstream.metadata import Metadata
from proxy.upstream.request_object import OUTSIDE, build_object, host


@dataclass(frozen=True)
class Envelope:
    """Puts requests into the form that a connection asks for. ``issuer`` is ours."""

    issuer: str
    store: Store
    keys: ConnectionKeys
    back_channel: BackChannel

    async def address(self, connection: Connection, metadata: Metadata, params: Mapping[str, str], now: float) -> str:
        """Where to send the browser. Raises ``UpstreamError``, ``Unavailable``."""
        pushed = par.is_pushed(connection, metadata)
        if jkt := await self.back_channel.proofs.thumbprint(connection, now):
            params = {**params, "dpop_jkt": jkt}
        if connection.options.request_object:
            by_reference = connection.options.request_object == "reference" and not pushed
            params = await self._folded(connection, metadata, params, now, by_reference=by_reference)
        if pushed:
            params = await par.push(self.back_channel, connection, metadata, params, now)
        return with_params(metadata.authorization_endpoint, params)

    async def _folded(
        self, connection: Connection, metadata: Metadata, params: Mapping[str, str], now: float, *, by_reference: bool
    ) -> Mapping[str, str]:
        alg = connection.options.request_object_signing_alg
        signer = None if alg == "none" else await self.keys.signer(connection, alg, now)
        token = build_object(connection, metadata, params, signer, now)
        outside = {name: params[name] for name in OUTSIDE}
        if by_reference:
            return {**outside, "request_uri": await host(self.store, self.issuer, token)}
        return {**outside, "request": token}

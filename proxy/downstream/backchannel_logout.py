"""Tell clients of the end of a session by a call of ours (OpenID Connect Back-Channel Logout 1.0).

The call is a delivery (``deliveries``). The logout token is made when it is sent: it is good for two minutes, and a
retry would come too late with the first one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from proxy.downstream import deliveries
from proxy.downstream.client_keys import wire_group
from proxy.downstream.clients import Clients
from proxy.downstream.deliveries import Delivery
from proxy.downstream.keys import KeyRing
from proxy.downstream.subjects import Subjects
from proxy.features import Ended, Farewell, Feature
from proxy.models import Client
from proxy.models.client_rules import ID_TOKEN_MAC
from proxy.oidc import jose
from proxy.oidc.messages import KILOBYTE, HttpRequest, Send

EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME = 120
ARRIVED = (200, 204)
"""204 too: frameworks answer so for an empty body (2.8)."""


@dataclass(frozen=True)
class BackChannelLogout(Feature):
    """The deliveries of a farewell."""

    def metadata(self) -> Mapping[str, Any]:
        return {"backchannel_logout_supported": True, "backchannel_logout_session_supported": True}

    def farewell(self, ended: Ended, now: float) -> Farewell:
        called = [one.client_id for one in ended.participants if one.is_called]
        return Farewell(tuple(deliveries.new(client_id, ended.user_id, ended.sid, now) for client_id in called))


@dataclass(frozen=True)
class LogoutCalls:
    """Makes the calls."""

    issuer: str
    clients: Clients
    keys: KeyRing
    subjects: Subjects
    send: Send

    async def carry(self, delivery: Delivery, now: float) -> str:
        """One call; what became of it, empty if the client took it. Raises ``UpstreamError``, ``Unavailable``."""
        client = await self.clients.find(delivery.client_id, now)
        if client is None or not client.backchannel_logout_uri:
            return "no_address"
        response = await self.send(build_call(client, self.token(client, delivery, now)))
        return "" if response.status in ARRIVED else f"status_{response.status}"

    def token(self, client: Client, delivery: Delivery, now: float) -> str:
        """The logout token (2.4), signed as the client's ID tokens are (2.5). Raises ``Unavailable``."""
        claims = {
            "iss": self.issuer,
            "sub": self.subjects.of(client, delivery.user_id),
            "aud": client.client_id,
            "iat": int(now),
            "exp": int(now) + LIFETIME,
            "jti": secrets.token_urlsafe(16),
            "events": {EVENT: {}},
            "sid": delivery.sid,
        }
        alg = client.id_token_signed_response_alg
        if alg == ID_TOKEN_MAC and client.client_secret is not None:
            return jose.sign_mac(claims, client.client_secret.get_secret_value(), alg, "logout+jwt")
        return self.keys.signer(now, alg).sign(claims, typ="logout+jwt")


def build_call(client: Client, token: str) -> HttpRequest:
    """The request with the logout token and nothing else (2.5)."""
    return HttpRequest(
        "POST",
        client.backchannel_logout_uri,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode({"logout_token": token}).encode("ascii"),
        limit=64 * KILOBYTE,
        group=wire_group(client, "-logout"),
    )

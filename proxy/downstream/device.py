"""The device flow (RFC 8628), as the device sees it: it gets a code to show, asks until a person has decided, and gets
tokens like those for an authorization code.

What the person sees is in ``device_page``, what is stored in ``device_codes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream import grant as grants
from proxy.downstream.authorization_code import AuthorizationCode, Code
from proxy.downstream.authorize import ACTIVATE, granted_scopes
from proxy.downstream.authorize_rules import audiences_of, check_scope
from proxy.downstream.device_codes import DeviceCodes, Pace, State
from proxy.features import Answer, Caller, Endpoint, Feature, Redeem, Request
from proxy.models import Client
from proxy.models.client import DEVICE_CODE
from proxy.oidc.errors import Refused
from proxy.oidc.params import words
from proxy.oidc.urls import with_params
from proxy.store import Taken

PATH = "oauth/device/code"
INTERVAL = 5
"""Seconds between two questions of a device, and what each that comes too early adds (3.5)."""
EARLY = 1.0
"""Seconds by which the network may bring two questions closer together than they were asked."""


@dataclass(frozen=True)
class DeviceCode(Feature):
    """``POST oauth/device/code`` and its grant. Codes live for ``seconds``; ``often`` counts new ones by client and
    source, and raises ``Refused`` when there are too many."""

    issuer: str
    codes: DeviceCodes
    code: AuthorizationCode
    seconds: int
    often: Callable[[tuple[str, ...], float], None]

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(PATH, ("POST",), Caller.CLIENT, self.begin, "clients"),)

    def grants(self) -> Mapping[str, Redeem]:
        return {DEVICE_CODE: self.redeem}

    def metadata(self) -> Mapping[str, Any]:
        return {"device_authorization_endpoint": f"{self.issuer}{PATH}"}

    async def begin(self, request: Request) -> Answer:
        """Codes for a device (3.1, 3.2). Raises ``Refused``, ``Unavailable``."""
        client, params, now = request.client, request.params, request.now
        if client is None or DEVICE_CODE not in client.grant_types:
            raise Refused("unauthorized_client", "the client may not use the device flow")
        self.often((client.client_id, request.source), now)
        check_scope(params, client)
        audiences = audiences_of(params)
        scopes = granted_scopes(words(params.get("scope", "")), client, audiences)
        device, typed = await self.codes.begin(client.client_id, scopes, audiences, seconds=self.seconds, now=now)
        place = f"{self.issuer}{ACTIVATE}"
        told = {
            "device_code": device,
            "user_code": typed,
            "verification_uri": place,
            "verification_uri_complete": with_params(place, {"user_code": typed}),
            "expires_in": self.seconds,
            "interval": INTERVAL,
        }
        return Answer(json=told, event="device_waits", about={"client_id": client.client_id})

    async def redeem(self, request: Request, client: Client) -> Mapping[str, Any]:
        """Tokens, once the person has allowed it (3.4, 3.5). Raises ``Refused``, ``Unavailable``."""
        presented = request.params.get("device_code", "")
        if not presented:
            raise Refused("invalid_request", "device_code is missing")
        state = await self.codes.look(presented, client.client_id)
        if state is None:
            raise invalid_device("unknown_device_code")
        if state.expires_at <= request.now:
            raise Refused("expired_token", "the device_code has expired; ask for a new one")
        if "denied" in state.decision:
            raise Refused("access_denied", "the person did not allow this")
        if not state.decision:
            raise await self._not_yet(presented, client, state, request.now)
        code = Code.from_value(state.decision.get("allowed", {}))
        if code is None:  # another version wrote it
            raise invalid_device("unknown_decision")
        return await self._issue(presented, code, client, request)

    async def _not_yet(self, presented: str, client: Client, state: State, now: float) -> Refused:
        """Whether the device asks too fast, or only has to go on waiting."""
        interval, early = INTERVAL, False
        if state.pace:
            early = now < state.pace.after - EARLY
            interval = state.pace.interval + (INTERVAL if early else 0)
        await self.codes.slow(presented, client.client_id, Pace(interval, now + interval), state, now)
        if early:
            return Refused("slow_down", f"ask every {interval} seconds")
        return Refused("authorization_pending", "the person has not decided yet")

    async def _issue(self, presented: str, code: Code, client: Client, request: Request) -> Mapping[str, Any]:
        """A second taker gets nothing, and does the first no harm: devices ask again when an answer is slow, and unlike
        an authorization code this one never was in a browser."""
        self.code.issuer.check_can_sign(client, request.now)  # without a key to sign with, the code is not spent
        grant_id = grants.new_id()
        taken = await self.codes.take(presented, client.client_id, grant_id)
        if not isinstance(taken, Taken):
            raise invalid_device("device_code_reuse")
        return await self.code.issue(code, grant_id, client, request)


def invalid_device(reason: str) -> Refused:
    """One text for every reason; the reason itself goes to the log alone."""
    return Refused("invalid_grant", "the device_code is unknown, used, or another client's", reason=reason)

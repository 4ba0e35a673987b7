"""Pushed authorization requests (RFC 9126): the client says what it asks for itself, the browser carries a reference.

Kept are the parameters, not what a check made of them: they are checked when they are pushed, so that the client hears
of a mistake at once, and again when they are used, since rules may change meanwhile (7.4). A reference is opened by its
own client alone, for a short time, and nothing beside it counts (4). It is answered once, however many open it (7.3): a
trip under way may outlive the time to open it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.downstream.authorize import AuthorizeRequest
from proxy.downstream.authorize_endpoint import PUSHED, Authorize
from proxy.downstream.dpop import Proofs
from proxy.features import Answer, Caller, Endpoint, Feature, Pause, Request
from proxy.models import Client, Session
from proxy.oidc.errors import Refused, Shown
from proxy.store import Get, Key, Store, Taken, Touch, Used, key

UNDER_WAY = 1800
"""Seconds a trip may last that began with a reference: choosing a tenant, logging in there, allowing it here."""
OF_THE_CALL = frozenset(("client_secret", "client_assertion", "client_assertion_type"))
"""Parameters that say who pushes, not what is asked."""
LARGEST = 32 * 1024
"""Most characters that are kept of a request. Whoever knows the name of a public client can push (2.3)."""
PATH = "oauth/par"


def pushed_key(reference: str) -> Key:
    """Where the parameters behind a reference lie."""
    return key("pushed", reference)


@dataclass(frozen=True)
class PushedRequests(Feature):
    """``POST oauth/par``, and the references it gives out, each to be opened within ``seconds``.

    Stands after request objects in the list of features, since it takes what they leave; and after everything that may
    show the person a page, since it uses the reference up.
    """

    issuer: str
    store: Store
    authorize: Authorize
    seconds: int
    proofs: Proofs

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(PATH, ("POST",), Caller.CLIENT, self.push, "clients"),)

    def metadata(self) -> Mapping[str, Any]:
        return {
            "pushed_authorization_request_endpoint": f"{self.issuer}{PATH}",
            "require_pushed_authorization_requests": self.authorize.shore.require_pushed,
        }

    async def push(self, request: Request) -> Answer:
        """Check a request and keep it (2). Raises ``Shown``, ``Refused``, ``Unavailable``."""
        client = request.client
        if client is None or request.params.get("client_id", client.client_id) != client.client_id:
            raise Refused("invalid_client", "client_id is not the client that authenticates", status=401)
        params = await self._checked(request, client)
        reference = PUSHED + secrets.token_urlsafe(32)
        value = {"params": params, "expires_at": int(request.now) + self.seconds}
        await self.store.put(pushed_key(reference), value, self.seconds)
        headers = self.proofs.headers(request.now) if request.proofs else {}
        return Answer(status=201, json={"request_uri": reference, "expires_in": self.seconds}, headers=headers)

    async def _checked(self, request: Request, client: Client) -> Mapping[str, str]:
        """What the client asks for, by the rules of the authorization endpoint (2.1). A key that it proves to hold is
        the one to bind the code to (RFC 9449 10.1)."""
        if "request_uri" in request.params:
            raise Refused("invalid_request", "request_uri cannot be pushed")
        given = {name: value for name, value in request.params.items() if name not in OF_THE_CALL}
        params = await self.authorize.unfolded({**given, "client_id": client.client_id}, client, request.now)
        jkt = await self.proofs.jkt_of_request(request, PATH)
        if jkt and params.get("dpop_jkt", jkt) != jkt:
            raise Refused("invalid_request", "dpop_jkt is not the key of the DPoP proof")
        params = {**params, "dpop_jkt": jkt} if jkt else params
        self.authorize.check(params, client, request.now)
        if sum(len(name) + len(value) for name, value in params.items()) > LARGEST:  # what is known is bounded already
            raise Refused("invalid_request", f"the request is larger than {LARGEST} characters", status=413)
        return params

    async def unfold(self, params: Mapping[str, str], client: Client, now: float) -> Mapping[str, str]:
        """What the client pushed, and nothing else (4). Raises ``Shown``, ``Unavailable``. From here on the record
        lives as long as a trip may."""
        reference = params.get("request_uri", "")
        if not reference.startswith(PUSHED):
            return params
        where = pushed_key(reference)
        record, _ = await self.store.run(Get(where), Touch(where, self.seconds + UNDER_WAY))
        if record is None or record.value["expires_at"] <= now:
            raise ended("no_pushed_request")
        pushed: Mapping[str, str] = record.value["params"]
        if pushed["client_id"] != client.client_id:
            raise ended("pushed_request_of_another_client")
        return pushed

    async def interpose(self, asked: AuthorizeRequest, client: Client, session: Session, now: float) -> Pause | None:
        """Use the reference up, right before the answer. The same trip may come again, if writing its answer must be
        tried again; nobody else. Raises ``Shown``, ``Unavailable``."""
        if not asked.pushed:
            return None
        taken = await self.store.take(pushed_key(asked.pushed), led_to=asked.trip)
        again = isinstance(taken, Used) and asked.trip != "" and taken.led_to == asked.trip
        if again or isinstance(taken, Taken):
            return None
        raise ended("no_pushed_request" if taken is None else "pushed_request_reuse")


def ended(reason: str) -> Shown:
    """One text for every reason."""
    text = "the reference of this request has expired, was used, or belongs to another application"
    return Shown("invalid_request_uri", text, reason=reason)

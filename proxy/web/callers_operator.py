"""The operator's side of ``callers``: who may use the Management API, how often, and errors as Auth0 gives them.

A token counts when it is ours, alive, for this API, and of a program: one of the client credentials grant or of
``isthmus token``. A person's token does not, whatever its scopes: who logs in is not who operates. Cookies and tokens
in an address or a form are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from proxy.downstream.access_token import AccessTokens, invalid_token
from proxy.downstream.clients import Clients
from proxy.features import Bearer, Endpoint
from proxy.oidc import params as parameters
from proxy.oidc.errors import Refused, Shown
from proxy.oidc.params import Params
from proxy.oidc.strict_json import NotStrict, load
from proxy.telemetry import logs
from proxy.web.bodies import NO_TOKEN
from proxy.web.errors import Outcome
from proxy.web.throttle import Throttle

API = "api/v2/"
"""Where the Management API begins, below the issuer; the address is its audience too."""
COMMAND = "isthmus token"
"""Whose token it is that the command made: a name with a blank, which no client can have."""
BURST, PER_SECOND = 100, 20
RATE = web.RequestKey("rate", Mapping[str, str])
REPEATED = ("strategy",)


@dataclass(frozen=True)
class Operators:
    """Admits operators to the API below ``issuer``. Each node counts requests for itself, by who sends them."""

    issuer: str
    access_tokens: AccessTokens
    clients: Clients
    requests: Throttle = field(default_factory=lambda: Throttle(burst=BURST, seconds=1 / PER_SECOND))

    async def admit(self, endpoint: Endpoint, request: web.Request, now: float) -> Bearer:
        """Who it is, with the scopes that count today. Raises ``Refused``: 404 for another spelling of the address,
        401 for no good token, 403 without a scope, 429 for too many requests; ``Unavailable``."""
        if not spelt(f"{urlsplit(self.issuer).path}{endpoint.path}", request.raw_path):
            raise Refused("not_found", "Not Found", reason="spelling", status=404)
        bearer = await self._who(token_of(request), now)
        self._count(bearer.client_id, request, now)
        if not any(set(needed.split()) <= set(bearer.scopes) for needed in endpoint.scopes):
            told = Refused("insufficient_scope", expected(endpoint), status=403)
            told.about = {"operator": bearer.client_id}
            raise told
        return bearer

    async def _who(self, token: str, now: float) -> Bearer:
        audience = f"{self.issuer}{API}"
        bearer = await self.access_tokens.check(token, audience, now)
        if bearer.user_id:
            raise invalid_token("of_a_person")
        if bearer.client_id == COMMAND:
            return bearer
        client = await self.clients.find(bearer.client_id, now)
        grant = client.api(audience) if client else None
        if grant is None:
            raise invalid_token("no_grant_any_more")
        return replace(bearer, scopes=tuple(one for one in bearer.scopes if one in grant.scopes))

    def _count(self, who: str, request: web.Request, now: float) -> None:
        left = self.requests.left((who,), now)
        shown = {
            "X-RateLimit-Limit": str(BURST),
            "X-RateLimit-Remaining": str(max(0, left - 1)),
            "X-RateLimit-Reset": str(ceil(now + 1 / PER_SECOND)),
        }
        request[RATE] = shown
        if left < 1:
            text = "Global limit has been reached"
            raise Refused("too_many_requests", text, reason="throttled", status=429, headers={"Retry-After": "1"})
        self.requests.failed((who,), now)

    def dress(self, request: web.Request, headers: MutableMapping[str, str]) -> None:
        """Add what every answer says: how many requests are left, and the request's id in the log."""
        headers.update(request.get(RATE, {}))
        if found := logs.request_id():
            headers["X-Auth0-RequestId"] = found


async def unknown(request: web.Request) -> web.Response:
    """The answer to every address and method below the API that is not in a table: 404, whoever asks."""
    told = Outcome(404, "not_found", "Not Found", "", "", "unknown_route", {})
    response = web.json_response(as_auth0(told), status=404, headers={"Cache-Control": "no-store"})
    if found := logs.request_id():
        response.headers["X-Auth0-RequestId"] = found
    return response


def spelt(pattern: str, target: str) -> bool:
    """Whether an address is written as its pattern is: what is fixed is the same, byte for byte, and nothing is
    between that a proxy could read in another way."""
    ours, theirs = pattern.split("/"), target.partition("?")[0].split("/")
    if len(ours) != len(theirs):
        return False
    return all(one == other or (one.startswith("{") and other) for one, other in zip(ours, theirs, strict=True))


def token_of(request: web.Request) -> str:
    """The token of the one Authorization header. Raises ``Refused``."""
    headers = request.headers.getall("Authorization", [])
    scheme, _, token = (headers[0] if len(headers) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(NO_TOKEN, "Missing authentication: a Bearer token in the Authorization header", status=401)
    return token.strip()


def expected(endpoint: Endpoint) -> str:
    """What an endpoint needs, in Auth0's words."""
    return f"Insufficient scope, expected any of: {', '.join(endpoint.scopes)}"


def query(request: web.Request) -> Params:
    """The query, each parameter once but for filters that may repeat. Raises ``Refused``."""
    try:
        return parameters.parse(request.raw_path.partition("?")[2], lists=REPEATED)
    except Shown as error:
        raise Refused("invalid_query_string", f"Query validation error: {error.description}") from None


async def body(request: web.Request) -> Any:
    """The JSON object or list of a body, an empty object without one. Raises ``Refused``."""
    if request.method not in ("POST", "PATCH", "PUT"):
        return {}
    raw = await request.read()
    if not raw:
        return {}
    if request.content_type != "application/json":
        raise Refused("invalid_body", "Payload validation error: the body must be application/json")
    try:
        found = load(raw)
    except NotStrict as error:
        raise Refused("invalid_body", f"Payload validation error: the body is no JSON: {error}") from None
    if not isinstance(found, dict | list):
        raise Refused("invalid_body", "Payload validation error: the body must be an object or a list")
    return found


def as_auth0(told: Outcome) -> Mapping[str, Any]:
    """An error in Auth0's shape."""
    return {
        "statusCode": told.status,
        "error": HTTPStatus(told.status).phrase,
        "message": told.whole or told.description,
        "errorCode": told.code,
    }

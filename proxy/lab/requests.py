"""Authorization requests that come another way than in the query: pushed, or as a request object.

RFC 9126 (PAR), RFC 9101 and OpenID Connect Core 6 (by value, by reference, signed or not).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from proxy.lab.clients import authenticate, proved, unproved
from proxy.lab.core import Core
from proxy.lab.metadata import ASSERTIONS
from proxy.lab.rooms import LabClient
from proxy.oidc.errors import Refused, Shown

PUSHED = "urn:ietf:params:oauth:request_uri:"
PUSHED_LIFE = 60
OF_CLIENT = ("client_assertion", "client_assertion_type", "client_secret")


async def push(core: Core, header: str, form: Mapping[str, str]) -> dict[str, object]:
    """Take a pushed request of an authenticated client (RFC 9126 2). Raises ``Refused``."""
    client = await authenticate(core, header, form)
    if "request_uri" in form:
        raise Refused("invalid_request", "a pushed request holds no request_uri")
    told = {name: value for name, value in form.items() if name not in OF_CLIENT}
    uri = f"{PUSHED}{secrets.token_urlsafe(24)}"
    core.memory.pushed[uri] = {**told, "client_id": client.client_id}
    return {"request_uri": uri, "expires_in": PUSHED_LIFE}


async def unfold(core: Core, given: Mapping[str, str]) -> Mapping[str, str]:
    """The parameters of a request, wherever they are. Raises ``Shown``: nobody knows yet where an error may go."""
    uri, client = given.get("request_uri", ""), core.clients.get(given.get("client_id", ""))
    if uri.startswith(PUSHED):
        pushed = core.memory.pushed.pop(uri, None)
        if pushed is None or pushed["client_id"] != given.get("client_id"):
            raise Shown("invalid_request_uri", "this pushed request is unknown or was used")
        given, uri = pushed, ""
    if client is None or not (uri or given.get("request")):
        return given
    token = given.get("request", "")
    if uri:
        status, _, token = await core.fetch("GET", uri)
        if status != 200:
            raise Shown("invalid_request_uri", f"the request object cannot be had ({status})")
    return _over(given, await _read(core, client, token.strip()))


async def _read(core: Core, client: LabClient, token: str) -> Mapping[str, str]:
    """The parameters of a request object: signed by the client, or with ``alg`` none (Core 6.1)."""
    head, _, signature = token.partition(".")[0], *token.rpartition(".")[1:]
    unsigned = not signature and unproved(f".{head}.").get("alg") == "none"
    said = unproved(token)
    claims = said if unsigned else await proved(core, client, token, ASSERTIONS[1:], str(said.get("redirect_uri", "")))
    if not claims or claims.get("client_id", client.client_id) != client.client_id:
        raise Shown("invalid_request_object", "the request object is not signed by the client")
    ours = ("iss", "aud", "exp", "iat", "nbf", "jti", "sub")
    return {name: str(value) for name, value in claims.items() if name not in ours}


def _over(given: Mapping[str, str], inside: Mapping[str, str]) -> Mapping[str, str]:
    """The object's parameters stand over those of the query, which must not differ in what OAuth needs (Core 6.1)."""
    for name in ("client_id", "response_type"):
        if name in given and given[name] != inside.get(name, given[name]):
            raise Shown("invalid_request", f"{name} differs between request and request object")
    outside = {name: value for name, value in given.items() if name not in ("request", "request_uri")}
    return {**outside, **inside}

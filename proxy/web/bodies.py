"""What a request carries: parameters from one place, and an access token, each once.

Parameters come from the query for GET, from the body for POST (RFC 6749 3.1, 3.2). Every charset but UTF-8 is refused,
whatever a request claims.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from proxy.oidc import params as parameters
from proxy.oidc.errors import Refused, Shown
from proxy.oidc.params import Params
from proxy.oidc.strict_json import NotStrict, load_object

FORM = "application/x-www-form-urlencoded"
NO_TOKEN = "missing_token"
"""The code of a request without any token; a challenge leaves it out (RFC 6750 3.1)."""


async def one_place(request: web.Request) -> Params:
    """The query of a GET, or the form of a POST that has no query. Raises ``Shown``."""
    query = request.raw_path.partition("?")[2]
    if request.method != "POST":
        return parameters.parse(query)
    if query:
        raise Shown("invalid_request", "parameters stand in the address and in the body", reason="two_places")
    return parameters.parse(await read_form(request)) if request.body_exists else {}


async def form_of_anyone(request: web.Request) -> Params:
    """The same for a program, which hears 400 of whatever is wrong. Raises ``Refused``."""
    try:
        return await one_place(request)
    except Shown as error:
        raise Refused(error.code, error.description, reason=error.reason) from None


async def form_or_json(request: web.Request) -> Params:
    """The body of a POST by a client: a form, or a JSON object whose values are strings or null, as Auth0's SDKs send
    (RFC 6749 3.2). Raises ``Refused``."""
    try:
        if request.content_type == "application/json":
            return parameters.once(strings(await read_text(request)))
        return parameters.parse(await read_form(request))
    except Shown as error:
        raise Refused(error.code, error.description, reason=error.reason, status=error.status) from None


async def json_object(request: web.Request) -> Mapping[str, Any]:
    """The body as a JSON object that everybody reads the same way (RFC 7591 3.1). Raises ``Refused``."""
    if request.content_type != "application/json":
        raise Refused("invalid_client_metadata", "the body must be application/json", reason="content_type")
    try:
        return load_object(await request.read())
    except NotStrict as error:
        raise Refused(
            "invalid_client_metadata", f"the body must be a JSON object: {error}", reason="malformed"
        ) from None


async def read_form(request: web.Request) -> str:
    """The body as the text of a form. Raises ``Shown``."""
    if request.content_type != FORM:
        raise Shown("invalid_request", f"the body must be {FORM}", reason="content_type", status=415)
    return await read_text(request)


async def read_text(request: web.Request) -> str:
    """The body as ASCII text or UTF-8, whatever charset is claimed. Raises ``Shown``."""
    try:
        return (await request.read()).decode("utf-8")
    except UnicodeDecodeError:
        raise Shown("invalid_request", "the body is not UTF-8", reason="malformed") from None


def strings(text: str) -> list[tuple[str, str]]:
    """The members of a JSON object of strings, doubles and all. Raises ``Shown``."""
    try:
        pairs = json.loads(text, object_pairs_hook=list)
        if "\\u" in text:
            json.dumps(pairs, ensure_ascii=False).encode("utf-8")  # fails on a surrogate that stands alone
    except (ValueError, RecursionError):
        raise Shown("invalid_request", "the body is not JSON", reason="malformed") from None
    well_formed = isinstance(pairs, list) and text.lstrip().startswith("{") and len(pairs) <= parameters.MOST_FIELDS
    if not well_formed or not all(value is None or isinstance(value, str) for _, value in pairs):
        raise Shown("invalid_request", "the body must be a JSON object of strings", reason="malformed")
    return [(name, value or "") for name, value in pairs]


def access_token(request: web.Request, params: Params) -> tuple[str, str]:
    """The access token with its scheme in lower case, ``bearer`` or ``dpop``: from the header or the form, never the
    query, and never twice (RFC 6750 2, RFC 9449 7.1). Raises ``Refused``."""
    headers = request.headers.getall("Authorization", [])
    in_form = params.get("access_token", "") if request.method == "POST" else ""
    if request.method != "POST" and "access_token" in params:
        raise Refused("invalid_request", "an access token does not belong in an address", reason="token_in_url")
    if len(headers) + bool(in_form) > 1:
        raise Refused("invalid_request", "the access token is given twice", reason="two_tokens")
    if in_form:
        return "bearer", in_form
    scheme, _, token = (headers[0] if headers else "").partition(" ")
    if scheme.lower() not in ("bearer", "dpop") or not token:
        raise Refused(NO_TOKEN, "an access token is needed", status=401)
    return scheme.lower(), token.strip()

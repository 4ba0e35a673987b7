"""The authorization request we send a tenant, and the answer that comes back (OpenID Connect Core 3.1.2, 3.2.2, 3.3.2;
Multiple Response Types 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from proxy.models import Connection, ConnectionOptions, Wishes
from proxy.models.connection_options import FRONT
from proxy.oidc import pkce
from proxy.oidc.errors import UpstreamError
from proxy.oidc.params import printable
from proxy.upstream.issuer import speaks_for
from proxy.upstream.metadata import Metadata

CARRIES: Mapping[str, str] = {"code": "code", "id_token": "id_token", "token": "access_token"}
"""Each word of a response type, and the parameter that answers it."""
RESPONSES = (*CARRIES.values(), "response")
"""What an answer may carry; exactly what was asked for may be there."""

ERRORS = frozenset(
    ("access_denied", "account_selection_required", "consent_required", "interaction_required", "invalid_request")
    + ("invalid_request_object", "invalid_request_uri", "invalid_scope", "login_required", "server_error")
    + ("temporarily_unavailable", "unauthorized_client", "unmet_authentication_requirements")
    + ("unsupported_response_type",)
)
"""Error codes we repeat (RFC 6749 4.1.2.1; Core 3.1.2.6). Any other is told as a plain server_error."""


@dataclass(frozen=True, repr=False)
class Response:
    """What an answer carried, each as was asked for or empty. Nothing of it is checked yet but that it is there."""

    code: str = ""
    id_token: str = ""
    access_token: str = ""


def build_params(
    connection: Connection,
    metadata: Metadata,
    wishes: Wishes,
    *,
    redirect_uri: str,
    state: str,
    nonce: str,
    verifier: str,
) -> Mapping[str, str]:
    """The parameters of the request. An empty ``verifier``: without PKCE; an empty ``nonce``: without one. What is ours
    wins over ``upstream_params``, and so does a query that the tenant's address has of its own."""
    options = connection.options
    ours = {
        "client_id": options.client_id,
        "response_type": options.kind,
        "redirect_uri": redirect_uri,
        "scope": " ".join(wishes.scopes),
        "state": state,
        "nonce": nonce,
        "response_mode": _mode(options),
        "code_challenge": pkce.challenge(verifier) if verifier else "",
        "code_challenge_method": "S256" if verifier else "",
        **_wishes(wishes),
    }
    asked = {name: value for name, value in ours.items() if value}
    more = options.upstream_params or wishes.passed_on
    return {**asked, **_theirs(options, metadata, wishes, asked)} if more else asked


def _mode(options: ConnectionOptions) -> str:
    """``response_mode``, unless it is the response type's own (Multiple Response Types 2.1)."""
    usual = "query" if options.kind == "code" else "fragment"
    return "" if options.mode == usual else options.mode


def _theirs(
    options: ConnectionOptions, metadata: Metadata, wishes: Wishes, asked: Mapping[str, str]
) -> Mapping[str, str]:
    """``upstream_params``: fixed values, and what the application asked for under an alias."""
    fixed = {name: one.value for name, one in options.upstream_params.items() if one.value}
    query = parse_qsl(urlsplit(metadata.authorization_endpoint).query, keep_blank_values=True)
    taken = asked.keys() | {name for name, _ in query}
    return {name: value for name, value in {**fixed, **wishes.passed_on}.items() if name not in taken}


def _wishes(wishes: Wishes) -> Mapping[str, str]:
    """``fresh`` forces a login, and ``max_age`` makes the tenant say when it was (Core 2, ``auth_time``)."""
    prompt = ("login", *wishes.prompt) if wishes.fresh else wishes.prompt
    max_age = 0 if wishes.fresh and wishes.max_age is None else wishes.max_age
    return {
        "prompt": " ".join(dict.fromkeys(prompt)),
        "max_age": "" if max_age is None else str(max_age),
        "login_hint": wishes.login_hint,
        "acr_values": " ".join(wishes.acr_values),
        "ui_locales": wishes.ui_locales,
    }


def check_response(params: Mapping[str, str], mode: str, connection: Connection, metadata: Metadata) -> Response:
    """What came back by ``mode``. Raises ``UpstreamError`` (400).

    The checks run in an order: how it came, who answers, whether it is an error, whether it is what was asked for.
    """
    options = connection.options
    if mode != options.mode:
        raise _bad("the answer came in another way than it was asked for", "wrong_method")
    _check_issuer(params, options, metadata)
    if params.get("error"):
        raise _tenant_error(params)
    wanted = [CARRIES[word] for word in options.kind.split()]
    if any(params.get(name) for name in RESPONSES if name not in wanted):
        raise _bad("the answer is of another kind than was asked for", "wrong_response_type")
    for name in wanted:
        if not params.get(name):
            raise _bad(f"the answer holds no {name}", "empty_response")
    if "access_token" in wanted and params.get("token_type", "").lower() != "bearer":
        raise _bad("the answer holds a token of an unknown type", "token_type")
    return Response(**{name: params[name] for name in wanted})


def _check_issuer(params: Mapping[str, str], options: ConnectionOptions, metadata: Metadata) -> None:
    """RFC 9207 2.4. An ID token that comes along names its issuer itself, so beside one ``iss`` may be left out; it is
    verified before anything else of the answer is used."""
    iss = params.get("iss")
    by_token = options.type == FRONT or ("id_token" in options.kind.split() and params.get("id_token"))
    if iss is None and (by_token or not metadata.names_itself):
        return
    if not speaks_for(iss, options, metadata.issuer):
        raise _bad("the answer comes from somebody else", "iss_mismatch")


def _tenant_error(params: Mapping[str, str]) -> UpstreamError:
    """The tenant's own error (RFC 6749 4.1.2.1). Its texts are anybody's: cut, printable, and never a link."""
    code = params["error"] if params["error"] in ERRORS else "server_error"
    said = printable(params.get("error_description", "")) or "the login service refused"
    return UpstreamError(code, said, reason=f"upstream_{code}")


def _bad(description: str, reason: str) -> UpstreamError:
    return UpstreamError("invalid_request", description, reason=reason)

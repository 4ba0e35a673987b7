"""The authorization request we send a tenant, and the answer that comes back (OpenID Connect Core 3.1.2, 3.2.2)."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.models import Connection, Wishes
from proxy.models.connection_options import FRONT
from proxy.oidc import pkce
from proxy.oidc.errors import UpstreamError
from proxy.oidc.params import printable
from proxy.oidc.urls import with_params
from proxy.upstream.metadata import Metadata

RESPONSES = ("code", "id_token", "access_token", "response")
"""What an answer may carry; exactly the one that was asked for may be there."""

ERRORS = frozenset(
    ("access_denied", "account_selection_required", "consent_required", "interaction_required", "invalid_request")
    + ("invalid_scope", "login_required", "server_error", "temporarily_unavailable", "unauthorized_client")
    + ("unmet_authentication_requirements", "unsupported_response_type")
)
"""Error codes we repeat (RFC 6749 4.1.2.1; Core 3.1.2.6). Any other is told as a plain server_error."""


def build_request(
    connection: Connection,
    metadata: Metadata,
    wishes: Wishes,
    *,
    redirect_uri: str,
    state: str,
    nonce: str,
    verifier: str,
) -> str:
    """The address to send the browser to. An empty ``verifier``: without PKCE."""
    front = connection.options.type == FRONT
    params = {
        "client_id": connection.options.client_id,
        "response_type": "id_token" if front else "code",
        "redirect_uri": redirect_uri,
        "scope": " ".join(wishes.scopes),
        "state": state,
        "nonce": nonce,
        "response_mode": "form_post" if front else "",
        "code_challenge": pkce.challenge(verifier) if verifier else "",
        "code_challenge_method": "S256" if verifier else "",
        **_wishes(wishes),
    }
    return with_params(metadata.authorization_endpoint, {name: value for name, value in params.items() if value})


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


def check_response(params: Mapping[str, str], method: str, connection: Connection, metadata: Metadata) -> str:
    """The code (back channel) or the ID token (front channel). Raises ``UpstreamError`` (400).

    The checks run in an order: who answers, whether it is an error, whether it is what was asked for.
    """
    front = connection.options.type == FRONT
    if method != ("POST" if front else "GET"):
        raise _bad("the answer came in another way than it was asked for", "wrong_method")
    _check_issuer(params, metadata, required=metadata.names_itself and not front)
    if params.get("error"):
        raise _tenant_error(params)
    wanted = "id_token" if front else "code"
    if any(params.get(name) for name in RESPONSES if name != wanted):
        raise _bad("the answer is of another kind than was asked for", "wrong_response_type")
    if not params.get(wanted):
        raise _bad(f"the answer holds no {wanted}", "empty_response")
    return params[wanted]


def _check_issuer(params: Mapping[str, str], metadata: Metadata, *, required: bool) -> None:
    """RFC 9207 2.4. An ID token from the front channel names its issuer itself, so there ``iss`` may be left out."""
    iss = params.get("iss")
    if iss is None and not required:
        return
    if iss != metadata.issuer:
        raise _bad("the answer comes from somebody else", "iss_mismatch")


def _tenant_error(params: Mapping[str, str]) -> UpstreamError:
    """The tenant's own error (RFC 6749 4.1.2.1). Its texts are anybody's: cut, printable, and never a link."""
    code = params["error"] if params["error"] in ERRORS else "server_error"
    said = printable(params.get("error_description", "")) or "the login service refused"
    return UpstreamError(code, said, reason=f"upstream_{code}")


def _bad(description: str, reason: str) -> UpstreamError:
    return UpstreamError("invalid_request", description, reason=reason)

"""What we say of ourselves when we register at a tenant (RFC 7591 2, OpenID Connect Registration 1.0 2).

It follows from what the tenant's discovery document offers and from what our connection will do: nothing is asked for
that the tenant does not name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.models.connection_options import FAMILIES
from proxy.oidc.errors import UpstreamError
from proxy.oidc.urls import is_loopback

Document = Mapping[str, Any]

METHODS = ("private_key_jwt", "client_secret_basic", "client_secret_post", "client_secret_jwt")
"""How we like to authenticate, the best first: a key of our own never leaves us."""
ALGORITHMS = tuple(dict.fromkeys(("RS256", "PS256", "ES256", "EdDSA", *FAMILIES)))
"""What may sign ID tokens, the likeliest first."""
SIGNS_WITH = ("RS256", "PS256", "ES256")
"""What signs our client assertions, the likeliest first."""


@dataclass(frozen=True)
class Ourselves:
    """We, as a tenant will know us: our issuer, our name, and the name of the connection."""

    issuer: str
    name: str
    connection: str
    scope: str = "openid profile email"
    own_callback: bool = False

    @property
    def callback(self) -> str:
        """Where the tenant sends answers."""
        return f"{self.issuer}login/callback{f'/{self.connection}' if self.own_callback else ''}"


def build_metadata(document: Document, us: Ourselves) -> Mapping[str, Any]:
    """What we say of ourselves (RFC 7591 2), fitted to the tenant's discovery ``document``. Raises ``UpstreamError``
    when we and the tenant have nothing in common."""
    code = "code" in _listed(document, "response_types_supported", ("code",))
    method = _best(METHODS, _listed(document, "token_endpoint_auth_methods_supported", ("client_secret_basic",)))
    if not code and "id_token" not in _listed(document, "response_types_supported", ()):
        raise bad("the tenant offers neither code nor id_token", "no_response_type")
    if code and not method:
        raise bad("the tenant takes no client authentication that we know", "no_auth_method")
    algorithm = _best(ALGORITHMS, _listed(document, "id_token_signing_alg_values_supported", ("RS256",)))
    if not algorithm:
        raise bad("the tenant signs ID tokens with no algorithm that we know", "no_algorithm")
    refresh = "refresh_token" in _listed(document, "grant_types_supported", ())
    return {
        "application_type": "native" if is_loopback(us.issuer) else "web",
        "client_name": us.name,
        "redirect_uris": [us.callback],
        "response_types": ["code"] if code else ["id_token"],
        "grant_types": ["authorization_code", *(["refresh_token"] if refresh else [])] if code else ["implicit"],
        "scope": us.scope,
        "id_token_signed_response_alg": algorithm,
        **(_authentication(document, us, method) if code else {"token_endpoint_auth_method": method or "none"}),
        **_logout(document, us),
        **({} if is_loopback(us.issuer) else {"initiate_login_uri": f"{us.issuer}login/initiate"}),
    }


def _authentication(document: Document, us: Ourselves, method: str) -> Mapping[str, Any]:
    asked: dict[str, Any] = {"token_endpoint_auth_method": method}
    if method == "private_key_jwt":
        offered = _listed(document, "token_endpoint_auth_signing_alg_values_supported", SIGNS_WITH)
        asked["token_endpoint_auth_signing_alg"] = _best(SIGNS_WITH, offered) or "RS256"
        asked["jwks_uri"] = f"{us.issuer}login/keys/{us.connection}"
    return asked


def _logout(document: Document, us: Ourselves) -> Mapping[str, Any]:
    """How we want to hear of logouts, by the channels the tenant has, and where we come back to from ours."""
    asked: dict[str, Any] = {}
    for channel in ("backchannel", "frontchannel"):
        if document.get(f"{channel}_logout_supported") is True:
            asked[f"{channel}_logout_uri"] = f"{us.issuer}login/{channel}-logout"
            asked[f"{channel}_logout_session_required"] = document.get(f"{channel}_logout_session_supported") is True
    if asked.get("frontchannel_logout_session_required") is False:  # we act on no notice without iss and sid
        del asked["frontchannel_logout_uri"], asked["frontchannel_logout_session_required"]
    if document.get("end_session_endpoint"):
        asked["post_logout_redirect_uris"] = [f"{us.issuer}login/logged-out"]
    return asked


def _listed(document: Document, name: str, unsaid: Sequence[str]) -> Sequence[str]:
    """What the document lists, or what silence means (Discovery 3)."""
    listed = document.get(name)
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else unsaid


def _best(liked: Sequence[str], offered: Sequence[str]) -> str:
    return next((one for one in liked if one in offered), "")


def bad(description: str, reason: str) -> UpstreamError:
    """The registration did not come about."""
    return UpstreamError("server_error", description, reason=reason, status=502)

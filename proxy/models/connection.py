"""A connection: an upstream OpenID Connect tenant as configured here.

One shape for the file, the API and the command line. Names and limits are those of Auth0's ``oidc`` strategy; the rules
each key must follow are checked here, what depends on the rest of the configuration in ``proxy.settings``.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from proxy.models import checks
from proxy.models.client import REGISTERED, Client

FRONT, BACK = "front_channel", "back_channel"
NEEDS = {
    FRONT: ("issuer", "authorization_endpoint", "jwks_uri"),
    BACK: ("issuer", "authorization_endpoint", "jwks_uri", "token_endpoint"),
}
FAMILIES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384"), "EC"),
    "EdDSA": "OKP",
}
_NAME = re.compile(r"[a-zA-Z0-9](-[a-zA-Z0-9]|[a-zA-Z0-9])*")


class ConnectionSettings(BaseModel):
    """``connection_settings``: whether PKCE goes along on the back channel (RFC 7636)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pkce: Literal["auto", "S256", "disabled"] = "auto"


class KeptTokens(BaseModel):
    """``federated_connections_access_tokens``: whether what the tenant gives at a login is kept for clients."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    active: bool = False


class ConnectionOptions(BaseModel):
    """How to speak to the tenant. Explicit endpoints stand instead of, or on top of, discovery."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    type: Literal["front_channel", "back_channel"] = "front_channel"
    client_id: str = Field(min_length=1, max_length=255)
    client_secret: SecretStr | None = Field(default=None, max_length=700)
    issuer: str = Field(default="", max_length=255)
    discovery_url: str = Field(default="", max_length=255, validate_default=True)
    authorization_endpoint: str = Field(default="", max_length=2083)
    token_endpoint: str = Field(default="", max_length=2083)
    jwks_uri: str = Field(default="", max_length=2083)
    userinfo_endpoint: str = Field(default="", max_length=2083)
    end_session_endpoint: str = Field(default="", max_length=2083)
    scope: str = Field(default="openid profile email", max_length=255, validation_alias=AliasChoices("scope", "scopes"))
    icon_url: str = Field(default="", max_length=255)
    domain_aliases: tuple[str, ...] = Field(default=(), max_length=1000)
    token_endpoint_auth_method: Literal["client_secret_basic", "client_secret_post", "none"] | None = None
    id_token_signed_response_algs: tuple[str, ...] = ("RS256",)
    connection_settings: ConnectionSettings = ConnectionSettings()
    federated_connections_access_tokens: KeptTokens | None = None
    own_callback: bool = False
    trust_prompt: bool = False
    metadata_max_age: int = Field(default=3600, ge=0)
    jwks_max_age: int = Field(default=600, ge=0)
    trust: tuple[str, ...] = ()
    allow_private: tuple[str, ...] = ()

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes to ask for, in the order given."""
        return tuple(self.scope.split())

    @property
    def keeps_tokens(self) -> bool:
        """Whether the tenant's tokens are kept for clients."""
        kept = self.federated_connections_access_tokens
        return kept is not None and kept.active

    @field_validator(
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "end_session_endpoint",
        "icon_url",
    )
    @classmethod
    def _addresses(cls, url: str) -> str:
        return checks.address(url) if url else url

    @field_validator("discovery_url")
    @classmethod
    def _place_to_ask(cls, url: str, info: ValidationInfo) -> str:
        if not url and info.data.get("issuer") == "":
            raise ValueError("give discovery_url (base URL or full URL of the tenant), or issuer and its endpoints")
        return checks.address(url) if url else url

    @field_validator("scope")
    @classmethod
    def _has_openid(cls, scope: str) -> str:
        if "openid" not in scope.split():
            raise ValueError('must contain "openid": without it the tenant answers OAuth, not OpenID Connect')
        if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*", scope):
            raise ValueError("must be words separated by single spaces, without quotes or backslashes (RFC 6749 3.3)")
        return scope

    @field_validator("domain_aliases")
    @classmethod
    def _domains(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(checks.domain, checks.not_empty(names))))

    @field_validator("token_endpoint_auth_method")
    @classmethod
    def _secret_fits(cls, method: str | None, info: ValidationInfo) -> str | None:
        if "client_secret" in info.data and method is not None:
            _check_method(method, has_secret=info.data["client_secret"] is not None)
        return method

    @field_validator("id_token_signed_response_algs")
    @classmethod
    def _one_family(cls, algs: tuple[str, ...]) -> tuple[str, ...]:
        if not algs or not set(algs) <= FAMILIES.keys():
            raise ValueError(f"must be from {', '.join(FAMILIES)}; never none or HS256 (the key would be public)")
        if len({FAMILIES[alg] for alg in algs}) > 1:
            raise ValueError("must be of one key family: RS and PS (RSA), ES (EC), or EdDSA")
        return algs

    @field_validator("connection_settings")
    @classmethod
    def _proof_of_start(cls, value: ConnectionSettings, info: ValidationInfo) -> ConnectionSettings:
        if value.pkce == "disabled" and "client_secret" in info.data and info.data["client_secret"] is None:
            raise ValueError("pkce may be disabled only with a client_secret")
        return value

    @field_validator("federated_connections_access_tokens")
    @classmethod
    def _has_tokens(cls, kept: KeptTokens | None, info: ValidationInfo) -> KeptTokens | None:
        if kept is not None and kept.active and info.data.get("type") == FRONT:
            raise ValueError('needs type = "back_channel": on the front channel the tenant gives no access token')
        return kept

    @field_validator("trust")
    @classmethod
    def _files(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return checks.not_empty(paths)

    @field_validator("allow_private")
    @classmethod
    def _networks(cls, cidrs: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.callable_network, checks.not_empty(cidrs)))


def _check_method(method: str, *, has_secret: bool) -> None:
    if method == "none" and has_secret:
        raise ValueError('"none" uses no client_secret; remove one of the two')
    if method != "none" and not has_secret:
        raise ValueError(f'"{method}" needs a client_secret')


class Connection(BaseModel):
    """An upstream tenant, the applications that may use it, and its button. ``is_domain_connection``: applications
    that are not the operator's own may use it too."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(max_length=128)
    strategy: Literal["oidc"] = "oidc"
    display_name: str = Field(default="", max_length=128)
    enabled_clients: tuple[str, ...] = ()
    show_as_button: bool = True
    is_domain_connection: bool = False
    options: ConnectionOptions

    @property
    def label(self) -> str:
        """The button's words before any plugin: the display name, else the name."""
        return self.display_name or self.name

    @field_validator("name")
    @classmethod
    def _fits_in_a_path(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("must be letters, digits and single hyphens, with no hyphen at either end")
        return name

    @field_validator("display_name")
    @classmethod
    def _words(cls, text: str) -> str:
        return checks.words(text)

    @field_validator("enabled_clients")
    @classmethod
    def _clients(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        return checks.not_empty(ids)


def serves(connection: Connection | None, client: Client) -> bool:
    """Whether the client may use the connection: it is enabled for it, or open to clients of others and to those that
    are not in the file."""
    if connection is None:
        return False
    outside = not client.is_first_party or client.client_id.startswith(REGISTERED)
    open_to_all = connection.is_domain_connection and outside
    return open_to_all or client.client_id in connection.enabled_clients

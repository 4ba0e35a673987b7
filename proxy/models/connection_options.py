"""``options`` of a connection: how to speak to the tenant. Names and limits are those of Auth0's ``oidc`` strategy;
what only certification or safety asks for is ours (``response_type``, ``own_callback``, ``tenant_ids`` ...).

Each key's own rule stands here; rules between keys are in ``models.connection_rules``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from proxy.models import checks
from proxy.models.attribute_map import AttributeMap

FRONT, BACK = "front_channel", "back_channel"
FAMILIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384"), "EC"),
    "EdDSA": "OKP",
}
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
Method = Literal["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"]
ResponseType = Literal["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"]
NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    FRONT: ("issuer", "authorization_endpoint", "jwks_uri"),
    BACK: ("issuer", "authorization_endpoint", "jwks_uri", "token_endpoint"),
}
"""What must be known of a tenant on each channel."""
ALIASES: Final = frozenset(
    ("acr_values", "audience", "client_id", "display", "id_token_hint", "login_hint", "max_age", "prompt", "resource")
    + ("response_mode", "response_type", "ui_locales")
)
"""Parameters of the application's request that ``upstream_params`` may hand on."""
SET_BY_US: Final = frozenset(
    ("client_id", "code_challenge", "code_challenge_method", "dpop_jkt", "nonce", "redirect_uri", "request")
    + ("request_uri", "response_mode", "response_type", "scope", "state")
)
"""Parameters of the request to the tenant that nothing else may set."""
TENANT_ID: Final = "{tenantid}"
"""The place in an issuer where each tenant of a family has its own name."""


class ConnectionSettings(BaseModel):
    """``connection_settings``: whether PKCE goes along when a code comes back (RFC 7636)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pkce: Literal["auto", "S256", "disabled"] = "auto"

    @field_validator("pkce", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return {"s256": "S256"}.get(value, value) if isinstance(value, str) else value


class KeptTokens(BaseModel):
    """``federated_connections_access_tokens``: whether what the tenant gives at a login is kept for clients."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    active: bool = False


class UpstreamParam(BaseModel):
    """One of ``upstream_params``: a fixed ``value``, or what the application sent as ``alias``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: str | None = Field(default=None, max_length=1024)
    alias: str | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> UpstreamParam:
        if (self.value is None) is (self.alias is None):
            raise ValueError('needs "value" or "alias", one of the two')
        if self.alias is not None and self.alias not in ALIASES:
            raise ValueError(f"alias must be from {', '.join(sorted(ALIASES))}")
        return self


class ConnectionOptions(BaseModel):
    """How to speak to the tenant. Explicit endpoints stand instead of, or on top of, ``oidc_metadata`` or discovery."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    type: Literal["front_channel", "back_channel"] = "front_channel"
    client_id: str = Field(min_length=1, max_length=255)
    client_secret: SecretStr | None = Field(default=None, max_length=700)
    client_secret_previous: SecretStr | None = Field(default=None, max_length=700)
    issuer: str = Field(default="", max_length=255)
    tenant_ids: tuple[str, ...] = Field(default=(), max_length=1000)
    discovery_url: str = Field(default="", max_length=255)
    oidc_metadata: Mapping[str, Any] | None = None
    authorization_endpoint: str = Field(default="", max_length=2083)
    token_endpoint: str = Field(default="", max_length=2083)
    jwks_uri: str = Field(default="", max_length=2083)
    userinfo_endpoint: str = Field(default="", max_length=2083)
    end_session_endpoint: str = Field(default="", max_length=2083)
    pushed_authorization_request_endpoint: str = Field(default="", max_length=2083)
    scope: str = Field(default="openid profile email", max_length=255, validation_alias=AliasChoices("scope", "scopes"))
    icon_url: str = Field(default="", max_length=255)
    tenant_domain: str = Field(default="", max_length=255)
    domain_aliases: tuple[str, ...] = Field(default=(), max_length=1000)
    attribute_map: AttributeMap | None = None
    set_user_root_attributes: Literal["on_each_login", "on_first_login", "never_on_login"] = "on_each_login"
    non_persistent_attrs: tuple[str, ...] = Field(default=(), max_length=100)
    token_endpoint_auth_method: Method | None = None
    token_endpoint_auth_signing_alg: Algorithm | None = None
    token_endpoint_jwtca_aud_format: Literal["issuer", "token_endpoint"] = "issuer"
    id_token_signed_response_algs: tuple[str, ...] = ("RS256",)
    userinfo_signed_response_alg: Algorithm | None = None
    response_type: ResponseType | None = None
    response_mode: Literal["query", "fragment", "form_post"] | None = None
    request_object: Literal["value", "reference"] | None = None
    request_object_signing_alg: Literal["none"] | Algorithm = "RS256"
    enable_pushed_authorization_requests: bool = False
    dpop_signing_alg: Literal["ES256", "ES384", "ES512", "Ed25519"] | None = None
    send_back_channel_nonce: bool = True
    connection_settings: ConnectionSettings = ConnectionSettings()
    upstream_params: Mapping[str, UpstreamParam] = Field(default={}, max_length=50)
    id_token_session_expiry_supported: bool = False
    federated_connections_access_tokens: KeptTokens | None = None
    strict_logout_token: bool = False
    own_callback: bool = False
    trust_prompt: bool = False
    metadata_max_age: int = Field(default=3600, ge=0)
    jwks_max_age: int = Field(default=600, ge=0)
    trust: tuple[str, ...] = ()
    allow_private: tuple[str, ...] = ()

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes to ask for, in the order given."""
        more = self.attribute_map.userinfo_scope if self.attribute_map else ""
        return tuple(dict.fromkeys((*self.scope.split(), *more.split())))

    @property
    def kind(self) -> ResponseType:
        """The response type to ask for: the one given, or what ``type`` implies."""
        return self.response_type or ("id_token" if self.type == FRONT else "code")

    @property
    def mode(self) -> str:
        """How the answer comes back: the mode given, or a form for what must stay out of addresses."""
        return self.response_mode or ("query" if self.kind == "code" else "form_post")

    @property
    def keeps_tokens(self) -> bool:
        """Whether the tenant's tokens are kept for clients."""
        kept = self.federated_connections_access_tokens
        return kept is not None and kept.active

    @property
    def hands_on_tokens(self) -> bool:
        """Whether anything of the tenant's tokens is of use after the login."""
        mapped = self.attribute_map is not None and self.attribute_map.reads_access_token
        return self.keeps_tokens or mapped

    @property
    def reads_userinfo(self) -> bool:
        """Whether userinfo is called at a login."""
        return self.attribute_map is not None and self.attribute_map.reads_userinfo

    @field_validator(
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "end_session_endpoint",
        "pushed_authorization_request_endpoint",
        "discovery_url",
        "icon_url",
    )
    @classmethod
    def _addresses(cls, url: str) -> str:
        return checks.address(url.replace(TENANT_ID, "tenantid")) and url if url else url

    @field_validator("client_id")
    @classmethod
    def _who_we_are(cls, name: str) -> str:
        if not re.fullmatch(r"[\x20-\x7e]+", name):
            raise ValueError("must be printable ASCII (RFC 6749 A.1)")
        return name

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

    @field_validator("id_token_signed_response_algs", mode="before")
    @classmethod
    def _or_the_usual(cls, algs: Any) -> Any:
        if algs is None:  # Auth0's null
            return ("RS256",)
        return tuple(algs) if isinstance(algs, list) else algs  # a strict reader takes no list from here

    @field_validator("id_token_signed_response_algs")
    @classmethod
    def _one_family(cls, algs: tuple[str, ...]) -> tuple[str, ...]:
        if not algs or not set(algs) <= FAMILIES.keys():
            raise ValueError(f"must be from {', '.join(FAMILIES)}; never none or HS256 (the key would be public)")
        if len({FAMILIES[alg] for alg in algs}) > 1:
            raise ValueError("must be of one key family: RS and PS (RSA), ES (EC), or EdDSA")
        return tuple(dict.fromkeys(algs))

    @field_validator("upstream_params")
    @classmethod
    def _ours_stay_ours(cls, params: Mapping[str, UpstreamParam]) -> Mapping[str, UpstreamParam]:
        for name in params:
            if name in SET_BY_US or not re.fullmatch(r"[\x21-\x7e]{1,128}", name):
                raise ValueError(f"must not name {', '.join(sorted(SET_BY_US))}: Isthmus sets these")
        return params

    @field_validator("tenant_ids")
    @classmethod
    def _exact(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", id) for id in ids):
            raise ValueError("must be exact tenant ids (letters, digits, dot, hyphen, underscore); never a wildcard")
        return ids

    @field_validator("trust", "non_persistent_attrs")
    @classmethod
    def _listed(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return checks.not_empty(words)

    @field_validator("allow_private")
    @classmethod
    def _networks(cls, cidrs: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.callable_network, checks.not_empty(cidrs)))

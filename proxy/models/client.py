"""A client: a downstream application, with the metadata names of RFC 7591 and OpenID Connect Registration.

The rules each key must follow are checked here, what depends on the rest of the configuration in ``proxy.settings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from proxy.models import checks

STANDARD_SCOPES = ("openid", "profile", "email", "address", "phone", "offline_access")
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
FEDERATED_TOKEN = "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token"
GRANT_TYPES = (
    "authorization_code",
    "implicit",
    "refresh_token",
    "client_credentials",
    DEVICE_CODE,
    TOKEN_EXCHANGE,
    FEDERATED_TOKEN,
)
RESPONSE_TYPES: Mapping[str, tuple[str, ...]] = {
    "code": ("authorization_code",),
    "id_token": ("implicit",),
    "id_token token": ("implicit",),
    "code id_token": ("authorization_code", "implicit"),
    "code token": ("authorization_code", "implicit"),
    "code id_token token": ("authorization_code", "implicit"),
    "none": (),
}
"""What may be asked of the authorization endpoint, and the grant types that go with it (RFC 7591 2.1)."""
AUTH_METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none")
WITH_SECRET = AUTH_METHODS[:3]
SIGNED_WITH_A_KEY = ("RS256", "PS256", "ES256")
"""Algorithms of what clients sign with their own keys: assertions and request objects."""
SIGNED_WITH_THE_SECRET = ("HS256", "HS384", "HS512")
REGISTERED = "tpc_"
"""How the id of a client begins that is not in the file: one that registered itself, or was added by a command."""
LONGEST_ADDRESS = 2048


def response_type(asked: str) -> str:
    """The usual spelling of a response type: the order of its words says nothing (RFC 6749 3.1.1)."""
    if asked in RESPONSE_TYPES:
        return asked
    given = sorted(asked.split(" "))
    return next((known for known in RESPONSE_TYPES if sorted(known.split(" ")) == given), asked)


class ApiGrant(BaseModel):
    """An API the client may have access tokens for (RFC 9068 audience), and the scopes it may have there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    audience: str
    scopes: tuple[str, ...] = ()

    @field_validator("audience")
    @classmethod
    def _absolute(cls, audience: str) -> str:
        return checks.audience(audience)

    @field_validator("scopes")
    @classmethod
    def _scopes(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.printable, checks.not_empty(scopes)))


class Client(BaseModel):
    """An application. ``token_endpoint_auth_method`` none makes it public: PKCE is then compulsory (RFC 9700 2.1.1).

    ``client_secret_previous`` is good too while a secret is changed. ``scope`` bounds what may be asked; without it the
    standard scopes may. ``is_first_party`` false means a consent page; clients that registered themselves get it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    client_id: str = Field(max_length=255)
    client_secret: SecretStr | None = None
    client_secret_previous: SecretStr | None = None
    client_name: str = Field(default="", max_length=128)
    client_uri: str = Field(default="", max_length=2048)
    logo_uri: str = Field(default="", max_length=2048)
    policy_uri: str = Field(default="", max_length=2048)
    tos_uri: str = Field(default="", max_length=2048)
    contacts: tuple[str, ...] = Field(default=(), max_length=20)
    application_type: Literal["web", "native"] = "web"
    token_endpoint_auth_method: (
        Literal["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"] | None
    ) = None
    token_endpoint_auth_signing_alg: str = ""
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str = Field(default="", max_length=2048)
    redirect_uris: tuple[str, ...] = Field(default=(), max_length=100)
    post_logout_redirect_uris: tuple[str, ...] = Field(default=(), max_length=100)
    web_origins: tuple[str, ...] = Field(default=(), max_length=100)
    allowed_origins: tuple[str, ...] = Field(default=(), max_length=100)
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    scope: str | None = Field(default=None, max_length=2048)
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier_uri: str = Field(default="", max_length=2048)
    id_token_signed_response_alg: str = "RS256"
    userinfo_signed_response_alg: str = ""
    introspection_signed_response_alg: str = ""
    request_object_signing_alg: str = ""
    request_uris: tuple[str, ...] = Field(default=(), max_length=20)
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    dpop_bound_access_tokens: bool = False
    default_max_age: int | None = Field(default=None, ge=0, le=999_999_999)
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = Field(default=(), max_length=20)
    initiate_login_uri: str = Field(default="", max_length=2048)
    backchannel_logout_uri: str = Field(default="", max_length=2048)
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str = Field(default="", max_length=2048)
    frontchannel_logout_session_required: bool = False
    id_token_claims: Literal["profile", "lean"] = "profile"
    is_first_party: bool = True
    grants: tuple[ApiGrant, ...] = ()
    logout_revokes_offline: bool = False

    @property
    def label(self) -> str:
        """What a page calls the application."""
        return self.client_name or self.client_id

    @property
    def is_public(self) -> bool:
        """Whether it cannot keep a secret (RFC 6749 2.1)."""
        return self.auth_method == "none"

    @property
    def auth_method(self) -> str:
        """How it authenticates: as registered, else Basic with a secret and ``none`` without (RFC 7591 2)."""
        return self.token_endpoint_auth_method or ("client_secret_basic" if self.client_secret else "none")

    def api(self, audience: str) -> ApiGrant | None:
        """The grant for ``audience``, or None: nothing is allowed by default."""
        return next((grant for grant in self.grants if grant.audience == audience), None)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The standard scopes it may ask for."""
        allowed = STANDARD_SCOPES if self.scope is None else self.scope.split(" ")
        return tuple(scope for scope in STANDARD_SCOPES if scope in allowed)

    @field_validator("client_id")
    @classmethod
    def _printable(cls, client_id: str) -> str:
        return checks.printable(client_id)

    @field_validator("client_name")
    @classmethod
    def _words(cls, text: str) -> str:
        if "<" in text or ">" in text:
            raise ValueError("must not hold < or >")
        return checks.words(text)

    @field_validator("contacts")
    @classmethod
    def _lines(cls, contacts: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(contact) > 254 for contact in contacts):
            raise ValueError("must be addresses of at most 254 characters")
        return tuple(map(checks.words, checks.not_empty(contacts)))

    @field_validator("client_uri", "logo_uri", "policy_uri", "tos_uri")
    @classmethod
    def _link(cls, uri: str) -> str:
        return checks.address(uri) if uri else uri

    @field_validator(
        "jwks_uri",
        "sector_identifier_uri",
        "initiate_login_uri",
        "backchannel_logout_uri",
        "frontchannel_logout_uri",
    )
    @classmethod
    def _called(cls, uri: str) -> str:
        return checks.address(uri) if uri else uri

    @field_validator("request_uris")
    @classmethod
    def _request_objects(cls, uris: tuple[str, ...]) -> tuple[str, ...]:
        for uri in checks.not_empty(uris):  # a fragment holds the hash of what is there (OIDC Core 6.2)
            checks.address(uri.partition("#")[0])
            if len(uri) > LONGEST_ADDRESS:
                raise ValueError(f"must be addresses of at most {LONGEST_ADDRESS} characters")
        return uris

    @field_validator("web_origins", "allowed_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.web_origin, checks.not_empty(origins)))

    @field_validator("token_endpoint_auth_method")
    @classmethod
    def _secret_fits(cls, method: str | None, info: ValidationInfo) -> str | None:
        if method == "none" and info.data.get("client_secret") is not None:
            raise ValueError('a public client ("none") has no client_secret; remove one of the two')
        return method

    @field_validator("redirect_uris", "post_logout_redirect_uris")
    @classmethod
    def _destinations(cls, uris: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for uri in checks.not_empty(uris):
            checks.redirect_uri(uri)
            if len(uri) > LONGEST_ADDRESS:
                raise ValueError(f"must be addresses of at most {LONGEST_ADDRESS} characters")
        if any(map(checks.is_private_use, uris)) and _can_keep_a_secret(info):
            raise ValueError("a scheme of the app's own is for public clients only (RFC 8252 8.4)")
        return uris

    @field_validator("grant_types")
    @classmethod
    def _known_grants(cls, grants: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not grants or not set(grants) <= set(GRANT_TYPES):
            raise ValueError(f"must be from {', '.join(GRANT_TYPES)}")
        if "client_credentials" in grants and info.data.get("token_endpoint_auth_method") == "none":
            raise ValueError('"client_credentials" is for clients that can prove who they are (RFC 6749 4.4)')
        return grants

    @field_validator("response_types")
    @classmethod
    def _with_their_grants(cls, types: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        types = tuple(dict.fromkeys(map(response_type, types)))
        if not set(types) <= set(RESPONSE_TYPES):
            raise ValueError(f"must be from {', '.join(RESPONSE_TYPES)}")
        for one in types:
            for needed in RESPONSE_TYPES[one]:
                # "code" is the default, which goes unused by a client without the grant
                if one != "code" and needed not in info.data.get("grant_types", (needed,)):
                    raise ValueError(f'"{one}" needs grant_types to hold "{needed}"')
        return types

    @field_validator("scope")
    @classmethod
    def _scope_words(cls, scope: str | None) -> str | None:
        if scope:
            for word in scope.split(" "):
                checks.printable(word)
        return scope

    @field_validator("grants")
    @classmethod
    def _once_each(cls, grants: tuple[ApiGrant, ...]) -> tuple[ApiGrant, ...]:
        if len({grant.audience for grant in grants}) < len(grants):
            raise ValueError("names an audience twice; join the scopes")
        return grants


def _can_keep_a_secret(info: ValidationInfo) -> bool:
    method = info.data.get("token_endpoint_auth_method")
    return info.data.get("client_secret") is not None or method not in (None, "none")

"""A client: a downstream application, with the metadata names of RFC 7591 and OpenID Connect Registration.

The rules each key must follow are checked here, what depends on the rest of the configuration in ``proxy.settings``.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from proxy.models import checks

STANDARD_SCOPES = ("openid", "profile", "email", "address", "phone", "offline_access")
GRANT_TYPES = ("authorization_code", "implicit", "refresh_token", "client_credentials")
RESPONSE_TYPES = {"code": "authorization_code", "id_token": "implicit"}
"""What may be asked of the authorization endpoint, and the grant type that goes with it (RFC 7591 2.1)."""


class ApiGrant(BaseModel):
    """An API the client may have access tokens for (RFC 9068 audience), and the scopes it may have there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    audience: str
    scopes: tuple[str, ...] = ()

    @field_validator("audience")
    @classmethod
    def _absolute(cls, audience: str) -> str:
        checks.printable(audience)
        if not urlsplit(audience).scheme or "#" in audience:
            raise ValueError('must be an absolute URI without a fragment, like "https://api.example.com/" (RFC 8707 2)')
        return audience

    @field_validator("scopes")
    @classmethod
    def _scopes(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.printable, checks.not_empty(scopes)))


class Client(BaseModel):
    """An application. ``token_endpoint_auth_method`` none makes it public: PKCE is then compulsory (RFC 9700 2.1.1)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    client_id: str = Field(max_length=255)
    client_secret: SecretStr | None = None
    client_name: str = Field(default="", max_length=128)
    token_endpoint_auth_method: Literal["client_secret_basic", "client_secret_post", "none"] | None = None
    redirect_uris: tuple[str, ...] = Field(default=(), max_length=100)
    post_logout_redirect_uris: tuple[str, ...] = Field(default=(), max_length=100)
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    id_token_claims: Literal["profile", "lean"] = "profile"
    is_first_party: Literal[True] = True
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

    @field_validator("token_endpoint_auth_method")
    @classmethod
    def _secret_fits(cls, method: str | None, info: ValidationInfo) -> str | None:
        if "client_secret" not in info.data or method is None:
            return method
        if method == "none" and info.data["client_secret"] is not None:
            raise ValueError('a public client ("none") has no client_secret; remove one of the two')
        if method != "none" and info.data["client_secret"] is None:
            raise ValueError(f'"{method}" needs a client_secret')
        return method

    @field_validator("redirect_uris", "post_logout_redirect_uris")
    @classmethod
    def _destinations(cls, uris: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for uri in checks.not_empty(uris):
            checks.redirect_uri(uri)
        if any(map(checks.is_private_use, uris)) and _has_secret(info):
            raise ValueError("a scheme of the app's own is for public clients only (RFC 8252 8.4)")
        return uris

    @field_validator("grant_types")
    @classmethod
    def _can_prove_itself(cls, grants: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not grants or not set(grants) <= set(GRANT_TYPES):
            raise ValueError(f"must be from {', '.join(GRANT_TYPES)}")
        if "client_credentials" in grants and info.data.get("client_secret", "unknown") is None:
            raise ValueError('"client_credentials" needs a client_secret (RFC 6749 4.4)')
        return grants

    @field_validator("response_types")
    @classmethod
    def _with_their_grants(cls, types: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not set(types) <= set(RESPONSE_TYPES):
            raise ValueError(f"must be from {', '.join(RESPONSE_TYPES)}")
        for one in types:
            if one != "code" and RESPONSE_TYPES[one] not in info.data.get("grant_types", (RESPONSE_TYPES[one],)):
                raise ValueError(f'"{one}" needs grant_types to hold "{RESPONSE_TYPES[one]}"')
        return types

    @field_validator("grants")
    @classmethod
    def _once_each(cls, grants: tuple[ApiGrant, ...]) -> tuple[ApiGrant, ...]:
        if len({grant.audience for grant in grants}) < len(grants):
            raise ValueError("names an audience twice; join the scopes")
        return grants


def _has_secret(info: ValidationInfo) -> bool:
    return info.data.get("client_secret") is not None

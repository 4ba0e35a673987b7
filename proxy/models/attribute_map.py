"""``attribute_map``: how what a tenant says of a person becomes the profile, as Auth0's connections have it.

A template is text with ``${context.<source>.<claim>}`` in it, by itself or mixed with other text. It is data: a name is
looked up, nothing is computed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

SOURCES: Final = ("tokenset", "userinfo", "connection")
"""What a template may read: the ID token's claims (and ``access_token``), those of userinfo, and ``id`` and
``strategy`` of the connection."""
OF_CONNECTION: Final = ("id", "strategy")
ACCESS_TOKEN: Final = "access_token"
"""The name under ``tokenset`` of the tenant's access token, whole."""
REFERENCE: Final = re.compile(r"\$\{context\.([a-z]+)\.([^{}\s]{1,128})\}")
LONGEST_TEMPLATE, MOST_ATTRIBUTES = 1000, 100
RESTRICTED: Final = frozenset(
    ("acr", "act", "active", "amr", "at_hash", "ath", "attest", "aud", "auth_time", "authorization_details", "azp")
    + ("c_hash", "client_id", "cnf", "cty", "dest", "entitlements", "events", "exp", "groups", "gty", "htm", "htu")
    + ("iat", "internalService", "iss", "jcard", "jku", "jti", "jwe", "jwk", "kid", "may_act", "mky", "nbf", "nonce")
    + ("object_id", "org_id", "org_name", "orig", "origid", "permissions", "roles", "rph", "s_hash", "sid")
    + ("sip_callid", "sip_cseq_num", "sip_date", "sip_from_tag", "sip_via_branch", "sub", "sub_jwk", "toe", "txn")
    + ("typ", "uuid", "vot", "vtm", "x5t#S256")
)
"""Claims that ``bind_all`` leaves out: they say something about the token, or give rights."""
OF_TOKENS: Final = frozenset(
    ("iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "at_hash", "c_hash", "s_hash", "ath", "auth_time")
    + ("acr", "amr", "sid", "client_id", "scope", "act", "may_act", "cnf", "typ", "cty", "alg", "kid", "jku", "jwk")
    + ("jwe", "x5t#S256", "events", "txn", "toe", "sub_id", "sub_jwk", "attest", "authorization_details", "gty")
    + ("active", "htm", "htu", "vot", "vtm", "mky", "org_id", "org_name", "user_id", "identities")
    + ("access_token", "refresh_token", "id_token", "token_type")
)
"""Names with a meaning in tokens or in our own answers (RFC 7519, OIDC Core 2, RFC 9068, and those Auth0 restricts):
nobody but us sets them."""
RESERVED: Final = OF_TOKENS | {"app_metadata", "user_metadata", "blocked"}
"""Attributes that no template sets: they are ours to say."""


class AttributeMap(BaseModel):
    """``bind_all`` takes every claim that is not ``RESTRICTED``, ``use_map`` those that ``attributes`` names,
    ``basic_profile`` the standard ones. ``userinfo_scope``: what else to ask for, and that userinfo is to be called."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mapping_mode: Literal["bind_all", "use_map", "basic_profile"] = "bind_all"
    userinfo_scope: str = Field(default="", max_length=255)
    attributes: Mapping[str, str] = Field(default={}, max_length=MOST_ATTRIBUTES)

    @field_validator("userinfo_scope")
    @classmethod
    def _scope(cls, scope: str) -> str:
        if not re.fullmatch(r"([\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*)?", scope):
            raise ValueError("must be words separated by single spaces, without quotes or backslashes (RFC 6749 3.3)")
        return scope

    @field_validator("attributes")
    @classmethod
    def _templates(cls, attributes: Mapping[str, str]) -> Mapping[str, str]:
        for name, template in attributes.items():
            if not name or len(name) > 128 or name in RESERVED or name.startswith("_") or not name.isprintable():
                raise ValueError("an attribute needs a name of at most 128 characters that is not Isthmus' own")
            check_template(template)
        return attributes

    @property
    def reads_userinfo(self) -> bool:
        """Whether userinfo must be called for it."""
        return bool(self.userinfo_scope) or any(source == "userinfo" for source, _ in self._named())

    @property
    def reads_access_token(self) -> bool:
        """Whether it hands on the tenant's access token."""
        return self.mapping_mode == "use_map" and ("tokenset", ACCESS_TOKEN) in self._named()

    def _named(self) -> list[tuple[str, str]]:
        return [reference for template in self.attributes.values() for reference in REFERENCE.findall(template)]


def check_template(template: str) -> None:
    """Raises ValueError for a template that cannot be read."""
    if len(template) > LONGEST_TEMPLATE:
        raise ValueError(f"a template has at most {LONGEST_TEMPLATE} characters")
    for source, claim in REFERENCE.findall(template):
        if source not in SOURCES or (source == "connection" and claim not in OF_CONNECTION):
            raise ValueError(
                "a template reads ${context.tokenset.x}, ${context.userinfo.x} or ${context.connection.id}"
            )
    if "${" in REFERENCE.sub("", template):
        raise ValueError('holds a "${" that begins no reference, like ${context.tokenset.email}')

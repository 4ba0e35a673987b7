"""Client metadata as JSON (RFC 7591 2, OpenID Connect Registration 2), read strictly and as a whole.

One reader for a registration, for a change of it and for the operator's commands, so that no way in is weaker than
another. What a client may not say of itself is refused, what we do not know is ignored (RFC 7591 2); an operator may
say everything and hears of a misspelt name.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from proxy.models import Client
from proxy.models.client import (
    DEVICE_CODE,
    FEDERATED_TOKEN,
    GRANT_TYPES,
    STANDARD_SCOPES,
    TOKEN_EXCHANGE,
    WITH_SECRET,
)
from proxy.models.client_rules import ID_TOKEN_MAC, Fault, inconsistencies
from proxy.oidc.errors import Refused
from proxy.oidc.params import printable
from proxy.oidc.urls import is_loopback
from proxy.settings.problems import dotted, tell

Metadata = Mapping[str, Any]

OPERATORS = ("is_first_party", "grants", "logout_revokes_offline")
"""What only the operator says of a client."""
ISSUED = (
    "client_id",
    "client_secret",
    "client_secret_previous",
    "client_secret_expires_at",
    "client_id_issued_at",
    "registration_access_token",
    "registration_client_uri",
)
"""What only we say."""
SELF_SERVICE = frozenset(GRANT_TYPES) - {"client_credentials", TOKEN_EXCHANGE, FEDERATED_TOKEN}
"""The grant types that a client may have without the operator's word: each needs a person's login."""
BY_BROWSER = frozenset(("authorization_code", "implicit"))
REFRESHABLE = frozenset(("authorization_code", DEVICE_CODE))
ADDRESSES = (
    "client_uri",
    "logo_uri",
    "policy_uri",
    "tos_uri",
    "jwks_uri",
    "sector_identifier_uri",
    "initiate_login_uri",
    "backchannel_logout_uri",
    "frontchannel_logout_uri",
)
DESTINATIONS = ("redirect_uris", "post_logout_redirect_uris")
LARGEST = 64 * 1024
"""Most bytes of metadata that are kept of one client."""


@dataclass(frozen=True)
class House:
    """Whose client it will be: our issuer, and the algorithms we sign with."""

    issuer: str
    algorithms: tuple[str, ...]


def read(body: Metadata, client_id: str, house: House, *, current: Client | None = None, own: bool = False) -> Client:
    """The client that ``body`` describes, by a client's own word. ``current`` is what is there now: what the operator
    gave it stays. ``own``: it is the operator's own application. Raises ``Refused`` with the key at fault."""
    wanted = {name: value for name, value in body.items() if value is not None}  # RFC 7592 2.2: null is absent
    for name in (*OPERATORS, *ISSUED):
        if name in wanted:
            raise refused(name, "is not for a client to say")
    known = {name: value for name, value in wanted.items() if name in Client.model_fields}
    given = {"is_first_party": own, **(_given_by_operator(current) if current else {})}
    client = _validated({**known, **given}, client_id)
    _check(client, house, (*_beyond(client, current), *_inner(client)))
    return client


def read_operators(body: Metadata, client_id: str, house: House) -> Client:
    """The client that the operator describes in ``body``. Raises ``Refused`` with the key at fault."""
    wanted = {name: value for name, value in body.items() if value is not None}
    for name in ISSUED:
        if name in wanted:
            raise refused(name, "is made here, not given")
    client = _validated({"is_first_party": False, **wanted}, client_id)
    _check(client, house)
    return client


def needs_secret(client: Client) -> bool:
    """Whether we and the client share a secret."""
    by_mac = client.id_token_signed_response_alg == ID_TOKEN_MAC and not client.is_public
    return client.token_endpoint_auth_method in WITH_SECRET or by_mac


def needs_readable_secret(client: Client) -> bool:
    """Whether signatures are made with the secret, so that its hash is not enough."""
    return client.token_endpoint_auth_method == "client_secret_jwt" or (
        client.id_token_signed_response_alg == ID_TOKEN_MAC and not client.is_public
    )


def as_metadata(client: Client, *, operator: bool = False) -> dict[str, Any]:
    """What is registered of the client, as JSON: all that is not empty (RFC 7591 3.2.1). Only for the ``operator``
    with what the operator says."""
    hidden = {"client_id", "client_secret", "client_secret_previous", *(() if operator else OPERATORS)}
    found = {name: value for name, value in client.model_dump(mode="json").items() if name not in hidden}
    found["scope"] = " ".join(STANDARD_SCOPES) if client.scope is None else client.scope
    return {name: value for name, value in found.items() if value not in ("", [], None)}


def refused(name: str, remedy: str) -> Refused:
    """The error of RFC 7591 3.2.2 for a key."""
    code = "invalid_redirect_uri" if name.partition("[")[0] in DESTINATIONS else "invalid_client_metadata"
    return Refused(code, printable(f"{name} {remedy}".replace('"', "'")))


def _given_by_operator(current: Client) -> dict[str, Any]:
    return current.model_dump(mode="json", include=set(OPERATORS))


def _validated(values: Mapping[str, Any], client_id: str) -> Client:
    """The values with our defaults, each by its rule; strictly, so that nothing is taken for what it is not."""
    text = json.dumps({**_with_defaults(values), "client_id": client_id})
    try:
        return Client.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise min(map(_told, error.errors(include_input=False, include_url=False)), key=_redirects_first) from None


def _told(error: Mapping[str, Any]) -> Refused:
    fault = tell({**error, "loc": ("clients", "this", *error["loc"])})
    return refused(dotted(fault.place[2:]), fault.remedy)


def _redirects_first(error: Refused) -> bool:
    return error.code != "invalid_redirect_uri"


def _with_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is not said. A client with codes, or devices, may have refresh tokens, too: whether it gets one is a matter
    of ``offline_access``, and of the person's consent."""
    grants = values.get("grant_types", ["authorization_code"])
    if isinstance(grants, list) and REFRESHABLE & set(map(str, grants)) and "refresh_token" not in grants:
        grants = [*grants, "refresh_token"]
    answers = ["code"] if not isinstance(grants, list) or BY_BROWSER & set(map(str, grants)) else []
    return {
        "token_endpoint_auth_method": "client_secret_basic",
        "id_token_claims": "lean",
        "response_types": answers,
        **values,
        "grant_types": grants,
    }


def _check(client: Client, house: House, more: Iterable[Fault] = ()) -> None:
    """Every rule between the keys. Raises ``Refused`` for the first that is broken, redirect URIs before all."""
    faults = (
        *more,
        *inconsistencies(client, has_secret=needs_secret(client), algorithms=house.algorithms),
        *_answers(client),
        *(() if is_loopback(house.issuer) else (*_https(client), *_front_channel(client))),
    )
    if faults:
        raise min((refused(*fault) for fault in faults), key=_redirects_first)
    if len(client.model_dump_json()) > LARGEST:
        raise Refused("invalid_client_metadata", f"the metadata is larger than {LARGEST} bytes")


def _answers(client: Client) -> Iterator[Fault]:
    """Response types and grant types go together (RFC 7591 2.1)."""
    if "code" in client.response_types and "authorization_code" not in client.grant_types:
        yield "response_types", '"code" needs grant_types to hold "authorization_code"'
    if BY_BROWSER & set(client.grant_types) and not client.response_types:
        yield "response_types", "is empty, so that no login could be answered"


def _beyond(client: Client, current: Client | None) -> Iterator[Fault]:
    """A client begins with the least rights; what the operator gave it, it keeps."""
    allowed = SELF_SERVICE.union(current.grant_types if current else ())
    if not set(client.grant_types) <= allowed:
        yield "grant_types", "holds one that only the operator gives"
    scopes = {*STANDARD_SCOPES, *((current.scope or "").split() if current else ())}
    if client.scope is not None and not set(client.scope.split(" ")) <= scopes:
        yield "scope", f"must be from {' '.join(STANDARD_SCOPES)}"


def _inner(client: Client) -> Iterator[Fault]:
    """No address of a private network: who registers here does not own what is there."""
    many = ((name, uri) for name in (*DESTINATIONS, "request_uris") for uri in getattr(client, name))
    for name, uri in (*many, *((name, getattr(client, name)) for name in ADDRESSES)):
        if _is_inner(urlsplit(uri).hostname or ""):
            yield name, "holds an address of a private network"


def _is_inner(host: str) -> bool:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not ip.is_global and not ip.is_loopback


def _https(client: Client) -> Iterator[Fault]:
    """http only where our issuer is on loopback too."""
    given = [(name, getattr(client, name)) for name in ADDRESSES]
    for name, uri in (*given, *(("request_uris", uri) for uri in client.request_uris)):
        if uri.lower().startswith("http:"):
            yield name, "must begin with https://"


def _front_channel(client: Client) -> Iterator[Fault]:
    """Tokens in a web application's address need TLS, and a host of its own (OpenID Connect Registration 2)."""
    here = [uri for uri in client.redirect_uris if is_loopback(uri) or not uri.lower().startswith("https:")]
    if here and client.application_type == "web" and "implicit" in client.grant_types:
        yield "redirect_uris", "must begin with https:// and not lead to localhost, since tokens go there"

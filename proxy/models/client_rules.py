"""What the parts of a client's metadata must have in common (RFC 7591 2, OpenID Connect Registration 2).

One list for the file and for registration. Each rule yields the key at fault and the remedy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from proxy.models.client import SIGNED_WITH_A_KEY, SIGNED_WITH_THE_SECRET, WITH_SECRET, Client
from proxy.oidc.jose import SHORTEST_SECRET
from proxy.oidc.keys import check_client_jwks

ID_TOKEN_MAC = "HS256"
Fault = tuple[str, str]


def inconsistencies(client: Client, *, has_secret: bool, algorithms: Collection[str]) -> Iterator[Fault]:
    """Every rule that ``client`` breaks. ``algorithms`` are those that we sign with."""
    yield from _redirects(client)
    yield from _authentication(client, has_secret)
    yield from _secrets(client)
    yield from _keys(client)
    yield from _signatures(client, algorithms, has_secret)
    yield from _subjects(client)
    yield from _bound_tokens(client)


def _redirects(client: Client) -> Iterator[Fault]:
    if {"authorization_code", "implicit"} & set(client.grant_types) and not client.redirect_uris:
        yield "redirect_uris", "is missing; logins need at least one"


def _authentication(client: Client, has_secret: bool) -> Iterator[Fault]:
    method, asks_tokens = client.token_endpoint_auth_method, set(client.grant_types) - {"implicit"}
    if asks_tokens and not has_secret and (method is None or method in WITH_SECRET):
        yield "client_secret", 'is missing; a public client says token_endpoint_auth_method = "none"'
    alg = client.token_endpoint_auth_signing_alg
    fitting = {"private_key_jwt": SIGNED_WITH_A_KEY, "client_secret_jwt": SIGNED_WITH_THE_SECRET}.get(method or "", ())
    if alg and alg not in fitting:
        yield "token_endpoint_auth_signing_alg", f"must fit the authentication method: {', '.join(fitting) or 'none'}"


def _secrets(client: Client) -> Iterator[Fault]:
    if client.token_endpoint_auth_method != "client_secret_jwt" and client.id_token_signed_response_alg != ID_TOKEN_MAC:
        return
    for name in ("client_secret", "client_secret_previous"):
        secret = getattr(client, name)
        if secret is not None and len(secret.get_secret_value().encode()) < SHORTEST_SECRET:
            yield name, f"must have at least {SHORTEST_SECRET} bytes, since signatures are made with it"


def _keys(client: Client) -> Iterator[Fault]:
    if client.jwks is not None and client.jwks_uri:
        yield "jwks_uri", "stands beside jwks; give one of the two"
    elif client.jwks is not None:
        yield from _given_keys(client, client.jwks)
    if client.token_endpoint_auth_method == "private_key_jwt" and client.jwks is None and not client.jwks_uri:
        yield "jwks_uri", 'is missing; "private_key_jwt" needs jwks or jwks_uri'
    alg = client.request_object_signing_alg
    if alg and alg not in SIGNED_WITH_A_KEY:
        yield "request_object_signing_alg", f"must be from {', '.join(SIGNED_WITH_A_KEY)}"


def _must_sign_with(client: Client) -> Iterator[Collection[str]]:
    """For each thing that the client must sign with a key, the algorithms it may use."""
    if client.token_endpoint_auth_method == "private_key_jwt":
        yield (client.token_endpoint_auth_signing_alg,) if client.token_endpoint_auth_signing_alg else SIGNED_WITH_A_KEY
    if client.require_signed_request_object:
        yield (client.request_object_signing_alg,) if client.request_object_signing_alg else SIGNED_WITH_A_KEY


def _given_keys(client: Client, jwks: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        found = check_client_jwks(jwks)
    except ValueError as error:
        yield "jwks", str(error)
    else:
        for algs in _must_sign_with(client):
            if not any(key.fits(alg) for key in found.keys for alg in algs):
                yield "jwks", f"holds no key for {', '.join(algs)}; add the one the client signs with"
                return


def _signatures(client: Client, algorithms: Collection[str], has_secret: bool) -> Iterator[Fault]:
    offered = (*algorithms, ID_TOKEN_MAC)
    if client.id_token_signed_response_alg not in offered:
        yield "id_token_signed_response_alg", f"must be from {', '.join(offered)}"
    if client.id_token_signed_response_alg == ID_TOKEN_MAC and not (
        has_secret and client.token_endpoint_auth_method != "none"
    ):
        yield "id_token_signed_response_alg", "HS256 needs a client_secret"
    for name in ("userinfo_signed_response_alg", "introspection_signed_response_alg"):
        if getattr(client, name) not in ("", *algorithms):
            yield name, f"must be from {', '.join(algorithms)}"


def _bound_tokens(client: Client) -> Iterator[Fault]:
    """An access token from the authorization endpoint comes without a proof of a key (RFC 9449 5)."""
    if client.dpop_bound_access_tokens and any("token" in one.split(" ") for one in client.response_types):
        yield "response_types", 'holds one with "token", which dpop_bound_access_tokens excludes; take it out'


def _subjects(client: Client) -> Iterator[Fault]:
    """One sector for a pairwise client (OpenID Connect Core 8.1)."""
    hosts = {urlsplit(uri).hostname for uri in client.redirect_uris}
    if client.subject_type == "pairwise" and not client.sector_identifier_uri and len(hosts) > 1:
        yield "sector_identifier_uri", "is missing; redirect_uris on several hosts need it for pairwise subjects"

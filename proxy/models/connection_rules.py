"""What the options of a connection must have in common. One list for the file, the API and the command line.

Each rule yields the key at fault, below ``options``, and the remedy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from proxy.models.connection import Connection
from proxy.models.connection_options import BACK, FRONT, TENANT_ID, ConnectionOptions
from proxy.oidc.jose import SHORTEST_SECRET

LONGEST_METADATA = 128 * 1024
OF_CHANNEL = {
    FRONT: ("id_token", "id_token token"),
    BACK: ("code", "code id_token", "code token", "code id_token token"),
}
Fault = tuple[str, str]


def inconsistencies(connection: Connection) -> Iterator[Fault]:
    """Every rule that the connection's options break."""
    options = connection.options
    yield from _whereabouts(options)
    yield from _channel(options)
    yield from _authentication(options)
    yield from _attributes(options)


def _whereabouts(options: ConnectionOptions) -> Iterator[Fault]:
    if not (options.discovery_url or options.issuer or options.oidc_metadata):
        yield "discovery_url", "is missing; give it (base or full URL of the tenant), or issuer and its endpoints"
    if options.oidc_metadata and len(json.dumps(options.oidc_metadata)) > LONGEST_METADATA:
        yield "oidc_metadata", "exceeds the maximum allowed size of 128 KB"
    template = TENANT_ID in options.issuer
    if template and not options.tenant_ids:
        yield "tenant_ids", f"is missing; an issuer with {TENANT_ID} needs the list of tenants that may log in"
    if options.tenant_ids and not template:
        yield "tenant_ids", f"needs an issuer with {TENANT_ID} in it"
    if any(other.startswith(f"{id}.") for id in options.tenant_ids for other in options.tenant_ids):
        yield "tenant_ids", "holds an id and a longer one that continues it after a dot: their people could be mixed up"
    if options.issuer.count("{") != int(template):
        yield "issuer", f"may hold {TENANT_ID} once, and no other braces"


def _channel(options: ConnectionOptions) -> Iterator[Fault]:
    if options.kind not in OF_CHANNEL[options.type]:
        yield "response_type", f"must be one of {', '.join(OF_CHANNEL[options.type])} for {options.type}"
    if options.response_mode == "query" and options.kind != "code":
        yield "response_mode", "may be query only for code: tokens stay out of addresses"
    if not options.send_back_channel_nonce and options.kind != "code":
        yield "send_back_channel_nonce", "may be false only for code"
    if options.dpop_signing_alg and options.type == FRONT:
        yield "dpop_signing_alg", 'needs type = "back_channel": only tokens of the token endpoint are bound to a key'
    if options.dpop_signing_alg and options.keeps_tokens:
        yield "dpop_signing_alg", "excludes federated_connections_access_tokens: a bound token is of no use to others"
    if options.kind != "id_token":
        return
    none = 'needs type = "back_channel" (or response_type = "id_token token"): here the tenant gives no access token'
    if options.keeps_tokens:
        yield "federated_connections_access_tokens", none
    if options.reads_userinfo:
        yield "attribute_map", none


def _authentication(options: ConnectionOptions) -> Iterator[Fault]:
    method, secret = options.token_endpoint_auth_method, options.client_secret is not None
    if method in ("none", "private_key_jwt") and secret:
        yield "token_endpoint_auth_method", f'"{method}" uses no client_secret; remove one of the two'
    if method in ("client_secret_basic", "client_secret_post", "client_secret_jwt") and not secret:
        yield "token_endpoint_auth_method", f'"{method}" needs a client_secret'
    if method == "client_secret_jwt" and any(len(one) < SHORTEST_SECRET for one in _secrets(options)):
        yield "token_endpoint_auth_method", f'"{method}" needs secrets of {SHORTEST_SECRET} characters or more'
    if options.client_secret_previous is not None and not secret:
        yield "client_secret_previous", "needs a client_secret beside it"
    if options.connection_settings.pkce == "disabled" and not secret and method != "private_key_jwt":
        yield "connection_settings", "pkce may be disabled only with a client_secret"
    if options.token_endpoint_auth_signing_alg and method != "private_key_jwt":
        yield "token_endpoint_auth_signing_alg", 'needs token_endpoint_auth_method = "private_key_jwt"'


def _secrets(options: ConnectionOptions) -> Iterator[str]:
    both = (options.client_secret, options.client_secret_previous)
    return (one.get_secret_value() for one in both if one is not None)


def _attributes(options: ConnectionOptions) -> Iterator[Fault]:
    mapped = options.attribute_map
    if mapped is not None and mapped.mapping_mode == "use_map" and not mapped.attributes:
        yield "attribute_map", "use_map needs attributes; list them, or take bind_all"

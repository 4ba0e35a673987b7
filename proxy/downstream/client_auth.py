"""Client authentication at the endpoints a client calls itself (RFC 6749 2.3, OpenID Connect Core 9).

``client_secret_basic``, ``client_secret_post`` and ``none``. A client that registered a method is held to it; one that
registered none may use either place for its secret, as Auth0's SDKs do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from proxy.models import Client
from proxy.oidc.errors import Refused

NOBODY = hashlib.sha256(b"no client has this secret").digest()


@dataclass(frozen=True)
class Presented:
    """What came along: who it claims to be, with which secret, by which method."""

    client_id: str
    secret: str
    method: str


class ClientAuthenticator:
    """Knows the clients, and their secrets as hashes."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = clients
        self._hashes = {
            name: hashlib.sha256(client.client_secret.get_secret_value().encode()).digest()
            for name, client in clients.items()
            if client.client_secret is not None
        }

    def authenticate(self, params: Mapping[str, str], authorization: tuple[str, ...]) -> Client:
        """The client that proved who it is. ``authorization`` are the values of that header. Raises ``Refused``
        (invalid_client, 401); known and unknown clients cost the same work and get the same answer."""
        shown = present(params, authorization)
        client = self._clients.get(shown.client_id)
        given = hashlib.sha256(shown.secret.encode("utf-8", "surrogatepass")).digest()
        right = hmac.compare_digest(given, self._hashes.get(shown.client_id, NOBODY))
        if client is None or not _method_fits(client, shown.method) or (shown.method != "none" and not right):
            raise invalid_client()
        return client


def present(params: Mapping[str, str], authorization: tuple[str, ...]) -> Presented:
    """What the request presents; two ways at once are refused (RFC 6749 2.3)."""
    if "client_assertion" in params or "client_assertion_type" in params:
        raise invalid_client("client assertions are not supported")
    if authorization:
        if len(authorization) > 1:
            raise invalid_client("the client authenticates twice")
        if "client_secret" in params:
            raise Refused("invalid_request", "the client authenticates in two ways at once")
        shown = read_basic(authorization[0])
        if params.get("client_id", shown.client_id) != shown.client_id:
            raise Refused("invalid_request", "client_id is not the client that authenticates")
        return shown
    if "client_id" not in params:
        raise invalid_client("the client did not authenticate")
    method = "client_secret_post" if "client_secret" in params else "none"
    return Presented(params["client_id"], params.get("client_secret", ""), method)


def read_basic(header: str) -> Presented:
    """Id and secret from a Basic header, each form-decoded (RFC 6749 2.3.1). Raises ``Refused``."""
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise invalid_client() from None
    name, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise invalid_client()
    return Presented(unquote_plus(name), unquote_plus(secret), "client_secret_basic")


def _method_fits(client: Client, method: str) -> bool:
    if client.token_endpoint_auth_method is not None or client.is_public:
        return method == client.auth_method
    return method in ("client_secret_basic", "client_secret_post")


def invalid_client(why: str = "the client is unknown or its secret is wrong") -> Refused:
    """The one answer for every failed authentication (RFC 6749 5.2)."""
    return Refused("invalid_client", why, status=401)

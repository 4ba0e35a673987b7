"""Client authentication at the endpoints a client calls itself (RFC 6749 2.3, OpenID Connect Core 9).

``client_secret_basic``, ``client_secret_post``, ``client_secret_jwt``, ``private_key_jwt`` and ``none``. A client that
registered a method is held to it; one that registered none may use either place for its secret, as Auth0's SDKs do.
Two secrets are good while a client changes them.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from proxy.downstream import assertion
from proxy.downstream.assertion import Once
from proxy.downstream.client_keys import ClientKeys
from proxy.downstream.clients import Clients, Known, secret_hash
from proxy.models import Client
from proxy.oidc.errors import Refused
from proxy.oidc.jose import JoseError, Verified
from proxy.store import Key, Store, key


def _stand_in() -> Known:
    """Who is asked in place of a client that is not there, so that both cost the same. Its keys are two constants (an
    odd number of 2048 bits, and the base point of P-256) and open nothing: nobody becomes the stand-in."""
    modulus = base64.urlsafe_b64encode(((1 << 2047) + 1).to_bytes(256, "big")).rstrip(b"=").decode()
    rsa = {"kty": "RSA", "e": "AQAB", "n": modulus}
    x, y = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"
    ec = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    secret = secrets.token_urlsafe(64)
    client = Client.model_validate({"client_id": "-", "client_secret": secret, "jwks": {"keys": [rsa, ec]}})
    return Known(client, (secret_hash(secret),))


STAND_IN = _stand_in()


@dataclass(frozen=True)
class Presented:
    """What came along: who it claims to be, by which method, and the proof: a secret or a signed assertion."""

    client_id: str
    method: str
    secret: str = ""
    assertion: str = ""


@dataclass(frozen=True)
class ClientAuthenticator:
    """Says which client a request is from. ``issuer`` is ours, ``keys`` are the clients'; ``store`` remembers used
    assertions."""

    issuer: str
    clients: Clients
    keys: ClientKeys
    store: Store

    async def authenticate(self, shown: Presented, endpoint: str, now: float) -> Client:
        """The client that proved who it is at the address ``endpoint``. Raises ``Refused`` (invalid_client, 401),
        ``Unavailable``; known and unknown clients cost the same work and get the same answer."""
        known = await self.clients.known(shown.client_id, now)
        if known is None or shown.method not in methods(known):
            known = STAND_IN
        once = None
        if shown.assertion:
            once = await self._signed(shown, known.client, endpoint, now)
        else:
            check_secret(shown, known)
        if known is STAND_IN:
            raise invalid_client(reason="unknown_client")
        if once is not None:
            await self._use(once, known.client)
        return known.client

    async def _signed(self, shown: Presented, client: Client, endpoint: str, now: float) -> Once:
        """What an assertion of ``client`` is used up by. Raises ``Refused``, ``Unavailable``."""
        ours = (self.issuer, f"{self.issuer}oauth/token", endpoint)
        try:
            verified = await self._verified(shown, client)
            return assertion.check(verified.claims, client.client_id, ours, now)
        except JoseError as error:
            raise invalid_client(reason=f"assertion_{error.reason}") from None

    async def _use(self, once: Once, client: Client) -> None:
        """Only the first of all who bring an assertion gets in (RFC 7523 3)."""
        if await self.store.add(assertion_key(client.client_id, once.jti), {}, once.seconds) is not None:
            raise invalid_client(reason="assertion_used_before")

    async def _verified(self, shown: Presented, client: Client) -> Verified:
        if shown.method == "client_secret_jwt":
            return assertion.verify_with_secrets(client, shown.assertion)
        allowed = assertion.algorithms(client, shown.method)
        return await self.keys.verify(client, shown.assertion, allowed, assertion.TYPES)


def assertion_key(client_id: str, jti: str) -> Key:
    """Where it is remembered that a client used the assertion of that name."""
    return key("assertion", jti, group=client_id)


def methods(known: Known) -> tuple[str, ...]:
    """How a client may authenticate: as it registered; else with its secret in either place, or not at all if it has
    none."""
    registered = known.client.token_endpoint_auth_method
    if registered is not None:
        return (registered,)
    return ("client_secret_basic", "client_secret_post") if known.hashes else ("none",)


def check_secret(shown: Presented, known: Known) -> None:
    """A secret, compared with each that is good, in constant time. Raises ``Refused``."""
    given = secret_hash(shown.secret)
    right = [hmac.compare_digest(given, one) for one in known.hashes]
    if shown.method != "none" and not any(right):
        raise invalid_client()


def present(params: Mapping[str, str], authorization: tuple[str, ...]) -> Presented:
    """What the request presents; two ways at once are refused (RFC 6749 2.3). ``authorization`` are the values of that
    header. Raises ``Refused``."""
    signed = "client_assertion" in params or "client_assertion_type" in params
    if len(authorization) > 1:
        raise invalid_client("the client authenticates twice")
    if bool(authorization) + signed + ("client_secret" in params) > 1:
        raise Refused("invalid_request", "the client authenticates in two ways at once")
    if signed:
        return read_assertion(params)
    if authorization:
        shown = read_basic(authorization[0])
        if params.get("client_id", shown.client_id) != shown.client_id:
            raise Refused("invalid_request", "client_id is not the client that authenticates")
        return shown
    if "client_id" not in params:
        raise invalid_client("the client did not authenticate")
    method = "client_secret_post" if "client_secret" in params else "none"
    return Presented(params["client_id"], method, params.get("client_secret", ""))


def read_assertion(params: Mapping[str, str]) -> Presented:
    """A signed assertion, and whose it claims to be (RFC 7521 4.2). Raises ``Refused``."""
    for name in ("client_assertion", "client_assertion_type"):
        if name not in params:
            raise Refused("invalid_request", f"{name} is missing")
    if params["client_assertion_type"] != assertion.JWT_BEARER:
        raise invalid_client(f"client_assertion_type must be {assertion.JWT_BEARER}")
    try:
        client_id, method = assertion.read(params["client_assertion"])
    except JoseError as error:
        raise invalid_client(reason=f"assertion_{error.reason}") from None
    if params.get("client_id", client_id) != client_id:
        raise invalid_client(reason="assertion_of_another_client")
    return Presented(client_id, method, assertion=params["client_assertion"])


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
    return Presented(unquote_plus(name), "client_secret_basic", unquote_plus(secret))


def invalid_client(why: str = "the client is unknown or did not prove who it is", *, reason: str = "") -> Refused:
    """The one answer for every failed authentication (RFC 6749 5.2). ``reason`` is for the log."""
    return Refused("invalid_client", why, reason=reason, status=401)

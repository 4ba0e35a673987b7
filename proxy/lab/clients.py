"""Who calls a tenant of the lab: client authentication of every kind, and dynamic registration.

RFC 6749 2.3, RFC 7523 2.2 (``client_secret_jwt``, ``private_key_jwt``), OpenID Connect Registration 1.0.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

import jwt

from proxy.lab import answers
from proxy.lab.core import Core
from proxy.lab.metadata import ASSERTIONS
from proxy.lab.rooms import LabClient
from proxy.oidc.errors import Refused

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY = 60
KINDS: Mapping[str, type] = {
    **dict.fromkeys(("redirect_uris", "post_logout_redirect_uris"), list),
    **dict.fromkeys(("token_endpoint_auth_method", "jwks_uri", "userinfo_signed_response_alg"), str),
    **dict.fromkeys(("backchannel_logout_uri", "frontchannel_logout_uri"), str),
    "jwks": dict,
}
"""What a registration may say that counts here, and of which kind it is."""


async def authenticate(core: Core, header: str, form: Mapping[str, str]) -> LabClient:
    """The client of a request to the token endpoint or to PAR. Raises ``Refused`` (401)."""
    if "client_assertion" in form:
        return await _by_assertion(core, form)
    name, secret = answers.basic(header)
    name, secret = name or form.get("client_id", ""), secret or form.get("client_secret", "")
    client = core.clients.get(name)
    good = client is not None and hmac.compare_digest(client.client_secret.encode(), secret.encode())
    if client is None or not good or not secret and not client.public:
        raise refused("unknown client or wrong secret")
    return client


def refused(description: str) -> Refused:
    """The client is not who it says."""
    return Refused("invalid_client", description, status=401)


async def _by_assertion(core: Core, form: Mapping[str, str]) -> LabClient:
    """RFC 7523 3: issued by the client about itself, for us, in time, once."""
    token = form["client_assertion"]
    client = core.clients.get(form.get("client_id") or str(unproved(token).get("iss", "")))
    if form.get("client_assertion_type") != JWT_BEARER or client is None:
        raise refused("unknown client, or an assertion of another type")
    claims = await proved(core, client, token, ASSERTIONS, _answers_at(core, form))
    said = claims.get("aud")
    audience = said if isinstance(said, list) else [said]
    ours = (core.issuer, f"{core.issuer}token", f"{core.issuer}par")
    if not claims or (claims.get("iss"), claims.get("sub")) != (client.client_id, client.client_id):
        raise refused("the assertion is not signed by the client")
    if not any(one in ours for one in audience):
        raise refused("the assertion is for somebody else")
    if not isinstance(claims.get("jti"), str) or claims["jti"] in core.memory.assertions:
        raise refused("the assertion was used before, or has no jti")
    core.memory.assertions.add(claims["jti"])
    return client


def _answers_at(core: Core, form: Mapping[str, str]) -> str:
    """The redirect URI that a request is about: its own, that of its request object, or that of its refresh token."""
    known = core.memory.refresh.get(form.get("refresh_token", ""))
    inside = str(unproved(form.get("request", "")).get("redirect_uri", ""))
    return form.get("redirect_uri") or inside or (known.redirect_uri if known else "")


async def proved(
    core: Core, client: LabClient, token: str, algorithms: tuple[str, ...], redirect_uri: str = ""
) -> dict[str, Any]:
    """The claims of a token that the client signed and that lives now; empty for any other. ``redirect_uri`` tells
    where a client of this machine is."""
    for key in await _keys_for(core, client, token, redirect_uri):
        try:
            options: Any = {"verify_aud": False, "require": ["exp"] if "HS256" in algorithms else []}
            return dict(jwt.decode(token, key, algorithms=list(algorithms), options=options, leeway=LEEWAY))
        except (jwt.InvalidTokenError, jwt.InvalidKeyError, ValueError):
            continue
    return {}


async def _keys_for(core: Core, client: LabClient, token: str, redirect_uri: str) -> list[Any]:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        return []
    if str(header.get("alg", "")).startswith("HS"):
        return [client.client_secret] if client.client_secret else []
    document: Any = client.jwks
    if jwks_uri := client.keys_at(redirect_uri, f"lab-{core.fault.name}"):
        _, _, text = await core.fetch("GET", jwks_uri)
        document = _loaded(text)
    listed = document.get("keys") if isinstance(document, dict) else None
    jwks = [jwk for jwk in listed if isinstance(jwk, dict)] if isinstance(listed, list) else []
    named = [jwk for jwk in jwks if header.get("kid") in (None, jwk.get("kid"))]
    return [key for key in map(_usable, named) if key is not None]


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _usable(jwk: Mapping[str, Any]) -> Any:
    try:
        return jwt.PyJWK(dict(jwk)).key
    except (jwt.PyJWKError, jwt.InvalidKeyError):
        return None


def unproved(token: str) -> dict[str, Any]:
    """What a token says, whoever wrote it: good for looking up a client, for nothing else."""
    try:
        _, body, _ = token.split(".")
        found = json.loads(answers.unb64(body))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def register(core: Core, text: str) -> dict[str, Any]:
    """A new client as it describes itself in JSON; the registration answer (Registration 3.2). Raises ``Refused``."""
    asked = _described(text)
    uris = asked["redirect_uris"]
    method = asked.get("token_endpoint_auth_method", "client_secret_basic")
    secret = "" if method in ("none", "private_key_jwt") else secrets.token_urlsafe(32)
    client = LabClient(
        f"lab-{secrets.token_urlsafe(8)}", tuple(uris), secret, tuple(asked.get("post_logout_redirect_uris", ())),
        jwks=asked.get("jwks"), jwks_uri=asked.get("jwks_uri", ""),
        backchannel_logout_uri=asked.get("backchannel_logout_uri", ""),
        frontchannel_logout_uri=asked.get("frontchannel_logout_uri", ""),
        userinfo_signed_response_alg=asked.get("userinfo_signed_response_alg", ""),
    )  # fmt: skip
    core.clients[client.client_id] = client
    core.memory.management[client.client_id] = token = secrets.token_urlsafe(24)
    given = {"client_secret": secret, "client_secret_expires_at": 0} if secret else {}
    return {
        **asked, "token_endpoint_auth_method": method, "client_id": client.client_id, **given,
        "client_id_issued_at": core.now, "registration_access_token": token,
        "registration_client_uri": f"{core.issuer}register?client_id={client.client_id}",
    }  # fmt: skip


def _described(text: str) -> dict[str, Any]:
    """What a client says of itself, each member that counts here of its kind. Raises ``Refused``."""
    asked = _loaded(text)
    if not isinstance(asked, dict):
        raise Refused("invalid_client_metadata", "the body is no JSON object")
    for name, kind in KINDS.items():
        value = asked.get(name, kind())
        items = value if isinstance(value, list) else []
        if not isinstance(value, kind) or not all(isinstance(one, str) for one in items):
            raise Refused("invalid_client_metadata", f"{name} is of another kind than it must be")
    if not asked.get("redirect_uris"):
        raise Refused("invalid_redirect_uri", "redirect_uris must be a list of addresses")
    return asked


def unregister(core: Core, client_id: str, header: str) -> None:
    """Forget a client that registered itself (RFC 7592 2.3). Raises ``Refused`` (401)."""
    token = core.memory.management.get(client_id)
    if token is None or not hmac.compare_digest(header.encode(), f"Bearer {token}".encode()):
        raise Refused("invalid_token", "this is not the registration access token", status=401)
    del core.memory.management[client_id], core.clients[client_id]

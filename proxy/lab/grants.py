"""The token endpoint of a tenant of the lab: a code, or a refresh token, for tokens; bound to a key if one is shown.

OpenID Connect Core 3.1.3 and 12, RFC 6749 4.1.3 and 6, RFC 7636, RFC 9449 (DPoP).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jwt
from jwt.algorithms import OKPAlgorithm

from proxy.lab import rules
from proxy.lab.clients import authenticate
from proxy.lab.core import Core
from proxy.lab.fault import Where
from proxy.lab.keys import b64
from proxy.lab.metadata import OF_PROOFS
from proxy.lab.rooms import Grant, LabClient
from proxy.oidc import pkce
from proxy.oidc.dpop import token_hash
from proxy.oidc.errors import Refused

CODE_LIFE = 60
TOKEN_LIFE = 300
LEEWAY = 60
JWS = jwt.PyJWS()
JWS.register_algorithm("Ed25519", OKPAlgorithm())  # its name by RFC 9864


async def exchange(core: Core, headers: Mapping[str, str], form: Mapping[str, str]) -> dict[str, Any]:
    """The token answer. Raises ``Refused``."""
    client = await authenticate(core, headers.get("Authorization", ""), form)
    proof = headers.get("DPoP", "")
    jkt = thumbprint(core, proof, "POST", f"{core.issuer}token") if proof else ""
    match form.get("grant_type"):
        case "authorization_code":
            return give(core, replace(_redeem(core, form, client), jkt=jkt), "token")
        case "refresh_token":
            return give(core, replace(_refresh(core, form, client), jkt=jkt, nonce=""), "refresh")
    raise Refused("unsupported_grant_type", "grant_type must be authorization_code or refresh_token")


def give(core: Core, grant: Grant, where: Where) -> dict[str, Any]:
    """Tokens for a grant, as the fault has them."""
    token = access_token(core, grant)
    body: dict[str, Any] = {
        "access_token": token,
        "token_type": "DPoP" if grant.jkt else "Bearer",
        "expires_in": TOKEN_LIFE,
        "scope": " ".join(grant.scopes),
        "id_token": core.sign(rules.id_token(core.issuer, grant, core.now, token), where),
    }
    if "offline_access" in grant.scopes:
        body["refresh_token"] = secrets.token_urlsafe(32)
        core.memory.refresh[body["refresh_token"]] = grant
    return core.fault.tokens(body)


def access_token(core: Core, grant: Grant) -> str:
    """A new access token for a grant, remembered."""
    token = secrets.token_urlsafe(32)
    core.memory.tokens[token] = replace(grant, token=token, expires=core.now + TOKEN_LIFE)
    if grant.token in core.memory.used:
        core.memory.used[grant.token].token = token
    return token


def _redeem(core: Core, form: Mapping[str, str], client: LabClient) -> Grant:
    """A code works once, for its client and redirect URI, in time, with its verifier (RFC 6749 4.1.3, RFC 7636). Used
    again, it takes its tokens back."""
    code, memory = form.get("code", ""), core.memory
    if replayed := memory.used.get(code):
        memory.tokens.pop(replayed.token, None)
    grant = memory.codes.pop(code, None)
    if grant is None:
        raise Refused("invalid_grant", "this code is unknown or was used")
    grant.token, memory.used[code] = code, grant
    fits = grant.client is client and grant.redirect_uri == form.get("redirect_uri") and grant.expires > core.now
    verifier = form.get("code_verifier", "")
    proved = pkce.matches(verifier, grant.challenge) if grant.challenge else not verifier
    if not (fits and proved):
        raise Refused("invalid_grant", "this code is not for this request")
    return grant


def _refresh(core: Core, form: Mapping[str, str], client: LabClient) -> Grant:
    """A refresh token works once: each answer brings the next (RFC 9700 4.14.2)."""
    grant = core.memory.refresh.pop(form.get("refresh_token", ""), None)
    if grant is None or grant.client is not client:
        raise Refused("invalid_grant", "this refresh token is unknown or was used")
    return grant


def thumbprint(core: Core, proof: str, method: str, url: str, token: str = "") -> str:
    """The thumbprint of the key that a DPoP proof shows (RFC 9449 4.3). Raises ``Refused``."""
    try:
        header = jwt.get_unverified_header(proof)
        key = jwt.PyJWK(header["jwk"], algorithm={"Ed25519": "EdDSA"}.get(header["alg"], header["alg"]))
        claims = json.loads(JWS.decode(proof, key.key, algorithms=list(OF_PROOFS)))
        about_now, jti = abs(claims["iat"] - core.now) <= LEEWAY, str(claims["jti"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
        raise Refused("invalid_dpop_proof", f"the proof cannot be read: {type(error).__name__}") from None
    right = claims.get("htm") == method and claims.get("htu") == url and about_now
    if header.get("typ") != "dpop+jwt" or not right or token and claims.get("ath") != token_hash(token):
        raise Refused("invalid_dpop_proof", "the proof is for another request")
    if jti in core.memory.assertions:
        raise Refused("invalid_dpop_proof", "the proof was used before")
    core.memory.assertions.add(jti)
    members = {name: value for name, value in header["jwk"].items() if name in ("kty", "crv", "x", "y", "n", "e")}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return b64(hashlib.sha256(canonical.encode()).digest())

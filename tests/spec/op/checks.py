"""What the conformance suite checks in nearly every module: the failures and the warnings alike.

The answer of the authorization endpoint, tokens, ID tokens, claims. What it looks at before is in ``before``.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import jwt

from proxy.oidc.jose import half_hash
from tests.kit.suite import Callback, Params, Told
from tests.spec.op.run import Run

FUTURE, FIVE_MINUTES, YEAR = 50 * 365 * 86_400, 300, 366 * 86_400
SINCE_1990 = 631_152_000
LEAN = {
    "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "nbf",
    "jti", "sid", "txn",
}  # fmt: skip
SCOPES = {
    "profile": (
        "name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture", "website", "gender",
        "birthdate", "zoneinfo", "locale", "updated_at", "preferred_username",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}  # fmt: skip
NEEDS_A_PERSON = {"login_required", "interaction_required", "account_selection_required", "consent_required"}
IN_AN_ERROR = {"error", "error_description", "error_uri", "state", "session_state", "iss"}


def is_https(url: Any) -> bool:
    """Whether it is an https address."""
    parts = urlsplit(url)
    return parts.scheme == "https" and bool(parts.hostname) and not parts.username


# --- what comes back ---


def check_answer(run: Run, sent: Params, back: Callback | None) -> Callback:
    """A successful answer, in the mode that belongs to the variant and nowhere else."""
    assert back is not None, run.shown[-1].text
    assert "error" not in back.params, back.params
    check_place(run, sent, back)
    assert set(run.variant.kinds) - {"token"} <= set(back.params)
    if "token" in run.variant.kinds:
        check_token_fields(back.params)
    assert back.params["session_state"]
    return back


def check_place(run: Run, sent: Params, back: Callback) -> None:
    """Where the parameters are; state and issuer; what the redirect URI had of its own."""
    own = urlsplit(sent["redirect_uri"])
    kept = {name: value for name, value in back.query.items() if f"{name}={value}" in own.query.split("&")}
    assert back.url == sent["redirect_uri"].partition("?")[0] and len(kept) == len(
        list(filter(None, own.query.split("&")))
    )
    told = {name: value for name, value in back.query.items() if name not in kept}
    if run.variant.form_post:
        assert back.method == "POST" and not told and not back.fragment
        assert "enctype" not in run.shown[-1].body and "accept-charset" not in run.shown[-1].body.lower()
    elif run.variant.response_type == "code" or "response_type" not in sent:
        assert back.method == "GET" and not back.fragment and told
    else:
        assert back.method == "GET" and not told and back.fragment
    assert back.params.get("state") == sent.get("state")
    assert back.params["iss"] == run.suite.issuer


def check_error(run: Run, sent: Params, back: Callback | None, *codes: str) -> Callback:
    """An error that was told to the client, with nothing beside it that does not belong there."""
    assert back is not None, run.shown[-1].text
    check_place(run, sent, back)
    told = back.params
    assert told["error"] in codes, told
    assert set(told) <= IN_AN_ERROR | set(
        dict(p.partition("=")[::2] for p in urlsplit(sent["redirect_uri"]).query.split("&"))
    )
    description = told.get("error_description", "")
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*", description)
    assert "error_uri" not in told or is_https(told["error_uri"])
    return back


def check_token_fields(told: Mapping[str, Any]) -> None:
    """An access token, from whichever endpoint."""
    assert told["access_token"] and str(told["token_type"]).lower() in ("bearer", "dpop")
    assert 1 <= int(told["expires_in"]) <= 31_536_000


def check_tokens(told: Told) -> Mapping[str, Any]:
    """The answer of the token endpoint."""
    assert (told.status, told.kind) == (200, "application/json"), told.text
    tokens = told.json
    check_token_fields(tokens)
    assert isinstance(tokens["expires_in"], int) and tokens["id_token"]
    return tokens


def check_refused(told: Told, *codes: str, status: int = 400) -> None:
    """An error in JSON."""
    assert (told.status, told.kind) == (status, "application/json"), told.text
    assert told.json["error"] in codes


def check_entropy(secret: str) -> None:
    """At least 16 bytes and, by Shannon's measure, 96 bits."""
    counts = Counter(secret).values()
    bits = -sum(count * math.log2(count / len(secret)) for count in counts)
    assert len(secret) >= 16 and bits > 96


# --- the ID token ---


def header_of(token: str) -> dict[str, Any]:
    """The header of a token, unchecked."""
    return dict(jwt.get_unverified_header(token))


def check_id_token(run: Run, token: str, nonce: str | None, **beside: str) -> dict[str, Any]:
    """Signature and claims. ``beside``: the access token and the code that its hashes must be of."""
    claims, now = verified(run, token), run.suite.clock()
    assert claims["iss"] == run.suite.issuer == run.metadata["issuer"]
    audience = [claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"]
    assert run.client["client_id"] in audience
    assert now < claims["exp"] < now + FUTURE
    assert now - FIVE_MINUTES <= claims["iat"] <= now + FIVE_MINUTES
    assert now - YEAR < claims["auth_time"] <= now + 1
    assert claims.get("acr", "x") and isinstance(claims.get("acr", "x"), str)
    assert claims.get("nonce") == nonce
    assert re.fullmatch(r"[\x21-\x7E]{1,255}", claims["sub"])
    for name, secret in beside.items():
        assert claims[name] == half_hash("RS256", secret), name
    for name in {"at_hash", "c_hash"} - set(beside):
        assert name not in claims, name
    check_types(claims, now)
    return claims


def verified(run: Run, token: str) -> dict[str, Any]:
    """The claims of a token that exactly one published key signed: that of its ``kid``, ``kty``, ``alg`` and use."""
    header = header_of(token)
    fitting = [
        key
        for key in run.keys
        if (key["kid"], key["kty"], key.get("alg", header["alg"])) == (header["kid"], "RSA", header["alg"])
        and key.get("use", "sig") == "sig"
    ]
    assert len(fitting) == 1
    options: Any = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
    found = jwt.decode(token, jwt.PyJWK(dict(fitting[0])), algorithms=[header["alg"]], options=options)
    return dict(found)


def check_lean(claims: Mapping[str, Any], *scopes: str) -> None:
    """Nothing in an ID token but what belongs there; with ``id_token`` alone, what the scopes release too."""
    assert set(claims) <= LEAN | {name for scope in scopes for name in SCOPES.get(scope, ())}


# --- claims about a person ---


def check_types(claims: Mapping[str, Any], now: float) -> None:
    """Each standard claim has its type."""
    texts = {"sub", *SCOPES["profile"], "email", "phone_number"} - {"updated_at"}
    for name in texts & set(claims):
        assert is_text(claims[name]), name
    for name in {"email_verified", "phone_number_verified"} & set(claims):
        assert isinstance(claims[name], bool)
    if "updated_at" in claims:
        assert isinstance(claims["updated_at"], int) and SINCE_1990 < claims["updated_at"] <= now
    assert re.fullmatch(r"\d{4}(-\d\d-\d\d)?", claims.get("birthdate", "0000"))
    assert all(is_text(part) for part in claims.get("address", {}).values())


def is_text(value: Any) -> bool:
    """A text that says something."""
    return isinstance(value, str) and bool(value.strip()) and value != "null"


def check_userinfo(run: Run, told: Told, subject: str) -> dict[str, Any]:
    """The claims at userinfo, plain or signed."""
    assert told.status == 200, told.text
    if told.kind == "application/jwt":
        claims = verified(run, told.text)
    else:
        assert told.kind == "application/json"
        claims = told.json
    assert claims["sub"] == subject
    check_types(claims, run.suite.clock())
    return claims


def check_released(claims: Mapping[str, Any], *scopes: str) -> None:
    """Every claim of the scopes is there."""
    for scope in scopes:
        assert set(SCOPES[scope]) <= set(claims), scope


def unsigned(claims: Mapping[str, Any]) -> str:
    """A token with alg none."""
    parts = (json.dumps({"alg": "none"}), json.dumps(dict(claims)))
    return ".".join([*(base64.urlsafe_b64encode(p.encode()).rstrip(b"=").decode() for p in parts), ""])


def unverified(token: str) -> dict[str, Any]:
    """The claims of a token, unchecked."""
    return dict(jwt.decode(token, options={"verify_signature": False}))

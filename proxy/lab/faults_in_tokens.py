"""Faults in what a tenant says of a person, and in how it signs that: ID tokens, userinfo, keys.

OpenID Connect Core 3.1.3.7, 3.2.2.11, 3.3.2.11, 5.3.2, 10.1; RFC 8725.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.lab.fault import OF_LOGIN, Claims, Fault, Header, Where, appending, mangled, replacing, setting
from proxy.lab.keys import Jwk, Keys, odd_keys, spare_rsa
from proxy.lab.metadata import OF_TOKENS
from proxy.lab.people import PEOPLE, Person

USERINFO = {"attribute_map": {"mapping_mode": "bind_all", "userinfo_scope": "profile email"}}
"""What a connection needs to have userinfo called."""
WITH_TOKEN = {"type": "front_channel", "response_type": "id_token token"}
HYBRID = {"type": "back_channel", "response_type": "code id_token"}
TENANT = "6f1c2a9e-3d54-4b8e-9a07-5c2d8e41b3aa"
MANY = Person(
    "otto",
    {
        "name": "Otto Group",
        "given_name": "Otto",
        "family_name": "Group",
        "preferred_username": "otto",
        "email": "otto@corp.example",
        "email_verified": True,
        "groups": [f"group-{number:03}" for number in range(200)],
    },
)


def _thin(claims: Claims, where: Where) -> Claims:
    return {name: claims[name] for name in claims if name in OF_TOKENS} if where in OF_LOGIN else claims


def _overage(claims: Claims, where: Where) -> Claims:
    """Too many groups for a token: where to ask for them instead (Core 5.6.2), as Microsoft Entra ID does it."""
    if where not in OF_LOGIN or len(claims.get("groups", ())) <= 150:
        return claims
    rest = {name: value for name, value in claims.items() if name != "groups"}
    source = {"endpoint": f"{claims['iss']}users/{claims['sub']}/getMemberObjects"}
    return {**rest, "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": source}}


def _unasked_nonce(claims: Claims, where: Where) -> Claims:
    """A wrong nonce where one was sent, and one where none was."""
    return {**claims, "nonce": f"{claims.get('nonce', '')}1"} if where in ("front", "token") else claims


def _without_kid(header: Header, where: Where) -> Header:
    return {name: value for name, value in header.items() if name != "kid"}


def _algorithm(alg: str) -> Callable[[Header, Where], Header]:
    def change(header: Header, where: Where) -> Header:
        return {**header, "alg": alg} if where in OF_LOGIN else header

    return change


def _unnamed(jwks: list[Jwk]) -> list[Jwk]:
    return [{name: value for name, value in jwk.items() if name != "kid"} for jwk in jwks]


def _with_odd_keys(jwks: list[Jwk]) -> list[Jwk]:
    """The odd ones first, and no ``alg`` anywhere, so that the right key is found by its name and type alone."""
    return [*odd_keys(), *({name: value for name, value in jwk.items() if name != "alg"} for jwk in jwks)]


def _with_spare(jwks: list[Jwk]) -> list[Jwk]:
    return [spare_rsa(), *jwks]


def _turn(keys: Keys) -> None:
    keys.rotate()


def _entra_document(document: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in document.items() if name != "authorization_response_iss_parameter_supported"}
    return {**told, "issuer": f"{document['issuer']}{{tenantid}}/v2.0/"}


def _entra_claims(claims: Claims, where: Where) -> Claims:
    return {**claims, "iss": f"{claims['iss']}{TENANT}/v2.0/", "tid": TENANT}


_NOBODY_ELSE = "Refused: the ID token comes from somebody else."
TOKENS: tuple[Fault, ...] = (
    Fault("thin-id-token", "The ID token has protocol claims alone; the person is described at userinfo.",
          "The login works; name and email come from userinfo, which the connection must ask for.",
          options=USERINFO, claims=_thin),
    Fault("wrong-iss", "iss of the ID token has a 1 behind it.", _NOBODY_ELSE, "iss_mismatch",
          claims=appending("iss")),
    Fault("wrong-aud", "aud of the ID token has a 1 behind it.", "Refused: the ID token is for somebody else.",
          "aud_mismatch", claims=appending("aud")),
    Fault("no-sub", "The ID token has no sub.", "Refused: the ID token names nobody.", "bad_sub",
          claims=setting(sub=None)),
    Fault("no-iat", "The ID token has no iat.", "Refused: the ID token lacks a date.", "bad_iat",
          claims=setting(iat=None)),
    Fault("wrong-nonce", "nonce of the ID token has a 1 behind it, or is there unasked.",
          "Refused: the ID token belongs to another login.", "nonce_mismatch", claims=_unasked_nonce),
    Fault("wrong-at-hash", "at_hash is that of another access token.",
          "Refused: the access token belongs to another ID token.", "at_hash_mismatch", options=WITH_TOKEN,
          claims=appending("at_hash")),
    Fault("no-at-hash", "An ID token beside an access token in the front channel has no at_hash.",
          "Refused: the ID token does not say which access token belongs to it.", "at_hash_mismatch",
          options=WITH_TOKEN, claims=setting(at_hash=None)),
    Fault("wrong-c-hash", "c_hash is that of another code.", "Refused: the code belongs to another ID token.",
          "c_hash_mismatch", options=HYBRID, claims=appending("c_hash")),
    Fault("no-c-hash", "An ID token beside a code in the front channel has no c_hash.",
          "Refused: the ID token does not say which code belongs to it.", "c_hash_mismatch", options=HYBRID,
          claims=setting(c_hash=None)),
    Fault("bad-signature", "The signature of the ID token is not its own.",
          "Refused: the ID token is not signed by the login service.", "bad_signature", seal=mangled),
    Fault("alg-none", "The ID token is not signed: alg none.",
          "Refused: the ID token is not signed by the login service.", "wrong_algorithm",
          header=_algorithm("none")),
    Fault("alg-swapped", "The ID token is signed with HS256, the secret being the public key.",
          "Refused: the ID token is not signed by the login service.", "wrong_algorithm",
          header=_algorithm("HS256")),
    Fault("no-kid-one-key", "The header names no key; only one of those published fits.", "The login works.",
          header=_without_kid, keys=_unnamed),
    Fault("no-kid-many-keys", "The header names no key, and two RSA keys are published.",
          "Refused: nobody can say which key is meant.", "ambiguous_key", header=_without_kid, keys=_with_spare),
    Fault("rotation", "Each login is signed by a new key; the old one is gone.",
          "The login works: the key set is fetched anew for a name that is not known.", at_login=_turn),
    Fault("rotation-at-signing", "The key changes just before a token is signed.",
          "The login works: the key set is fetched anew for a name that is not known.", at_signing=_turn),
    Fault("odd-keys", "The key set holds unknown curves and types, and keys to encrypt with; none has an alg.",
          "The login works: what cannot be used is left out.", keys=_with_odd_keys),
    Fault("userinfo-other-sub", "userinfo describes somebody else.", "Refused: userinfo is about another person.",
          "userinfo_sub_mismatch", options=USERINFO, userinfo=replacing(sub="somebody-else")),
    Fault("userinfo-signed", "userinfo is a signed token (application/jwt).", "The login works.",
          options={**USERINFO, "userinfo_signed_response_alg": "RS256"},
          client={"userinfo_signed_response_alg": "RS256"}),
    Fault("no-email", "Nobody has an email address.", "The login works; the profile has no email.",
          people=tuple(Person(one.sub, {name: value for name, value in one.claims.items() if "email" not in name})
                       for one in PEOPLE)),
    Fault("many-groups", "Otto is in 200 groups: the ID token says where to ask for them (_claim_names).",
          "The login works; the groups are left out, and the address that the token names is never called.",
          options={"scope": "openid profile email groups"}, claims=_overage, people=(MANY, *PEOPLE)),
    Fault("no-auth-time", "The ID token has no auth_time.",
          "The login works, unless the application asks for a fresh one (prompt=login, max_age): then it hears "
          "login_required.", claims=setting(auth_time=None)),
    Fault("entra", f"One key set for many tenants: the document's issuer holds {{tenantid}}, tokens have the real "
          f"one, {TENANT}.", "The login works for the listed tenants alone; the person is named by tenant and sub.",
          options={"issuer": "{tenant}{tenantid}/v2.0/", "tenant_ids": [TENANT]}, document=_entra_document,
          claims=_entra_claims, answer=replacing(iss=None)),
    Fault("refresh-other-iss", "The ID token of a refresh has another issuer.",
          "The login works; the refresh is refused, and the kept tokens are gone.",
          options={"federated_connections_access_tokens": {"active": True},
                   "scope": "openid profile email offline_access"}, claims=appending("iss", "refresh")),
    Fault("refresh-other-sub", "The ID token of a refresh is about somebody else.",
          "The login works; the refresh is refused, and the kept tokens are gone.",
          options={"federated_connections_access_tokens": {"active": True},
                   "scope": "openid profile email offline_access"}, claims=appending("sub", "refresh")),
)  # fmt: skip

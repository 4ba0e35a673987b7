"""Programs that mean harm, over real HTTP: as a client, as somebody else's client, as no client at all."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, encode_basic_auth

from proxy.downstream.client_keys import wire_group
from proxy.store.memory import MemoryStore
from tests.kit.isthmus import Node, connection, isthmus
from tests.kit.signing_client import assertion_claims, jwks, mac, signed, with_assertion
from tests.kit.tenant import signer

SECRET = "a client's secret of the tests, long enough for anybody"
CALLBACK, SPA, EVIL = "https://app.example/cb", "https://spa.example", "https://evil.example"
KEY = signer("one")
API = {"audience": "https://api.example/", "scopes": ["read"]}
ROBOT: dict[str, Any] = {"redirect_uris": [], "grant_types": ["client_credentials"], "grants": [API]}
CLIENTS = [
    {"client_id": "webapp", "client_secret": SECRET, "redirect_uris": [CALLBACK]},
    {"client_id": "robot", "client_secret": SECRET, **ROBOT},
    {"client_id": "signs", "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks(KEY), **ROBOT},
    {"client_id": "macs", "token_endpoint_auth_method": "client_secret_jwt", "client_secret": SECRET, **ROBOT},
    {
        "client_id": "spa",
        "token_endpoint_auth_method": "none",
        "redirect_uris": [f"{SPA}/cb"],
        "web_origins": [SPA],
        "grant_types": ["authorization_code", "refresh_token"],
    },
]
ASKED = {
    "client_id": "spa",
    "response_type": "code",
    "redirect_uri": f"{SPA}/cb",
    "scope": "openid",
    "code_challenge": "c" * 43,
    "code_challenge_method": "S256",
}
ROBOT_ASKS = {"grant_type": "client_credentials"}


@dataclass
class Told:
    """An answer."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def error(self) -> str:
        """Its code."""
        return str(self.body.get("error", ""))


@dataclass
class Attacker:
    """Sends whatever it likes, with cookies of nobody."""

    node: Node
    http: ClientSession

    async def send(self, path: str, method: str = "POST", **what: Any) -> Told:
        """One request to Isthmus; nothing is ever a fault of ours, and no answer is kept."""
        url = path if path.startswith("http") else f"{self.node.issuer}{path}"
        async with self.http.request(method, url, allow_redirects=False, **what) as answer:
            body = await answer.json() if answer.content_type == "application/json" else {}
            told = Told(answer.status, body, dict(answer.headers))
        assert told.status < 500, told
        assert told.headers.get("Cache-Control") == "no-store" or method == "OPTIONS"
        return told


@pytest.fixture
async def attacker(tmp_path: Path) -> AsyncIterator[Attacker]:
    """Against a node where everybody may register."""
    tenant = {**connection("corp", "http://127.0.0.1:9/", "back_channel", ["spa"]), "is_domain_connection": True}
    tables: dict[str, Any] = {"connections": [tenant], "clients": CLIENTS, "registration": {"mode": "open"}}
    async with isthmus(tmp_path, MemoryStore(), **tables) as node, ClientSession() as http:
        yield Attacker(node, http)


BASIC = encode_basic_auth("robot", SECRET)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("oauth/token", {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "spa"}),
        ("oauth/revoke", {"token": "x", "client_id": "spa"}),
        ("oauth/par", ASKED),
    ],
)
async def test_in_15_which_pages_may_read_what_a_client_is_told(
    attacker: Attacker, path: str, form: dict[str, str]
) -> None:
    """IN-15: the client's own pages may call token, revoke and PAR; no other page can read an answer, and cookies never
    count."""
    for origin, allowed in ((SPA, SPA), (EVIL, None), ("null", None), (f"{SPA}.evil.example", None)):
        asks = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "dpop"}
        for told in (
            await attacker.send(path, "OPTIONS", headers=asks),
            await attacker.send(path, data=form, headers={"Origin": origin}),
        ):
            assert told.headers.get("Access-Control-Allow-Origin") == allowed
            assert "Access-Control-Allow-Credentials" not in told.headers


@pytest.mark.parametrize(
    ("what", "error", "status"),
    [
        (
            {"headers": {"Authorization": BASIC}, "data": {**ROBOT_ASKS, "client_secret": SECRET}},
            "invalid_request",
            400,
        ),
        ({"headers": {"Authorization": BASIC}, "data": {**ROBOT_ASKS, "client_id": "webapp"}}, "invalid_request", 400),
        ({"headers": {"Authorization": BASIC}, "data": with_assertion("a.b.c", **ROBOT_ASKS)}, "invalid_request", 400),
        ({"headers": [("Authorization", BASIC), ("Authorization", BASIC)], "data": ROBOT_ASKS}, "invalid_client", 401),
        ({"params": {"client_id": "robot", "client_secret": SECRET}, "data": ROBOT_ASKS}, "invalid_client", 401),
        ({"data": {**ROBOT_ASKS, "client_id": "robot"}}, "invalid_client", 401),
        ({"data": {**ROBOT_ASKS, "client_id": "signs", "client_secret": SECRET}}, "invalid_client", 401),
    ],
    ids=["basic+post", "basic+id", "basic+assertion", "twice", "in-the-address", "without-a-secret", "another-way"],
)
async def test_tk_07_a_client_proves_itself_once_and_its_own_way(
    attacker: Attacker, what: dict[str, Any], error: str, status: int
) -> None:
    """TK-07: two proofs, two names, a proof in the address, or one the client did not register: none gets in."""
    told = await attacker.send("oauth/token", **what)
    assert (told.status, told.error) == (status, error)
    assert told.status != 401 or told.headers["WWW-Authenticate"].startswith("Basic realm=")


async def test_jo_01_jo_02_jo_10_an_assertion_is_good_once_here_and_for_us_alone(attacker: Attacker) -> None:
    """JO-01, JO-02, JO-10, TK-07: replayed, shared with another audience, of another method or key, or about the
    stand-in for unknown clients, whose private key is no secret: refused, each with the same words."""
    issuer, now = attacker.node.issuer, time.time()
    good = signed(KEY, assertion_claims("signs", issuer, now))
    assert (await attacker.send("oauth/token", data=with_assertion(good, **ROBOT_ASKS))).status == 200
    public = str(dict(KEY.public_jwk))
    forged = [
        good,
        signed(KEY, assertion_claims("signs", [issuer, EVIL], now)),
        signed(KEY, assertion_claims("signs", f"{issuer}oauth/introspect", now)),
        signed(KEY, assertion_claims("signs", issuer, now, exp=int(now) + 100_000)),
        signed(KEY, assertion_claims("signs", issuer, now, iss="robot")),
        signed(KEY, assertion_claims("signs", issuer, now), alg="none"),
        signed(KEY, assertion_claims("signs", issuer, now), typ="dpop+jwt"),
        mac(public, assertion_claims("signs", issuer, now)),
        mac(SECRET, assertion_claims("robot", issuer, now)),
        signed(KEY, assertion_claims("-", issuer, now)),
    ]
    told = [await attacker.send("oauth/token", data=with_assertion(each, **ROBOT_ASKS)) for each in forged]
    assert {(each.status, each.error, each.body["error_description"]) for each in told} == {
        (401, "invalid_client", "the client is unknown or did not prove who it is")
    }


async def test_in_07_in_11_another_clients_token_is_nobodys(attacker: Attacker) -> None:
    """IN-07, IN-11: to other clients a token is inactive, signed answers included, and no call of theirs ends it; an
    unknown token is answered alike."""
    mine = {"Authorization": BASIC}
    token = (await attacker.send("oauth/token", data=ROBOT_ASKS, headers=mine)).body["access_token"]
    theirs = {"Authorization": encode_basic_auth("webapp", SECRET)}
    for text in (token, f"{token}==", "unknown"):
        assert (await attacker.send("oauth/introspect", data={"token": text}, headers=theirs)).body == {"active": False}
        assert (await attacker.send("oauth/revoke", data={"token": text}, headers=theirs)).status == 200
    for form in ({"token": token, "client_id": "spa"}, {"token": token}):
        assert (await attacker.send("oauth/introspect", data=form)).status == 401
    assert (await attacker.send("oauth/introspect", data={"token": token}, headers=mine)).body["active"] is True
    assert (await attacker.send("oauth/revoke", data={"token": token}, headers=mine)).status == 200
    assert (await attacker.send("oauth/introspect", data={"token": token}, headers=mine)).body == {"active": False}


TAKEN_FOR_GRANTED = {
    "is_first_party": True,
    "grants": [API],
    "logout_revokes_offline": False,
    "client_id": "webapp",
    "client_secret": SECRET,
    "registration_access_token": "mine",
    "grant_types": ["client_credentials"],
    "scope": "openid read:users",
    "jwks_uri": "https://169.254.169.254/latest",
    "backchannel_logout_uri": "https://[::1];script-src-elem/x",
    "frontchannel_logout_uri": "https://[::1]x;frame-ancestors/",
    "logo_uri": "javascript:alert(1)",
    "redirect_uris": ["javascript:alert(1)"],
}


@pytest.mark.parametrize("name", TAKEN_FOR_GRANTED)
async def test_rg_05_rg_06_what_a_client_may_not_say(attacker: Attacker, name: str) -> None:
    """RG-02, RG-05, RG-06: privileges, other clients' names and hostile addresses, whether it is new or changed; the
    record stays as it was."""
    body = {"redirect_uris": [CALLBACK]}
    hostile = {**body, name: TAKEN_FOR_GRANTED[name]}
    assert (await attacker.send("oidc/register", json=hostile)).status == 400
    mine = (await attacker.send("oidc/register", json=body)).body
    mine_alone = {"Authorization": f"Bearer {mine['registration_access_token']}"}
    where, named = mine["registration_client_uri"], {"client_id": mine["client_id"]}
    told = await attacker.send(where, "PUT", json={**named, **hostile}, headers=mine_alone)
    assert told.status == 400 and told.error.startswith("invalid_")
    now = (await attacker.send(where, "GET", headers=mine_alone)).body
    assert now["redirect_uris"] == [CALLBACK] and "client_secret" not in now


async def test_rg_07_another_clients_management_token_opens_nothing(attacker: Attacker) -> None:
    """RG-07: not by any method, not in the address, and an unknown client is answered as a known one."""
    one, two = [(await attacker.send("oidc/register", json={"redirect_uris": [CALLBACK]})).body for _ in range(2)]
    stolen, place = one["registration_access_token"], two["registration_client_uri"]
    theirs, body = {"Authorization": f"Bearer {stolen}"}, {"client_id": two["client_id"], "redirect_uris": [CALLBACK]}
    told = [
        await attacker.send(place, "GET", headers=theirs),
        await attacker.send(place, "PUT", headers=theirs, json=body),
        await attacker.send(place, "DELETE", headers=theirs),
        await attacker.send(place, "GET", params={"access_token": two["registration_access_token"]}),
        await attacker.send(f"{attacker.node.issuer}oidc/register/webapp", "GET", headers=theirs),
        await attacker.send(f"{attacker.node.issuer}oidc/register/unknown", "GET", headers=theirs),
    ]
    assert {(each.status, each.body["error_description"]) for each in told} == {
        (401, "the registration access token is not that of this client")
    }


async def test_lo_13_calls_to_registered_clients_are_counted_apart(attacker: Attacker) -> None:
    """LO-13, RG-09: whoever registers here takes no place on the wire from a client of the operator's."""
    mine = (await attacker.send("oidc/register", json={"redirect_uris": [CALLBACK]})).body["client_id"]
    declared = attacker.node.settings.clients["webapp"]
    registered = declared.model_copy(update={"client_id": mine})
    assert (wire_group(declared), wire_group(registered)) == ("client:webapp", f"registered:{mine}")


async def test_ds_02_a_push_fills_no_store(attacker: Attacker) -> None:
    """DS-02: whoever knows the name of a public client may push; what is kept of it is small."""
    assert (await attacker.send("oauth/par", data=ASKED)).status == 201
    told = await attacker.send("oauth/par", data={**ASKED, "unknown": "x" * 500_000})
    assert (told.status, told.error) == (413, "invalid_request")

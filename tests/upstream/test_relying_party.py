"""The front door: whole trips against a tenant in memory, on both channels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from proxy.models import Connection, Identity, TenantTokens, Transaction, Wishes
from proxy.oidc import pkce
from proxy.oidc.dpop import check_proof
from proxy.oidc.errors import UpstreamError
from proxy.oidc.jose import half_hash
from proxy.oidc.messages import HttpResponse
from proxy.store import Op
from proxy.store.memory import MemoryStore
from proxy.upstream.connection_keys import ConnectionKeys
from proxy.upstream.connections import Connections
from proxy.upstream.refreshed import Known
from proxy.upstream.relying_party import Departure, RelyingParty
from tests.kit.tenant import good_claims, jws, signer
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, Clock, FakeTenant, as_json, connection, front, trip

ONE = signer("one")
PLAIN = Wishes()


class Counting(MemoryStore):
    """A store that counts its round trips."""

    trips = 0

    async def run(self, *ops: Op) -> Any:
        self.trips += 1
        return await super().run(*ops)


class Shore:
    """We, one connection, one tenant."""

    def __init__(self, one: Connection) -> None:
        self.one, self.tenant, self.clock, self.store = one, FakeTenant(), Clock(), Counting()
        connections = Connections({one.name: one}, self.tenant.send, self.clock)
        keys = ConnectionKeys(self.store)
        self.party = RelyingParty(connections, keys, self.store, issuer="https://sso.example/", leeway=60)

    async def go(self, wishes: Wishes = PLAIN) -> tuple[Departure, Transaction]:
        left = await self.party.begin(self.one, wishes, state="state-1", now=NOW)
        return left, trip(started_at=int(NOW), nonce=left.nonce, verifier=left.verifier, wishes=wishes)

    async def back(self, waiting: Transaction, mode: str, **params: str) -> Identity:
        return await self.party.finish(self.one, waiting, {"state": "state-1", **params}, mode=mode, now=NOW + 5)

    async def refused(self, waiting: Transaction, mode: str, **params: str) -> tuple[int, str]:
        with pytest.raises(UpstreamError) as caught:
            await self.back(waiting, mode, **params)
        return caught.value.status, caught.value.reason


def token(waiting: Transaction, **changes: Any) -> str:
    return jws(ONE, good_claims(ISSUER, NOW + 5, **{"nonce": waiting.nonce, **changes}))


async def test_a_trip_through_the_back_channel() -> None:
    """Code with PKCE: the verifier of the trip goes to the token endpoint, once, and a person comes back."""
    shore = Shore(connection())
    left, waiting = await shore.go()
    asked = dict(parse_qsl(urlsplit(left.url).query))
    assert asked["code_challenge"] == pkce.challenge(left.verifier)
    assert (asked["state"], asked["nonce"], len(left.nonce)) == ("state-1", left.nonce, 43)
    shore.tenant.id_token = lambda: token(waiting)
    assert (await shore.back(waiting, "query", code="c")).subject == "1001"
    assert parse_qs(shore.tenant.sent[-2].body.decode())["code_verifier"] == [left.verifier]
    assert shore.tenant.calls == {"discovery": 1, "token": 1, "jwks": 1}
    assert shore.store.trips == 0


async def test_a_trip_through_the_front_channel() -> None:
    """An ID token by form: no token call, no verifier."""
    shore = Shore(front())
    left, waiting = await shore.go()
    assert left.verifier == ""
    assert (await shore.back(waiting, "form_post", id_token=token(waiting))).subject == "1001"
    assert shore.tenant.calls == {"discovery": 1, "jwks": 1}


@pytest.mark.parametrize("active", [False, True])
async def test_the_tenants_tokens_come_along_if_they_are_kept(active: bool) -> None:
    """``federated_connections_access_tokens``: with the person, or not at all."""
    shore = Shore(connection(federated_connections_access_tokens={"active": active}))
    _, waiting = await shore.go()
    shore.tenant.id_token = lambda: token(waiting)
    identity = await shore.back(waiting, "query", code="c")
    assert identity.tokens == (TenantTokens("at", scope="openid") if active else None)


async def test_every_trip_has_a_nonce_and_a_verifier_of_its_own() -> None:
    """Neither repeats, and neither shows in a traceback."""
    shore = Shore(connection())
    left = [await shore.party.begin(shore.one, Wishes(), state="s", now=NOW) for _ in range(20)]
    assert len({one.nonce for one in left} | {one.verifier for one in left}) == 40
    assert left[0].nonce not in repr(left[0])


async def test_pkce_may_be_disabled() -> None:
    """For tenants that refuse it, and only with a secret."""
    shore = Shore(connection(connection_settings={"pkce": "disabled"}))
    left, waiting = await shore.go()
    assert "code_challenge" not in left.url
    shore.tenant.id_token = lambda: token(waiting)
    await shore.back(waiting, "query", code="c")
    assert b"code_verifier" not in shore.tenant.sent[-2].body


def test_callback_urls() -> None:
    """One address for all, or the connection's own; both from our configuration alone (CB-13)."""
    one = Shore(connection())
    assert one.party.callback_url(one.one) == "https://sso.example/login/callback"
    assert one.party.callback_url(connection(own_callback=True)) == "https://sso.example/login/callback/corp"


async def test_rp_01_a_token_of_another_tenant() -> None:
    """RP-01: signed by B for A's trip: A's keys do not know it, and A's issuer is not B's."""
    shore = Shore(front())
    _, waiting = await shore.go()
    claims = good_claims("https://b.example", NOW + 5, nonce=waiting.nonce)
    assert await shore.refused(waiting, "form_post", id_token=jws(signer("of-b"), claims)) == (400, "unknown_key")
    assert await shore.refused(waiting, "form_post", id_token=jws(ONE, claims)) == (400, "iss_mismatch")


async def test_rp_01_a_trip_of_another_connection() -> None:
    """RP-01: a stored trip is finished by its own connection or not at all."""
    shore = Shore(front())
    _, waiting = await shore.go()
    other = Connection(name="other", options=shore.one.options)
    with pytest.raises(UpstreamError) as caught:
        await shore.party.finish(other, waiting, {"id_token": token(waiting)}, mode="form_post", now=NOW)
    assert caught.value.reason == "wrong_connection"


async def test_rp_09_a_token_of_another_trip() -> None:
    """RP-09: the first login's token does not answer the second's trip, nor with another text (JO-17)."""
    shore = Shore(front())
    _, first = await shore.go()
    _, second = await shore.go()
    assert (await shore.back(first, "form_post", id_token=token(first))).subject == "1001"
    assert await shore.refused(second, "form_post", id_token=token(first)) == (400, "nonce_mismatch")
    assert await shore.refused(second, "form_post", id_token=token(first) + "==") == (400, "malformed")


async def test_rp_22_a_mixed_up_answer_never_reaches_a_token_endpoint() -> None:
    """RP-22: a tenant that names itself: without or with another ``iss`` the code is not sent."""
    shore = Shore(connection())
    shore.tenant.document["authorization_response_iss_parameter_supported"] = True
    _, waiting = await shore.go()
    assert await shore.refused(waiting, "query", code="c") == (400, "iss_mismatch")
    assert await shore.refused(waiting, "query", code="c", iss="https://b.example") == (400, "iss_mismatch")
    assert shore.tenant.calls["token"] == 0


async def test_rp_22_without_iss_the_id_token_stops_it() -> None:
    """RP-22: on the shared callback a tenant without ``iss`` is found out by its ID token."""
    shore = Shore(connection())
    _, waiting = await shore.go()
    shore.tenant.id_token = lambda: jws(ONE, good_claims("https://b.example", NOW, nonce=waiting.nonce))
    assert await shore.refused(waiting, "query", code="c") == (400, "iss_mismatch")


async def test_rp_25_a_stolen_code_meets_the_wrong_verifier() -> None:
    """RP-25: the tenant refuses it, the person sees a page, and it was asked once."""
    shore = Shore(connection())
    _, waiting = await shore.go()
    shore.tenant.answers["token"] = as_json({"error": "invalid_grant"}, 400)
    assert await shore.refused(waiting, "query", code="stolen") == (400, "upstream_invalid_grant")
    assert shore.tenant.calls["token"] == 1


async def test_rp_27_claims_are_the_id_tokens_and_nothing_more() -> None:
    """RP-27: names that mean something here arrive as plain claims; they are nothing but claims."""
    shore = Shore(front())
    _, waiting = await shore.go()
    claims = {"client_id": "x", "scope": "admin", "roles": ["admin"], "is_admin": True, "__proto__": {}, "_internal": 1}
    found = await shore.back(waiting, "form_post", id_token=token(waiting, **claims))
    assert (found.connection, found.issuer, found.subject) == ("corp", ISSUER, "1001")
    assert set(found.claims) == {*claims, "iss", "sub", "aud", "exp", "iat", "nonce"}


async def test_rp_29_a_stale_login_has_its_own_reason() -> None:
    """RP-29: the bridge turns it into ``login_required`` for the app."""
    shore = Shore(front())
    _, waiting = await shore.go(Wishes(fresh=True))
    made = token(waiting, auth_time=int(NOW) - 3600)
    assert await shore.refused(waiting, "form_post", id_token=made) == (400, "stale_login")


async def test_ft_34_the_same_answer_succeeds_once_the_keys_can_be_had() -> None:
    """FT-34: 503 with its own reason, so that the transaction can be kept."""
    shore = Shore(front())
    _, waiting = await shore.go()
    shore.tenant.down = {"jwks"}
    assert await shore.refused(waiting, "form_post", id_token=token(waiting)) == (503, "keys_unavailable")
    shore.tenant.down, shore.clock.now = set(), NOW + 31
    assert (await shore.back(waiting, "form_post", id_token=token(waiting))).subject == "1001"


async def test_certification_rotation_just_before_signing() -> None:
    """signing-key-rotation-just-before-signing: an unknown name is looked for at once."""
    shore = Shore(front())
    _, waiting = await shore.go()
    await shore.back(waiting, "form_post", id_token=token(waiting))
    shore.tenant.keys = [signer("two")]
    made = jws(signer("two"), good_claims(ISSUER, NOW + 5, nonce=waiting.nonce))
    assert (await shore.back(waiting, "form_post", id_token=made)).subject == "1001"
    assert await shore.refused(waiting, "form_post", id_token=token(waiting)) == (400, "unknown_key")


@pytest.mark.parametrize(
    "made",
    ["", "a.b.c", "x" * 20_000, "\u00e9", "..", jws(ONE, b"[]")],
    ids=["none", "junk", "long", "text", "dots", "list"],
)
async def test_a_token_that_is_none_costs_no_fetch_and_no_crash(made: str) -> None:
    """A malformed token is refused before the tenant is asked for keys, where its form shows it."""
    shore = Shore(front())
    _, waiting = await shore.go()
    assert (await shore.refused(waiting, "form_post", id_token=made))[0] == 400
    assert shore.tenant.calls["jwks"] <= (1 if made.startswith("ey") else 0)


async def test_discovery_failing_at_departure_is_told() -> None:
    """A tenant that is down: the person hears it before leaving."""
    shore = Shore(connection())
    shore.tenant.down = {"discovery"}
    with pytest.raises(UpstreamError) as caught:
        await shore.go()
    assert caught.value.status == 502


async def test_certification_discovery_issuer_mismatch() -> None:
    """discovery-issuer-mismatch: the authorization endpoint is never reached."""
    shore = Shore(connection())
    shore.tenant.document = {**DOCUMENT, "issuer": f"{ISSUER}INVALID"}
    with pytest.raises(UpstreamError) as caught:
        await shore.go()
    assert caught.value.reason == "metadata_issuer_mismatch"


HYBRIDS = ["code id_token", "code token", "code id_token token"]


def front_token(waiting: Transaction, **changes: Any) -> str:
    """An ID token for the browser, bound to the code ``c`` and the access token ``front-at``."""
    hashes = {"c_hash": half_hash("RS256", "c"), "at_hash": half_hash("RS256", "front-at")}
    return token(waiting, **{**hashes, **changes})


def answer_of(kind: str, made: str) -> dict[str, str]:
    parts = {"code": "c", "id_token": made, "access_token": "front-at", "token_type": "Bearer"}
    wanted = {"code": ("code",), "id_token": ("id_token",), "token": ("access_token", "token_type")}
    return {name: parts[name] for word in kind.split() for name in wanted[word]}


@pytest.mark.parametrize("mode", ["form_post", "fragment"])
@pytest.mark.parametrize("kind", HYBRIDS)
async def test_a_hybrid_trip(kind: str, mode: str) -> None:
    """Core 3.3: code and PKCE, both ID tokens checked, and the access token of the token endpoint is kept."""
    keeps = {"federated_connections_access_tokens": {"active": True}}
    shore = Shore(connection(response_type=kind, response_mode=mode, **keeps))
    left, waiting = await shore.go()
    assert left.verifier and left.nonce
    shore.tenant.id_token = lambda: token(waiting)
    found = await shore.back(waiting, mode, **answer_of(kind, front_token(waiting)))
    assert found.subject == "1001" and found.tokens is not None and found.tokens.access_token == "at"
    assert shore.tenant.calls["token"] == 1


@pytest.mark.parametrize("mode", ["form_post", "fragment"])
async def test_a_trip_with_an_access_token_through_the_browser(mode: str) -> None:
    """``id_token token`` (Core 3.2): at_hash binds it, and it reads userinfo."""
    wants = {"response_type": "id_token token", "attribute_map": {"userinfo_scope": "groups"}, "response_mode": mode}
    shore = Shore(front(**wants))
    shore.tenant.document["userinfo_endpoint"] = f"{ISSUER}/userinfo"
    shore.tenant.answers["userinfo"] = as_json({"sub": "1001", "groups": ["g"]})
    _, waiting = await shore.go()
    found = await shore.back(waiting, mode, **answer_of("id_token token", front_token(waiting)))
    assert found.userinfo == {"sub": "1001", "groups": ["g"]} and "groups" not in found.claims
    assert shore.tenant.sent[-1].headers["Authorization"] == "Bearer front-at"
    assert shore.tenant.calls == {"discovery": 1, "jwks": 1, "userinfo": 1}


BAD_FRONTS: list[tuple[str, dict[str, Any], str]] = [
    ("invalid-iss", {"iss": f"{ISSUER}1"}, "iss_mismatch"),
    ("missing-sub", {"sub": None}, "bad_sub"),
    ("invalid-aud", {"aud": "isthmus1"}, "aud_mismatch"),
    ("missing-iat", {"iat": None}, "bad_iat"),
    ("nonce-invalid", {"nonce": "other1"}, "nonce_mismatch"),
    ("missing-chash", {"c_hash": None}, "c_hash_mismatch"),
    ("invalid-chash", {"c_hash": "x"}, "c_hash_mismatch"),
    ("missing-athash", {"at_hash": None}, "at_hash_mismatch"),
    ("invalid-athash", {"at_hash": "x"}, "at_hash_mismatch"),
]


@pytest.mark.parametrize(("changes", "expected"), [b[1:] for b in BAD_FRONTS], ids=[b[0] for b in BAD_FRONTS])
async def test_rp_10_a_bad_token_from_the_browser_stops_before_any_call(changes: dict[str, Any], expected: str) -> None:
    """RP-10 and the certification modules of these names: the code is not sent, userinfo not called."""
    shore = Shore(connection(response_type="code id_token token"))
    _, waiting = await shore.go()
    parts = answer_of("code id_token token", front_token(waiting, **changes))
    assert await shore.refused(waiting, "form_post", **parts) == (400, expected)
    assert shore.tenant.calls["token"] == 0


async def test_invalid_sig_rs256_from_the_browser_stops() -> None:
    """invalid-sig-rs256: the same."""
    shore = Shore(connection(response_type="code id_token"))
    _, waiting = await shore.go()
    forged = jws(signer("two"), good_claims(ISSUER, NOW + 5, nonce=waiting.nonce), {"kid": "one"})
    assert await shore.refused(waiting, "form_post", code="c", id_token=forged) == (400, "bad_signature")
    assert shore.tenant.calls["token"] == 0


async def test_rp_13_the_two_id_tokens_agree() -> None:
    """RP-13: another person at the token endpoint, or a token there that is not good by itself."""
    shore = Shore(connection(response_type="code id_token"))
    _, waiting = await shore.go()
    first = {"code": "c", "id_token": front_token(waiting, at_hash=None)}
    shore.tenant.id_token = lambda: token(waiting, sub="1002")
    assert await shore.refused(waiting, "form_post", **first) == (400, "id_tokens_disagree")
    shore.tenant.id_token = lambda: token(waiting, iss="https://b.example")
    assert await shore.refused(waiting, "form_post", **first) == (400, "iss_mismatch")
    shore.tenant.id_token = lambda: jws(ONE, good_claims(ISSUER, NOW), {"alg": "none"})
    assert await shore.refused(waiting, "form_post", **first) == (400, "wrong_algorithm")
    shore.tenant.id_token = lambda: token(waiting, nonce="n-0S6_WzA2Mj1")
    assert await shore.refused(waiting, "form_post", **first) == (400, "nonce_mismatch")


async def test_rp_13_two_tenants_of_a_family_are_two_issuers() -> None:
    """RP-13, RP-03: each good by itself, but not the same."""
    shore = Shore(connection(response_type="code id_token", **FAMILY))
    shore.tenant.document["issuer"] = FAMILY["issuer"]
    _, waiting = await shore.go()
    of = {id: f"{ISSUER}/{id}" for id in ("a", "b")}
    shore.tenant.id_token = lambda: token(waiting, iss=of["b"])
    first = front_token(waiting, iss=of["a"], at_hash=None)
    assert await shore.refused(waiting, "form_post", code="c", id_token=first) == (400, "id_tokens_disagree")
    shore.tenant.id_token = lambda: token(waiting, iss=of["a"])
    found = await shore.back(waiting, "form_post", code="c", id_token=first)
    assert (found.issuer, found.subject) == (of["a"], "a.1001")


FAMILY = {"issuer": f"{ISSUER}/{{tenantid}}", "tenant_ids": ["a", "b"]}


async def test_no_nonce_at_all_where_the_tenant_cannot_stand_one() -> None:
    """``send_back_channel_nonce = false``: none goes up, and one that comes back unasked is refused."""
    shore = Shore(connection(send_back_channel_nonce=False))
    left, waiting = await shore.go()
    assert left.nonce == "" and "nonce" not in left.url
    shore.tenant.id_token = lambda: jws(ONE, good_claims(ISSUER, NOW + 5, nonce=None))
    assert (await shore.back(waiting, "query", code="c")).subject == "1001"
    shore.tenant.id_token = lambda: jws(ONE, good_claims(ISSUER, NOW + 5, nonce="n"))
    assert await shore.refused(waiting, "query", code="c") == (400, "nonce_mismatch")


def reading(**options: Any) -> Shore:
    """A shore whose connection reads userinfo."""
    shore = Shore(connection(attribute_map={"userinfo_scope": "groups"}, **options))
    shore.tenant.document["userinfo_endpoint"] = f"{ISSUER}/userinfo"
    return shore


async def test_userinfo_is_called_after_the_signature_was_checked() -> None:
    """discovery-jwks-uri-keys: discovery, token, keys, userinfo; with the token endpoint's access token."""
    shore = reading()
    _, waiting = await shore.go()
    shore.tenant.id_token = lambda: token(waiting)
    shore.tenant.answers["userinfo"] = as_json({"sub": "1001", "groups": ["g"]})
    assert (await shore.back(waiting, "query", code="c")).userinfo["groups"] == ["g"]
    assert [request.url.rpartition("/")[2] for request in shore.tenant.sent[1:]] == ["token", "jwks", "userinfo"]


async def test_userinfo_invalid_sub() -> None:
    """userinfo-invalid-sub: called, then refused, with a reason for the log."""
    shore = reading()
    _, waiting = await shore.go()
    shore.tenant.id_token = lambda: token(waiting)
    shore.tenant.answers["userinfo"] = as_json({"sub": "10011"})
    assert await shore.refused(waiting, "query", code="c") == (502, "userinfo_sub_mismatch")


async def test_a_bad_id_token_stops_before_userinfo() -> None:
    """invalid-iss and others in the code flow: no userinfo call."""
    shore = reading()
    _, waiting = await shore.go()
    shore.tenant.id_token = lambda: token(waiting, iss=f"{ISSUER}1")
    assert await shore.refused(waiting, "query", code="c") == (400, "iss_mismatch")
    assert shore.tenant.calls["userinfo"] == 0


async def test_userinfo_signed() -> None:
    """userinfo-signed: verified with the tenant's keys, new ones too."""
    shore = reading(userinfo_signed_response_alg="RS256")
    _, waiting = await shore.go()
    shore.tenant.id_token = lambda: token(waiting)
    shore.tenant.keys.append(signer("two"))
    said = jws(signer("two"), {"iss": ISSUER, "aud": "isthmus", "sub": "1001", "groups": ["g"]})
    shore.tenant.answers["userinfo"] = HttpResponse(200, {"content-type": "application/jwt"}, said.encode())
    assert (await shore.back(waiting, "query", code="c")).userinfo["groups"] == ["g"]


@pytest.mark.parametrize("said", ["", "a.b.c", "x", "a.b.c.d.e", jws(ONE, {"sub": "1001"}, {"crit": ["x"]})])
async def test_jo_13_userinfo_that_is_called_a_token_and_is_none(said: str) -> None:
    """JO-13, JO-09: the tenant's fault, and told as one; the log knows that it was not the ID token."""
    shore = reading()
    _, waiting = await shore.go()
    shore.tenant.id_token = lambda: token(waiting)
    shore.tenant.answers["userinfo"] = HttpResponse(200, {"content-type": "application/jwt"}, said.encode())
    status, reason = await shore.refused(waiting, "query", code="c")
    assert status == 502 and reason.startswith("userinfo_")


async def test_a_bound_trip() -> None:
    """DPoP: the token call has a proof, the token must be bound, and userinfo is asked with its hash."""
    shore = reading(dpop_signing_alg="ES256")
    left, waiting = await shore.go()
    shore.tenant.id_token = lambda: token(waiting)
    shore.tenant.answers["userinfo"] = as_json({"sub": "1001"})
    assert await shore.refused(waiting, "query", code="c") == (502, "token_type")
    bound = {"id_token": token(waiting), "access_token": "at", "token_type": "DPoP"}
    shore.tenant.answers["token"] = as_json(bound)
    await shore.back(waiting, "query", code="c")
    asked, read = shore.tenant.sent[-3], shore.tenant.sent[-1]
    proof = check_proof(asked.headers["DPoP"], "POST", f"{ISSUER}/token", NOW + 5)
    assert proof.jkt == dict(parse_qsl(left.url))["dpop_jkt"]
    assert read.headers["Authorization"] == "DPoP at"
    assert check_proof(read.headers["DPoP"], "GET", f"{ISSUER}/userinfo", NOW + 5, access_token="at").jkt == proof.jkt


async def test_a_pushed_departure() -> None:
    """PAR: the address holds name and reference; what was pushed holds the rest, with the trip's state."""
    shore = Shore(connection(enable_pushed_authorization_requests=True))
    shore.tenant.document["pushed_authorization_request_endpoint"] = f"{ISSUER}/par"
    shore.tenant.answers["par"] = as_json({"request_uri": "urn:x", "expires_in": 60}, 201)
    left, _ = await shore.go()
    assert dict(parse_qsl(urlsplit(left.url).query)) == {"client_id": "isthmus", "request_uri": "urn:x"}
    assert parse_qs(shore.tenant.sent[-1].body.decode())["nonce"] == [left.nonce]


async def test_rp_31_refreshing() -> None:
    """RP-31, refresh-token, refresh-token-invalid-sub: tokens of the same person, or none."""
    shore = Shore(connection())
    known = Known(ISSUER, "1001")
    fresh = {"access_token": "at2", "token_type": "Bearer", "refresh_token": "rt2", "expires_in": 60}
    shore.tenant.answers["token"] = as_json(fresh)
    given = await shore.party.refresh(shore.one, "rt", known, NOW)
    assert (given.access_token, given.refresh_token, given.id_token) == ("at2", "rt2", "")
    assert parse_qs(shore.tenant.sent[-1].body.decode())["grant_type"] == ["refresh_token"]
    shore.tenant.answers["token"] = as_json({**fresh, "id_token": jws(ONE, good_claims(ISSUER, NOW, nonce=None))})
    assert (await shore.party.refresh(shore.one, "rt", known, NOW)).id_token
    for made, expected in ((good_claims(ISSUER, NOW, sub="1002"), "other_person"), ({}, "iss_mismatch")):
        shore.tenant.answers["token"] = as_json({**fresh, "id_token": jws(ONE, made)})
        with pytest.raises(UpstreamError) as caught:
            await shore.party.refresh(shore.one, "rt", known, NOW)
        assert caught.value.reason == expected


async def test_rp_31_ss_13_a_refresh_token_goes_to_nobody_but_its_issuer() -> None:
    """RP-31, SS-13: of a connection that was given another tenant, the new one does not get what the old one gave."""
    shore = Shore(connection())
    with pytest.raises(UpstreamError) as caught:
        await shore.party.refresh(shore.one, "rt", Known("https://old.example", "1001"), NOW)
    assert caught.value.reason == "issuer_changed" and not shore.tenant.calls["token"]


async def test_rp_22_a_trip_ends_at_the_tenant_where_it_began() -> None:
    """RP-22: the connection was given another tenant, or its name to another connection, while the person was away: the
    code and its verifier go to nobody."""
    shore = Shore(connection())
    left, waiting = await shore.go()
    assert left.issuer == ISSUER
    with pytest.raises(UpstreamError) as caught:
        await shore.back(replace(waiting, issuer="https://old.example"), "query", code="c")
    assert caught.value.reason == "issuer_changed" and not shore.tenant.calls["token"]

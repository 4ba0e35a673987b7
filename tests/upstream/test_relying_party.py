"""The front door: whole trips against a tenant in memory, on both channels."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from proxy.models import Connection, Identity, TenantTokens, Transaction, Wishes
from proxy.oidc import pkce
from proxy.oidc.errors import UpstreamError
from proxy.upstream.connections import Connections
from proxy.upstream.relying_party import Departure, RelyingParty
from tests.kit.tenant import good_claims, jws, signer
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, Clock, FakeTenant, as_json, connection, front, trip

ONE = signer("one")
PLAIN = Wishes()


class Shore:
    """We, one connection, one tenant."""

    def __init__(self, one: Connection) -> None:
        self.one, self.tenant, self.clock = one, FakeTenant(), Clock()
        self.party = RelyingParty(
            Connections({one.name: one}, self.tenant.send, self.clock), issuer="https://sso.example/", leeway=60
        )

    async def go(self, wishes: Wishes = PLAIN) -> tuple[Departure, Transaction]:
        left = await self.party.begin(self.one, wishes, state="state-1", now=NOW)
        return left, trip(started_at=int(NOW), nonce=left.nonce, verifier=left.verifier, wishes=wishes)

    async def back(self, waiting: Transaction, method: str, **params: str) -> Identity:
        return await self.party.finish(self.one, waiting, {"state": "state-1", **params}, method=method, now=NOW + 5)

    async def refused(self, waiting: Transaction, method: str, **params: str) -> tuple[int, str]:
        with pytest.raises(UpstreamError) as caught:
            await self.back(waiting, method, **params)
        return caught.value.status, caught.value.reason


def token(waiting: Transaction, **changes: Any) -> str:
    return jws(ONE, good_claims(ISSUER, NOW + 5, nonce=waiting.nonce, **changes))


async def test_a_trip_through_the_back_channel() -> None:
    """Code with PKCE: the verifier of the trip goes to the token endpoint, once, and a person comes back."""
    shore = Shore(connection())
    left, waiting = await shore.go()
    asked = dict(parse_qsl(urlsplit(left.url).query))
    assert asked["code_challenge"] == pkce.challenge(left.verifier)
    assert (asked["state"], asked["nonce"], len(left.nonce)) == ("state-1", left.nonce, 43)
    shore.tenant.id_token = lambda: token(waiting)
    assert (await shore.back(waiting, "GET", code="c")).subject == "1001"
    assert parse_qs(shore.tenant.sent[-2].body.decode())["code_verifier"] == [left.verifier]
    assert shore.tenant.calls == {"discovery": 1, "token": 1, "jwks": 1}


async def test_a_trip_through_the_front_channel() -> None:
    """An ID token by form: no token call, no verifier."""
    shore = Shore(front())
    left, waiting = await shore.go()
    assert left.verifier == ""
    assert (await shore.back(waiting, "POST", id_token=token(waiting))).subject == "1001"
    assert shore.tenant.calls == {"discovery": 1, "jwks": 1}


@pytest.mark.parametrize("active", [False, True])
async def test_the_tenants_tokens_come_along_if_they_are_kept(active: bool) -> None:
    """``federated_connections_access_tokens``: with the person, or not at all."""
    shore = Shore(connection(federated_connections_access_tokens={"active": active}))
    _, waiting = await shore.go()
    shore.tenant.id_token = lambda: token(waiting)
    identity = await shore.back(waiting, "GET", code="c")
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
    await shore.back(waiting, "GET", code="c")
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
    assert await shore.refused(waiting, "POST", id_token=jws(signer("of-b"), claims)) == (400, "unknown_key")
    assert await shore.refused(waiting, "POST", id_token=jws(ONE, claims)) == (400, "iss_mismatch")


async def test_rp_01_a_trip_of_another_connection() -> None:
    """RP-01: a stored trip is finished by its own connection or not at all."""
    shore = Shore(front())
    _, waiting = await shore.go()
    other = Connection(name="other", options=shore.one.options)
    with pytest.raises(UpstreamError) as caught:
        await shore.party.finish(other, waiting, {"id_token": token(waiting)}, method="POST", now=NOW)
    assert caught.value.reason == "wrong_connection"


async def test_rp_09_a_token_of_another_trip() -> None:
    """RP-09: the first login's token does not answer the second's trip, nor with another text (JO-17)."""
    shore = Shore(front())
    _, first = await shore.go()
    _, second = await shore.go()
    assert (await shore.back(first, "POST", id_token=token(first))).subject == "1001"
    assert await shore.refused(second, "POST", id_token=token(first)) == (400, "nonce_mismatch")
    assert await shore.refused(second, "POST", id_token=token(first) + "==") == (400, "malformed")


async def test_rp_22_a_mixed_up_answer_never_reaches_a_token_endpoint() -> None:
    """RP-22: a tenant that names itself: without or with another ``iss`` the code is not sent."""
    shore = Shore(connection())
    shore.tenant.document["authorization_response_iss_parameter_supported"] = True
    _, waiting = await shore.go()
    assert await shore.refused(waiting, "GET", code="c") == (400, "iss_mismatch")
    assert await shore.refused(waiting, "GET", code="c", iss="https://b.example") == (400, "iss_mismatch")
    assert shore.tenant.calls["token"] == 0


async def test_rp_22_without_iss_the_id_token_stops_it() -> None:
    """RP-22: on the shared callback a tenant without ``iss`` is found out by its ID token."""
    shore = Shore(connection())
    _, waiting = await shore.go()
    shore.tenant.id_token = lambda: jws(ONE, good_claims("https://b.example", NOW, nonce=waiting.nonce))
    assert await shore.refused(waiting, "GET", code="c") == (400, "iss_mismatch")


async def test_rp_25_a_stolen_code_meets_the_wrong_verifier() -> None:
    """RP-25: the tenant refuses it, the person sees a page, and it was asked once."""
    shore = Shore(connection())
    _, waiting = await shore.go()
    shore.tenant.answers["token"] = as_json({"error": "invalid_grant"}, 400)
    assert await shore.refused(waiting, "GET", code="stolen") == (400, "upstream_invalid_grant")
    assert shore.tenant.calls["token"] == 1


async def test_rp_27_claims_are_the_id_tokens_and_nothing_more() -> None:
    """RP-27: names that mean something here arrive as plain claims; they are nothing but claims."""
    shore = Shore(front())
    _, waiting = await shore.go()
    claims = {"client_id": "x", "scope": "admin", "roles": ["admin"], "is_admin": True, "__proto__": {}, "_internal": 1}
    found = await shore.back(waiting, "POST", id_token=token(waiting, **claims))
    assert (found.connection, found.issuer, found.subject) == ("corp", ISSUER, "1001")
    assert set(found.claims) == {*claims, "iss", "sub", "aud", "exp", "iat", "nonce"}


async def test_rp_29_a_stale_login_has_its_own_reason() -> None:
    """RP-29: the bridge turns it into ``login_required`` for the app."""
    shore = Shore(front())
    _, waiting = await shore.go(Wishes(fresh=True))
    made = token(waiting, auth_time=int(NOW) - 3600)
    assert await shore.refused(waiting, "POST", id_token=made) == (400, "stale_login")


async def test_ft_34_the_same_answer_succeeds_once_the_keys_can_be_had() -> None:
    """FT-34: 503 with its own reason, so that the transaction can be kept."""
    shore = Shore(front())
    _, waiting = await shore.go()
    shore.tenant.down = {"jwks"}
    assert await shore.refused(waiting, "POST", id_token=token(waiting)) == (503, "keys_unavailable")
    shore.tenant.down, shore.clock.now = set(), NOW + 31
    assert (await shore.back(waiting, "POST", id_token=token(waiting))).subject == "1001"


async def test_certification_rotation_just_before_signing() -> None:
    """signing-key-rotation-just-before-signing: an unknown name is looked for at once."""
    shore = Shore(front())
    _, waiting = await shore.go()
    await shore.back(waiting, "POST", id_token=token(waiting))
    shore.tenant.keys = [signer("two")]
    made = jws(signer("two"), good_claims(ISSUER, NOW + 5, nonce=waiting.nonce))
    assert (await shore.back(waiting, "POST", id_token=made)).subject == "1001"
    assert await shore.refused(waiting, "POST", id_token=token(waiting)) == (400, "unknown_key")


@pytest.mark.parametrize(
    "made",
    ["", "a.b.c", "x" * 20_000, "\u00e9", "..", jws(ONE, b"[]")],
    ids=["none", "junk", "long", "text", "dots", "list"],
)
async def test_a_token_that_is_none_costs_no_fetch_and_no_crash(made: str) -> None:
    """A malformed token is refused before the tenant is asked for keys, where its form shows it."""
    shore = Shore(front())
    _, waiting = await shore.go()
    assert (await shore.refused(waiting, "POST", id_token=made))[0] == 400
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

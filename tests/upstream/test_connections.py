"""Metadata and keys: fetched when needed, once for all who wait, kept while the tenant is down."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from proxy.models import Connection
from proxy.oidc.errors import UpstreamError
from proxy.oidc.keys import KeySet
from proxy.oidc.messages import HttpResponse
from proxy.upstream.connections import Connections
from tests.kit.tenant import signer
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, Clock, FakeTenant, as_json, connection


class House:
    """One connection, its tenant, and a clock."""

    def __init__(self, **options: Any) -> None:
        self.tenant, self.clock = FakeTenant(), Clock()
        self.one: Connection = connection(**options)
        self.connections = Connections({"corp": self.one}, self.tenant.send, self.clock)

    async def keys(self, kid: str | None = "one", *, since: float | None = None) -> KeySet:
        began = self.clock.now if since is None else since
        metadata = await self.connections.metadata(self.one, since=began)
        return await self.connections.keys(self.one, metadata, kid, since=began)

    async def fails(self, kid: str | None = "one") -> tuple[int, str]:
        with pytest.raises(UpstreamError) as caught:
            await self.keys(kid)
        return caught.value.status, caught.value.reason


async def test_documents_are_fetched_once_and_refreshed_by_age() -> None:
    """Metadata and keys each by their own age."""
    house = House(metadata_max_age=3600, jwks_max_age=600)
    for _ in range(5):
        await house.keys()
    assert house.tenant.calls == {"discovery": 1, "jwks": 1}
    house.clock.now += 601
    await house.keys()
    assert house.tenant.calls == {"discovery": 1, "jwks": 2}
    house.clock.now += 3000
    await house.keys()
    assert house.tenant.calls == {"discovery": 2, "jwks": 3}


async def test_fetches_have_a_deadline_a_limit_and_a_group() -> None:
    """Every fetch says how long, how much, and for whom it is counted."""
    house = House()
    await house.keys()
    assert {(r.method, r.seconds, r.limit, r.group) for r in house.tenant.sent} == {("GET", 3.0, 128 * 1024, "corp")}


async def test_an_age_of_zero_fetches_at_every_login() -> None:
    """The certification's rotation modules: discovery and keys anew in each login, and in between nothing."""
    house = House(metadata_max_age=0, jwks_max_age=0)
    for login in range(1, 4):
        house.clock.now += 5
        began = house.clock.now
        await house.connections.metadata(house.one, since=began)
        house.clock.now += 1
        await house.keys(since=began)
        assert house.tenant.calls == {"discovery": login, "jwks": login}


async def test_an_age_of_zero_never_serves_an_old_copy() -> None:
    """What an earlier login fetched never stands in for this login's; unknown kids disturb nobody."""
    house = House(metadata_max_age=0, jwks_max_age=0)
    await house.keys("unknown")
    house.clock.now += 1
    assert (await house.keys()).has("one")
    house.clock.now += 1
    house.tenant.down = {"jwks"}
    assert await house.fails() == (503, "keys_unavailable")


async def test_a_connection_with_every_endpoint_asks_nobody_where() -> None:
    """Explicit endpoints: the document is never fetched."""
    endpoints = {name: DOCUMENT[name] for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
    house = House(discovery_url="", issuer=ISSUER, **endpoints)
    await house.keys()
    assert house.tenant.calls == {"jwks": 1}


async def test_ft_33_known_keys_serve_while_their_endpoint_is_down() -> None:
    """FT-33: logins go on for a day at most; tries follow the cooldown; one failure clears nothing."""
    house = House()
    await house.keys()
    house.tenant.down = {"jwks", "discovery"}
    house.clock.now += 700
    for second in range(20):
        house.clock.now += 30 * (second % 2)
        assert (await house.keys()).has("one")
    assert house.tenant.calls["jwks"] == 1 + 11
    house.clock.now = NOW + 86_399
    assert (await house.keys()).has("one")
    house.clock.now = NOW + 86_402
    assert (await house.fails())[0] in (502, 503)


async def test_ft_34_an_unknown_key_while_the_keys_cannot_be_had() -> None:
    """FT-34: 503 that says so, one try per cooldown, other keys still work; the same login succeeds later."""
    house = House()
    await house.keys()
    house.tenant.keys = [signer("two")]
    house.tenant.down = {"jwks"}
    for _ in range(10):
        assert await house.fails("two") == (503, "keys_unavailable")
    assert house.tenant.calls["jwks"] == 2
    assert (await house.keys("one")).has("one")
    house.tenant.down = set()
    house.clock.now += 31
    assert (await house.keys("two")).has("two")
    assert house.tenant.calls["jwks"] == 3


async def test_ft_34_no_key_known_at_all() -> None:
    """FT-34: the first login of a tenant whose key endpoint is down; it works soon after it is up."""
    house = House()
    house.tenant.down = {"jwks"}
    assert await house.fails() == (503, "keys_unavailable")
    house.tenant.down = set()
    house.clock.now += 3
    assert (await house.keys()).has("one")


async def test_ft_35_keys_swapped_without_overlap() -> None:
    """FT-35: fifty logins with the new key cost one fetch; the old key is refused from then on."""
    house = House()
    await house.keys()
    house.tenant.keys = [signer("two")]
    found = await asyncio.gather(*(house.keys("two") for _ in range(50)))
    assert all(keys.has("two") for keys in found)
    assert house.tenant.calls["jwks"] == 2
    assert not (await house.keys("two")).has("one")


async def test_ft_35_keys_swapped_twice_in_a_row() -> None:
    """FT-35: a fetch that brought the key starts no cooldown: the next rotation is followed at once."""
    house = House()
    await house.keys()
    for name in ("two", "three", "four"):
        house.tenant.keys = [signer(name)]
        assert (await house.keys(name)).has(name)
    assert house.tenant.calls["jwks"] == 4


async def test_jo_06_a_storm_of_unknown_names_costs_one_fetch_per_cooldown() -> None:
    """JO-06: a thousand random names; the good ones work meanwhile."""
    house = House()
    await house.keys()
    for i in range(1000):
        assert not (await house.keys(f"random-{i}")).has(f"random-{i}")
    assert (await house.keys()).has("one")
    assert house.tenant.calls["jwks"] == 2
    house.clock.now += 31
    await house.keys("random")
    assert house.tenant.calls["jwks"] == 3


async def test_a_token_without_a_name_needs_keys_of_its_own_time() -> None:
    """Certification 8 (5): keys fetched before this login do not verify a token that names none; one fetch a login."""
    house = House()
    await house.keys()
    house.clock.now += 10
    began = house.clock.now
    house.clock.now += 5
    await house.keys(None, since=began)
    await house.keys(None, since=began)
    assert house.tenant.calls["jwks"] == 2
    house.tenant.down = {"jwks"}
    assert (await house.keys(None, since=began + 4)).has("one")


async def test_single_flight_survives_the_leader_leaving() -> None:
    """A visitor who leaves takes nothing from those who wait with him."""
    house, gate = House(), asyncio.Event()
    healthy = house.tenant.send

    async def slow(request: Any) -> HttpResponse:
        answer = await healthy(request)
        await gate.wait()
        return answer

    house.connections = Connections({"corp": house.one}, slow, house.clock)
    leader = asyncio.create_task(house.connections.metadata(house.one, since=NOW))
    others = [asyncio.create_task(house.connections.metadata(house.one, since=NOW)) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leader.cancel()
    gate.set()
    assert {found.issuer for found in await asyncio.gather(*others)} == {ISSUER}
    assert house.tenant.calls["discovery"] == 1


async def test_a_tenant_that_is_down_is_not_asked_by_everybody() -> None:
    """A failure is shared for a moment, and then tried again."""
    house = House()
    house.tenant.down = {"discovery"}
    for _ in range(20):
        assert await house.fails() == (502, "unreachable")
    assert house.tenant.calls["discovery"] == 1
    house.tenant.down = set()
    house.clock.now += 3
    assert (await house.keys()).has("one")


@pytest.mark.parametrize(
    "moved",
    [
        {"token_endpoint": "https://evil.example/token"},
        {"jwks_uri": "https://idp.example:8443/jwks"},
        {"authorization_endpoint": "https://login.idp.example/authorize"},
        {"issuer": f"{ISSUER}/"},
        {"userinfo_endpoint": "https://evil.example/userinfo"},
        {
            "pushed_authorization_request_endpoint": "https://evil.example/par",
            "require_pushed_authorization_requests": True,
        },
    ],
    ids=["rp-23-token", "rp-23-jwks-port", "rp-23-authorize", "rp-23-issuer", "rp-23-new-userinfo", "ss-13-new-pushed"],
)
async def test_rp_23_ss_13_a_document_that_moves_is_not_believed(
    moved: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """RP-23, SS-13: the event is logged, the last good copy serves on, and no secret goes to the new host."""
    house = House()
    before = await house.connections.metadata(house.one, since=NOW)
    house.tenant.document.update(moved)
    house.clock.now += 3601
    with caplog.at_level(logging.WARNING):
        assert await house.connections.metadata(house.one, since=NOW) == before
    assert [r.message for r in caplog.records] == ["metadata_changed"]
    house.clock.now = NOW + 86_402
    with pytest.raises(UpstreamError) as caught:
        await house.connections.metadata(house.one, since=NOW)
    assert caught.value.reason == "metadata_changed"


async def test_rp_23_a_new_path_on_the_same_host_is_no_move() -> None:
    """RP-23: the certification changes paths in each module; and an endpoint may be new on a host that is known."""
    house = House()
    await house.keys()
    house.tenant.document |= {"jwks_uri": f"{ISSUER}/x7/jwks", "userinfo_endpoint": f"{ISSUER}/x7/userinfo"}
    house.clock.now += 3601
    await house.keys()
    assert house.tenant.sent[-1].url == f"{ISSUER}/x7/jwks"


async def test_a_changed_connection_starts_afresh() -> None:
    """New options, new metadata: nothing of the old ones is kept."""
    house = House()
    await house.keys()
    house.one = connection(client_id="other")
    await house.keys()
    assert house.tenant.calls == {"discovery": 2, "jwks": 2}


BROKEN = {
    "ss-05-redirect": HttpResponse(302, {"location": "http://169.254.169.254/"}, b""),
    "not-found": HttpResponse(404, {}, b"{}"),
    "html": HttpResponse(200, {}, b"<html>"),
    "list": as_json([]),
    "doubled": HttpResponse(200, {}, b'{"issuer":"a","issuer":"b"}'),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=list(BROKEN))
async def test_a_broken_document_is_an_upstream_error(answer: HttpResponse) -> None:
    """SS-05 and broken answers, of either document."""
    house = House()
    house.tenant.answers = {"discovery": answer}
    assert (await house.fails())[0] == 502
    house = House()
    house.tenant.answers = {"jwks": answer}
    assert await house.fails() == (503, "keys_unavailable")


async def test_what_logins_believe_is_known() -> None:
    """Nothing before the first login, nor after a change of the options."""
    house = House()
    assert house.connections.believed(house.one) is None
    before = await house.connections.metadata(house.one, since=NOW)
    assert house.connections.believed(house.one) == before
    assert house.connections.believed(connection(client_id="other")) is None


async def test_connections_that_are_gone_are_forgotten() -> None:
    """However many come and go while we run, no more are kept than there are."""
    known = {"corp": connection()}
    connections = Connections(known, FakeTenant().send, Clock())
    for number in range(20):
        one = connection().model_copy(update={"name": f"c{number}"})
        known[one.name] = one
        await connections.metadata(one, since=NOW)
        del known[one.name]
    assert len(connections._tenants) <= 2


async def test_jo_06_a_storm_of_tokens_without_a_name_costs_two_fetches_a_second() -> None:
    """JO-06: anybody can begin trips and answer them with tokens that name no key: the tenant is asked no more often
    for it, and every login has keys that are not older than half a second, or than itself."""
    house = House()
    for _ in range(100):
        house.clock.now += 0.01
        await house.keys(None, since=float(int(house.clock.now)))
    assert house.tenant.calls["jwks"] <= 3

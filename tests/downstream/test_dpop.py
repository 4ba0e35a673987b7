"""DPoP at the token endpoint and where access tokens are shown: bound to one key, each proof once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from proxy.downstream.access_token import AccessTokens
from proxy.downstream.client_credentials import ClientCredentials
from proxy.downstream.dpop import NONCE_LIFE, Proofs
from proxy.downstream.grant import Grant, Refresh, access_key, grant_key
from proxy.downstream.token import Token
from proxy.features import Answer, Bearer
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Add
from proxy.store.memory import MemoryStore
from tests.downstream.world import API, CALLBACK, ISSUER, VERIFIER, FailingStore, World, a_session, payload
from tests.kit.dpop import Holder

TOKEN, USERINFO = f"{ISSUER}oauth/token", f"{ISSUER}userinfo"
ADA, EVE = Holder("ada"), Holder("eve")
OFFLINE = "openid offline_access"


async def send(world: World, *proofs: str, client: str = "webapp", **params: str) -> Answer:
    """A request to the token endpoint with these DPoP headers."""
    return await world.token.exchange(world.request(params, "POST", client=world.clients[client], proofs=proofs))


async def redeem(world: World, holder: Holder | None, code: str, client: str = "webapp") -> dict[str, Any]:
    """Tokens for a code, with a proof of ``holder`` if there is one."""
    proofs = (holder.proof("POST", TOKEN, world.clock.now),) if holder else ()
    usual = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    answer = await send(world, *proofs, client=client, **usual, code=code)
    return dict(answer.json or {})


async def refresh(world: World, holder: Holder | None, token: str, client: str = "webapp") -> dict[str, Any]:
    """Tokens for a refresh token, with a proof of ``holder`` if there is one."""
    proofs = (holder.proof("POST", TOKEN, world.clock.now),) if holder else ()
    answer = await send(world, *proofs, client=client, grant_type="refresh_token", refresh_token=token)
    return dict(answer.json or {})


async def bound(world: World, client: str = "webapp", **asked: Any) -> dict[str, Any]:
    """Tokens bound to Ada's key."""
    return await redeem(world, ADA, await world.new_code(client_id=client, **asked), client)


async def show(world: World, token: str, holder: Holder, **changes: Any) -> Bearer:
    """Show an access token with a proof, as the wrapper of a bearer endpoint does."""
    proof = holder.proof("GET", USERINFO, world.clock.now, access_token=token, **changes)
    return await show_again(world, token, proof)


async def show_again(world: World, token: str, proof: str) -> Bearer:
    """Show an access token with a proof made before."""
    shown = world.proofs.of_bearer((proof,), "GET", "userinfo", token, world.clock.now)
    return await world.access_tokens.check(token, USERINFO, world.clock.now, shown)


async def refusal(awaitable: Any) -> tuple[str, str, int]:
    """Code, reason and status of what was refused."""
    with pytest.raises(Refused) as caught:
        await awaitable
    return caught.value.code, caught.value.reason, caught.value.status


@pytest.mark.parametrize("audience", [None, API], ids=["opaque", "at+jwt"])
async def test_a_proof_binds_the_access_token(world: World, audience: str | None) -> None:
    """RFC 9449 5, 6.1: token_type DPoP, ``cnf`` in a JWT; good with a proof of the key and with nothing else."""
    answer = await bound(world, audience=audience)
    token = answer["access_token"]
    assert answer["token_type"] == "DPoP"
    if audience:
        assert payload(token)["cnf"] == {"jkt": ADA.jkt}
    assert (await show(world, token, ADA)).jkt == ADA.jkt
    assert (await refusal(show(world, token, EVE)))[::2] == ("invalid_token", 401)
    assert (await refusal(world.access_tokens.check(token, USERINFO, world.clock.now)))[::2] == ("invalid_token", 401)


@pytest.mark.parametrize("audience", [None, API], ids=["opaque", "at+jwt"])
async def test_a_token_that_is_not_bound_is_no_dpop_token(world: World, audience: str | None) -> None:
    """RFC 9449 7.1: a proof beside a plain token does not make it a bound one; without a header nothing changes."""
    answer = await world.tokens(audience=audience)
    assert answer["token_type"] == "Bearer"
    assert (await refusal(show(world, answer["access_token"], ADA)))[::2] == ("invalid_token", 401)


async def test_a_proof_is_for_one_token(world: World) -> None:
    """RFC 9449 7, ``ath``: a proof made for one token is no good for another of the same key."""
    one, two = (await bound(world))["access_token"], (await bound(world))["access_token"]
    proof = ADA.proof("GET", USERINFO, world.clock.now, access_token=one)
    assert await refusal(show_again(world, two, proof)) == ("invalid_dpop_proof", "dpop_wrong_access_token", 401)
    assert (await show_again(world, one, proof)).jkt == ADA.jkt


async def test_a_proof_is_used_once(world: World) -> None:
    """RFC 9449 11.1: at userinfo and at the token endpoint, the second of two is refused, and the code is not spent."""
    token = (await bound(world))["access_token"]
    shown = ADA.proof("GET", USERINFO, world.clock.now, access_token=token)
    assert (await show_again(world, token, shown)).user_id == "oidc|corp|ada"
    assert await refusal(show_again(world, token, shown)) == ("invalid_dpop_proof", "dpop_used_before", 401)
    sent = ADA.proof("POST", TOKEN, world.clock.now)
    assert (await refusal(send(world, sent, grant_type="authorization_code", code="x")))[0] == "invalid_grant"
    code = await world.new_code()
    again = send(world, sent, grant_type="authorization_code", code=code)
    assert await refusal(again) == ("invalid_dpop_proof", "dpop_used_before", 400)
    assert (await redeem(world, ADA, code))["token_type"] == "DPoP"


async def test_of_many_with_one_proof_one_gets_in(nodes: tuple[World, World]) -> None:
    """RFC 9449 11.1, RS-09: however many show it at the same moment, on two nodes and a real store."""
    one, two = nodes
    token = (await bound(one))["access_token"]
    proof = ADA.proof("GET", USERINFO, one.clock.now, access_token=token)
    tries = [show_again(node, token, proof) for node in (one, two) * 5]
    got = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(answer) for answer in got].count(Bearer) == 1
    assert {answer.reason for answer in got if isinstance(answer, Refused)} == {"dpop_used_before"}


@pytest.mark.parametrize(
    ("proofs", "reason"),
    [
        (["", ""], "dpop_not_one"),
        ([""], "dpop_malformed"),
        (["x.y"], "dpop_malformed"),
        ([ADA.proof("GET", TOKEN, 1_800_000_000)], "dpop_wrong_method"),
        ([ADA.proof("POST", USERINFO, 1_800_000_000)], "dpop_wrong_address"),
        ([ADA.proof("POST", TOKEN, 1_700_000_000)], "dpop_wrong_time"),
    ],
)
async def test_a_bad_proof_spends_nothing(world: World, proofs: list[str], reason: str) -> None:
    """RFC 9449 5: invalid_dpop_proof with 400, before the code is looked at; never a plain token instead."""
    code = await world.new_code()
    tried = send(world, *proofs, grant_type="authorization_code", code=code)
    assert await refusal(tried) == ("invalid_dpop_proof", reason, 400)
    assert (await redeem(world, None, code))["token_type"] == "Bearer"


async def test_a_code_may_be_bound_to_a_key(world: World) -> None:
    """RFC 9449 10: ``dpop_jkt`` of the request must be the key of the proof at redemption, and there must be one."""
    asked = {"dpop_jkt": ADA.jkt}
    for holder in (EVE, None):
        got = await refusal(redeem(world, holder, await world.new_code(**asked)))
        assert got == ("invalid_grant", "dpop_key_mismatch", 400)
    assert (await bound(world, **asked))["token_type"] == "DPoP"


async def test_the_refresh_tokens_of_a_public_client_are_bound(world: World) -> None:
    """RFC 9449 5: no other key can use them, nor none, and trying does no harm; the key goes on and on."""
    token = (await bound(world, "spa", scope=OFFLINE))["refresh_token"]
    for _ in range(2):
        for holder in (EVE, None):
            got = await refusal(refresh(world, holder, token, "spa"))
            assert got == ("invalid_grant", "dpop_key_mismatch", 400)
        answer = await refresh(world, ADA, token, "spa")
        token = answer["refresh_token"]
        assert answer["token_type"] == "DPoP" and (await show(world, answer["access_token"], ADA)).jkt == ADA.jkt


async def test_the_refresh_tokens_of_a_confidential_client_are_not(world: World) -> None:
    """RFC 9449 5: its own authentication protects them, so it may change keys; each access token has its own."""
    token = (await bound(world, scope=OFFLINE))["refresh_token"]
    answer = await refresh(world, EVE, token)
    assert answer["token_type"] == "DPoP" and (await show(world, answer["access_token"], EVE)).jkt == EVE.jkt
    assert (await refresh(world, None, answer["refresh_token"]))["token_type"] == "Bearer"


async def test_a_client_may_be_held_to_dpop(world: World) -> None:
    """RFC 9449 5.2: one that registered ``dpop_bound_access_tokens`` gets nothing without a proof."""
    world.clients["webapp"] = world.clients["webapp"].model_copy(update={"dpop_bound_access_tokens": True})
    code = await world.new_code()
    assert await refusal(redeem(world, None, code)) == ("invalid_request", "no_dpop_proof", 400)
    assert (await redeem(world, ADA, code))["token_type"] == "DPoP"


async def test_a_clients_own_token_is_bound_too(world: World) -> None:
    """RFC 9449 5: every grant binds, client_credentials as well."""
    worker = {"grant_types": ("client_credentials",)}
    world.clients["webapp"] = world.clients["webapp"].model_copy(update=worker)
    feature = ClientCredentials(world.store, world.code.issuer)
    world.token = Token(ISSUER, feature.grants(), world.proofs)
    proof = ADA.proof("POST", TOKEN, world.clock.now)
    answer = (await send(world, proof, grant_type="client_credentials")).json or {}
    assert answer["token_type"] == "DPoP" and payload(answer["access_token"])["cnf"] == {"jkt": ADA.jkt}


# --- our nonce ---


def proofs_of(world: World, key: bytes = b"n" * 32) -> Proofs:
    return Proofs(ISSUER, world.store, key, asks_nonce=True)


@pytest.fixture
def strict(world: World) -> World:
    """A world where proofs need our nonce."""
    world.proofs = proofs_of(world)
    world.token = replace(world.token, proofs=world.proofs)
    return world


async def asked_for_nonce(awaitable: Any) -> tuple[int, str]:
    """Status of a use_dpop_nonce error, and the nonce it brings."""
    with pytest.raises(Refused) as caught:
        await awaitable
    assert caught.value.code == "use_dpop_nonce"
    return caught.value.status, caught.value.headers["DPoP-Nonce"]


async def test_a_proof_without_our_nonce_is_sent_back(strict: World) -> None:
    """RFC 9449 8: use_dpop_nonce and a nonce; nothing is spent; with it the answer comes, and the next one."""
    code = await strict.new_code()
    status, nonce = await asked_for_nonce(redeem(strict, ADA, code))
    assert status == 400
    for wrong in ("x", nonce[:-1], f"{nonce}=", "é", ""):
        proof = ADA.proof("POST", TOKEN, strict.clock.now, nonce=wrong)
        assert (await asked_for_nonce(send(strict, proof, grant_type="authorization_code", code=code)))[0] == 400
    usual = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER, "code": code}
    answer = await send(strict, ADA.proof("POST", TOKEN, strict.clock.now, nonce=nonce), **usual)
    assert answer.headers == {"DPoP-Nonce": nonce}
    token = str((answer.json or {})["access_token"])
    status, other = await asked_for_nonce(show(strict, token, ADA))
    assert (status, other) == (401, nonce)
    assert (await show(strict, token, ADA, nonce=nonce)).jkt == ADA.jkt


async def test_a_nonce_lives_for_a_while_on_every_node(strict: World) -> None:
    """RFC 9449 8.2: nothing is kept for it; it outlives its span by one, and no more; nobody else can make one."""
    _, nonce = await asked_for_nonce(strict.proofs.jkt_of_request(knock(strict), "oauth/token"))
    other_node = proofs_of(strict)
    for later in (0, NONCE_LIFE):
        strict.clock.now += later
        assert await other_node.jkt_of_request(knock(strict, nonce=nonce), "oauth/token") == ADA.jkt
    strict.clock.now += NONCE_LIFE
    await asked_for_nonce(other_node.jkt_of_request(knock(strict, nonce=nonce), "oauth/token"))
    (ours,), (theirs,) = (proofs_of(strict, key).headers(0.0).values() for key in (b"n" * 32, b"m" * 32))
    assert ours != theirs


def knock(world: World, **changes: Any) -> Any:
    """A request with Ada's proof."""
    return world.request({}, "POST", proofs=(ADA.proof("POST", TOKEN, world.clock.now, **changes),))


async def test_a_node_whose_clock_is_behind_takes_the_nonce(strict: World) -> None:
    """A nonce of the span that has just begun elsewhere is good here."""
    turn = (int(strict.clock.now) // NONCE_LIFE + 1) * NONCE_LIFE
    nonce = strict.proofs.headers(turn)["DPoP-Nonce"]
    strict.clock.now = turn - 5.0
    assert await strict.proofs.jkt_of_request(knock(strict, nonce=nonce), "oauth/token") == ADA.jkt


# --- what it costs, and what may fail ---


class Counting(MemoryStore):
    """Counts round trips."""

    trips = 0

    async def run(self, *ops: Any) -> Any:
        self.trips += 1
        return await super().run(*ops)


@pytest.mark.parametrize(("holder", "more"), [(None, 0), (ADA, 1)])
async def test_without_a_proof_nothing_is_paid_for_it(holder: Holder | None, more: int) -> None:
    """No round trip without a DPoP header, one at the token endpoint with it, and none at userinfo."""
    store = Counting(clock=lambda: 1_800_000_000.0)
    world = await World(store=store).begin(a_session())
    code = await world.new_code()
    store.trips = 0
    token = (await redeem(world, holder, code))["access_token"]
    assert store.trips == 2 + more
    store.trips = 0
    await (show(world, token, holder) if holder else world.access_tokens.check(token, USERINFO, world.clock.now))
    assert store.trips == 2


async def test_tk_26_a_proof_that_cannot_be_noted_is_not_taken(world: World) -> None:
    """TK-26: 503 when the store cannot remember it, at both places, and the code is not spent."""
    token = (await bound(world))["access_token"]
    broken = FailingStore(
        world.store, lambda op: isinstance(op, Add) and op.key.kind == "dpop", Unavailable("the store is away")
    )
    code = await world.new_code()
    world.token = replace(world.token, proofs=replace(world.proofs, store=broken))
    with pytest.raises(Unavailable):
        await redeem(world, ADA, code)
    tokens = AccessTokens(ISSUER, broken, world.keys, world.lifetimes)
    shown = world.proofs.of_bearer(
        (ADA.proof("GET", USERINFO, world.clock.now, access_token=token),), "GET", "userinfo", token, world.clock.now
    )
    with pytest.raises(Unavailable):
        await tokens.check(token, USERINFO, world.clock.now, shown)
    assert (await redeem(world, None, code))["token_type"] == "Bearer"


async def test_what_the_records_say_of_the_key(world: World) -> None:
    """An opaque token's record and a public client's grant name the key; a plain one's name none."""
    answer = await bound(world, "spa", scope=OFFLINE)
    record = await world.store.get(access_key(answer["access_token"]))
    shown = Refresh.parse(answer["refresh_token"])
    assert record is not None and shown is not None and record.value["jkt"] == ADA.jkt
    kept = await world.store.get(grant_key(shown.grant_id))
    grant = Grant.from_value(kept.value) if kept else None
    assert grant is not None and grant.jkt == ADA.jkt
    plain = await world.store.get(access_key((await world.tokens())["access_token"]))
    assert plain is not None and "jkt" not in plain.value


def test_what_is_advertised(world: World) -> None:
    """RFC 9449 5.1."""
    assert world.token.metadata()["dpop_signing_alg_values_supported"] == ["ES256", "PS256", "RS256", "EdDSA"]

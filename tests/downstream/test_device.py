"""The device flow as a device sees it: its codes, its questions, its tokens (RFC 8628)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.downstream.client_metadata import House, read
from proxy.downstream.device import INTERVAL
from proxy.downstream.device_codes import user_code_key
from proxy.downstream.grant import session_key
from proxy.features import Caller
from proxy.models import Client
from proxy.models.client import DEVICE_CODE
from proxy.oidc.errors import Refused, Unavailable
from proxy.settings.shape import Tokens
from proxy.store import Take
from proxy.store.memory import MemoryStore
from tests.downstream.devices import CLI, SECONDS, TV, Devices, devices
from tests.downstream.world import API, ISSUER, SECRET, FailingStore, SlowStore, a_session, payload


async def refusal(case: Devices, device_code: str, client: str = "tv", **params: str) -> str:
    """The error that a device hears."""
    with pytest.raises(Refused) as caught:
        await case.ask(device_code, client, **params)
    assert caught.value.status == 400
    return caught.value.code


async def test_a_device_gets_its_codes() -> None:
    """RFC 8628 3.2: everything a device needs to show, and the complete address for a picture of it."""
    case = await devices()
    told = await case.begin()
    assert re.fullmatch(r"[B-Z]{4}-[B-Z]{4}", told["user_code"]) and len(told["device_code"]) == 43
    assert told["verification_uri"] == f"{ISSUER}activate"
    assert told["verification_uri_complete"] == f"{ISSUER}activate?user_code={told['user_code']}"
    assert (told["expires_in"], told["interval"]) == (SECONDS, 5)
    assert case.tried == [("tv", "1.2.3.4")]


def test_what_is_advertised() -> None:
    """RFC 8628 4: the address, for clients alone, and the grant under its one name."""
    case = asyncio.run(devices())
    (endpoint,) = case.device.endpoints()
    assert (endpoint.path, endpoint.methods, endpoint.caller) == ("oauth/device/code", ("POST",), Caller.CLIENT)
    assert endpoint.cors == "clients"
    assert case.device.metadata() == {"device_authorization_endpoint": f"{ISSUER}oauth/device/code"}
    assert list(case.device.grants()) == ["urn:ietf:params:oauth:grant-type:device_code"] == [DEVICE_CODE]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"scope": "openid  profile"}, "invalid_scope"),
        ({"scope": "öpenid"}, "invalid_scope"),
        ({"scope": "x" * 2049}, "invalid_request"),
        ({"audience": "https://unknown.example/"}, "invalid_target"),
        ({"resource": "https://unknown.example/"}, "invalid_target"),
    ],
)
async def test_a_bad_request_gets_no_codes(params: dict[str, str], error: str) -> None:
    """The rules of the authorization endpoint hold here, too, and nothing is stored."""
    case = await devices()
    with pytest.raises(Refused) as caught:
        await case.begin(**params)
    assert (caught.value.code, caught.value.status) == (error, 400)
    assert [one async for one in case.world.store.scan("user_code")] == []


async def test_a_client_without_the_grant_gets_no_codes() -> None:
    """RFC 6749 5.2: ``unauthorized_client``, at the address and at the token endpoint."""
    case = await devices()
    with pytest.raises(Refused) as caught:
        await case.begin("webapp")
    assert caught.value.code == "unauthorized_client"
    assert await refusal(case, "x", "webapp") == "unauthorized_client"


async def test_too_many_codes_for_one_client_and_address() -> None:
    """What counts new codes may say no; then there is none."""
    case = await devices()

    def enough(source: tuple[str, ...], now: float) -> None:
        raise Refused("slow_down", "too many", status=429)

    case.device = replace(case.device, often=enough)
    with pytest.raises(Refused, match="too many"):
        await case.begin()
    assert [one async for one in case.world.store.scan("user_code")] == []


async def test_a_device_waits_and_then_gets_tokens_once() -> None:
    """RFC 8628 3.5: ``authorization_pending`` until the person allowed it, then tokens like a code's, then
    ``invalid_grant``, which does the tokens no harm."""
    case = await devices()
    told = await case.begin()
    assert await refusal(case, told["device_code"]) == "authorization_pending"
    answer = await case.allow(told["user_code"])
    assert answer.page == "activate_done.html" and answer.values == {"client": "Living room TV", "allowed": True}
    tokens = await case.ask(told["device_code"])
    assert (tokens["scope"], tokens["token_type"]) == ("openid profile", "Bearer") and "refresh_token" not in tokens
    claims = payload(tokens["id_token"])
    assert (claims["sub"], claims["aud"], claims["sid"]) == ("oidc|corp|ada", "tv", a_session().sid)
    assert "nonce" not in claims
    assert await refusal(case, told["device_code"]) == "invalid_grant"
    assert (await case.world.userinfo(tokens["access_token"]))["name"] == "Ada"


async def test_a_device_that_asks_too_fast_is_slowed_down() -> None:
    """RFC 8628 3.5: ``slow_down`` adds five seconds for all that follows; a second of the network's is forgiven."""
    case = await devices()
    code, heard = (await case.begin())["device_code"], []
    for pause in (0, INTERVAL, 4.5, 3, 9, 5, 14.5, 15):
        case.world.clock.now += pause
        heard.append(await refusal(case, code))
    wait, slow = "authorization_pending", "slow_down"
    assert heard == [wait, wait, wait, slow, wait, slow, wait, wait]


async def test_an_answer_that_is_there_is_given_at_once() -> None:
    """The pace is for waiting: a device that asks early gets its tokens if the person was faster."""
    case = await devices()
    told = await case.begin()
    assert await refusal(case, told["device_code"]) == "authorization_pending"
    await case.allow(told["user_code"])
    assert "access_token" in await case.ask(told["device_code"])


async def test_a_denied_device_hears_so() -> None:
    """RFC 8628 3.5: ``access_denied``, each time."""
    case = await devices()
    told = await case.begin()
    answer = await case.decide(await case.arrive(told["user_code"]), "deny")
    assert answer.values == {"client": "Living room TV", "allowed": False}
    assert [await refusal(case, told["device_code"]) for _ in range(2)] == ["access_denied"] * 2


@pytest.mark.parametrize("allowed", [False, True])
async def test_a_code_expires(allowed: bool) -> None:
    """RFC 8628 3.5: ``expired_token`` after its time, allowed or not; long after nobody knows it."""
    case = await devices()
    told = await case.begin()
    if allowed:
        await case.allow(told["user_code"])
    case.world.clock.now += SECONDS
    assert await refusal(case, told["device_code"]) == "expired_token"
    case.world.clock.now += 700
    assert await refusal(case, told["device_code"]) == "invalid_grant"


async def test_another_clients_code_is_nobodys() -> None:
    """RFC 8628 3.4: ``invalid_grant`` for the code of another client, which does its owner no harm."""
    case = await devices()
    told = await case.begin()
    await case.allow(told["user_code"])
    assert await refusal(case, told["device_code"], "cli") == "invalid_grant"
    assert "access_token" in await case.ask(told["device_code"])


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("made-up", "invalid_grant"),
        ("", "invalid_request"),
        ("\udc80", "invalid_grant"),
        ("x" * 5000, "invalid_grant"),
    ],
)
async def test_no_code_of_ours(code: str, error: str) -> None:
    """A code that never was one; the person's own code is none, either."""
    case = await devices()
    told = await case.begin()
    assert await refusal(case, code) == error
    assert await refusal(case, told["user_code"]) == "invalid_grant"


async def test_of_many_askers_one_gets_tokens() -> None:
    """The code is taken once, however many ask at the same moment; who is late ends nothing."""
    case = await devices(store=SlowStore(MemoryStore(clock=lambda: 1_800_000_000.0)))
    told = await case.begin()
    await case.allow(told["user_code"])
    got = await asyncio.gather(*(case.ask(told["device_code"]) for _ in range(50)), return_exceptions=True)
    won = [one for one in got if isinstance(one, dict)]
    assert len(won) == 1 and {e.code for e in got if isinstance(e, Refused)} == {"invalid_grant"}
    assert (await case.world.userinfo(won[0]["access_token"]))["name"] == "Ada"


@pytest.mark.parametrize(
    ("client", "has"),
    [(TV, True), (TV.model_copy(update={"grant_types": (DEVICE_CODE,)}), False)],
    ids=["with-refresh", "without"],
)
async def test_offline_access_needs_the_grant(client: Client, has: bool) -> None:
    """OpenID Connect Core 11: a refresh token for ``offline_access``, if the client may have one; it is used like any
    other."""
    case = await devices(tv=client)
    told = await case.begin(scope="openid offline_access")
    await case.allow(told["user_code"])
    tokens = await case.ask(told["device_code"])
    assert ("refresh_token" in tokens, "offline_access" in tokens["scope"]) == (has, has)
    if has:
        assert "id_token" in await case.world.refresh(tokens["refresh_token"], "tv")


@pytest.mark.parametrize("name", ["audience", "resource"])
async def test_an_api_of_the_clients(name: str) -> None:
    """RFC 8707: the API is named when the codes are asked for; the token is for it."""
    case = await devices()
    told = await case.begin(scope="openid read:things", **{name: API})
    await case.allow(told["user_code"])
    tokens = await case.ask(told["device_code"])
    assert API in payload(tokens["access_token"])["aud"] and tokens["scope"] == "openid read:things"


async def test_tokens_are_bound_to_the_key_that_asks() -> None:
    """RFC 9449: the token answer to a proof is a DPoP one, and a public client's refresh token needs the key, too."""
    case = await devices()
    told = await case.begin(scope="openid offline_access")
    await case.allow(told["user_code"])
    request = case.world.request({"device_code": told["device_code"]}, "POST", client=TV)
    tokens = await case.device.redeem(replace(request, jkt="k" * 43), TV)
    assert tokens["token_type"] == "DPoP"
    with pytest.raises(Refused) as caught:
        await case.world.refresh(tokens["refresh_token"], "tv")
    assert caught.value.reason == "dpop_key_mismatch"


async def test_a_logout_before_the_tokens_ends_it() -> None:
    """The session in which it was allowed owns the grant: no session, no tokens, as for codes."""
    case = await devices()
    told = await case.begin()
    await case.allow(told["user_code"])
    await case.world.store.drop(session_key(a_session().sid))
    assert await refusal(case, told["device_code"]) == "invalid_grant"


async def test_a_logout_after_the_tokens_ends_them() -> None:
    """The access token of a device dies with the session it was allowed in."""
    case = await devices()
    told = await case.begin()
    await case.allow(told["user_code"])
    tokens = await case.ask(told["device_code"])
    await case.world.store.drop(session_key(a_session().sid))
    with pytest.raises(Refused):
        await case.world.userinfo(tokens["access_token"])


async def test_a_connection_that_was_taken_away_gives_no_tokens() -> None:
    """The connection must still serve the client when the device comes."""
    case = await devices()
    told = await case.begin()
    await case.allow(told["user_code"])
    del case.world.connections["corp"]
    assert await refusal(case, told["device_code"]) == "invalid_grant"


async def test_a_confidential_client_may_use_it_too() -> None:
    """The flow is not for public clients alone."""
    box = Client.model_validate({**CLI.model_dump(), "client_secret": SECRET})
    case = await devices(cli=box)
    told = await case.begin("cli")
    await case.allow(told["user_code"])
    assert "id_token" in await case.ask(told["device_code"], "cli")


async def test_without_the_store_nothing_is_decided() -> None:
    """FT-01: a device that cannot be looked up hears 503 and asks again; its code is not spent."""
    case = await devices()
    told = await case.begin()
    await case.allow(told["user_code"])
    whole: Any = case.device.codes
    broken = FailingStore(case.world.store, lambda op: isinstance(op, Take), Unavailable("store"))
    whole._store = broken
    with pytest.raises(Unavailable):
        await case.ask(told["device_code"])
    whole._store = case.world.store
    assert "access_token" in await case.ask(told["device_code"])


@pytest.mark.parametrize(
    ("seconds", "good"), [(0, True), (60, True), (3600, True), (59, False), (3601, False), (-1, False)]
)
def test_how_long_a_code_may_wait(seconds: int, good: bool) -> None:
    """``tokens.device_code``: time enough to log in, at most an hour, or none at all; 900 by default."""
    assert Tokens().device_code == 900
    if good:
        assert Tokens(device_code=seconds).device_code == seconds
        return
    with pytest.raises(ValidationError, match="device_code"):
        Tokens(device_code=seconds)


def test_a_client_may_register_for_devices() -> None:
    """RFC 7591: the grant is there for a client to ask for, with refresh tokens beside it and no address to go to."""
    body = {"grant_types": [DEVICE_CODE], "token_endpoint_auth_method": "none"}
    client = read(body, "tpc_box", House(ISSUER, ("RS256",)))
    assert (client.grant_types, client.response_types) == ((DEVICE_CODE, "refresh_token"), ())
    assert client.redirect_uris == () and not client.is_first_party


@pytest.mark.parametrize("change", [{"more": 1}, {"scopes": 7}], ids=["more", "other"])
async def test_what_another_version_wrote_is_unknown(change: dict[str, Any]) -> None:
    """A record of a shape that we do not know counts no more than one that is not there."""
    case = await devices()
    first, second = await case.begin(), await case.begin()
    store, codes = case.world.store, case.device.codes
    record = await store.get(user_code_key(first["user_code"]))
    assert record is not None
    await store.put(user_code_key(first["user_code"]), {**record.value, **change}, 900)
    assert await codes.find(first["user_code"]) is None
    assert not await codes.deny(first["user_code"], case.world.clock.now)
    assert await codes.allow(second["user_code"], {"client_id": "tv", **change}, case.world.clock.now)
    assert await refusal(case, second["device_code"]) == "invalid_grant"

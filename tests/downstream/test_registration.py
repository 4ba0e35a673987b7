"""Registration and its management, as a client meets them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.downstream.client_metadata import House
from proxy.downstream.clients import Clients, client_key
from proxy.downstream.initial_tokens import InitialTokens
from proxy.downstream.registered import Registry
from proxy.downstream.registration import Registration
from proxy.features import Answer, Caller, Request
from proxy.models import Client
from proxy.oidc.errors import Refused, UpstreamError
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.store import Store
from proxy.store.memory import MemoryStore
from tests.downstream.world import ISSUER, NOW

CALLBACK = "https://app.example/cb"
BODY: Mapping[str, Any] = {"client_name": "Wiki", "redirect_uris": [CALLBACK]}
SECTOR = "https://app.example/sector"
MAC = {"token_endpoint_auth_method": "client_secret_jwt"}


@dataclass
class Desk:
    """Registration by itself. ``sector`` is what is found at any sector address; ``asked`` are the calls for it."""

    for_all: bool = True
    store: Store = field(default_factory=MemoryStore)
    sector: HttpResponse | Exception = field(default_factory=lambda: UpstreamError("server_error", "unreachable"))
    asked: list[HttpRequest] = field(default_factory=list)
    admitted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clients = Clients({}, self.store)
        self.tokens = InitialTokens(self.store)
        house, registry = House(ISSUER, ("RS256", "PS256")), Registry(self.store)
        self.feature = Registration(
            house, self.for_all, self.clients, registry, self.tokens, self.send, lambda ip, now: self.admit(ip)
        )

    async def send(self, request: HttpRequest) -> HttpResponse:
        """In place of the wire."""
        self.asked.append(request)
        if isinstance(self.sector, Exception):
            raise self.sector
        return self.sector

    def admit(self, source: str) -> None:
        """In place of the throttle."""
        if self.admitted.count(source) == 3:
            raise Refused("slow_down", "too many", status=429)
        self.admitted.append(source)

    def request(
        self, method: str, body: Mapping[str, Any], token: str = "", client_id: str = "", **more: Any
    ) -> Request:
        """A request as the wrapper makes it."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return Request(method, "/x", {}, headers, NOW, variables={"client_id": client_id}, body=body, **more)

    async def register(self, token: str = "", **changes: Any) -> dict[str, Any]:
        """A registration that goes well."""
        answer = await self.feature.register(self.request("POST", {**BODY, **changes}, token))
        assert answer.status == 201
        return told(answer)

    async def show(self, client: Mapping[str, Any], token: str | None = None) -> Answer:
        """What the client is told of itself."""
        used = client["registration_access_token"] if token is None else token
        return await self.feature.show(self.request("GET", {}, used, client["client_id"]))

    async def change(self, client: Mapping[str, Any], token: str | None = None, **body: Any) -> dict[str, Any]:
        """Other metadata for the client."""
        used = client["registration_access_token"] if token is None else token
        whole = {"client_id": client["client_id"], **BODY, **body}
        return told(await self.feature.change(self.request("PUT", whole, used, client["client_id"])))

    async def remove(self, client: Mapping[str, Any], token: str | None = None) -> Answer:
        """The end of the client."""
        used = client["registration_access_token"] if token is None else token
        return await self.feature.remove(self.request("DELETE", {}, used, client["client_id"]))

    async def find(self, client: Mapping[str, Any]) -> Client | None:
        """The client as every other endpoint finds it."""
        return await self.clients.find(client["client_id"], NOW)

    def records(self) -> str:
        """All that the store holds, as text."""
        return str(vars(self.store))


def told(answer: Answer) -> dict[str, Any]:
    """The body of an answer that nobody may keep."""
    assert answer.json is not None and answer.headers["Cache-Control"] == "no-store"
    return dict(answer.json)


@pytest.fixture
def desk() -> Desk:
    """Open to all."""
    return Desk()


async def test_registering_answers_all_that_the_client_needs(desk: Desk) -> None:
    """RFC 7591 3.2.1: id, secret, when they end, the way to manage it, and everything that was registered."""
    client = await desk.register(unknown="x")
    assert client["client_id"].startswith("tpc_") and len(client["client_secret"]) == 43
    assert client["client_secret_expires_at"] == 0 and client["client_id_issued_at"] == int(NOW)
    assert client["registration_client_uri"] == f"{ISSUER}oidc/register/{client['client_id']}"
    assert {name: client[name] for name in BODY} == dict(BODY)
    assert client["token_endpoint_auth_method"] == "client_secret_basic" and client["response_types"] == ["code"]
    assert not {"unknown", "is_first_party", "grants", "logout_revokes_offline"} & set(client)
    found = await desk.find(client)
    assert found is not None and not found.is_first_party and found.label == "Wiki"


async def test_a_public_client_is_told_of_no_secret(desk: Desk) -> None:
    """RFC 7591 3.2.1: what was not made is not named."""
    client = await desk.register(token_endpoint_auth_method="none")
    assert not [name for name in client if name.startswith("client_secret")]


async def test_endpoints_and_discovery(desk: Desk) -> None:
    """Anyone may knock; discovery names the address."""
    found = {(one.path, method) for one in desk.feature.endpoints() for method in one.methods}
    of_one = "oidc/register/{client_id}"
    assert found == {("oidc/register", "POST"), (of_one, "GET"), (of_one, "PUT"), (of_one, "DELETE")}
    assert {one.caller for one in desk.feature.endpoints()} == {Caller.ANYONE}
    assert desk.feature.metadata() == {"registration_endpoint": f"{ISSUER}oidc/register"}


@pytest.mark.parametrize("token", ["", "made.up", "a-users-access-token", "eyJhbGciOiJSUzI1NiJ9.e30.x"])
async def test_rg_01_registration_without_the_right(token: str) -> None:
    """RG-01: where the operator asks for an initial access token, nothing else will do, and nothing is stored."""
    desk = Desk(for_all=False)
    with pytest.raises(Refused) as refused:
        await desk.register(token)
    assert (refused.value.code, refused.value.status) == ("invalid_token", 401)
    assert "tpc_" not in desk.records()


async def test_rg_01_an_initial_token_is_used_once() -> None:
    """RG-01: a token for one client is for one client; a registration that is refused does not use it up."""
    desk = Desk(for_all=False)
    token = await desk.tokens.issue(NOW, uses=1, seconds=60)
    with pytest.raises(Refused, match="invalid_redirect_uri"):
        await desk.register(token, redirect_uris=[])
    assert (await desk.register(token))["client_id"]
    with pytest.raises(Refused, match="invalid_token"):
        await desk.register(token)


@pytest.mark.parametrize("for_all", [True, False])
async def test_an_operators_token_makes_the_operators_own_clients(for_all: bool) -> None:
    """With a first-party token what registers needs no consent page; it stays so, and cannot be said in metadata."""
    desk = Desk(for_all=for_all)
    token = await desk.tokens.issue(NOW, uses=None, seconds=60, first_party=True)
    client = await desk.register(token)
    await desk.change(client)
    found = await desk.find(client)
    assert found is not None and found.is_first_party


async def test_rg_01_a_bad_token_is_not_ignored_where_none_is_needed(desk: Desk) -> None:
    """RG-01: whoever shows a token is held to it."""
    with pytest.raises(Refused, match="invalid_token"):
        await desk.register("made.up")


async def test_ds_09_who_registers_without_a_token_is_slowed_down(desk: Desk) -> None:
    """DS-09: by the address it comes from; those with a token are counted by that."""
    token = await desk.tokens.issue(NOW, uses=None, seconds=60)
    for _ in range(3):
        await desk.feature.register(desk.request("POST", BODY, source="192.0.2.1"))
    with pytest.raises(Refused, match="slow_down"):
        await desk.feature.register(desk.request("POST", BODY, source="192.0.2.1"))
    await desk.feature.register(desk.request("POST", BODY, source="192.0.2.2"))
    await desk.feature.register(desk.request("POST", BODY, token, source="192.0.2.1"))


async def test_rg_07_a_registration_access_token_is_for_its_own_client(desk: Desk) -> None:
    """RG-07: another client's token, none, an initial token, one in the address: 401 each; nothing changes."""
    a, b = await desk.register(), await desk.register()
    initial = await desk.tokens.issue(NOW, uses=None, seconds=60)
    for token in (b["registration_access_token"], "", "x", initial, a["client_secret"]):
        for act in (desk.show(a, token), desk.change(a, token, client_name="Mine"), desk.remove(a, token)):
            with pytest.raises(Refused) as refused:
                await act
            assert (refused.value.code, refused.value.status) == ("invalid_token", 401)
    in_url = Request("GET", "/x", {"access_token": a["registration_access_token"]}, {}, NOW)
    with pytest.raises(Refused, match="invalid_token"):
        await desk.feature.show(Request(**{**_fields(in_url), "variables": {"client_id": a["client_id"]}}))
    found = await desk.find(a)
    assert found is not None and found.client_name == "Wiki"


def _fields(request: Request) -> dict[str, Any]:
    return {name: getattr(request, name) for name in Request.__slots__}


@pytest.mark.parametrize("client_id", ["", "tpc_nobody", "webapp", "x" * 300, "../a", "\u00e4"])
async def test_rg_07_an_unknown_client_is_answered_like_a_wrong_token(desk: Desk, client_id: str) -> None:
    """RG-07, RFC 7592 2: nobody learns which ids exist; the same error, word for word."""
    client = await desk.register()
    with pytest.raises(Refused) as wrong:
        await desk.show(client, "wrong")
    with pytest.raises(Refused) as unknown:
        await desk.show({**client, "client_id": client_id})
    assert str(wrong.value) == str(unknown.value)


async def test_rg_07_what_was_added_by_a_command_has_no_token(desk: Desk) -> None:
    """RG-07: a client without a registration access token cannot be managed with an empty one."""
    client = await desk.register()
    record = await desk.store.get(client_key(client["client_id"]))
    assert record is not None
    await desk.store.put(client_key(client["client_id"]), {**record.value, "token": ""}, 60)
    for token in ("", "x", client["registration_access_token"]):
        with pytest.raises(Refused, match="invalid_token"):
            await desk.show(client, token)


async def test_rg_07_removed_is_gone_with_all_that_needs_it(desk: Desk) -> None:
    """RG-07, certification 4.0: exactly 204; then no client, no management, whatever was in memory."""
    client = await desk.register()
    assert await desk.find(client) is not None
    answer = await desk.remove(client)
    assert (answer.status, answer.json) == (204, None) and answer.headers["Cache-Control"] == "no-store"
    assert await desk.find(client) is None
    for act in (desk.show(client), desk.change(client), desk.remove(client)):
        with pytest.raises(Refused, match="invalid_token"):
            await act


async def test_rg_11_the_secret_is_shown_once(desk: Desk) -> None:
    """RG-11: not by GET, not by PUT, not in the store; the tokens neither. For a secret that signs, too."""
    for changes in ({}, MAC):
        client = await desk.register(**changes)
        shown = told(await desk.show(client))
        changed = await desk.change(client, **changes)
        assert "client_secret" not in {**shown, **changed}
        assert client["registration_access_token"] not in desk.records()
    plain = await desk.register()
    assert plain["client_secret"] not in desk.records() and plain["client_id"] in desk.records()


async def test_oidcc_3rd_party_init_login_get_answers_what_was_registered(desk: Desk) -> None:
    """oidcc-3rd_party-init-login: initiate_login_uri is in the answer to POST and to GET; http is refused."""
    client = await desk.register(initiate_login_uri="https://app.example/start")
    shown = told(await desk.show(client))
    assert client["initiate_login_uri"] == shown["initiate_login_uri"] == "https://app.example/start"
    assert shown["registration_access_token"] == client["registration_access_token"]
    with pytest.raises(Refused, match="invalid_client_metadata"):
        await desk.register(initiate_login_uri="http://app.example/start")


async def test_oidcc_redirect_uri_regfrag_a_fragment_is_refused(desk: Desk) -> None:
    """oidcc-redirect-uri-regfrag: 400 invalid_redirect_uri, nothing stored."""
    with pytest.raises(Refused, match="invalid_redirect_uri") as refused:
        await desk.register(redirect_uris=[CALLBACK + "#fragment"])
    assert refused.value.status == 400 and "tpc_" not in desk.records()


async def test_rg_06_put_replaces_the_whole_and_nothing_else(desk: Desk) -> None:
    """RG-06, RFC 7592 2.2: what is left out is gone; id, secret, token and date stay; at once, and for others."""
    client = await desk.register(tos_uri="https://app.example/tos", contacts=["ops@app.example"])
    hashes = await _hashes(desk, client)
    changed = await desk.change(client, client_name="Other", client_secret=client["client_secret"])
    assert "tos_uri" not in changed and "contacts" not in changed and changed["client_name"] == "Other"
    same = ("client_id", "client_id_issued_at", "registration_access_token", "registration_client_uri")
    assert {name: changed[name] for name in same} == {name: client[name] for name in same}
    assert await _hashes(desk, client) == hashes
    found = await desk.find(client)
    assert found is not None and (found.client_name, found.tos_uri) == ("Other", "")


async def _hashes(desk: Desk, client: Mapping[str, Any]) -> Any:
    record = await desk.store.get(client_key(client["client_id"]))
    assert record is not None
    return record.value["hashes"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"client_id": "tpc_other"}, "client_id must be"),
        ({"client_id": None}, "client_id must be"),
        ({"client_id": 7}, "client_id must be"),
        ({"client_secret": "not its secret"}, "client_secret is not"),
        ({"client_secret": ""}, "client_secret is not"),
        ({"client_secret": 7}, "client_secret is not"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"logo_uri": "data:text/html,x"}, "logo_uri"),
        ({"is_first_party": True}, "is_first_party"),
        ({"registration_access_token": "x"}, "registration_access_token"),
        ({"grant_types": ["client_credentials"]}, "grant_types"),
        ({"sector_identifier_uri": SECTOR}, "sector_identifier_uri"),
    ],
)
async def test_rg_06_a_hostile_change_changes_nothing(desk: Desk, body: dict[str, Any], error: str) -> None:
    """RG-06: one value at a time on a clean client, refused as at its registration."""
    client = await desk.register()
    with pytest.raises(Refused, match=error):
        await desk.change(client, **body)
    assert told(await desk.show(client))["redirect_uris"] == [CALLBACK]
    found = await desk.find(client)
    assert found is not None and not found.is_first_party


async def test_a_secret_is_made_when_a_change_needs_one(desk: Desk) -> None:
    """RFC 7592 2.2: a public client that wants a secret gets one, and is told of it."""
    client = await desk.register(token_endpoint_auth_method="none")
    changed = await desk.change(client, token_endpoint_auth_method="client_secret_post")
    assert len(changed["client_secret"]) == 43 and changed["client_secret_expires_at"] == 0


def listing(body: Any, status: int = 200) -> HttpResponse:
    """What lies at a sector address."""
    return HttpResponse(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    "found",
    [
        UpstreamError("server_error", "x", reason="blocked", status=502),
        UpstreamError("temporarily_unavailable", "x", reason="timeout", status=504),
        listing([CALLBACK], 404),
        listing([CALLBACK], 302),
        listing(["https://app.example/other"]),
        listing({"redirect_uris": [CALLBACK]}),
        listing(f'"{CALLBACK}"'.encode()),
        listing([[CALLBACK]]),
        listing(b"not JSON"),
        listing(b"\xff"),
        listing(b"[" * 100_000),
    ],
    ids=lambda found: str(found)[:40],
)
async def test_oidcc_registration_sector_bad(desk: Desk, found: HttpResponse | Exception) -> None:
    """oidcc-registration-sector-bad: unreachable, forbidden, no list, or one without the redirect URI: 400
    invalid_client_metadata, nothing stored."""
    desk.sector = found
    with pytest.raises(Refused, match="sector_identifier_uri") as refused:
        await desk.register(sector_identifier_uri=SECTOR, subject_type="pairwise")
    assert (refused.value.code, refused.value.status) == ("invalid_client_metadata", 400)
    assert "tpc_" not in desk.records()


async def test_oidcc_registration_sector_uri(desk: Desk) -> None:
    """oidcc-registration-sector-uri: the list is fetched once, within three seconds, and must hold every address."""
    desk.sector = listing(["https://b.example/cb", CALLBACK, "https://c.example/cb"])
    client = await desk.register(
        sector_identifier_uri=SECTOR, subject_type="pairwise", redirect_uris=[CALLBACK, "https://b.example/cb"]
    )
    assert client["subject_type"] == "pairwise"
    (asked,) = desk.asked
    assert (asked.method, asked.url, asked.seconds, asked.limit) == ("GET", SECTOR, 3.0, 128 * 1024)


async def test_nothing_is_fetched_for_metadata_that_is_wrong(desk: Desk) -> None:
    """LG-07: a call is made only when all else is right, and only for that key."""
    with pytest.raises(Refused):
        await desk.register(sector_identifier_uri=SECTOR, redirect_uris=[])
    await desk.register(jwks_uri="https://app.example/jwks", logo_uri="https://app.example/logo.png")
    assert desk.asked == []

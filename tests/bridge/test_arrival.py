"""The way back: what a tenant's answer becomes, and what it may not become."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from proxy.bridge import transaction as trips
from proxy.bridge.arrival import Arrival
from proxy.bridge.logout import Logout
from proxy.bridge.profile import Profiles
from proxy.bridge.session import CHANGED, ENDED, Sessions, sessions_of_user
from proxy.downstream.authorize import AuthorizeRequest
from proxy.downstream.clients import Clients
from proxy.downstream.grant import session_key
from proxy.features import Answer, Doors, Request
from proxy.models import Client, Connection, Identity, Session, Transaction, Wishes
from proxy.oidc.errors import Refused, Shown, Unavailable, UpstreamError
from proxy.plugins import Mapped
from proxy.store import Op, Put, Store, key
from proxy.store.memory import MemoryStore
from proxy.web.background import running

NOW = 1_800_000_000.0
BROWSER = "b" * 43
STATE = "bbbb" + "t" * 43
ASKED = AuthorizeRequest("webapp", "https://app.example/cb", ("openid",), state="s")


def connection(name: str, **options: Any) -> Connection:
    plain = {"client_id": "i", "discovery_url": "https://idp.example", **options}
    return Connection.model_validate({"name": name, "enabled_clients": ["webapp"], "options": plain})


CLIENT = Client.model_validate({"client_id": "webapp", "redirect_uris": ["https://app.example/cb"]})


@dataclass
class Tenant:
    """Stands for the upstream shore: says who came back, or raises."""

    says: Identity | Exception = Identity("corp", "https://idp.example", "ada", {"name": "Ada"}, sid="up-1")

    modes: list[str] = field(default_factory=list)

    async def finish(self, *args: object, mode: str, now: float) -> Identity:
        self.modes.append(mode)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class AsTheyAre:
    """Stands for the plugins: the claims as they are."""

    async def map_profile(
        self, connection: Connection, client: Client, claims: Mapping[str, Any], mapped: Mapping[str, Any] | None = None
    ) -> Mapped:
        return Mapped(claims, dict.fromkeys(claims, "isthmus"))


@dataclass
class World:
    """An arrival with everything around it."""

    store: Store = field(default_factory=MemoryStore)
    tenant: Tenant = field(default_factory=Tenant)
    connections: dict[str, Connection] = field(default_factory=lambda: {"corp": connection("corp")})
    clients: dict[str, Client] = field(default_factory=lambda: {"webapp": CLIENT})

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.store, self.connections, idle=1000, absolute=10_000)

    @property
    def arrival(self) -> Arrival:
        return Arrival(
            "https://sso.example/",
            self.store,
            self.sessions,
            self.tenant,  # type: ignore[arg-type]  # a stand-in with the one method that is asked
            Profiles(AsTheyAre(), str),  # type: ignore[arg-type]  # likewise
            self.connections,
            Clients(self.clients, self.store),
            Downstream(),  # type: ignore[arg-type]  # likewise
            watched=False,
            logout=Logout(self.store, Clients(self.clients, self.store), Doors(tuple), lambda: None),
            recheck=rechecked,
        )

    async def trip(self, **changes: Any) -> Transaction:
        trip = Transaction(STATE, ASKED.as_value(), "webapp", int(NOW), connection="corp", wishes=Wishes())
        await self.store.run(trips.save(BROWSER, replace(trip, **changes)))
        return replace(trip, **changes)

    async def arrive(self, now: float = NOW, **changes: Any) -> Answer:
        request = Request("GET", "/login/callback", {"state": STATE, "code": "c"}, {}, now, browsers=(BROWSER,))
        return await self.arrival.arrive(replace(request, **changes))

    async def login(self, now: float = NOW, **changes: Any) -> Session:
        await self.trip(**changes)
        answer = await self.arrive(now)
        assert answer.sign_in is not None
        session = await self.sessions.load(answer.sign_in.cookie, now)
        assert session is not None
        return session


async def rechecked(request: Request, trip: Transaction) -> Answer:
    """Stands for what hears of trips without a client."""
    return Answer(page="rechecked.html", values={"trip": trip.id})


class Downstream:
    """Stands for the endpoint that answers the client."""

    def check_login(self, asked: AuthorizeRequest, client: Client, session: Session) -> None:
        pass

    async def answer(
        self, asked: AuthorizeRequest, client: Client, session: Session, now: float
    ) -> tuple[Answer, tuple[Op, ...]]:
        answer = Answer(redirect=f"{asked.redirect_uri}?code={session.sid}")
        return answer, (Put(key("code", session.sid), {"sid": session.sid}, 60),)

    def refuse(self, asked: AuthorizeRequest, error: Refused) -> Answer:
        return Answer(redirect=f"{asked.redirect_uri}?error={error.code}&state={asked.state}")


async def codes_and_sessions(world: World, session: Session) -> tuple[bool, bool]:
    code, found = await world.store.get(key("code", session.sid)), await world.store.get(session_key(session.sid))
    return code is not None, found is not None


async def test_a_login_becomes_a_session_and_a_code() -> None:
    """Session, code and cookie; the person is named by connection and subject."""
    world = World()
    session = await world.login()
    assert session.user_id == "oidc|corp|ada" and session.profile == {"name": "Ada"} and session.upstream_sid == "up-1"
    assert await codes_and_sessions(world, session) == (True, True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"params": {}}, "no_transaction"),
        ({"params": {"state": ""}}, "no_transaction"),
        ({"params": {"state": "unknown"}}, "no_transaction"),
        ({"browsers": ()}, "no_transaction"),
        ({"browsers": ("x" * 43,)}, "no_transaction"),
        ({"path": "/login/callback/corp"}, "wrong_callback"),
        ({"path": "/login/callback/other"}, "wrong_callback"),
    ],
)
async def test_cb_01_cb_02_an_answer_to_no_login_of_this_browser_is_refused(
    changes: dict[str, Any], reason: str
) -> None:
    """CB-01, CB-02: no state, unknown state, another browser, another connection's address."""
    world = World()
    await world.trip()
    with pytest.raises(Shown) as refused:
        await world.arrive(**changes)
    assert refused.value.reason == reason


async def test_cb_03_cb_19_the_second_answer_is_refused_and_the_first_session_lives() -> None:
    """CB-03, CB-19: reload and back button neither log in again nor log out."""
    world = World()
    session = await world.login()
    with pytest.raises(Shown) as refused:
        await world.arrive()
    assert refused.value.reason == "state_reuse"
    assert await codes_and_sessions(world, session) == (True, True)


async def test_cb_17_a_trip_that_never_left_cannot_come_back() -> None:
    """CB-17: the login page's own transaction is no proof of a login."""
    world = World()
    await world.trip(connection="")
    with pytest.raises(Shown) as refused:
        await world.arrive()
    assert refused.value.reason == "wrong_stage"


@pytest.mark.parametrize("gone", ["connection", "client", "enabled", "address"])
async def test_rp_21_what_was_taken_away_meanwhile_does_not_come_back(gone: str) -> None:
    """RP-21: connection, client, their link and the redirect URI are checked again when the person returns."""
    world = World()
    await world.trip()
    if gone == "connection":
        del world.connections["corp"]
    elif gone == "client":
        del world.clients["webapp"]
    elif gone == "enabled":
        world.connections["corp"] = world.connections["corp"].model_copy(update={"enabled_clients": ()})
    else:
        world.clients["webapp"] = CLIENT.model_copy(update={"redirect_uris": ("https://app.example/new",)})
    with pytest.raises(Shown) as refused:
        await world.arrive()
    assert refused.value.status == (400 if gone == "address" else 403)


async def test_rp_19_another_issuer_for_a_known_person_is_refused_and_leaves_nothing() -> None:
    """RP-19: the person's record binds the issuer of the first login."""
    world = World()
    await world.login()
    world.tenant.says = Identity("corp", "https://evil.example", "ada", {})
    world.connections["corp"] = connection("corp", discovery_url="https://evil.example")
    await world.store.drop(trips.last_login(BROWSER))
    await world.trip()
    with pytest.raises(UpstreamError) as refused:
        await world.arrive()
    assert refused.value.reason == "issuer_changed"


async def test_rp_30_another_person_in_the_same_browser_ends_the_first_session() -> None:
    """RP-30, SE-21: B's login ends A's session; nothing is merged."""
    world = World()
    ada = await world.login()
    world.tenant.says = Identity("corp", "https://idp.example", "bob", {"name": "Bob"})
    bob = await world.login()
    assert bob.sid != ada.sid and bob.user_id == "oidc|corp|bob"
    assert await world.store.get(session_key(ada.sid)) is None


async def test_the_same_person_keeps_the_sid_and_gets_a_later_login_time() -> None:
    """Two logins within one second: same sid, ``auth_time`` strictly later, in whole seconds."""
    world = World()
    first, second = await world.login(), await world.login()
    assert second.sid == first.sid and second.auth_time == first.auth_time + 1


async def test_se_13_se_14_every_node_hears_of_a_session_that_was_ended_or_written_anew() -> None:
    """SE-13, SE-14: what nodes hold of a session is not what it is any more; a plain login has nothing to tell."""
    world, heard = World(), list[tuple[str, str]]()
    async with running(world.store.listen((ENDED, CHANGED), lambda *said: heard.append(said), lambda up: None)):
        await asyncio.sleep(0)
        ada = await world.login()
        assert heard == []
        await world.login(NOW + 1)
        assert heard == [(CHANGED, ada.sid)]
        world.tenant.says = Identity("corp", "https://idp.example", "bob", {})
        await world.login(NOW + 2)
    assert heard == [(CHANGED, ada.sid), (ENDED, ada.sid)]


async def test_cb_09_a_session_of_the_same_trip_is_known_without_its_cookie() -> None:
    """CB-09: tabs that return by cross-site POST, without the session cookie, share one session."""
    world = World()
    first = await world.login(previous={})
    assert (await world.login(previous={})).sid == first.sid


async def test_lo_06_a_session_that_ended_meanwhile_is_not_revived_by_a_login() -> None:
    """LO-06: the new login gets a sid of its own, so tokens of the ended session stay dead."""
    world = World()
    first = await world.login()
    await world.store.drop(session_key(first.sid))
    second = await world.login()
    assert second.sid != first.sid
    assert await world.store.get(session_key(first.sid)) is None
    assert await codes_and_sessions(world, second) == (True, True)


async def test_rp_29_a_login_that_is_too_old_is_told_to_the_client() -> None:
    """RP-29: ``login_required``, by redirect; no session, no code."""
    world = World(tenant=Tenant(UpstreamError("login_required", "too old", reason="stale_login")))
    await world.trip()
    answer = await world.arrive()
    assert answer.redirect == "https://app.example/cb?error=login_required&state=s" and answer.sign_in is None


async def test_ft_34_while_the_keys_cannot_be_had_a_reload_may_succeed() -> None:
    """FT-34: the front channel's transaction is kept; once the keys are back the same answer logs in."""
    down = UpstreamError("temporarily_unavailable", "keys", reason="keys_unavailable", status=503)
    world = World(tenant=Tenant(down))
    posted = {"method": "POST", "params": {"state": STATE, "id_token": "t"}}
    await world.trip()
    with pytest.raises(UpstreamError):
        await world.arrive(**posted)
    world.tenant.says = Identity("corp", "https://idp.example", "ada", {})
    assert (await world.arrive(**posted)).sign_in is not None


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_cb_19_a_code_is_never_sent_again(method: str) -> None:
    """CB-19, FT-34: an answer with a code was used, however it came; a reload begins nothing."""
    down = UpstreamError("temporarily_unavailable", "keys", reason="keys_unavailable", status=503)
    world = World(tenant=Tenant(down))
    await world.trip()
    with pytest.raises(UpstreamError):
        await world.arrive(method=method)
    with pytest.raises(Shown) as refused:
        await world.arrive(method=method)
    assert refused.value.reason == "state_reuse"


async def test_cb_07_a_fragment_is_read_by_a_page_of_ours() -> None:
    """CB-07: where a connection's answers come so, a browser with a trip under way gets the page; what it posts is told
    from a form of the tenant's. Nothing else without parameters does (CB-01)."""
    world = World(connections={"corp": connection("corp", response_mode="fragment")})
    await world.trip()
    answer = await world.arrive(params={})
    assert (answer.page, answer.sign_in) == ("fragment.html", None)
    for changes in ({"browsers": ()}, {"method": "POST"}):
        with pytest.raises(Shown) as refused:
            await world.arrive(params={}, **changes)
        assert refused.value.reason == "no_transaction"
    mark = {str(answer.values["mark"]): str(answer.values["proof"])}
    await world.arrive(method="POST", params={"state": STATE, "id_token": "t", **mark})
    assert world.tenant.modes == ["fragment"]


async def test_claims_of_userinfo_stand_below_those_of_the_id_token() -> None:
    """What both say is as the ID token says it."""
    told = {"sub": "ada", "name": "Not Ada", "email": "ada@corp.example"}
    world = World(tenant=Tenant(Identity("corp", "https://idp.example", "ada", {"name": "Ada"}, userinfo=told)))
    profile = (await world.login()).profile
    assert (profile["name"], profile["email"]) == ("Ada", "ada@corp.example")


async def test_a_failed_trip_says_whom_it_was_about_and_where_to_start_again() -> None:
    """The log gets client and connection, the person a link to the same request."""
    world = World(tenant=Tenant(UpstreamError("access_denied", "no")))
    await world.trip()
    with pytest.raises(UpstreamError) as refused:
        await world.arrive()
    assert refused.value.about == {"client_id": "webapp", "connection": "corp"}
    assert refused.value.again == trips.start_again("https://sso.example/", await world.trip())


async def test_rg_14_the_answer_knows_which_trip_it_ends() -> None:
    """RG-14: what may be used once is used by the trip, however often writing its answer is tried."""
    world = World()
    seen: list[AuthorizeRequest] = []

    class Noting(Downstream):
        async def answer(
            self, asked: AuthorizeRequest, client: Client, session: Session, now: float
        ) -> tuple[Answer, tuple[Op, ...]]:
            seen.append(asked)
            return await super().answer(asked, client, session, now)

    first = await world.login()
    await world.store.drop(session_key(first.sid))
    await world.trip()
    request = Request("GET", "/login/callback", {"state": STATE, "code": "c"}, {}, NOW, browsers=(BROWSER,))
    await replace(world.arrival, client_side=Noting()).arrive(request)  # type: ignore[arg-type]  # a stand-in
    assert [asked.trip for asked in seen] == [STATE, STATE]


class Broken(MemoryStore):
    """A store that cannot be asked."""

    async def run(self, *ops: Op) -> Any:
        raise Unavailable("down")


async def test_ft_01_a_store_that_cannot_be_asked_is_no_lost_login() -> None:
    """FT-01: 503, not "no such login"."""
    with pytest.raises(Unavailable):
        await World(store=Broken()).arrive()


async def test_own_callback_takes_answers_at_its_own_address_alone() -> None:
    """RP-22: a connection with ``own_callback`` is told from the others by the address."""
    world = World(connections={"corp": connection("corp", own_callback=True)})
    await world.trip()
    with pytest.raises(Shown):
        await world.arrive()
    await world.trip()
    assert (await world.arrive(path="/login/callback/corp")).sign_in is not None


SILENT = Identity("corp", "https://idp.example", "ada", {"name": "Ada"}, auth_time=int(NOW) - 3600)


async def test_az_17_a_login_does_not_grow_younger_by_passing_through() -> None:
    """AZ-17, RP-29: a tenant that knew the person an hour ago lets them through unasked: our ``auth_time`` is an hour
    old, so that another application's ``max_age`` asks again; trip after trip."""
    world = World()
    world.tenant.says = SILENT
    for _ in range(3):
        session = await world.login()
        assert (session.auth_time, session.dated) == (int(NOW) - 3600, True)


async def test_rp_29_a_forced_login_is_as_new_as_its_trip() -> None:
    """RP-29: what had to be fresh was checked to be; it counts from now, and strictly after the one before."""
    world = World()
    first = await world.login()
    world.tenant.says = replace(SILENT, auth_time=int(NOW) - 1)
    second = await world.login(wishes=Wishes(fresh=True))
    assert (second.sid, second.auth_time, second.dated) == (first.sid, int(NOW) + 1, True)


async def test_az_17_a_login_of_unknown_age_says_so() -> None:
    """AZ-17: a tenant that names no time gets its person in, with a session that no ``max_age`` is measured by."""
    session = await World().login()
    assert (session.auth_time, session.dated) == (int(NOW), False)


def expiring(said: object) -> Identity:
    """Ada, with what the tenant says of the end of her session."""
    return Identity("corp", "https://idp.example", "ada", {"name": "Ada", "session_expiry": said})


@pytest.mark.parametrize(
    ("said", "seconds"), [(NOW + 60, 60), (int(NOW) + 60.9, 60), (NOW + 1, 1), (NOW + 99_999, 10_000), (None, 10_000)]
)
async def test_the_tenant_may_end_the_session_sooner(said: object, seconds: int) -> None:
    """IPSIE ``session_expiry``: the earliest of the claim and our own limit ends session and cookie."""
    world = World(connections={"corp": connection("corp", id_token_session_expiry_supported=True)})
    world.tenant.says = expiring(said)
    await world.trip()
    answer = await world.arrive()
    assert answer.sign_in is not None and answer.sign_in.seconds == seconds
    assert (session := await world.sessions.load(answer.sign_in.cookie, NOW)) is not None
    assert session.expires_at == NOW + seconds
    assert await world.sessions.load(answer.sign_in.cookie, NOW + seconds) is None


@pytest.mark.parametrize("said", [NOW, NOW - 1, 0, -1, NOW * 1e9 * -1])
async def test_a_session_that_the_tenant_ended_already_does_not_begin(said: object) -> None:
    """IPSIE ``session_expiry``: a past end is a refusal, and nothing is left."""
    world = World(connections={"corp": connection("corp", id_token_session_expiry_supported=True)})
    world.tenant.says = expiring(said)
    await world.trip()
    with pytest.raises(UpstreamError) as refused:
        await world.arrive()
    assert refused.value.reason == "session_expired"
    left = [each for kind in ("session", "user", "code") async for each in world.store.scan(kind)]
    assert left == []


@pytest.mark.parametrize("said", ["soon", str(int(NOW) + 60), True, [], {}])
async def test_an_end_that_is_no_time_is_refused(said: object) -> None:
    """A JSON number or nothing: an end that cannot be read is not taken for none."""
    world = World(connections={"corp": connection("corp", id_token_session_expiry_supported=True)})
    world.tenant.says = expiring(said)
    await world.trip()
    with pytest.raises(UpstreamError) as refused:
        await world.arrive()
    assert refused.value.reason == "bad_session_expiry"


@pytest.mark.parametrize("said", [NOW - 1, NOW + 60, "soon"])
async def test_the_claim_is_heeded_only_where_the_connection_says_so(said: object) -> None:
    """``id_token_session_expiry_supported`` is false by default: the claim means nothing."""
    world = World()
    world.tenant.says = expiring(said)
    assert (await world.login()).expires_at == NOW + 10_000


async def test_a_trip_that_no_client_began_is_no_login() -> None:
    """Its answer goes to whoever asked the tenant; no session, no code."""
    world = World()
    await world.trip(client_id="")
    answer = await world.arrive()
    assert answer.page == "rechecked.html" and answer.sign_in is None
    assert [each async for each in world.store.scan("session")] == []


@pytest.mark.parametrize("changed", ["removed", "disabled", "moved"])
async def test_rp_21_what_is_taken_away_while_the_tenant_is_asked_does_not_come_back(changed: str) -> None:
    """RP-21, MG-15: a tenant that answers slowly gains nothing by it: the connection is looked at again before anything
    is written, so that a name that was given away meanwhile opens nothing."""
    world = World()
    before = world.connections["corp"]

    class Slow(Tenant):
        async def finish(self, *args: object, mode: str, now: float) -> Identity:
            del world.connections["corp"]
            if changed == "disabled":
                world.connections["corp"] = before.model_copy(update={"enabled_clients": ()})
            if changed == "moved":
                world.connections["corp"] = connection("corp", discovery_url="https://new.example")
            return await super().finish(*args, mode=mode, now=now)

    world.tenant = Slow()
    await world.trip()
    with pytest.raises(Shown) as refused:
        await world.arrive()
    assert (refused.value.status, refused.value.reason) == (403, "connection_disabled")
    assert not await world.store.list(sessions_of_user("oidc|corp|ada"))

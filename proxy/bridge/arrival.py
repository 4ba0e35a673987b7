"""The way back: the tenant's answer becomes a session here and a code for the client.

Order: everything that is free is checked first; the transaction is taken, once; the tenant's answer is checked; then
session and code are written in one round trip, and only then does the browser hear of them. A crash between any two of
these leaves "start again", never "in".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from proxy.bridge import fragment, upstream_tokens
from proxy.bridge import session as sessions
from proxy.bridge import transaction as trips
from proxy.bridge.logout import Logout
from proxy.bridge.profile import Profiles
from proxy.bridge.session import Sessions, Ticket
from proxy.bridge.subject import user_id
from proxy.bridge.users import Visit, with_root
from proxy.downstream.authorize import AuthorizeRequest, check_stored
from proxy.downstream.authorize_endpoint import Authorize
from proxy.downstream.clients import Clients
from proxy.downstream.leaving import on_the_way
from proxy.features import Answer, Caller, Endpoint, Feature, Request, SignIn
from proxy.models import Client, Connection, Identity, Session, Transaction
from proxy.models.connection import serves
from proxy.oidc.errors import ProtocolError, Refused, Shown, UpstreamError
from proxy.plugins import Mapped
from proxy.store import Add, Drop, Get, Put, Store, Take, Taken
from proxy.upstream.issuer import may_speak
from proxy.upstream.relying_party import RelyingParty


@dataclass(frozen=True)
class Arrival(Feature):
    """``login/callback``, for both channels. ``client_side`` is the endpoint that answers the client; with
    ``watched`` the browser gets a state for session management. ``recheck`` hears the answer of a trip that no client
    began."""

    issuer: str
    store: Store
    sessions: Sessions
    relying_party: RelyingParty
    profiles: Profiles
    connections: Mapping[str, Connection]
    clients: Clients
    client_side: Authorize
    watched: bool
    logout: Logout
    recheck: Callable[[Request, Transaction], Awaitable[Answer]]

    def endpoints(self) -> Sequence[Endpoint]:
        methods = ("GET", "POST")
        return (
            Endpoint("login/callback", methods, Caller.BROWSER, self.arrive),
            Endpoint("login/callback/{connection}", methods, Caller.BROWSER, self.arrive),
        )

    async def arrive(self, request: Request) -> Answer:
        """One answer of a tenant. Raises ``Shown``, ``UpstreamError``, ``Unavailable``, ``PluginFailed``."""
        if not request.params and self._may_be_a_fragment(request):
            return fragment.page(request)
        trip, last = await self._take(request)
        if not trip.client_id:
            return await self.recheck(request, trip)
        try:
            return await self._finish(request, trip, last)
        except ProtocolError as error:
            error.about = {"client_id": trip.client_id, "connection": trip.connection}
            raise

    def _may_be_a_fragment(self, request: Request) -> bool:
        """A browser with a trip under way comes without parameters: they are in the fragment, if any tenant of ours
        answers so."""
        if request.method != "GET" or not request.browsers:
            return False
        return any(one.options.mode == "fragment" for one in self.connections.values())

    async def _finish(self, request: Request, trip: Transaction, last: Mapping[str, Any]) -> Answer:
        client, connection = await self._still_allowed(trip, request)
        asked = AuthorizeRequest.from_value({**trip.request, "trip": trip.id})
        try:
            identity = await self.relying_party.finish(
                connection, trip, request.params, mode=fragment.mode_of(request), now=request.now
            )
        except UpstreamError as error:
            return await self._failed(request, trip, asked, error)
        try:
            if trip.wishes.fresh:  # then it was during this trip, and that was checked
                identity = replace(identity, auth_time=int(request.now))
            return await self._welcome(request, asked, client, connection, identity, last or trip.previous)
        except Refused as error:
            return self.client_side.refuse(asked, error)

    async def _take(self, request: Request) -> tuple[Transaction, Mapping[str, Any]]:
        """The transaction of this state in this browser, once; and the browser's last login."""
        state = request.params.get("state", "")
        browser = trips.browser_of(state, request.browsers)
        if not browser:
            raise Shown("invalid_request", "this answer belongs to no login of this browser", reason="no_transaction")
        taken, last = await self.store.run(
            Take(trips.transaction_key(browser, state), keep=trips.LIFETIME),
            Get(trips.last_login(request.browsers[0])),
        )
        if not isinstance(taken, Taken):
            reason = "no_transaction" if taken is None else "state_reuse"
            raise Shown("invalid_request", "this login has ended, was used, or began in another browser", reason=reason)
        trip = trips.from_value(taken.value)
        if not trip.connection:  # the person never left the login page
            raise Shown("invalid_request", "this login has not been to a tenant yet", reason="wrong_stage")
        return trip, last.value if last else {}

    async def _still_allowed(self, trip: Transaction, request: Request) -> tuple[Client, Connection]:
        """Client and connection as configured now: either may have gone while the person was away."""
        client = await self.clients.find(trip.client_id, request.now)
        connection = self.connections.get(trip.connection)
        if client is None or connection is None or not serves(connection, client):
            raise _disabled()
        own = f"/{connection.name}" if connection.options.own_callback else ""
        if request.path != f"{urlsplit(self.issuer).path}login/callback{own}":
            raise Shown("invalid_request", "this answer came to another connection's address", reason="wrong_callback")
        check_stored(trip.request, client)
        return client, connection

    def _check_unchanged(self, name: str, client: Client, identity: Identity) -> None:
        """The connection is still the one that the person came through: the tenant may have taken its time. Raises
        ``Shown``."""
        now = self.connections.get(name)
        if now is None or not serves(now, client) or not may_speak(identity.issuer, now.options):
            raise _disabled()

    async def _failed(
        self, request: Request, trip: Transaction, asked: AuthorizeRequest, error: UpstreamError
    ) -> Answer:
        if error.reason == "stale_login":
            return self.client_side.refuse(asked, Refused("login_required", error.description))
        if error.reason == "keys_unavailable" and "code" not in request.params:
            # The ID token is in the person's hands: once the tenant's keys can be had again, a reload succeeds.
            await self.store.run(trips.save(trips.browser_of(trip.id, request.browsers), trip))
        error.again = trips.start_again(self.issuer, trip)
        raise error

    async def _welcome(
        self,
        request: Request,
        asked: AuthorizeRequest,
        client: Client,
        connection: Connection,
        identity: Identity,
        before: Mapping[str, Any],
    ) -> Answer:
        expires_at = ends_at(connection, identity, request.now, self.sessions.absolute)
        mapped = await self.profiles.of(connection, client, identity)
        mapped = await with_root(self.store, connection, user_id(connection.name, identity.subject), mapped)
        self._check_unchanged(connection.name, client, identity)
        session = begun(identity, mapped, int(request.now), expires_at, watched=self.watched)
        self.client_side.check_login(asked, client, session)
        visit = Visit(session, connection, request.source)
        noted = str(before.get("sid", ""))
        answer, cookie, session = await self._write(request, asked, client, visit, before, noted=noted)
        if identity.tokens is not None and connection.options.keeps_tokens:  # once it is sure who the person is
            await self.store.run(upstream_tokens.keep(session, identity.tokens, request.now))
        return replace(
            answer,
            sign_in=SignIn(cookie, session.expires_at - int(request.now)),
            browser=request.browsers[0],
            event="login",
            about={"client_id": client.client_id, "connection": connection.name, "user_id": session.user_id},
        )

    async def _write(
        self,
        request: Request,
        asked: AuthorizeRequest,
        client: Client,
        visit: Visit,
        before: Mapping[str, Any],
        *,
        noted: str,
    ) -> tuple[Answer, str, Session]:
        """Session, code, the person's record and the browser's note in one round trip; the client's answer, the
        browser's new cookie and its session.

        ``before`` is the browser's login until now: this one goes on with its session if it is the same person, and
        ends it if not. If the note then names a session other than ``noted``, another tab was faster; if there is none
        to go on with, it has ended. Either way nothing of this attempt may stay, and the next knows better.
        """
        session, same = following(visit.session, before)
        ticket = Ticket.new(session.sid)
        answer, code = await self.client_side.answer(asked, client, session, request.now)
        other = before if before and not same else None
        ends = await self.logout.ending(other["sid"], other["user_id"], (), request.now) if other else None
        visited = visit.writes()
        note, written, *told = await self.store.run(
            Get(trips.last_login(request.browsers[0])),
            (self.sessions.renew if same else self.sessions.begin)(session, ticket, request.now),
            *visited,
            trips.note_login(request.browsers[0], session),
            *(ends.writes if ends else ()),
            *code,
            *((sessions.changed(session.sid),) if same else ()),
        )
        if ends:
            self.logout.told()
        told, overtaken = told[: len(visited)], note is not None and note.value["sid"] != noted
        refusal = visit.refusal(told)
        if refusal is None and written is not False and not overtaken:
            return on_the_way(ends.frames if ends else (), answer), ticket.cookie, session
        undo = (*visit.undo(told), *(Drop(write.key) for write in code if isinstance(write, Put | Add)))
        await self.store.run(*undo, *(() if same and refusal is None else sessions.ends(session.sid)))
        if refusal is not None:
            raise refusal
        return await self._write(request, asked, client, visit, note.value if overtaken else {}, noted=session.sid)


def _disabled() -> Shown:
    return Shown("access_denied", "this login is no longer allowed", reason="connection_disabled", status=403)


def begun(identity: Identity, mapped: Mapped, now: int, expires_at: int, *, watched: bool) -> Session:
    """The session that a login leads to, before it is known which one it goes on with."""
    return Session(
        sid="",
        user_id=user_id(identity.connection, identity.subject),
        connection=identity.connection,
        issuer=identity.issuer,
        subject=identity.subject,
        auth_time=now if identity.auth_time is None else identity.auth_time,
        created_at=now,
        expires_at=expires_at,
        profile=mapped.profile,
        upstream_sid=identity.sid,
        acr=identity.acr,
        amr=identity.amr,
        browser_state=sessions.new_sid() if watched else "",
        dated=identity.auth_time is not None,
        sources=mapped.sources,
        id_token=identity.id_token,
        session_state=identity.session_state,
    )


def following(login: Session, before: Mapping[str, Any]) -> tuple[Session, bool]:
    """The session of a new ``login``, and whether it goes on with the one ``before``, which the same person had. The
    time of a login that was just now is then strictly later, in whole seconds: clients compare (OpenID Connect Core
    3.1.2.1). One that the tenant had before does not grow younger by a trip."""
    if before.get("user_id") != login.user_id:
        return replace(login, sid=sessions.new_sid()), False
    is_new = login.auth_time >= login.created_at
    later = max(login.auth_time, int(before["auth_time"]) + 1) if is_new else login.auth_time
    state = login.browser_state and before["browser_state"]
    return replace(login, sid=before["sid"], auth_time=later, browser_state=state), True


def ends_at(connection: Connection, identity: Identity, now: float, absolute: int) -> int:
    """When the session ends at the latest: by our own limit, or when the tenant says so (IPSIE, ``session_expiry``), if
    the connection heeds that. Raises ``UpstreamError`` for an end that is past, or is no time."""
    limit, said = int(now) + absolute, identity.claims.get("session_expiry")
    if said is None or not connection.options.id_token_session_expiry_supported:
        return limit
    if isinstance(said, bool) or not isinstance(said, int | float):
        text = "the login service says no usable end of the session"
        raise UpstreamError("access_denied", text, reason="bad_session_expiry")
    if said < int(now) + 1:
        text = "the login service says that this session has ended already"
        raise UpstreamError("access_denied", text, reason="session_expired")
    return int(min(limit, said))

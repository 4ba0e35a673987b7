"""A tenant tells us that a session of its ended (OpenID Connect Back-Channel Logout 1.0): ours that came from it end
too, and our own clients hear, as after any logout.

Answers are 200 or 400, never cached (2.8), and 503 where we could not look: at the tenant's keys, or in the store. Then
nothing is decided, and the same token may come again. A token that was heard is refused the second time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proxy.bridge.logout import Logout
from proxy.bridge.upstream_sessions import of_issuer, sessions_named
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Connection
from proxy.oidc.errors import Refused, Unavailable, UpstreamError
from proxy.store import Key, Store, key
from proxy.upstream.connections import Connections
from proxy.upstream.logout_token import Claimed, Expected, Notice, bad, claimed, remembered, verify_logout_token

PATH = "login/backchannel-logout"
NO_STORE = {"Cache-Control": "no-store"}
Heard = Sequence[tuple[Connection, Notice]]
AT_WORK = 20
"""Seconds that a token counts as being heard: longer than any request lives."""
FRESH = 10
"""Seconds that a copy of the tenant's keys is good for a token without the name of one. Anybody can send such a token,
and if each made us ask, the tenant would turn away those who log in."""


def heard_key(issuer: str, client_id: str, jti: str) -> Key:
    """Where it is noted that a token was heard."""
    return key("logout_token", f"{client_id}\n{issuer}\n{jti}")


@dataclass(frozen=True)
class BackChannelNotices(Feature):
    """``POST login/backchannel-logout``. ``leeway`` is how many seconds clocks may differ; ``check`` raises ``Refused``
    for an address that sent too many bad tokens, ``failed`` counts one."""

    store: Store
    tenants: Connections
    connections: Mapping[str, Connection]
    logout: Logout
    leeway: int
    check: Callable[[str, float], None]
    failed: Callable[[str, float], None]

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint(PATH, ("GET", "POST"), Caller.ANYONE, self.hear, form=True),)

    async def hear(self, request: Request) -> Answer:
        """One notice. Raises ``Refused``, ``Unavailable``."""
        self.check(request.source, request.now)
        try:
            return await self._hear(request)
        except Refused as error:
            if error.status == 400:
                self.failed(request.source, request.now)
            raise

    async def _hear(self, request: Request) -> Answer:
        token = request.params.get("logout_token", "")
        if request.method != "POST" or not token:
            raise bad("logout_token is missing from the form", "no_token")
        says = claimed(token)
        accepted = await self._accepted(token, says, request.now)
        ended = await self._once(says, accepted, request.now)
        names = " ".join(connection.name for connection, _ in accepted)
        return Answer(headers=NO_STORE, event="tenant_logout", about={"connection": names, "sessions": str(ended)})

    async def _accepted(self, token: str, says: Claimed, now: float) -> Heard:
        """The connections for which the token is good: those of its issuer where we have the name in ``aud``."""
        named = [c for c in of_issuer(says.issuer, self.connections) if c.options.client_id == says.audience]
        if not named:
            raise bad("iss and aud belong to no connection", "unknown_connection")
        found: list[tuple[Connection, Notice]] = []
        refusals: list[Refused] = []
        for connection in named:
            try:
                found.append((connection, await self._verified(connection, token, says, now)))
            except Refused as error:
                error.about = {"connection": connection.name}
                refusals.append(error)
        if not found:
            raise max(refusals, key=lambda error: error.status)  # undecided, if any is
        return found

    async def _verified(self, connection: Connection, token: str, says: Claimed, now: float) -> Notice:
        try:
            metadata = await self.tenants.metadata(connection, since=now)
            keys = await self.tenants.keys(connection, metadata, says.kid, since=now - FRESH)
        except UpstreamError as error:
            text, again = "the keys of the tenant cannot be had", {"Retry-After": "5", **NO_STORE}
            raise Refused("temporarily_unavailable", text, reason=error.reason, status=503, headers=again) from None
        return verify_logout_token(token, keys, Expected(connection, metadata.issuer, self.leeway), now)

    async def _once(self, says: Claimed, accepted: Heard, now: float) -> int:
        """End the sessions, unless this token did so before; answers how many there were. The token is noted first,
        for a moment, and for good when it is done: if it could not be done, the tenant may send it again."""
        place = heard_key(says.issuer, says.audience, accepted[0][1].jti)
        before = await self.store.add(place, {"done": False}, AT_WORK)
        if before is not None:
            raise _again(done=bool(before.value.get("done")))
        try:
            ended = [await self._end(connection, notice, now) for connection, notice in accepted]
        except BaseException:
            with contextlib.suppress(Unavailable):
                await self.store.drop(place)
            raise
        await self.store.put(place, {"done": True}, remembered(self.leeway))
        return sum(ended)

    async def _end(self, connection: Connection, notice: Notice, now: float) -> int:
        who = {"sid": notice.sid, "subject": notice.subject}
        sessions = await sessions_named(self.store, (connection,), notice.issuer, **who)
        for session in sessions:
            await self.logout.end(session, (), now)
        return len(sessions)


def _again(*, done: bool) -> Refused:
    if done:
        return bad("the token was used before", "replayed")
    text = "the same token is being heard"
    return Refused("temporarily_unavailable", text, reason="at_work", status=503, headers={"Retry-After": "5"})

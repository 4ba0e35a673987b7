"""Decides on every request: to which app, for whom, or what we answer ourselves.

Two ways through the same steps. ``at_once`` is for what most requests are: a known person on a known route, decided by
what this process holds; it asks nobody. ``ask`` may ask the store, a plugin, a tenant. What cannot be looked up is 503
(P1); whatever goes wrong is an answer, and never "forward it".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from proxy.gateway import elsewhere, forms, forwarded
from proxy.gateway.asker import is_document, is_program, is_safe
from proxy.gateway.decide import ALLOWED, Decision, Step, decide, has_method, is_public, methods_of
from proxy.gateway.forward_auth import ForwardAuth, Question
from proxy.gateway.forwarded import Client, Senders
from proxy.gateway.held import Held
from proxy.gateway.identity import CannotSay, Identities
from proxy.gateway.links import Links
from proxy.gateway.own import Own, login_at, new_verifier
from proxy.gateway.request import Asked, Malformed
from proxy.gateway.routes import Match, Routes
from proxy.gateway.shown import Shown, told
from proxy.gateway.sorting import LONGEST_COOKIES, without_ours
from proxy.gateway.verdict import BodyTooLarge, Forward, ReadBody, Reply, Verdict
from proxy.gateway.visits import Visit
from proxy.http import cookies
from proxy.models import Connection, Session
from proxy.models.route import Route
from proxy.oidc.errors import Unavailable
from proxy.telemetry import logs

LOST_FORM: Final = (
    "You are not logged in any more, so nothing was sent on. Log in in another tab, come back to this one, and load it "
    "again: your browser will offer to send the same once more."
)
TWO_LOGINS: Final = "Your browser sent two different logins for this app. Both are forgotten now."
Consult = Callable[[Connection, Route, str, str, Mapping[str, Any]], Awaitable[bool]]
"""Asks the plugins about a method and a path for a profile. Never raises: whatever goes wrong is no yes."""


@dataclass(frozen=True)
class Gatekeeper:
    """See ``verdict.Gatekeeper``. ``clock`` is seconds since the epoch, ``loop_time`` the loop's."""

    routes: Routes
    senders: Senders
    forward_auth: ForwardAuth
    held: Held
    links: Links
    identities: Identities
    own: Own
    shown: Shown
    connections: Mapping[str, Connection]
    groups_claim: str
    consult: Consult
    cookie: str
    clock: Callable[[], float] = time.time
    loop_time: Callable[[], float] = lambda: asyncio.get_running_loop().time()

    # --- what can be decided here and now ---

    def at_once(self, asked: Asked) -> Verdict | None:
        """See ``verdict.Gatekeeper``."""
        try:
            if not self.forward_auth.meant(asked):
                return self._known(asked)
            question = self.forward_auth.read(asked)
            if isinstance(question, Reply):
                return question
            return self._known_about(question)
        except Malformed as error:
            return self.trouble(asked, error.status, error.reason)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is no yes
            return self._failed(asked, error)

    def _known_about(self, question: Question) -> Reply | None:
        verdict: Verdict | None
        try:
            verdict = self._known(question.about)
        except Malformed as error:
            verdict = self.trouble(question.about, error.status, error.reason)
        return None if verdict is None else self.forward_auth.answer(question, verdict)

    def _known(self, asked: Asked) -> Verdict | None:
        match = self.routes.match(asked.host, asked.target)
        if match is None or match.route is None:
            return None
        cookie = self._cookie(asked)
        session = self.held.get(cookie, match.host, self.loop_time()) if cookie else None
        if session is None or match.route.allow.plugin or elsewhere.is_preflight(asked, match.route):
            return None
        if not self.identities.ready(match.route, session, self.clock()):
            return None
        client = self.senders.client(asked)
        decision = self._decide(match, asked, session)
        return self._through(asked, match, client, ALLOWED.reason, session) if decision.step is Step.PASS else None

    def _cookie(self, asked: Asked) -> str:
        """Our cookie; one that came with two values is none (RFC 6265bis 8.6)."""
        sent = asked.cookies
        if len(sent) == 1 and len(sent[0]) <= LONGEST_COOKIES:
            return _of_one(sent[0], self.cookie)
        return _of_all(sent, self.cookie)

    def _decide(self, match: Match, asked: Asked, session: Session | None, verdict: bool | None = None) -> Decision:
        if match.route is None:
            raise Malformed("no_route", 404)
        return decide(
            match.route, asked.method.decode("latin-1"), match.path, session, self.connections, self.groups_claim,
            verdict,
        )  # fmt: skip

    # --- what somebody must be asked for ---

    async def ask(self, asked: Asked, body: ReadBody) -> Verdict:
        """See ``verdict.Gatekeeper``."""
        try:
            if not self.forward_auth.meant(asked):
                return await self._found_out(asked, body)
            question = self.forward_auth.read(asked)
            if isinstance(question, Reply):
                return question
            return await self._about(question, body)
        except Malformed as error:
            return self.trouble(asked, error.status, error.reason)
        except ConnectionError:  # whoever asked is gone
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it is no yes
            return self._failed(asked, error)

    async def _about(self, question: Question, body: ReadBody) -> Reply:
        try:
            verdict = await self._found_out(question.about, question.body(body))
        except (Malformed, Unavailable, CannotSay) as error:
            status = 503 if isinstance(error, Unavailable) else error.status
            verdict = self.trouble(question.about, status, error.reason)
        return self.forward_auth.answer(question, verdict)

    async def _found_out(self, asked: Asked, body: ReadBody) -> Verdict:
        """Raises ``Malformed``, ``Unavailable``, ``CannotSay``."""
        client = self.senders.client(asked)
        match = self.routes.match(asked.host, asked.target)
        if match is None:
            known = self.routes.host_of(asked.host) is not None
            return self.trouble(asked, 404 if known else 421, "no_route" if known else "host")
        if match.route is None:
            return await self.own.answer(asked, match, lambda: self._session(asked, match.host), self.clock())
        verdict = await self._on_route(asked, match, match.route, client, body)
        return verdict if isinstance(verdict, Forward) else replace(verdict, route=match.route.label)

    async def _on_route(self, asked: Asked, match: Match, route: Route, client: Client, body: ReadBody) -> Verdict:
        if elsewhere.is_preflight(asked, route):
            return self._through(asked, match, client, "preflight")
        method = asked.method.decode("latin-1")
        if not has_method(route, method):
            reply, allowed = self.trouble(asked, 405, "method"), ("Allow", ", ".join(methods_of(route)))
            return replace(reply, headers=(*(each for each in reply.headers if each[0] != "Allow"), allowed))
        session = None if is_public(route, match.path) else await self._session(asked, match.host)
        decision = self._decide(match, asked, session)
        if decision.step is Step.ASK_PLUGIN and session is not None:
            connection = self.connections[session.connection]
            said = await self.consult(connection, route, method, match.path, session.profile)
            decision = self._decide(match, asked, session, said)
        if decision.step is Step.PUBLIC:
            return self._through(asked, match, client, decision.reason)
        if decision.step is Step.PASS and session is not None:
            await self.identities.prepare(route, session, self.clock())
            return self._through(asked, match, client, ALLOWED.reason, session)
        if decision.step in (Step.LOG_IN, Step.STEP_UP):
            return await self._log_in(asked, match, route, client, body, decision)
        return self._forbidden(asked, match, decision)

    async def _session(self, asked: Asked, host: str) -> Session | None:
        """Raises ``Unavailable``."""
        cookie = self._cookie(asked)
        if not cookie:
            return None
        began = self.loop_time()
        held = self.held.get(cookie, host, began)
        if held is not None:
            return held
        now = self.clock()
        session = await self.links.follow(cookie, host, now)
        if session is not None:
            self.held.keep(cookie, host, session, began, session.expires_at - now)
        return session

    # --- to the app ---

    def _through(
        self, asked: Asked, match: Match, client: Client, reason: str, session: Session | None = None
    ) -> Verdict:
        """Through, as ``session``'s person, or as nobody. Raises ``CannotSay``, ``Malformed``."""
        route = match.route
        if route is None:
            raise Malformed("no_route", 404)
        if foreign := self._foreign(asked, match, route):
            return self.trouble(asked, 403, foreign)
        person = self.identities.lines(route, session, self.clock()) if session is not None else b""
        return Forward(
            route=route,
            target=match.wire,
            told=person + self._sent_by(asked, client),
            cookies=without_ours(asked.cookies) if asked.cookies else b"",
            drop_authorization=route.authorization == "drop",
            sid=session.sid if session is not None else "",
            user_id=session.user_id if session is not None else "",
            reason=reason,
        )

    def _sent_by(self, asked: Asked, client: Client) -> bytes:
        return forwarded.lines(client, asked.host.decode("latin-1").lower())

    def _foreign(self, asked: Asked, match: Match, route: Route) -> str:
        """Why a request that keeps a connection open is another site's doing, or not for this app; empty if it is
        fine."""
        if not elsewhere.lasts(asked):
            return ""
        return elsewhere.refusal(asked, route, (self.routes.origin(match.host), *route.origins))

    # --- to a login ---

    async def _log_in(
        self,
        asked: Asked,
        match: Match,
        route: Route,
        client: Client,
        body: ReadBody,
        decision: Decision,
    ) -> Reply:
        """Raises ``Unavailable``."""
        login = login_at(self.routes.origin(match.host), route.path_prefix)
        if is_program(asked):
            reply = told(401, "log in at this address, in a browser", login=login)
        elif cookies.read(asked.cookies, self.cookie) is cookies.TOSSED:  # another login would change nothing (SE-07)
            reply = self.shown.problem(400, asked.id, title="Please start again", detail=TWO_LOGINS, again=login)
            reply = replace(reply, headers=(*reply.headers, self.own.forgotten))
        else:
            form = None if is_safe(asked) else await self._form(asked, match, route, client, body)
            if form is None and not is_safe(asked):
                reply = self.shown.problem(401, asked.id, detail=LOST_FORM, again=login, new_tab=True)
            else:
                visit = Visit(
                    match.host, match.wire.decode("ascii"), new_verifier(), is_document(asked), form, route.allow.acr
                )
                reply = await self.own.depart(asked, visit)
        return replace(reply, reason=decision.reason)

    async def _form(self, asked: Asked, match: Match, route: Route, client: Client, body: ReadBody) -> bytes | None:
        """The form that was being sent, if it may be kept over the login."""
        if not forms.may_be_kept(asked, route, self.routes.origin(match.host)):
            return None
        try:
            form = await body(forms.MOST)
        except BodyTooLarge:
            return None
        kept = forms.fields_of(form) is not None and await self.own.visits.has_room(client.address, len(form))
        return form if kept else None

    # --- no ---

    def _forbidden(self, asked: Asked, match: Match, decision: Decision) -> Reply:
        reply = self.shown.forbidden(asked, decision.reason, self.own.way_out.at(match.host))
        return replace(reply, reason=decision.reason)

    def trouble(self, asked: Asked | None, status: int, reason: str) -> Reply:
        """See ``verdict.Gatekeeper``."""
        if status == 308 and asked is not None:
            return self._to_https(asked)
        headers = (("Retry-After", "1"),) if status == 503 else ()
        headers = (("Allow", "GET, HEAD, POST"),) if status == 405 else headers
        headers = (
            (self.own.forgotten,) if status == 431 else headers
        )  # what is ours goes, as far as it is known (SE-10)
        return replace(self.shown.trouble(asked, status, headers=headers), reason=reason)

    def _to_https(self, asked: Asked) -> Reply:
        """Plain http is no way to an https host; only what loses nothing is sent on (SE-23)."""
        host = self.routes.host_of(asked.host)
        if host is None or not is_safe(asked) or not asked.target.startswith(b"/"):
            return replace(told(400, "this host is reached by https alone"), reason="plain_http")
        target = quote(asked.target.decode("latin-1"), safe="/%?&=:@!$'()*+,;~-._")
        return Reply(308, (("Location", f"{self.routes.origin(host)}{target}"),), reason="plain_http")

    def _untold(self, asked: Asked, error: CannotSay) -> Reply:
        """The app cannot be told who this is, so nobody gets there (GW-31)."""
        headers = (("Retry-After", str(error.retry_after)),) if error.status == 503 else ()
        host = self.routes.host_of(asked.host)
        again = self.own.way_out.at(host) if host and error.reason == "log_in_again" else ""
        reply = self.shown.trouble(asked, error.status, detail=error.detail, again=again, headers=headers)
        return replace(reply, reason=error.reason)

    def _failed(self, asked: Asked, error: Exception) -> Reply:
        """What cannot be decided is no yes."""
        if isinstance(error, Unavailable):
            logs.seldom("store_unavailable", what=error.what)
            return self.trouble(asked, 503, error.reason)
        if isinstance(error, CannotSay):
            return self._untold(asked, error)
        logs.event("failed", reason=type(error).__name__, exc_info=error)
        return self.trouble(asked, 503, "failed")


def _of_all(sent: Iterable[bytes], name: str) -> str:
    value = cookies.read(sent, name)
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=4096)
def _of_one(sent: bytes, name: str) -> str:
    """Browsers send the same header again and again."""
    return _of_all((sent,), name)

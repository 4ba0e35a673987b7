"""One wrapper for each caller: the protection that no feature can forget, because no feature does it.

    anyone   parameters read once, a body as a JSON object          errors as JSON
    browser  parameters read once, session, cookies, page headers   errors as a page
    client   form or JSON, the client authenticated, no-store       errors as JSON with the OAuth code
    bearer   our access token checked, and the proof of its key     errors in WWW-Authenticate
    operator a program's token for our API, its scope, its rate     errors as JSON, as Auth0 gives them

``bodies`` reads the parameters.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from proxy.bridge import transaction
from proxy.downstream import client_auth
from proxy.downstream.access_token import AccessTokens, invalid_token
from proxy.downstream.answers import IN_A_POPUP
from proxy.downstream.client_auth import ClientAuthenticator
from proxy.downstream.dpop import ERRORS as ABOUT_THE_PROOF
from proxy.downstream.dpop import Proofs
from proxy.features import Answer, Bearer, Caller, Endpoint, Request
from proxy.http.cookies import cookie_name
from proxy.models import Client, Session
from proxy.oidc import params as parameters
from proxy.oidc.dpop import ALGORITHMS
from proxy.oidc.errors import ProtocolError, Refused, UpstreamError
from proxy.oidc.params import Params, printable
from proxy.oidc.urls import origin
from proxy.telemetry import logs, metrics
from proxy.web import callers_operator, client_address, cookies, errors
from proxy.web import session as sessions
from proxy.web.bodies import NO_TOKEN, access_token, form_of_anyone, form_or_json, json_object, one_place
from proxy.web.callers_operator import Operators
from proxy.web.cors import ABOUT, Cors
from proxy.web.pages import Pages, policy
from proxy.web.throttle import Throttle

compact = json.JSONEncoder(separators=(",", ":")).encode
BY_POST_FROM_ANYWHERE = ("authorize", "oidc/logout", "login/initiate")
"""Endpoints that other sites may POST a browser to, and that need its session."""
Wrapped = Callable[[web.Request], Awaitable[web.StreamResponse]]
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749 5.1
EMPTY: Mapping[str, Any] = {}
ALGS = " ".join(ALGORITHMS)
LOST: Mapping[int, tuple[str, str]] = {
    404: ("There is nothing here", "The address may be old, or mistyped."),
    405: ("That does not work here", "This address cannot be asked in this way."),
}


@dataclass(frozen=True)
class Callers:
    """Wraps endpoints for aiohttp."""

    issuer: str
    pages: Pages
    clients: ClientAuthenticator
    access_tokens: AccessTokens
    proofs: Proofs
    guesses: Throttle = field(default_factory=lambda: Throttle(burst=20, seconds=3))
    clock: Callable[[], float] = time.time

    def wrap(self, endpoint: Endpoint) -> Wrapped:
        """The aiohttp handler of an endpoint."""
        inner, told = {
            Caller.ANYONE: (self._anyone, self._tell_program),
            Caller.BROWSER: (self._browser, self._tell_person),
            Caller.CLIENT: (self._client, self._tell_program),
            Caller.BEARER: (self._bearer, self._tell_bearer),
            Caller.OPERATOR: (self._operator, self._tell_operator),
        }[endpoint.caller]

        async def handle(request: web.Request) -> web.StreamResponse:
            response: web.StreamResponse
            try:
                response = await inner(endpoint, request)
            except (web.HTTPException, ConnectionError):  # an answer of aiohttp's own; or nobody is there to be told
                raise
            except Exception as error:  # noqa: BLE001  # each is told in the caller's own words, and logged once
                response = told(note(error))
            if endpoint.cors:
                await self.cors.dress(endpoint.cors, request, response, self.clock())
            if endpoint.caller is Caller.OPERATOR:
                self.operators.dress(request, response.headers)
            return response

        return handle

    @cached_property
    def cors(self) -> Cors:
        """Which pages of other sites may read the answers."""
        return Cors(self.clients.clients)

    @cached_property
    def operators(self) -> Operators:
        """Who may use the Management API."""
        return Operators(self.issuer, self.access_tokens, self.clients.clients)

    # --- anyone ---

    async def _anyone(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        if endpoint.form:
            return self._respond(await endpoint.handler(self._request(request, await form_of_anyone(request))))
        params = parameters.parse(request.raw_path.partition("?")[2])
        body = await json_object(request) if request.method in ("POST", "PUT") else {}
        return self._respond(await endpoint.handler(self._request(request, params, body=body)))

    # --- a person's browser ---

    async def _browser(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        params = await one_place(request)
        if endpoint.path in BY_POST_FROM_ANYWHERE and self._lost_its_cookie(request):
            # A cross-site POST does not bring the Lax session cookie; a GET of our own does.
            same = f"{self.issuer}{endpoint.path}?{urlencode(params)}"
            return web.Response(status=303, headers={"Location": same, **NO_STORE})
        load = partial(sessions.current, request)
        browsers = self._browsers(request)
        answer = await endpoint.handler(self._request(request, params, browsers=browsers, session=load))
        response = self._respond(answer)
        if answer.browser:
            name = self._browser_cookies + transaction.slot(answer.browser)
            cookies.set_cookie(response, name, answer.browser, max_age=transaction.LIFETIME, same_site="None")
        self._keep_state(request, response, answer)
        if answer.sign_in is not None:
            await sessions.sign_in(request, answer.sign_in)
        if answer.sign_out:
            await sessions.sign_out(request)
        return response

    def _keep_state(self, request: web.Request, response: web.Response, answer: Answer) -> None:
        """The cookie that frames of session management read: in step with the session, and gone with it. Its value is
        no secret and opens nothing."""
        name = cookie_name("state", self.issuer)
        if answer.browser_state and cookies.of_request(request, name) != answer.browser_state:
            life = answer.sign_in.seconds if answer.sign_in else None
            cookies.set_cookie(response, name, answer.browser_state, max_age=life, same_site="None", for_scripts=True)
        if answer.sign_out:
            cookies.delete(response, name, same_site="None", for_scripts=True)

    @property
    def _browser_cookies(self) -> str:
        return f"{cookie_name('login', self.issuer)}-"

    def _browsers(self, request: web.Request) -> tuple[str, ...]:
        found = cookies.family_of_request(request, self._browser_cookies)
        return tuple(sorted(secret for slot, secret in found.items() if transaction.is_browser(secret, slot)))

    def _lost_its_cookie(self, request: web.Request) -> bool:
        if request.method != "POST":
            return False
        if cookies.of_request(request, cookie_name("session", self.issuer)):
            return False
        foreign = request.headers.get("Origin", origin(self.issuer)) != origin(self.issuer)
        return foreign or request.headers.get("Sec-Fetch-Site") == "cross-site"

    # --- a client of its own accord ---

    async def _client(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        params = await form_or_json(request)
        client = await self._authenticated(endpoint, request, params)
        try:
            answer = await endpoint.handler(self._request(request, params, client=client))
        except ProtocolError as error:
            error.about = {"client_id": client.client_id, **error.about}
            raise
        return self._respond(answer, NO_STORE)

    async def _authenticated(self, endpoint: Endpoint, request: web.Request, params: Params) -> Client:
        """The client, unless somebody guesses: failures count by source and by the client they claim to be."""
        authorization = tuple(request.headers.getall("Authorization", ()))
        shown = client_auth.present(params, authorization)
        request[ABOUT] = shown.client_id
        source, now = (shown.client_id[:255], client_address.of(request)), self.clock()
        self.guesses.check(source, now)
        try:
            return await self.clients.authenticate(shown, f"{self.issuer}{endpoint.path}", now)
        except Refused as error:
            self.guesses.failed(source, now)
            error.about = {"client_id": printable(shown.client_id)}
            raise

    # --- the bearer of an access token ---

    async def _bearer(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        params, now = await one_place(request), self.clock()
        scheme, token = access_token(request, params)
        proof, extra = None, NO_STORE
        if scheme == "dpop":
            shown = tuple(request.headers.getall("DPoP", ()))
            proof = self.proofs.of_bearer(shown, request.method, endpoint.path, token, now)
            extra = {**NO_STORE, **self.proofs.headers(now)}
        bearer = await self.access_tokens.check(token, f"{self.issuer}{endpoint.path}", now, proof)
        client = await self.clients.clients.find(bearer.client_id, now)
        if client is None:
            raise invalid_token("client_removed")
        request[ABOUT] = bearer.client_id
        answer = await endpoint.handler(self._request(request, params, client=client, bearer=bearer))
        return self._respond(answer, extra)

    # --- the operator of this tenant, by program ---

    async def _operator(self, endpoint: Endpoint, request: web.Request) -> web.StreamResponse:
        bearer = await self.operators.admit(endpoint, request, self.clock())
        params, sent = callers_operator.query(request), await callers_operator.body(request)
        items = tuple(sent) if isinstance(sent, list) else None
        body = EMPTY if items is not None else sent
        try:
            answer = await endpoint.handler(self._request(request, params, bearer=bearer, body=body, items=items))
        except ProtocolError as error:
            error.about = {"operator": bearer.client_id, **error.about}
            raise
        return self._respond(answer, NO_STORE)

    # --- what goes in, what comes out ---

    def _request(
        self,
        request: web.Request,
        params: Params,
        *,
        browsers: tuple[str, ...] = (),
        client: Client | None = None,
        bearer: Bearer | None = None,
        session: Callable[[], Awaitable[Session | None]] | None = None,
        body: Mapping[str, Any] = EMPTY,
        items: tuple[Any, ...] | None = None,
    ) -> Request:
        return Request(
            method=request.method,
            path=request.path,
            params=params,
            headers=request.headers,
            now=self.clock(),
            id=logs.request_id(),
            browsers=browsers,
            client=client,
            bearer=bearer,
            session=session,
            variables=request.match_info,
            body=body,
            items=items,
            source=client_address.of(request),
            proofs=tuple(request.headers.getall("DPoP", ())),
        )

    def _respond(self, answer: Answer, extra: Mapping[str, str] | None = None) -> web.Response:
        headers = {**(extra or {}), **answer.headers}
        if answer.event:
            about: dict[str, Any] = dict(answer.about)
            logs.event(answer.event, **about)
            if answer.event == "login":
                metrics.login("ok")
        if answer.redirect:
            return web.Response(status=303, headers={"Location": answer.redirect, **NO_STORE, **headers})
        if answer.page:
            csp = policy(
                image_sources=answer.image_sources,
                leads_away=answer.leads_away,
                script=answer.script,
                framed_by=answer.framed_by,
                frame_sources=answer.frame_sources,
            )
            return self._page(answer.page, answer.values, answer.status, {"Content-Security-Policy": csp, **headers})
        if answer.jwt:
            kind = answer.jwt_type or "application/jwt"
            return web.Response(body=answer.jwt.encode(), status=answer.status, content_type=kind, headers=headers)
        if answer.status == 204:
            return web.Response(status=204, headers=headers)
        return json_response({} if answer.json is None else answer.json, answer.status, headers)

    def _page(self, template: str, values: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> web.Response:
        text = self.pages.render(template, values)
        return web.Response(text=text, status=status, content_type="text/html", headers={**NO_STORE, **headers})

    # --- errors, as each caller can use them ---

    def _tell_person(self, told: errors.Outcome) -> web.Response:
        values = {
            "title": told.title,
            "message": told.message,
            "detail": told.detail,
            "again": told.again,
            "reference": logs.request_id(),
        }
        way_on = IN_A_POPUP if told.again else {}
        headers = {"Content-Security-Policy": policy(), **way_on, **told.headers}
        return self._page("error.html", values, told.status, headers)

    def lost(self, status: int) -> web.Response:
        """The page for a person who asks for what is not there (404), or not so (405)."""
        title, text = LOST[status]
        return self._tell_person(errors.Outcome(status, "", "", title, text, "", EMPTY))

    def _tell_program(self, told: errors.Outcome) -> web.Response:
        headers = {**NO_STORE, **told.headers}
        if told.code == "invalid_token":
            headers["WWW-Authenticate"] = self._challenge("Bearer", told)
        elif told.status == 401:
            headers["WWW-Authenticate"] = f'Basic realm="{self.issuer}", charset="UTF-8"'
        return json_response(errors.as_json(told), told.status, headers)

    def _tell_bearer(self, told: errors.Outcome) -> web.Response:
        headers = {**NO_STORE, **told.headers}
        if told.status in (400, 401, 403):  # RFC 6750 3, RFC 9449 7.1
            bearer, dpop = self._challenge("Bearer", told), f'{self._challenge("DPoP", told)}, algs="{ALGS}"'
            headers["WWW-Authenticate"] = dpop if told.code in ABOUT_THE_PROOF else f"{bearer}, {dpop}"
        return json_response(errors.as_json(told), told.status, headers)

    def _tell_operator(self, told: errors.Outcome) -> web.Response:
        headers = {**NO_STORE, **told.headers}
        if told.status == 401:
            headers["WWW-Authenticate"] = self._challenge("Bearer", told)
        return json_response(callers_operator.as_auth0(told), told.status, headers)

    def _challenge(self, scheme: str, told: errors.Outcome) -> str:
        """One scheme, and what was wrong; without any token nothing was (RFC 6750 3.1)."""
        named = f', error="{told.code}", error_description="{told.description}"' if told.code != NO_TOKEN else ""
        return f'{scheme} realm="{self.issuer}"{named}'


def note(error: Exception) -> errors.Outcome:
    """Log an error once, with its reason and whom it is about; a bug with its traceback."""
    told = errors.outcome(error)
    about: dict[str, Any] = dict(error.about) if isinstance(error, ProtocolError) else {}
    name = "refused" if told.status < 500 else "failed"
    bug = error if told.status == 500 else None
    logs.event(name, exc_info=bug, reason=told.reason, error=told.code, status=told.status, **about)
    if isinstance(error, UpstreamError):
        metrics.login(told.reason)
    return told


def json_response(body: Mapping[str, Any] | Sequence[Any], status: int, headers: Mapping[str, str]) -> web.Response:
    """JSON as compact as it can be."""
    return web.Response(body=compact(body).encode(), status=status, content_type="application/json", headers=headers)

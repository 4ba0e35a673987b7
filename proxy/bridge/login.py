"""The way out: which connection, and off to the tenant.

One connection enabled for the client: straight through. Several: a page with a button each, and a field for those who
know their address but not their company's button. Hidden connections are nowhere in the page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from proxy.bridge import transaction as trips
from proxy.bridge.passed_on import passed_on
from proxy.downstream.acr import FEDERATED
from proxy.downstream.answers import IN_A_POPUP
from proxy.downstream.authorize import AuthorizeRequest
from proxy.downstream.clients import Clients
from proxy.downstream.next_step import too_old
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Client, Connection, Session, Transaction, Wishes
from proxy.models.connection import serves
from proxy.oidc.errors import Refused, Shown, UpstreamError
from proxy.oidc.urls import origin
from proxy.plugins import Plugins
from proxy.store import Store
from proxy.upstream.relying_party import RelyingParty

LONGEST_EMAIL = 254


@dataclass(frozen=True)
class Login(Feature):
    """``GET login``, and the way there from the authorization endpoint."""

    issuer: str
    store: Store
    relying_party: RelyingParty
    plugins: Plugins
    connections: Mapping[str, Connection]
    clients: Clients

    def endpoints(self) -> Sequence[Endpoint]:
        return (Endpoint("login", ("GET",), Caller.BROWSER, self.choose),)

    async def depart(
        self, request: Request, asked: AuthorizeRequest, client: Client, session: Session | None
    ) -> Answer:
        """From the authorization endpoint: to the only connection, or to the login page. Raises ``Refused``."""
        browser = request.browsers[0] if request.browsers else trips.new_browser()
        waiting = Transaction(
            id=trips.new_id(browser),
            request=asked.as_value(),
            client_id=client.client_id,
            started_at=int(request.now),
            previous=trips.outline(session),
            wishes=wishes_of(asked, session, request.now),
        )
        only = self._only_choice(asked, client)
        if only is not None:
            return await self._leave(browser, waiting, only, client, request.now)
        await self.store.run(trips.save(browser, waiting))
        return Answer(redirect=f"{self.issuer}login?{urlencode({'tx': waiting.id})}", browser=browser)

    def _only_choice(self, asked: AuthorizeRequest, client: Client) -> Connection | None:
        enabled = self.enabled(client)
        if asked.connection:
            named = by_name(asked.connection, enabled)
            if named is None:
                raise Refused("invalid_request", "connection is unknown or not enabled for this application")
            return named
        if not enabled:
            raise Refused("access_denied", "no connection is enabled for this application")
        if "select_account" in asked.prompt and len(enabled) > 1:
            return None
        return enabled[0] if len(enabled) == 1 else by_domain(asked.login_hint, enabled)

    def enabled(self, client: Client) -> tuple[Connection, ...]:
        """The connections a client's people may come through, in the order of the configuration."""
        return tuple(c for c in self.connections.values() if serves(c, client))

    async def choose(self, request: Request) -> Answer:
        """The login page, or the choice made on it. Raises ``Shown`` for a page that has ended."""
        browser = trips.browser_of(request.params.get("tx", ""), request.browsers)
        waiting = await self._waiting(browser, request.params.get("tx", ""))
        client = await self.clients.find(waiting.client_id, request.now)
        if client is None:
            raise Shown("invalid_request", "the application is no longer registered", reason="unknown_client")
        enabled = self.enabled(client)
        name, email = request.params.get("connection"), request.params.get("email", "")
        if name and (picked := by_name(name, enabled)):
            return await self._leave(browser, waiting, picked, client, request.now)
        if not name and (picked := by_domain(email, enabled)):
            hinted = replace(waiting, wishes=replace(waiting.wishes, login_hint=email))
            return leaving_page(await self._leave(browser, hinted, picked, client, request.now), picked)
        return await self._page(waiting, client, enabled, typed=email, unknown=bool(name or email))

    async def _waiting(self, browser: str, id: str) -> Transaction:
        record = await self.store.get(trips.transaction_key(browser, id)) if browser else None
        if record is None:
            raise Shown("invalid_request", "this login page has ended, or belongs to another browser", reason="no_tx")
        return trips.from_value(record.value)

    async def _leave(
        self, browser: str, waiting: Transaction, connection: Connection, client: Client, now: float
    ) -> Answer:
        """To the tenant: a trip of its own, so that going back and choosing again starts another."""
        scopes = await self.plugins.request_scopes(connection, client)
        wishes = replace(waiting.wishes, scopes=scopes.values)
        if connection.options.upstream_params:
            asked = AuthorizeRequest.from_value(waiting.request)
            wishes = replace(wishes, passed_on=passed_on(connection.options, asked, wishes))
        state = trips.new_id(browser)
        try:
            departure = await self.relying_party.begin(connection, wishes, state=state, now=now)
        except UpstreamError as error:
            error.about = {"client_id": client.client_id, "connection": connection.name}
            error.again = trips.start_again(self.issuer, waiting)  # where other tenants are offered, too
            raise
        trip = replace(
            waiting,
            id=state,
            connection=connection.name,
            nonce=departure.nonce,
            verifier=departure.verifier,
            issuer=departure.issuer,
            wishes=wishes,
            started_at=int(now),
        )
        await self.store.run(trips.save(browser, trip))
        return Answer(redirect=departure.url, browser=browser)

    async def _page(
        self, waiting: Transaction, client: Client, enabled: tuple[Connection, ...], *, typed: str, unknown: bool
    ) -> Answer:
        shown = (c for c in enabled if c.show_as_button)
        buttons = await asyncio.gather(*(self._button(waiting, c, client) for c in shown))
        pictures = {origin(url) for url in (client.logo_uri, *(b["icon_url"] for b in buttons)) if url}
        values: dict[str, Any] = {
            "client": client.label,
            "logo": client.logo_uri,
            "policy": client.policy_uri,
            "terms": client.tos_uri,
            "buttons": buttons,
            "tx": waiting.id,
            "identifier_first": any(c.options.domain_aliases for c in enabled),
            "unknown": unknown,
            "email": typed or (waiting.wishes.login_hint if "@" in waiting.wishes.login_hint else ""),
        }
        return Answer(page="login.html", values=values, image_sources=tuple(sorted(pictures)), headers=IN_A_POPUP)

    async def _button(self, waiting: Transaction, connection: Connection, client: Client) -> Mapping[str, str]:
        button, _ = await self.plugins.button(connection, client)
        query = urlencode({"tx": waiting.id, "connection": connection.name})
        return {"label": button.display_name, "icon_url": button.icon_url, "href": f"{self.issuer}login?{query}"}


def leaving_page(away: Answer, connection: Connection) -> Answer:
    """After the form with the address: a page that goes on by itself. A redirect would be one that the form leads to,
    and so would have to be allowed by name in the content security policy of a page that names none."""
    values = {"connection": connection.label, "url": away.redirect}
    return Answer(page="leaving.html", values=values, browser=away.browser, headers=IN_A_POPUP)


def by_name(name: str, enabled: Sequence[Connection]) -> Connection | None:
    """The connection of that name, if it is among those."""
    return next((c for c in enabled if c.name == name), None)


def by_domain(email: str, enabled: Sequence[Connection]) -> Connection | None:
    """The connection that an address belongs to by its whole domain (home realm discovery). One ``@``, bounded length,
    ASCII or IDNA domain; anything else, and what is a dot only after normalisation, belongs to nobody."""
    local, at, domain = email.partition("@")
    if not local or not at or "@" in domain or len(email) > LONGEST_EMAIL:
        return None
    try:
        plain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    if plain.count(".") != domain.count("."):
        return None
    return next((c for c in enabled if plain in c.options.domain_aliases), None)


def wishes_of(asked: AuthorizeRequest, session: Session | None, now: float) -> Wishes:
    """What goes up to the tenant. The login must be newer than the trip's start when the client asked for a login, or
    when ours was too old for it; a browser without a session only has to meet ``max_age`` (OIDC Core 3.1.2.1). A pushed
    hint was kept out of addresses and pages by its client, and stays out."""
    fresh = "login" in asked.prompt or asked.max_age == 0
    if session is not None and too_old(asked, session, now):
        fresh = True
    prompt = tuple(p for p in asked.prompt if p in ("login", "select_account"))
    return Wishes(
        prompt=prompt,
        max_age=asked.max_age,
        login_hint="" if asked.pushed else asked.login_hint,
        fresh=fresh,
        acr_values=tuple(value for value in asked.acr_values if value != FEDERATED),
        ui_locales=asked.ui_locales,
    )

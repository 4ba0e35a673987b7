"""Puts everything together: the store and the two shores become features, the features become the site.

``features`` is the one list of all that the provider can do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import aiohttp_session
from aiohttp import web

from proxy import plugins
from proxy.bridge.arrival import Arrival
from proxy.bridge.login import Login
from proxy.bridge.logout import Logout
from proxy.bridge.session import Sessions
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.authorization_code import AuthorizationCode
from proxy.downstream.authorize_endpoint import Authorize
from proxy.downstream.client_auth import ClientAuthenticator
from proxy.downstream.grant import Lifetimes
from proxy.downstream.implicit import Implicit
from proxy.downstream.keys import KeyRing
from proxy.downstream.logout import RpInitiatedLogout
from proxy.downstream.metadata import Metadata, joined
from proxy.downstream.refresh_token import RefreshToken
from proxy.downstream.token import Issuer, Token
from proxy.downstream.userinfo import UserInfo
from proxy.features import Feature, Redeem, Respond
from proxy.oidc.errors import Unavailable
from proxy.settings import Settings
from proxy.store import Store
from proxy.store.sealing import Seal
from proxy.upstream.connections import Connections
from proxy.upstream.relying_party import RelyingParty
from proxy.web.callers import Callers
from proxy.web.pages import ASSETS, Pages
from proxy.web.session import SessionStorage
from proxy.web.worker import CAN_SIGN
from proxy.wire import Wire

KEY_CHECK = 5.0
"""Seconds between two looks at the signing keys: how long a revoked key may still sign on another node."""
KEYS = web.AppKey("keys", KeyRing)
log = logging.getLogger("isthmus.app")


class Parts:
    """What features need, made once from settings, store and secrets."""

    def __init__(self, settings: Settings, store: Store, secrets: Sequence[bytes], wire: Wire) -> None:
        self.settings, self.store = settings, store
        self.issuer = settings.tenant.issuer
        self.plugins = plugins.load(settings.plugins)
        self.lifetimes = lifetimes(settings)
        self.keys = KeyRing(store, self.lifetimes.signed)
        self.access_tokens = AccessTokens(self.issuer, store, self.keys, self.lifetimes)
        self.sessions = Sessions(
            store, settings.connections, idle=settings.session.idle, absolute=settings.session.absolute
        )
        tenants = Connections(settings.connections, wire.send, time.time)
        self.relying_party = RelyingParty(tenants, issuer=self.issuer, leeway=settings.server.clock_leeway)
        self.form_key = Seal(secrets).derive("form")


def way_out(settings: Settings) -> Wire:
    """The wire, with what each connection alone may call and trust. Raises ``Misconfigured``."""
    server = settings.server
    wire = Wire(issuer=settings.tenant.issuer, allow_private=server.allow_private, trust=server.trust)
    for name, connection in settings.connections.items():
        options = connection.options
        wire.admit(name, allow_private=options.allow_private, trust=options.trust)
    return wire


def lifetimes(settings: Settings) -> Lifetimes:
    """The lifetimes that the configuration gives tokens."""
    tokens = settings.tokens
    return Lifetimes(
        code=tokens.code,
        access_token=tokens.access_token,
        id_token=tokens.id_token,
        refresh_idle=tokens.refresh_idle,
        refresh_absolute=tokens.refresh_absolute,
        reuse_window=tokens.refresh_reuse_window,
    )


def features(parts: Parts) -> tuple[Feature, ...]:
    """Everything the provider can do."""
    settings, store, issuer = parts.settings, parts.store, parts.issuer
    clients, connections = settings.clients, settings.connections
    answers = Issuer(issuer, parts.access_tokens)
    code = AuthorizationCode(store, answers, parts.lifetimes, connections)
    implicit = Implicit(issuer, parts.keys, parts.lifetimes.id_token)
    refresh = RefreshToken(store, answers, parts.lifetimes, connections)
    login = Login(issuer, store, parts.relying_party, parts.plugins, connections, clients)
    responses: dict[str, Respond] = {**code.responses(), **implicit.responses()}
    authorize = Authorize(issuer, clients, connections, store, responses, login.depart, parts.sessions.keep_alive)
    arrival = Arrival(
        issuer,
        store,
        parts.sessions,
        parts.relying_party,
        parts.plugins,
        connections,
        clients,
        authorize.answer,
        authorize.refuse,
    )
    logout = Logout(store, clients, lambda: switched_on)
    grants: dict[str, Redeem] = {**code.grants(), **refresh.grants()}
    switched_on: tuple[Feature, ...] = (
        authorize,
        Token(issuer, grants),
        code,
        implicit,
        refresh,
        UserInfo(issuer),
        login,
        arrival,
        RpInitiatedLogout(issuer, clients, parts.keys, logout.end, parts.form_key),
    )
    return (*switched_on, Metadata(issuer, parts.keys, joined(switched_on)))


async def build(settings: Settings, store: Store, secrets: Sequence[bytes]) -> web.Application:
    """The site for one tenant. ``secrets`` are what Isthmus encrypts with. Raises ``Misconfigured``."""
    wire = way_out(settings)
    parts = Parts(settings, store, secrets, wire)
    pages = Pages(parts.issuer, settings.tenant.name)
    callers = Callers(parts.issuer, pages, ClientAuthenticator(settings.clients), parts.access_tokens)
    cookies = SessionStorage(parts.sessions, parts.issuer)
    site = web.Application(middlewares=[aiohttp_session.session_middleware(cookies)])
    site[KEYS] = parts.keys
    site[CAN_SIGN] = lambda: parts.keys.loaded
    add_routes(site, features(parts), callers, base_path(parts.issuer))
    add_assets(site, pages, base_path(parts.issuer))
    site.cleanup_ctx.append(lambda _: opened(wire))
    site.cleanup_ctx.append(lambda _: watching(parts.keys))
    site.cleanup_ctx.append(lambda _: plugged(parts.plugins))
    return site


def base_path(issuer: str) -> str:
    """The path below which every address of ours lies; ends in a slash, as the issuer does."""
    return urlsplit(issuer).path


def add_routes(site: web.Application, features: Sequence[Feature], callers: Callers, base: str) -> None:
    """Every endpoint of every feature, in the wrapper of its caller."""
    for feature in features:
        for endpoint in feature.endpoints():
            handler = callers.wrap(endpoint)
            for method in endpoint.methods:
                site.router.add_route(method, base + endpoint.path, handler)


def add_assets(site: web.Application, pages: Pages, base: str) -> None:
    """The pages' style and pictures: a closed list, read at start, under an address that changes with them."""

    async def serve(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in ASSETS:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=pages.assets[name], content_type=ASSETS[name], headers=headers)

    site.router.add_route("GET", f"{base}assets/{{version}}/{{name}}", serve)


async def opened(wire: Wire) -> AsyncIterator[None]:
    """The way out, open as long as the site is."""
    async with wire:
        yield


async def plugged(loaded: plugins.Plugins) -> AsyncIterator[None]:
    """The plugins, and their threads, as long as the site is up."""
    yield
    loaded.close()


async def watching(keys: KeyRing) -> AsyncIterator[None]:
    """The signing keys, had before the first request if the store answers, and kept fresh as long as the site is up."""
    with contextlib.suppress(Unavailable):
        await keys.load(time.time())
    task = asyncio.create_task(keep_fresh(keys))
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def keep_fresh(keys: KeyRing) -> None:
    """Look at the keys every ``KEY_CHECK`` seconds. A failed look is logged, and the next one comes."""
    while True:
        try:
            await keys.load(time.time())
        except Exception as error:  # noqa: BLE001  # whatever it is, the task must live to look again
            log.warning("signing keys could not be read", extra={"reason": str(error)})
        await asyncio.sleep(KEY_CHECK)

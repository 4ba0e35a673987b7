"""Puts everything together: the store and the two shores become features, the features become the site.

``features`` is the one list of all that the provider can do.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence

import aiohttp_session
from aiohttp import web

from proxy import plugins
from proxy.bridge.arrival import Arrival
from proxy.bridge.connection_jwks import ConnectionJwks
from proxy.bridge.federated_logout import FederatedLogout
from proxy.bridge.frontchannel_notice import FrontChannelNotices
from proxy.bridge.hosted_requests import HostedRequests
from proxy.bridge.initiate import Initiate
from proxy.bridge.login import Login
from proxy.bridge.logout import Logout
from proxy.bridge.notices import BackChannelNotices
from proxy.bridge.offboarding import Offboarding
from proxy.bridge.profile import Profiles
from proxy.bridge.recheck import Recheck
from proxy.bridge.session_frame import PATH as WATCH
from proxy.bridge.session_frame import SessionFrame
from proxy.bridge.upstream_tokens import UpstreamTokens
from proxy.doorway import Doorway
from proxy.downstream.authorization_code import AuthorizationCode
from proxy.downstream.authorize_endpoint import Authorize
from proxy.downstream.backchannel_logout import BackChannelLogout
from proxy.downstream.client_auth import ClientAuthenticator
from proxy.downstream.client_credentials import ClientCredentials
from proxy.downstream.client_metadata import House
from proxy.downstream.consent import Consent
from proxy.downstream.consents import Consents
from proxy.downstream.deliveries import Deliveries
from proxy.downstream.device import DeviceCode
from proxy.downstream.device_codes import DeviceCodes
from proxy.downstream.device_page import Activation
from proxy.downstream.front_channel import FrontChannel
from proxy.downstream.frontchannel_logout import FrontChannelLogout
from proxy.downstream.id_token import IdTokens
from proxy.downstream.initial_tokens import InitialTokens
from proxy.downstream.introspection import Introspection
from proxy.downstream.keys import KeyRing
from proxy.downstream.leaving import Leaving
from proxy.downstream.logout import RpInitiatedLogout
from proxy.downstream.metadata import Metadata, joined
from proxy.downstream.par import PushedRequests
from proxy.downstream.participants import Participants
from proxy.downstream.refresh_token import RefreshToken
from proxy.downstream.registered import Registry
from proxy.downstream.registration import Registration
from proxy.downstream.request_object import RequestObjects
from proxy.downstream.revocation import Revocation
from proxy.downstream.session_management import SessionManagement
from proxy.downstream.standing import Standing
from proxy.downstream.third_party_login import ThirdPartyLogin
from proxy.downstream.token import Issuer, Token
from proxy.downstream.token_exchange import TokenExchange
from proxy.downstream.userinfo import UserInfo
from proxy.downstream.v2_logout import V2Logout
from proxy.features import Doors, Feature, Redeem, Respond
from proxy.http.cookies import SameSite, cookie_name
from proxy.management.connections import ManagedConnections
from proxy.management.connections_api import ConnectionsApi
from proxy.models import Connection
from proxy.oidc.errors import Unavailable
from proxy.parts import Parts, way_out
from proxy.roster import Roster
from proxy.settings import Settings
from proxy.store import Store
from proxy.upstream.federation import Federation
from proxy.upstream.rounds import Rounds
from proxy.web import callers_operator
from proxy.web.background import repeating, running
from proxy.web.callers import Callers
from proxy.web.callers_operator import API
from proxy.web.gate import TELL
from proxy.web.pages import Pages
from proxy.web.porch import PORCH
from proxy.web.routes import add_assets, add_routes, base_path
from proxy.web.session import SessionStorage
from proxy.web.throttle import Throttle
from proxy.web.worker import CAN_SIGN
from proxy.wire import Wire

KEY_CHECK = 5.0
"""Seconds between two looks at the signing keys: how long a revoked key may still sign on another node."""
ROSTER_CHECK = 0.5
"""Seconds between two looks at the connections: how long a change may take to reach another node."""
ROUNDS_CHECK = 60.0
"""Seconds between two looks at whether the tenants are to be visited again, which is about once an hour."""
KEYS = web.AppKey("keys", KeyRing)
ROSTER = web.AppKey("roster", Roster)


def features(parts: Parts) -> tuple[Feature, ...]:
    """Everything the provider can do."""
    settings, store, issuer = parts.settings, parts.store, parts.issuer
    clients, connections = parts.clients, parts.roster
    doors = Doors(lambda: switched_on)
    tokens = Issuer(parts.access_tokens, IdTokens(issuer, parts.keys, parts.lifetimes.id_token), parts.subjects)
    code = AuthorizationCode(store, tokens, parts.lifetimes, connections)
    front = FrontChannel(code, tokens)
    refresh = RefreshToken(store, tokens, parts.lifetimes, connections)
    login = Login(issuer, store, parts.relying_party, parts.plugins, connections, clients)
    responses: dict[str, Respond] = {**code.responses(), **front.responses()}
    authorize = Authorize(parts.shore, responses, login.depart, parts.sessions.keep_alive, doors)
    logout = Logout(store, clients, doors, parts.deliveries.wake)
    recheck = Recheck(issuer, store, parts.sessions, parts.relying_party, connections, logout, f"{issuer}{WATCH}")
    arrival = Arrival(
        issuer,
        store,
        parts.sessions,
        parts.relying_party,
        Profiles(parts.plugins, parts.roster.id_of),
        connections,
        clients,
        authorize,
        settings.session.management,
        logout,
        recheck.arrive,
    )
    kept = UpstreamTokens(store, parts.relying_party, connections, logout.end)
    exchange = TokenExchange(store, parts.access_tokens, parts.lifetimes, connections, kept.find)
    redeemers = (code, refresh, ClientCredentials(store, tokens), *devices(parts, code), exchange)
    grants: dict[str, Redeem] = {kind: redeem for one in redeemers for kind, redeem in one.grants().items()}
    switched_on: tuple[Feature, ...] = (
        authorize,
        RequestObjects(issuer, parts.client_keys, parts.send),
        Token(issuer, grants, parts.proofs),
        *redeemers,
        front,
        UserInfo(issuer, parts.keys, Standing(connections, Consents(store))),
        Introspection(parts.access_tokens, clients, connections, Consents(store)),
        Revocation(parts.access_tokens),
        login,
        arrival,
        HostedRequests(store),
        ConnectionJwks(parts.connection_keys, connections),
        Consent(issuer, store, clients, Consents(store), authorize, parts.form_key),
        *activation(parts, authorize),
        PushedRequests(issuer, store, authorize, settings.tokens.pushed_request, parts.proofs),
        ThirdPartyLogin(issuer, clients),
        *registration(parts),
        *leaving(parts, logout),
        *from_the_tenant(parts, logout, recheck),
        *management(parts, logout),
    )
    return (*switched_on, Metadata(issuer, parts.keys, joined(switched_on)))


def leaving(parts: Parts, logout: Logout) -> tuple[Feature, ...]:
    """Every way out, and how clients hear of it."""
    settings, issuer = parts.settings, parts.issuer
    federated = FederatedLogout(issuer, parts.store, parts.relying_party, parts.roster)
    steps = Leaving(issuer, logout.end, federated.depart, parts.form_key)
    watched = (SessionManagement(issuer, cookie_name("state", issuer)),) if settings.session.management else ()
    return (
        RpInitiatedLogout(issuer, parts.clients, parts.keys, parts.subjects, steps),
        V2Logout(parts.clients, settings.tenant.allowed_logout_urls, steps),
        federated,
        Participants(),
        BackChannelLogout(),
        FrontChannelLogout(issuer),
        *watched,
    )


def from_the_tenant(parts: Parts, logout: Logout, recheck: Recheck) -> tuple[Feature, ...]:
    """What a tenant begins: logouts, a look at its session, logins."""
    store, tenants, connections = parts.store, parts.tenants, parts.roster
    bad = Throttle(burst=1000, seconds=0.1, told="too many notices from this address that mean nothing")
    often = Throttle(burst=100, seconds=1, told="too many logins begun from this address")

    def check(source: str, now: float) -> None:
        bad.check((source,), now)

    def failed(source: str, now: float) -> None:
        bad.failed((source,), now)

    return (
        BackChannelNotices(store, tenants, connections, logout, parts.settings.server.clock_leeway, check, failed),
        FrontChannelNotices(store, tenants, connections, logout, check, failed),
        SessionFrame(parts.issuer, store, tenants, connections, recheck.depart),
        Initiate(parts.issuer, parts.clients, connections, lambda source, now: often.spend((source,), now)),
    )


def devices(parts: Parts, code: AuthorizationCode) -> tuple[Feature, ...]:
    """The device flow for devices, unless it is switched off."""
    seconds = parts.settings.tokens.device_code
    often = Throttle(burst=100, seconds=1, told="too many device codes for this client and address")
    if not seconds:
        return ()
    return (DeviceCode(parts.issuer, DeviceCodes(parts.store), code, seconds, often.spend),)


def activation(parts: Parts, authorize: Authorize) -> tuple[Feature, ...]:
    """The device flow for people, unless it is switched off."""
    if not parts.settings.tokens.device_code:
        return ()
    guesses = Throttle(burst=10, seconds=6, told="too many wrong codes from this address; wait a minute")
    codes = DeviceCodes(parts.store)
    return (Activation(parts.issuer, codes, parts.clients, authorize, parts.form_key, guesses),)


def registration(parts: Parts) -> tuple[Feature, ...]:
    """Registration of clients, where the operator opened it."""
    settings, store = parts.settings, parts.store
    if settings.registration.mode == "off":
        return ()
    often = Throttle(burst=100, seconds=1, told="too many registrations from this address")
    return (
        Registration(
            House(parts.issuer, settings.keys.algorithms),
            settings.registration.mode == "open",
            parts.clients,
            Registry(store),
            InitialTokens(store),
            parts.send,
            lambda source, now: often.spend((source,), now),
        ),
    )


def management(parts: Parts, logout: Logout) -> tuple[Feature, ...]:
    """The Management API."""
    people, federation = Offboarding(parts.store, logout.end), Federation(parts.send, parts.store)

    async def concerned(before: Connection, after: Connection | None) -> None:
        if after is not None:
            await people.end_strangers(before, after, time.time())
        else:
            await people.delete_of_connection(before.name, time.time())
            await parts.connection_keys.forget(before)
            await federation.take_back(before.name)

    managed = ManagedConnections(parts.issuer, parts.roster, parts.clients, parts.doctor.see, concerned)
    return (ConnectionsApi(managed, parts.connection_keys, parts.rounds.status),)


async def build(settings: Settings, store: Store, secrets: Sequence[bytes]) -> web.Application:
    """The site for one tenant. ``secrets`` are what Isthmus encrypts with. Raises ``Misconfigured``."""
    wire = way_out(settings)
    parts = Parts(settings, store, secrets, wire)
    pages = Pages(parts.issuer, settings.tenant.name)
    authenticator = ClientAuthenticator(parts.issuer, parts.clients, parts.client_keys, store)
    callers = Callers(parts.issuer, pages, authenticator, parts.access_tokens, parts.proofs)
    same_site: SameSite = "None" if settings.session.same_site == "none" else "Lax"
    cookies = SessionStorage(parts.sessions, parts.issuer, same_site)
    site = web.Application(middlewares=[aiohttp_session.session_middleware(cookies)])
    site[KEYS] = parts.keys
    site[TELL] = callers.lost
    site[ROSTER] = parts.roster
    site[CAN_SIGN] = lambda: parts.keys.loaded
    add_routes(site, features(parts), callers, base_path(parts.issuer))
    site.router.add_route("*", f"{base_path(parts.issuer)}{API}{{rest:.*}}", callers_operator.unknown)
    add_assets(site, pages, base_path(parts.issuer))
    if settings.gateway.routes:
        doorway = Doorway(parts, pages)
        site[PORCH] = doorway.proxy
        site.cleanup_ctx.append(lambda _: guarding(doorway))
    site.cleanup_ctx.append(lambda _: opened(wire))
    site.cleanup_ctx.append(lambda _: watching(parts))
    site.cleanup_ctx.append(lambda _: following(parts.roster))
    site.cleanup_ctx.append(lambda _: visiting(parts.rounds))
    site.cleanup_ctx.append(lambda _: delivering(parts.deliveries))
    site.cleanup_ctx.append(lambda _: plugged(parts.plugins))
    return site


async def opened(wire: Wire) -> AsyncIterator[None]:
    """The way out, open as long as the site is."""
    async with wire:
        yield


async def guarding(doorway: Doorway) -> AsyncIterator[None]:
    """The gateway, as long as the site is up."""
    async with doorway.open():
        yield


async def plugged(loaded: plugins.Plugins) -> AsyncIterator[None]:
    """The plugins, and their threads, as long as the site is up."""
    yield
    loaded.close()


async def watching(parts: Parts) -> AsyncIterator[None]:
    """Keys and salt, had before the first request if the store answers, and kept fresh as long as the site is up."""
    with contextlib.suppress(Unavailable):
        await look(parts)
    async with repeating(lambda: look(parts), KEY_CHECK, "signing keys could not be read"):
        yield


async def following(roster: Roster) -> AsyncIterator[None]:
    """The connections, known before the first request if the store answers, and every change of them soon after."""
    with contextlib.suppress(Unavailable):
        await roster.refresh()
    async with repeating(roster.refresh, ROSTER_CHECK, "connections could not be read"):
        yield


async def visiting(rounds: Rounds) -> AsyncIterator[None]:
    """A look every minute at whether the tenants are to be visited again."""
    async with repeating(rounds.turn, ROUNDS_CHECK, "tenants could not be visited"):
        yield


async def delivering(deliveries: Deliveries) -> AsyncIterator[None]:
    """Calls to clients, made as long as the site is up."""
    async with running(deliveries.run()):
        yield


async def look(parts: Parts) -> None:
    """One look at what the store holds for all nodes. Raises ``Unavailable``."""
    await parts.keys.keep(time.time())
    await parts.subjects.load()

"""What features need, made once from settings, store and secrets."""

from __future__ import annotations

import time
from collections.abc import Sequence

from proxy import plugins
from proxy.bridge.session import Sessions
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.authorize_endpoint import Shore
from proxy.downstream.backchannel_logout import LogoutCalls
from proxy.downstream.client_keys import ClientKeys
from proxy.downstream.clients import Clients
from proxy.downstream.deliveries import Deliveries
from proxy.downstream.dpop import Proofs
from proxy.downstream.grant import Lifetimes
from proxy.downstream.keys import KeyRing
from proxy.downstream.subjects import Subjects
from proxy.gateway.client import own_client
from proxy.roster import Roster
from proxy.settings import Settings
from proxy.store import Store
from proxy.store.sealing import Seal
from proxy.upstream.connection_keys import ConnectionKeys
from proxy.upstream.connections import Connections
from proxy.upstream.relying_party import RelyingParty
from proxy.upstream.rounds import Rounds
from proxy.upstream.status import Statuses
from proxy.upstream.visit import Doctor
from proxy.wire import Wire


class Parts:
    """What features need, made once from settings, store and secrets."""

    def __init__(self, settings: Settings, store: Store, secrets: Sequence[bytes], wire: Wire) -> None:
        self.settings, self.store = settings, store
        self.issuer = settings.tenant.issuer
        self.plugins = plugins.load(settings.plugins)
        self.roster = Roster(settings.connections, store)
        self.lifetimes = lifetimes(settings)
        self.keys = KeyRing(
            store, self.lifetimes.signed, algorithms=settings.keys.algorithms, rotation=settings.keys.rotation
        )
        own = own_client(settings)
        self.clients = Clients({**settings.clients, **own} if own else settings.clients, store)
        self.subjects = Subjects(store)
        self.access_tokens = AccessTokens(self.issuer, store, self.keys, self.lifetimes)
        self.sessions = Sessions(store, self.roster, idle=settings.session.idle, absolute=settings.session.absolute)
        self.send = wire.send
        self.client_keys = ClientKeys(wire.send, time.time)
        self.tenants = tenants = Connections(self.roster, wire.send, time.time)
        self.doctor = Doctor(tenants, self.roster, time.time)
        self.rounds = Rounds(self.roster, self.doctor, Statuses(store), store)
        self.connection_keys = ConnectionKeys(store)
        leeway = settings.server.clock_leeway
        self.relying_party = RelyingParty(tenants, self.connection_keys, store, issuer=self.issuer, leeway=leeway)
        calls = LogoutCalls(self.issuer, self.clients, self.keys, self.subjects, wire.send)
        self.deliveries = Deliveries(store, calls.carry, time.time)
        self.form_key = Seal(secrets).derive("form")
        self.proofs = Proofs(self.issuer, store, Seal(secrets).derive("dpop"), settings.tokens.dpop_nonce)
        self.shore = Shore(
            self.issuer,
            self.clients,
            self.roster,
            store,
            self.keys,
            self.subjects,
            settings.tenant.acr_values,
            settings.tenant.require_pushed_authorization_requests,
        )


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

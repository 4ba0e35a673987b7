"""What people allowed third-party clients: remembered for each person and client, listed and revocable (RFC 6819
5.1.5.4, ASVS 10.7).

A consent covers single things: a standard scope, an API, a scope of an API, a claim asked for by name. What a person
allows later is added. A revoked consent is gone, and with it the refresh tokens that were given out under it: they ask
for it at each use, and a new consent is younger than they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.downstream.grant import Grant
from proxy.downstream.id_token import SCOPE_CLAIMS
from proxy.models import Client
from proxy.models.client import STANDARD_SCOPES
from proxy.oidc.errors import Unavailable
from proxy.store import Add, Get, Key, Record, Store, Swap, Touch, key

KEPT = 400 * 86_400
"""Seconds that a consent is remembered after it was last of use: longer than any refresh token."""
TRIES = 5
"""How often a change is tried that others change at the same moment."""


class Wanted(Protocol):
    """What a request asks for, or a grant holds."""

    @property
    def scopes(self) -> tuple[str, ...]: ...
    @property
    def audiences(self) -> tuple[str, ...]: ...
    @property
    def claims(self) -> Mapping[str, tuple[str, ...]]: ...


def things(wanted: Wanted, client: Client) -> tuple[str, ...]:
    """The single things that a consent must cover, as they are stored."""
    found = [f"scope {scope}" for scope in wanted.scopes if scope in STANDARD_SCOPES]
    for audience in wanted.audiences:
        api = client.api(audience)
        scopes = api.scopes if api else ()
        found += [f"api {audience}", *(f"api {audience} {scope}" for scope in wanted.scopes if scope in scopes)]
    released = {name for scope in wanted.scopes for name in SCOPE_CLAIMS.get(scope, ())}
    names = dict.fromkeys(name for asked in wanted.claims.values() for name in asked)
    return (*found, *(f"claim {name}" for name in names if name not in released))


@dataclass(frozen=True)
class Consent:
    """What a person allows a client, and since when."""

    client_id: str
    things: tuple[str, ...]
    since: int

    @classmethod
    def from_record(cls, record: Record | None) -> Consent | None:
        """Back from its record; None for one of a shape that we do not know."""
        try:
            return cls(**{**record.value, "things": tuple(record.value["things"])}) if record else None
        except (KeyError, TypeError):
            return None

    def covers(self, wanted: Collection[str]) -> bool:
        """Whether all of it was allowed."""
        return set(wanted) <= set(self.things)


def consent_key(user_id: str, client_id: str) -> Key:
    """Where a consent lies."""
    return key("consent", client_id, group=user_id)


def consents_of(user_id: str) -> Key:
    """The index of a person's consents."""
    return key("consents", "all", group=user_id)


class Consents:
    """Reads and writes consents. Everything here raises ``Unavailable``: "could not look" is neither yes nor no."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, user_id: str, client_id: str) -> Consent | None:
        """What the person allows the client; being of use, it lives on."""
        where = consent_key(user_id, client_id)
        record, _ = await self._store.run(Get(where), Touch(where, KEPT, (consents_of(user_id),)))
        return Consent.from_record(record)

    async def covers(self, user_id: str, client_id: str, wanted: Collection[str]) -> bool:
        """Whether the person allows the client all that is ``wanted``."""
        found = await self.find(user_id, client_id)
        return found is not None and found.covers(wanted)

    async def still_covers(self, grant: Grant, client: Client) -> bool:
        """Whether the consent that a grant was given under stands. First-party clients need none."""
        if client.is_first_party or not grant.user_id:
            return True
        found = await self.find(grant.user_id, client.client_id)
        return found is not None and found.since <= grant.created_at and found.covers(things(grant, client))

    async def allow(self, user_id: str, client_id: str, shown: Sequence[str], now: float) -> None:
        """Add what the person allowed to what they allow the client already. What is taken back meanwhile stays so."""
        where, index = consent_key(user_id, client_id), (consents_of(user_id),)
        for _ in range(TRIES):
            record = await self._store.get(where)
            known = Consent.from_record(record)
            before, since = (known.things, known.since) if known else ((), int(now))
            value = vars(Consent(client_id, tuple(dict.fromkeys((*before, *shown))), since))
            write = Swap(where, value, KEPT, record.revision, index) if record else Add(where, value, KEPT, index)
            (answer,) = await self._store.run(write)
            if answer is (True if record else None):
                return
        raise Unavailable("the consent is being changed by somebody else")

    async def given_by(self, user_id: str) -> tuple[Consent, ...]:
        """All that a person allows, oldest first."""
        keys = await self._store.list(consents_of(user_id))
        records = await self._store.run(*map(Get, keys)) if keys else ()
        return tuple(consent for record in records if (consent := Consent.from_record(record)))

    async def revoke(self, user_id: str, client_id: str) -> bool:
        """Take a consent back. Answers whether there was one. Its refresh tokens are refused from now on."""
        return bool(await self._store.drop(consent_key(user_id, client_id)))

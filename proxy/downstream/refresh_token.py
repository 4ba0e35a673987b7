"""The refresh token grant: every use gives a new token, a second use ends the family (RFC 6749 6, RFC 9700 4.14.2).

Of many requests with the same token at the same moment one wins. For ``reuse_window`` seconds the token just replaced
is refused without ending the family (an answer may have been lost, a page may ask twice); after that, and for any older
token, the family ends. There are never two good tokens in one family. A text that never was a token of the family does
it no harm.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream import grant as grants
from proxy.downstream.authorize import granted_scopes
from proxy.downstream.consents import Consents
from proxy.downstream.grant import Grant, Lifetimes, Refresh, blocked_key, grant_key, user_blocked
from proxy.downstream.resource import for_resources
from proxy.downstream.token import Issuer
from proxy.features import Feature, Redeem, Request
from proxy.models import Client, Connection
from proxy.models.connection import serves
from proxy.oidc.errors import Refused
from proxy.oidc.params import words
from proxy.store import Drop, Get, Put, Record, Store, Swap


@dataclass(frozen=True)
class RefreshToken(Feature):
    """``grant_type=refresh_token``."""

    store: Store
    issuer: Issuer
    lifetimes: Lifetimes
    connections: Mapping[str, Connection]

    def grants(self) -> Mapping[str, Redeem]:
        return {"refresh_token": self.redeem}

    async def redeem(self, request: Request, client: Client) -> Mapping[str, Any]:
        """New tokens for a refresh token. Raises ``Refused`` (invalid_grant, invalid_scope, invalid_target),
        ``Unavailable``."""
        token = request.params.get("refresh_token", "")
        if not token:
            raise Refused("invalid_request", "refresh_token is missing")
        shown = Refresh.parse(token)
        record = await self.store.get(grant_key(shown.grant_id)) if shown else None
        grant = Grant.from_value(record.value) if record else None
        if shown is None or record is None or grant is None or not shown.is_of(grant):
            raise invalid_refresh("unknown_refresh_token")
        if grant.client_id != client.client_id:  # RFC 6749 6: another's token, and no harm to its owner
            raise invalid_refresh("refresh_token_of_another_client")
        if grant.jkt not in ("", request.jkt):  # RFC 9449 5: stolen, and no harm to its owner
            raise invalid_refresh("dpop_key_mismatch")
        await self._check_head(grant, shown, request.now)
        self._check_still_allowed(grant, client, request.now)
        if not await Consents(self.store).still_covers(grant, client):
            raise invalid_refresh("consent_revoked")
        return await self._rotate(grant, record, client, request)

    async def _check_head(self, grant: Grant, shown: Refresh, now: float) -> None:
        if hmac.compare_digest(shown.hash, grant.head):
            return
        just_replaced = hmac.compare_digest(shown.hash, grant.previous)
        if just_replaced and now - grant.rotated_at <= self.lifetimes.reuse_window:
            raise invalid_refresh("refresh_token_just_replaced")
        await self.store.run(grants.revoke(grant.id))
        raise invalid_refresh("refresh_token_reuse")

    def _check_still_allowed(self, grant: Grant, client: Client, now: float) -> None:
        """The whole policy again, as at the login: lifetimes, and this client's connection and APIs."""
        if now >= grants.refresh_ends(grant, self.lifetimes):
            raise invalid_refresh("refresh_token_too_old")
        if not serves(self.connections.get(grant.connection), client):
            raise invalid_refresh("connection_disabled")
        if any(client.api(audience) is None for audience in grant.audiences):
            raise invalid_refresh("api_taken_away")

    async def _rotate(self, grant: Grant, record: Record, client: Client, request: Request) -> Mapping[str, Any]:
        fresh, token = grants.rotate(grant, request.now)
        held = for_resources(fresh, client, request.params)
        scopes = granted_scopes(narrowed(grant.scopes, request.params.get("scope")), client, held.audiences)
        answer, writes = self.issuer.issue(held, client, request.now, scopes=scopes, refresh=token, jkt=request.jkt)
        life = grants.lifetime(fresh, self.lifetimes, request.now)
        swap = Swap(grant_key(grant.id), fresh.as_value(), life, record.revision, grants.listed_under(grant))
        won, *_, blocked = await self.store.run(swap, *writes, Get(blocked_key(grant.user_id)))
        if won and blocked is None:
            return answer
        undo = (Drop(w.key) for w in writes if isinstance(w, Put))
        await self.store.run(*undo, *((grants.revoke(grant.id),) if blocked else ()))
        raise user_blocked() if blocked else invalid_refresh("refresh_race")


def narrowed(granted: tuple[str, ...], asked: str | None) -> tuple[str, ...]:
    """The scopes asked for, which must have been granted (RFC 6749 6). None asked: all. Raises ``Refused``."""
    if asked is None:
        return granted
    wanted = words(asked)
    if not wanted or not set(wanted) <= set(granted):
        raise Refused("invalid_scope", "the refresh token does not cover a scope that was asked for")
    return wanted


def invalid_refresh(reason: str) -> Refused:
    """One text for every reason; the reason itself goes to the log alone. auth0-spa-js knows by its first words that a
    frame may help."""
    return Refused("invalid_grant", "invalid refresh token: unknown, expired, used or revoked", reason=reason)

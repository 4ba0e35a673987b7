"""Who a person is to a client: ``sub`` (OpenID Connect Core 8).

Public: the ``user_id``. Pairwise: another name in every sector, so that two applications cannot compare notes; made of
the ``user_id`` and a salt that the tenant keeps for ever, whatever becomes of its secrets: every start seals it anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any
from urllib.parse import urlsplit

from proxy.models import Client, Session
from proxy.oidc.errors import Unavailable
from proxy.store import Key, Store, key

FOREVER = 10 * 365 * 86_400
SALT: Key = key("pairwise_salt", "salt")


def profile_for(client: Client, session: Session) -> dict[str, Any]:
    """What a client may be told of a person. A person without any name bears the tenant's ``sub`` for one, which would
    tell pairwise clients who they are to all others (8.1)."""
    told = dict(session.profile)
    if client.subject_type == "pairwise" and told.get("name") == session.subject:
        del told["name"]
    return told


def sector(client: Client) -> str:
    """The sector a client belongs to: the host of its sector identifier, else of its redirect URIs (8.1)."""
    return urlsplit(client.sector_identifier_uri or (*client.redirect_uris, "")[0]).hostname or client.client_id


class Subjects:
    """Names people to clients."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._salt = b""

    async def load(self) -> None:
        """Read the salt, or make it. Raises ``Unavailable``."""
        if not self._salt:
            made = {"salt": secrets.token_hex(32)}
            there = await self._store.add(SALT, made, FOREVER)
            if there is not None:  # by the first of our secrets, before the one that sealed it last is taken away
                await self._store.swap(SALT, there.value, FOREVER, there.revision)
            self._salt = bytes.fromhex((there.value if there else made)["salt"])

    def of(self, client: Client, user_id: str) -> str:
        """The ``sub`` of ``user_id`` for ``client``. Raises ``Unavailable`` for a pairwise one without the salt."""
        if client.subject_type == "public":
            return user_id
        if not self._salt:
            raise Unavailable("no salt for pairwise subjects yet")
        mac = hmac.new(self._salt, f"{sector(client)}\n{user_id}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        return base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode("ascii")

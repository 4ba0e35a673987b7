"""Transactions: one trip from an app to a tenant and back, tied to the browser that began it.

A browser with a trip under way has a small cookie, a random secret. Its trips lie in the store under that secret and
their own id, so a ``state`` in another browser finds nothing (RFC 9700 4.7). Each is taken once. At most
``MOST_OPEN`` are kept for a browser, the oldest make room. Beside them lies what the browser's last login led to, since
a cross-site POST does not bring the session cookie.

Tabs that open in one moment, before any has its answer, each get a secret: so that none overwrites another's, the
cookie's name ends in the secret's first characters, its *slot*, and a trip's id begins with the slot of its browser.
All later trips go by the first of these cookies.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from proxy.downstream.authorize import AuthorizeRequest
from proxy.models import Session, Transaction, Wishes
from proxy.store import Key, Op, Put, key

LIFETIME = 600
"""Seconds a person has to log in at the tenant."""
MOST_OPEN = 100
SLOT = 4
"""Characters of a secret that tell cookies apart; the other 39 keep it one (234 bits)."""


def new_id(browser: str) -> str:
    """A transaction's id, which is also its ``state``: its browser's slot and 256 random bits."""
    return slot(browser) + secrets.token_urlsafe(32)


def new_browser() -> str:
    """The secret of a browser's transaction cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def slot(secret: str) -> str:
    """The part of a browser's secret, or of a transaction's id, that may be seen: it tells cookies apart."""
    return secret[:SLOT]


def is_browser(secret: str, name: str) -> bool:
    """Whether a cookie's value is a browser's secret, and belongs to the slot ``name``."""
    return len(secret) == 43 and slot(secret) == name


def browser_of(id: str, browsers: tuple[str, ...]) -> str:
    """The one of a browser's secrets that the transaction ``id`` belongs to, or empty."""
    return next((browser for browser in browsers if slot(browser) == slot(id)), "")


def transaction_key(browser: str, id: str) -> Key:
    """Where a transaction lies: found only with the browser's secret."""
    return key("transaction", id, group=browser)


def transactions_of(browser: str) -> Key:
    """The index of a browser's open transactions."""
    return key("transactions", "open", group=browser)


def last_login(browser: str) -> Key:
    """Where the last login of a browser is noted."""
    return key("last_login", "last", group=browser)


def save(browser: str, transaction: Transaction) -> Op:
    """What writes a transaction."""
    index = (transactions_of(browser),)
    return Put(transaction_key(browser, transaction.id), _value(transaction), LIFETIME, index, MOST_OPEN)


def _value(transaction: Transaction) -> Mapping[str, Any]:
    return {**vars(transaction), "wishes": vars(transaction.wishes)}


def note_login(browser: str, session: Session) -> Op:
    """What notes a login of the browser, for trips that come back after it."""
    return Put(last_login(browser), outline(session), LIFETIME)


def outline(session: Session | None) -> Mapping[str, Any]:
    """Of a session what a later login needs to know."""
    if session is None:
        return {}
    kept = ("sid", "user_id", "auth_time", "browser_state")
    return {name: getattr(session, name) for name in kept}


def from_value(value: Mapping[str, Any]) -> Transaction:
    """A transaction back from its record."""
    wishes = value["wishes"]
    listed = {**wishes, **{name: tuple(wishes[name]) for name in ("scopes", "prompt", "acr_values")}}
    return Transaction(**{**value, "wishes": Wishes(**listed)})


def start_again(issuer: str, transaction: Transaction) -> str:
    """The address of ours that begins the same login anew, or empty: what had to be signed the client alone can ask
    again."""
    asked = AuthorizeRequest.from_value(transaction.request)
    return "" if asked.sealed else asked.address(issuer)

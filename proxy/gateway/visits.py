"""A visit: where a person wanted to go when the gateway sent them to a login, and what they were sending.

It lies in the store under a secret of the browser, which a cookie of the app's host holds, and is taken once: nobody
else's browser, and no other host, can finish it (RFC 9700 4.7). Its id is the ``state`` of the authorization request;
where it leads is never read from an address (GW-25). Tabs that open in one moment each get a secret (see
``bridge.transaction``, whose slots these are); all later ones go by the first.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.bridge.transaction import browser_of, is_browser, new_browser, new_id, slot
from proxy.http.client_address import parse
from proxy.http.cookies import cookie_name, family, line
from proxy.store import Count, Get, Key, Put, Store, Take, Taken, key

LIFETIME = 600
"""Seconds for the way to the login and back."""
MOST_OPEN = 100
"""Visits of one browser on one host; the oldest make room."""
MOST_KEPT = 4 * 1024 * 1024
"""Bytes of forms that are kept for one address, in the time of a visit: whoever is not logged in may fill no store."""


@dataclass(frozen=True)
class Visit:
    """One visit. ``target`` is canonical; ``verifier`` is PKCE's; ``in_page``: the browser runs our scripts on the way;
    ``form`` the body that was sent there, of a form; ``acr`` how the person must log in."""

    host: str
    target: str
    verifier: str
    in_page: bool = False
    form: bytes | None = None
    acr: tuple[str, ...] = ()
    id: str = ""

    def as_value(self) -> Mapping[str, Any]:
        """As plain values, for the stored record."""
        form = None if self.form is None else base64.b64encode(self.form).decode("ascii")
        return {**vars(self), "form": form}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Visit | None:
        """Back from its record; None for one of a shape that we do not know."""
        try:
            form = None if value["form"] is None else base64.b64decode(value["form"])
            return cls(**{**value, "form": form, "acr": tuple(value["acr"])})
        except (KeyError, TypeError, ValueError):
            return None


def visit_key(browser: str, id: str) -> Key:
    """Where a visit lies."""
    return key("visit", id, group=browser)


def visits_of(browser: str) -> Key:
    """The index of a browser's open visits."""
    return key("visits", "open", group=browser)


class Visits:
    """Begins and ends visits of the issuer's people."""

    def __init__(self, issuer: str, store: Store) -> None:
        self._store = store
        self._prefix = f"{cookie_name('visit', issuer)}-"

    def browsers(self, cookies: Iterable[bytes]) -> tuple[str, ...]:
        """The browser's secrets, sorted; none without a visit under way."""
        found = family(cookies, self._prefix)
        return tuple(sorted(secret for name, secret in found.items() if is_browser(secret, name)))

    async def begin(self, visit: Visit, cookies: Iterable[bytes]) -> tuple[str, str]:
        """Keep a visit; answers its id and the Set-Cookie line that binds it to the browser. Raises ``Unavailable``."""
        known = self.browsers(cookies)
        browser = known[0] if known else new_browser()
        id = new_id(browser)
        value = {**visit.as_value(), "id": id}
        await self._store.run(Put(visit_key(browser, id), value, LIFETIME, (visits_of(browser),), MOST_OPEN))
        cookie = line(self._prefix + slot(browser), browser, max_age=LIFETIME, same_site="Lax")
        return id, cookie

    async def has_room(self, address: str, size: int) -> bool:
        """Whether a form of ``size`` bytes may be kept for a client. Raises ``Unavailable``."""
        (sum,) = await self._store.run(Count(key("kept_forms", network_of(address)), LIFETIME, size))
        return bool(sum <= MOST_KEPT)

    async def look(self, id: str, host: str, cookies: Iterable[bytes]) -> Visit | None:
        """A visit of this browser on this host, which goes on; None without one. Raises ``Unavailable``."""
        browser = browser_of(id, self.browsers(cookies))
        (record,) = await self._store.run(Get(visit_key(browser, id))) if browser else (None,)
        return _of_host(record.value, host) if record else None

    async def end(self, id: str, host: str, cookies: Iterable[bytes]) -> Visit | None:
        """The same, once. Raises ``Unavailable``."""
        browser = browser_of(id, self.browsers(cookies))
        (taken,) = await self._store.run(Take(visit_key(browser, id), keep=LIFETIME)) if browser else (None,)
        return _of_host(taken.value, host) if isinstance(taken, Taken) else None


def network_of(address: str) -> str:
    """Whose address it is: of IPv6 a whole /64 is one host's (RFC 4291 2.5.4)."""
    found = parse(address)
    if not isinstance(found, ipaddress.IPv6Address):
        return address
    return str(ipaddress.IPv6Network((found, 64), strict=False))


def _of_host(value: Mapping[str, Any], host: str) -> Visit | None:
    visit = Visit.from_value(value)
    return visit if visit is not None and visit.host == host else None

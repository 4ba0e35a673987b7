"""The headers of an app's answer, on their way to the browser: an app does not speak for the gateway (GW-22).

What is for one connection is taken out (RFC 9110 7.6.1; the message is framed anew), and so is what apps are told, what
servers tell each other, and every cookie a browser or an app could take for one of ours. A cookie may not reach the
login host or another app's host: its Domain is taken away where it covers one, and it stays on the app's own host.
Clear-Site-Data clears no cookies: that would log the person out everywhere below the same registrable domain. What
lies behind a login and says nothing of caches is private to the person (GW-27). All else, Location too, is passed on as
it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from proxy.gateway.names import Names
from proxy.gateway.request import Header
from proxy.gateway.sorting import LONGEST_NAME, MOST_NAMES, NEVER_NAMED, USUAL, is_ours

PRIVATE: tuple[Header, ...] = ((b"Cache-Control", b"private"), (b"Vary", b"Cookie, Authorization"))
"""Added where the app leaves open who may keep its answer (RFC 9111 5.2.2.7)."""
STAYS = NEVER_NAMED | {b"set-cookie", b"cache-control", b"expires", b"vary", b"location", b"content-security-policy"}
"""What an app's Connection header cannot take out of its answer."""
CLEARED_BY_ALL = (b'"cache"', b'"storage"')
"""What is left of ``Clear-Site-Data: "*"``."""
Change = Callable[[bytes, str], bytes | None]
"""Makes another value of a header's, for an answer of the app on a host; None takes it out."""
Action = bytes | Change | None
"""None: it goes on. Bytes: its name in lower case, for one that is looked at; empty for one that is taken out."""
DROP: Action = b""
UNKNOWN: Action = b"?"
COMMON = (
    "Date Server Content-Type Content-Length Content-Encoding Transfer-Encoding Connection Keep-Alive Cache-Control "
    "Expires Last-Modified ETag Vary Set-Cookie Location Accept-Ranges Content-Range Content-Disposition "
    "X-Content-Type-Options X-Frame-Options Referrer-Policy Content-Security-Policy Strict-Transport-Security "
    "Access-Control-Allow-Origin X-Powered-By"
)
"""Names that apps send, known from the start."""


class Answers:
    """Filters the headers of answers. ``names`` says what is internal, ``hosts`` are the login host's name and those of
    all routes."""

    def __init__(self, names: Names, hosts: Iterable[str]) -> None:
        self._names = names
        self._hosts = frozenset(map(name_of, hosts))
        self._actions: dict[bytes, Action] = {}
        for name in COMMON.split():
            for spelled in (name, name.lower()):
                self._learn(spelled.encode("ascii"))

    def filter(self, headers: Iterable[Header], host: str, *, private: bool) -> list[Header]:
        """What goes on of ``headers``, in their order, from an app on ``host``. ``private``: a login was needed."""
        known, left = self._actions.get, list[Header]()
        open_to_caches, connection = private, b""
        for header in headers:
            action = known(header[0], UNKNOWN)
            if action is UNKNOWN:
                action = self._learn(header[0])
            if action is None:
                left.append(header)
            elif isinstance(action, bytes):
                if action == b"connection":
                    connection = connection + b"," + header[1] if connection else header[1]
                elif action:
                    open_to_caches = False
                    left.append(header)
            elif (value := action(header[1], host)) is not None:
                left.append((header[0], value))
        if connection not in USUAL:
            left = _not_named(left, connection)
        return [*left, *PRIVATE] if open_to_caches else left

    def trailers(self, headers: Iterable[Header]) -> list[Header]:
        """What goes on of an answer's trailers: what means something only in a head is taken out (RFC 9110 6.5.1)."""
        return [header for header in headers if self._action(header[0]) is None and header[0].lower() not in STAYS]

    def _learn(self, name: bytes) -> Action:
        action = self._action(name)
        if len(name) <= LONGEST_NAME and len(self._actions) < MOST_NAMES:
            self._actions[name] = action
        return action

    def _action(self, name: bytes) -> Action:
        plain = name.lower()
        if plain in (b"connection", b"cache-control", b"expires"):
            return plain
        if plain == b"set-cookie":
            return self._cookie
        if plain == b"clear-site-data":
            return _clearing
        return DROP if self._names.are_internal(name) else None

    def _cookie(self, value: bytes, host: str) -> bytes | None:
        """The cookie without a Domain that reaches too far; None for one that might be ours."""
        pair, *attributes = value.split(b";")
        if is_ours(pair):
            return None
        if not any(self._reaches_too_far(attribute, host) for attribute in attributes):
            return value
        return b";".join((pair, *(each for each in attributes if _domain(each) is None)))

    def _reaches_too_far(self, attribute: bytes, host: str) -> bool:
        domain = _domain(attribute)
        if not domain:
            return False
        if not domain.isascii():  # a browser may make an ASCII name of it, by rules that are not ours
            return True
        covered = domain.decode("ascii")
        own = name_of(host)
        return any(name != own and (name == covered or name.endswith(f".{covered}")) for name in self._hosts)


def name_of(host: str) -> str:
    """The host without its port: cookies know none."""
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _domain(attribute: bytes) -> bytes | None:
    """The value of a Domain attribute as browsers read it (RFC 6265 5.2.3); None for another attribute."""
    name, _, value = attribute.partition(b"=")
    if name.strip(b" \t").lower() != b"domain":
        return None
    return value.strip(b" \t").lower().removeprefix(b".").rstrip(b".")


def _clearing(value: bytes, host: str) -> bytes | None:
    """Clear-Site-Data without cookies (W3C Clear Site Data 3.1); None if nothing is left."""
    left: list[bytes] = []
    for each in value.split(b","):
        kind = each.strip(b" \t")
        if kind.strip(b'"') == b"*":
            left += CLEARED_BY_ALL
        elif kind and b"cookies" not in kind.lower():
            left.append(kind)
    return b", ".join(dict.fromkeys(left)) or None


def _not_named(headers: list[Header], connection: bytes) -> list[Header]:
    named = {token.strip(b" \t").lower() for token in connection.split(b",")} - STAYS
    return [header for header in headers if header[0].lower() not in named]

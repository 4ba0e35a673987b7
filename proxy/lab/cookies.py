"""A cookie jar as strict as a browser's (RFC 6265bis): prefixes, ``Secure``, ``SameSite``, schemeful sites.

Loopback counts as a secure place, as in Chromium and Firefox. A cookie without ``SameSite`` is ``Lax``, without the two
minutes of grace that Chromium gives it on a cross-site POST. What was refused is kept, with the reason.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from proxy.oidc.urls import is_loopback

MOST_BYTES = 4096  # name and value together; a longer cookie is ignored (section 5.6)
MOST_PER_HOST = 180
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_secure(url: str) -> bool:
    """Whether a browser treats ``url`` as a potentially trustworthy place (Secure Contexts 3.1)."""
    return urlsplit(url).scheme == "https" or is_loopback(url)


def site(url: str) -> str:
    """The schemeful site of ``url``: scheme and registrable domain, without the port (RFC 6265bis 5.2).

    The registrable domain is taken as the last two labels: enough for names made up for tests.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        host = ".".join(host.split(".")[-2:])
    return f"{parts.scheme}://{host}"


def origin(url: str) -> str:
    """Scheme, host and port of ``url``, with the port left out where it is the scheme's own (RFC 6454 6.2)."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


@dataclass(frozen=True)
class Cookie:
    """One cookie. ``expires`` None: until the browser closes. ``host_only``: no Domain attribute was given."""

    name: str
    value: str
    domain: str
    path: str
    host_only: bool
    secure: bool
    http_only: bool
    same_site: str
    expires: float | None

    def belongs_to(self, url: str, now: float) -> bool:
        """Whether it goes along to ``url``, ``SameSite`` aside (section 5.8.3)."""
        parts = urlsplit(url)
        if self.expires is not None and self.expires <= now or self.secure and not is_secure(url):
            return False
        host = parts.hostname or ""
        at_home = host == self.domain if self.host_only else domain_matches(host, self.domain)
        return at_home and path_matches(parts.path or "/", self.path)


def domain_matches(host: str, domain: str) -> bool:
    """Section 5.1.3."""
    return host == domain or host.endswith("." + domain)


def path_matches(path: str, cookie_path: str) -> bool:
    """Section 5.1.4."""
    return path == cookie_path or path.startswith(cookie_path if cookie_path.endswith("/") else cookie_path + "/")


@dataclass
class Jar:
    """All cookies of one browser, and the Set-Cookie headers it refused, with the reason."""

    cookies: dict[tuple[str, str, str], Cookie] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def header(self, url: str, now: float, *, cross_site: bool, safe: bool) -> str:
        """The Cookie header for a top-level navigation: ``cross_site`` if another site began it, ``safe`` for GET."""
        sent = [c for c in self.cookies.values() if c.belongs_to(url, now) and _allowed(c, cross_site, safe)]
        sent.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in sent)

    def store(self, url: str, header: str, now: float) -> None:
        """Take one Set-Cookie header that came with the answer to a top-level navigation to ``url``."""
        cookie, attributes = _parse(url, header, now)
        reason = _why_not(cookie, attributes, urlsplit(url), is_secure(url)) or self._overlay(cookie, url)
        if reason:
            self.refused.append((header, reason))
            return
        place = (cookie.domain, cookie.path, cookie.name)
        self.cookies.pop(place, None)
        if cookie.expires is None or cookie.expires > now:
            self.cookies[place] = cookie
            self._evict(cookie.domain)

    def find(self, name: str) -> Cookie | None:
        """The cookie of that name, whatever its host."""
        return next((cookie for cookie in self.cookies.values() if cookie.name == name), None)

    def _overlay(self, cookie: Cookie, url: str) -> str:
        known = self.find(cookie.name)
        if known and known.secure and not is_secure(url) and known.domain == cookie.domain:
            return "would overlay a Secure cookie"
        return ""

    def _evict(self, domain: str) -> None:
        here = [place for place, cookie in self.cookies.items() if cookie.domain == domain]
        for place in here[:-MOST_PER_HOST]:
            del self.cookies[place]


def _allowed(cookie: Cookie, cross_site: bool, safe: bool) -> bool:
    if not cross_site or cookie.same_site == "none":
        return True
    return cookie.same_site == "lax" and safe


def _parse(url: str, header: str, now: float) -> tuple[Cookie, dict[str, str]]:
    first, *rest = header.split(";")
    name, _, value = first.partition("=")
    attributes = {k.strip().lower(): v.strip() for k, _, v in (part.partition("=") for part in rest)}
    host = urlsplit(url).hostname or ""
    domain = attributes.get("domain", "").lstrip(".").lower()
    path = attributes.get("path", "")
    return (
        Cookie(
            name=name.strip(),
            value=value.strip(),
            domain=domain or host,
            path=path if path.startswith("/") else _default_path(urlsplit(url).path),
            host_only=not domain,
            secure="secure" in attributes,
            http_only="httponly" in attributes,
            same_site=attributes.get("samesite", "lax").lower(),
            expires=_expiry(attributes, now),
        ),
        attributes,
    )


def _default_path(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _expiry(attributes: dict[str, str], now: float) -> float | None:
    """Max-Age wins over Expires (section 5.6); an unreadable one is as if absent."""
    age = attributes.get("max-age", "")
    if age.lstrip("-").isdigit():
        return now + int(age)
    try:
        return parsedate_to_datetime(attributes.get("expires", "")).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _why_not(cookie: Cookie, attributes: dict[str, str], url: SplitResult, secure_place: bool) -> str:
    """Why a browser ignores this cookie (section 5.7), or an empty string."""
    if len(cookie.name) + len(cookie.value) > MOST_BYTES:
        return "too long"
    if cookie.secure and not secure_place:
        return "Secure from an insecure place"
    if not domain_matches(url.hostname or "", cookie.domain):
        return "Domain of somebody else"
    if cookie.same_site == "none" and not cookie.secure:
        return "SameSite=None without Secure"
    if cookie.name.lower().startswith(("__secure-", "__host-")) and not cookie.secure:
        return "prefix without Secure"
    if cookie.name.lower().startswith("__host-") and (not cookie.host_only or attributes.get("path") != "/"):
        return "__Host- with Domain or without Path=/"
    return ""

"""Who answers for a person: from ``ada@corp.example`` to the tenant's issuer (RFC 7033, OpenID Connect Discovery 1.0,
section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from proxy.models.checks import address
from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.oidc.strict_json import NotStrict, load_object
from proxy.oidc.urls import is_loopback

REL = "http://openid.net/specs/connect/1.0/issuer"
WELL_KNOWN = "/.well-known/webfinger"
SECONDS = 5.0
LONGEST = 2048
_NAMES = ("=", "@", "!", "$", "+", "xri:")
"""What an XRI begins with (2.1.2)."""


@dataclass(frozen=True)
class Asked:
    """A normalised identifier, and the host that knows about it (with its port, if one is named)."""

    resource: str
    host: str


def normalise(identifier: str) -> Asked:
    """What to ask for, and whom (2.1). Raises ``ValueError`` with the remedy."""
    text = identifier.strip().partition("#")[0]
    if not text or len(text) > LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be an address of a person or a URL, in ASCII (a domain in its xn-- form)")
    if text.lower().startswith(_NAMES):
        raise ValueError("is an XRI, which is not supported; give an email address or a URL")
    kind, colon, rest = text.partition(":")
    if colon and kind.lower() == "acct":
        return _account(rest)
    if colon and rest.startswith("//"):
        if kind.lower() not in ("https", "http"):
            raise ValueError("must be an email address, acct: or https:")
        return _url(f"{kind.lower()}:{rest}")
    if "@" in text and not any(mark in text for mark in "/?"):
        return _account(text)
    return _url(f"https://{text}")


def is_account(identifier: str) -> bool:
    """Whether it names a person and not a place: then only WebFinger can say who the issuer is."""
    return "://" not in identifier and "@" in identifier


def _account(text: str) -> Asked:
    local, _, host = text.rpartition("@")
    if not local:
        raise ValueError("has no name before the @")
    return Asked(f"acct:{local}@{host}", _host(f"https://{host}", bare=True))


def _url(url: str) -> Asked:
    return Asked(url, _host(url))


def _host(url: str, *, bare: bool = False) -> str:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable or (bare and url != f"https://{parts.netloc}") or any(mark in parts.netloc for mark in '\\<>"|^`{}'):
        raise ValueError("names no host")
    return parts.netloc


def build_request(asked: Asked, group: str = "") -> HttpRequest:
    """The question (RFC 7033 4.1): by https, but for a host on loopback, where the lab lives."""
    scheme = "http" if is_loopback(f"https://{asked.host}") else "https"
    query = f"resource={quote(asked.resource, safe='')}&rel={quote(REL, safe='')}"
    url = f"{scheme}://{asked.host}{WELL_KNOWN}?{query}"
    headers = {"Accept": "application/jrd+json, application/json"}
    return HttpRequest("GET", url, headers=headers, seconds=SECONDS, group=group)


def check_response(response: HttpResponse) -> str:
    """The issuer (2, RFC 7033 4.4). Raises ``UpstreamError``."""
    if response.status != 200:
        raise _bad("nobody there knows this identifier", "webfinger_not_found")
    try:
        links = load_object(response.body).get("links")
    except NotStrict:
        raise _bad("the answer is not JSON", "bad_json") from None
    issuer = next(filter(None, map(_issuer, links)), "") if isinstance(links, list) else ""
    if not issuer:
        raise _bad("the answer names no OpenID Connect issuer", "webfinger_no_issuer")
    return issuer


def _issuer(link: object) -> str:
    """An issuer: an address without query and fragment (Discovery 2, 3)."""
    if not isinstance(link, Mapping) or link.get("rel") != REL:
        return ""
    href = link.get("href")
    try:
        return address(href) if isinstance(href, str) and "?" not in href and len(href) <= LONGEST else ""
    except ValueError:
        return ""


def _bad(description: str, reason: str) -> UpstreamError:
    return UpstreamError("server_error", description, reason=reason, status=502)

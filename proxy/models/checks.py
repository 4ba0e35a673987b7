"""Rules for single values: names, words on a page, addresses, domains, networks.

Each function takes a value and returns it, or raises ValueError with the remedy as its text. The text never repeats
the value: it may be a secret in the wrong place. Addresses stay the strings they are (RFC 9700 2.1: compared byte for
byte).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import SplitResult, parse_qsl, urlsplit

from proxy.oidc.urls import is_loopback, origin

ANSWERS = frozenset(
    ("code", "state", "iss", "response", "error", "error_description", "error_uri", "id_token", "access_token")
)
REGISTRIES = frozenset(
    ("ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "ltd", "mil", "ne", "net", "or", "org", "plc")
)
NEVER = tuple(
    map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10", "::ffff:169.254.0.0/112", "224.0.0.0/4", "ff00::/8"))
)

LONGEST_HOST = 253
LONGEST_WORD = 4096

_URI = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_BRACKETED = re.compile(r"\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_JOINERS = "\u200c\u200d"


def words(value: str) -> str:
    """Words for a page: no control, direction or line separator characters (they can disguise what a page says)."""
    for char in value:
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") and char not in _JOINERS:
            raise ValueError("holds a control or text direction character; remove it")
    return value


def not_empty(values: tuple[str, ...]) -> tuple[str, ...]:
    """A list without empty strings (an empty entry is a mistake, never a wildcard), and without endless ones."""
    if not all(value.strip() for value in values):
        raise ValueError("holds an empty string; remove it (an empty list means none)")
    if any(len(value) > LONGEST_WORD for value in values):
        raise ValueError(f"holds a string of more than {LONGEST_WORD} characters")
    return values


def printable(value: str) -> str:
    """An identifier of visible ASCII (RFC 6749 appendix A.1), not empty."""
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise ValueError("must be printable ASCII without spaces, and not empty")
    return value


def audience(uri: str) -> str:
    """An API as tokens name it (RFC 8707 2, RFC 9068): an absolute URI without a fragment. Raises ValueError."""
    printable(uri)
    if not urlsplit(uri).scheme or "#" in uri:
        raise ValueError('must be an absolute URI without a fragment, like "https://api.example.com/" (RFC 8707 2)')
    return uri


def address(url: str) -> str:
    """An address of somebody's server: https, or http on loopback; no user name, no fragment."""
    parts = _split(url)
    if parts.scheme not in ("https", "http") or (parts.scheme == "http" and not is_loopback(url)):
        raise ValueError("must begin with https:// (http only for an address on loopback)")
    _check_authority(parts)
    return url


def issuer(url: str) -> str:
    """Our issuer: an address that ends in a slash, without a query (RFC 8414 2)."""
    address(url)
    if "?" in url:
        raise ValueError("must have no query")
    if not url.endswith("/"):
        raise ValueError('must end in a slash, like "https://login.example.com/"')
    return url


def redirect_uri(uri: str) -> str:
    """Where a browser may be sent with an answer: https, http on loopback, or a private-use scheme with a dot.

    RFC 9700 2.1, RFC 8252 7.1 and 7.3. No wildcard, and no query parameter that an answer of ours carries: the app
    might read the first of two.
    """
    parts = _split(uri)
    if "*" in uri:
        raise ValueError("holds a wildcard; list each address in full")
    if parts.scheme in ("https", "http"):
        address(uri)
    elif "." not in parts.scheme.strip(".") or len(uri) <= len(parts.scheme) + 1:
        raise ValueError(
            'must be https://, http:// on loopback, or a scheme with a dot, like "com.example.app:/callback"'
        )
    elif "@" in parts.netloc:
        raise ValueError("must not hold a user name")
    if {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)} & ANSWERS:
        raise ValueError("has a query parameter that answers carry (code, state, iss, response, error ...); remove it")
    return uri


def web_origin(text: str) -> str:
    """The origin of a web page, as browsers send it (RFC 6454 6.2): scheme, host, and the port unless it is usual."""
    parts = urlsplit(address(text))
    usual = {"https": 443, "http": 80}[parts.scheme]
    if text != origin(text) or text != text.lower() or parts.port == usual:
        raise ValueError('must be an origin in lower case, like "https://app.example" (no path, no usual port)')
    return text


def is_private_use(uri: str) -> bool:
    """Whether ``uri`` has a scheme of its own (RFC 8252 7.1)."""
    return urlsplit(uri).scheme not in ("https", "http")


def domain(name: str) -> str:
    """An email domain in lower case, of at least two labels; no wildcard and no public suffix: nobody owns "com"."""
    labels = name.lower().split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError('must be plain domains like "corp.example" (no wildcard; IDN in its xn-- form)')
    if len(labels) < 2 or (len(labels) == 2 and len(labels[1]) == 2 and labels[0] in REGISTRIES):
        raise ValueError("holds a public suffix, which nobody owns alone; name the whole domain")
    if labels[-1].isdigit():
        raise ValueError("must be domains, not addresses")
    return name.lower()


def network(cidr: str) -> str:
    """A network like ``10.0.0.0/8``; not everything at once."""
    try:
        parsed = ipaddress.ip_network(cidr)
    except ValueError:
        raise ValueError('must be networks like "10.0.0.0/8", with no bits set after the prefix') from None
    if parsed.prefixlen == 0:
        raise ValueError("must not be the whole internet; name the networks")
    return cidr


def callable_network(cidr: str) -> str:
    """A network we may call although it is private; never link-local, where cloud metadata services listen."""
    parsed = ipaddress.ip_network(network(cidr))
    if any(parsed.version == never.version and parsed.overlaps(never) for never in NEVER):
        raise ValueError("must not reach link-local (cloud metadata) or multicast addresses")
    return cidr


def _split(url: str) -> SplitResult:
    if not _URI.fullmatch(url):
        raise ValueError("must be a full address, of URL characters only")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        raise ValueError("has a host or port that cannot be read") from None
    if "#" in url:
        raise ValueError("must have no fragment (#...)")
    return parts


def _check_authority(parts: SplitResult) -> None:
    host = parts.hostname or ""
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    # The whole authority reaches a content security policy as an origin: what follows a bracket would be read there.
    if not host or not (_HOST.fullmatch(host) or _BRACKETED.fullmatch(parts.netloc)) or ".." in host:
        raise ValueError('must have a host, like "https://app.example/"')
    if len(host) > LONGEST_HOST:
        raise ValueError(f"has a host of more than {LONGEST_HOST} characters")
    if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)", host.rstrip(".").rpartition(".")[2]):
        _check_dotted(host)


def _check_dotted(host: str) -> None:
    """A host whose last label is a number is read as an IPv4 address by browsers, in spellings we do not."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError("has a numeric host that is no IPv4 address") from None

"""Headers that a client has no business to send, in every spelling that an app might fold into them."""

from __future__ import annotations

from collections.abc import Iterator

FORBIDDEN = (
    "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups",
    "X-Forwarded-Access-Token", "X-Auth-Request-User", "X-Auth-Email", "X-Auth-Groups", "Remote-User", "Remote-Email",
    "Remote-Name", "Remote-Groups", "X-Remote-User", "Cf-Access-Authenticated-User-Email", "Cf-Access-Jwt-Assertion",
    "X-Isthmus-Assertion", "X-Isthmus-Claims-Token", "X-Isthmus-Claims-Url", "X-Forwarded-For", "X-Forwarded-Host",
    "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Forwarded-Method",
    "X-Forwarded-Server", "X-Forwarded-Client-Cert", "Forwarded", "X-Real-IP", "X-Original-URL", "X-Original-Method",
    "X-Original-Uri", "X-Original-Host", "X-Original-Forwarded-For", "X-Rewrite-URL", "X-HTTP-Method-Override",
    "X-HTTP-Method", "X-Method-Override", "X-Envoy-Original-Path", "X-Accel-Redirect", "X-Sendfile", "X-Request-Id",
    "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Cluster-Client-IP", "Fastly-Client-IP", "Client-IP",
    "Proxy", "Client-Cert", "X-Webauth-User", "X-SSL-Client-Verify", "Early-Data", "X-Team",
)  # fmt: skip
"""``X-Team`` stands for a name of the configuration's own."""
HOP_BY_HOP = ("Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Proxy-Authorization", "Proxy-Authenticate",
              "HTTP2-Settings")  # fmt: skip
CONFIGURED = ("X-Team",)
SEPARATORS = ("_", ".", "+", "~", "!", "|", "'", "#", "^", "`", "*", "&", "$", "%")
"""What HTTP lets stand in a name (RFC 9110 5.6.2), and some app might take for a hyphen."""


def spellings(name: str) -> Iterator[bytes]:
    """The name as it is, in other case, and with other separators: everywhere, and in one place alone."""
    for text in (name, name.lower(), name.upper(), name.swapcase()):
        yield text.encode()
    for separator in SEPARATORS:
        yield name.replace("-", separator).encode() if "-" in name else (name + separator).encode()
        yield name.replace("-", separator, 1).encode() if "-" in name else (separator + name).encode()
        yield separator.join(name.rsplit("-", 1)).lower().encode() if "-" in name else (name + separator).encode()

"""Header names that never reach an app from outside, and those that an app never answers with.

An app behind the gateway believes what certain headers say, so nobody else may say it. Apps fold names: CGI, WSGI and
PHP make ``_`` of every ``-``, and some of ``.``, ``+`` or a blank too. Therefore a name that has any character but
letters, digits and hyphens is taken out whatever it is called, and the others are compared without regard to case
(CVE-2025-64484, CVE-2026-52845, CVE-2026-33433).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from proxy.settings.shape import Gateway

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
    + (b"proxy-authorization", b"proxy-authenticate", b"proxy-authentication-info", b"http2-settings")
)
"""For one connection only (RFC 9110 7.6.1)."""
OF_OTHERS = frozenset(
    (b"forwarded", b"x-real-ip", b"x-forwarded", b"x-rewrite-url", b"x-http-method", b"x-http-method-override")
    + (b"x-method-override", b"early-data", b"x-sendfile", b"x-request-id", b"true-client-ip", b"cf-connecting-ip")
    + (b"cf-connecting-ipv6", b"x-client-ip", b"x-cluster-client-ip", b"fastly-client-ip", b"client-ip", b"proxy")
    + (b"client-cert", b"client-cert-chain", b"x-client-cert", b"x-scheme", b"x-url-scheme", b"front-end-https")
)
"""What only a proxy in front of an app says, and what would make one request of another (RFC 7239, RFC 9440; ``proxy``
is CVE-2016-5385)."""
FAMILIES = (
    (b"x-forwarded-", b"x-original-", b"x-auth-", b"x-remote-", b"remote-", b"cf-access-", b"x-isthmus-", b"x-envoy-")
    + (b"x-accel-", b"x-authenticated-", b"x-webauth-", b"x-authentik-", b"x-pomerium-", b"x-vouch-", b"x-goog-iap-")
    + (b"x-goog-authenticated-", b"x-amzn-oidc-", b"x-ms-client-principal", b"x-ms-token-", b"oidc-", b"x-ssl-")
    + (b"ssl-client-",)
)
"""How the names begin by which gateways of any make tell apps who somebody is, and where a request came from."""
INTERNAL = frozenset((b"x-sendfile", b"x-lighttpd-send-file", b"x-reproxy-url", b"alt-svc", b"x-request-id"))
"""What an app says to the server in front of it, what would lead browsers past the gateway (RFC 7838), and what every
answer has from us."""
INTERNAL_FAMILIES = (b"x-accel-", b"x-isthmus-", b"x-auth-", b"remote-", b"x-remote-", b"cf-access-", b"x-forwarded-")
_CLEAN = re.compile(rb"[A-Za-z0-9-]+")
_FOLD = bytes(code if chr(code).isalnum() and code < 128 else ord("-") for code in range(256))


def folded(name: bytes) -> bytes:
    """The name as the most careless app reads it: lower case, and a hyphen for all that is no letter or digit."""
    return name.lower().translate(_FOLD)


def configured(gateway: Gateway) -> Iterator[str]:
    """The header names that the configuration itself has chosen, for all routes and for single ones."""
    for table in (gateway.headers, *(route.headers for route in gateway.routes)):
        if isinstance(table, Mapping):
            yield from table


class Names:
    """Which names are taken out. ``ours`` are those that the configuration has chosen beside the known ones."""

    def __init__(self, ours: Iterable[str] = ()) -> None:
        self._ours = frozenset(folded(name.encode("ascii")) for name in ours)

    def are_removed(self, name: bytes) -> bool:
        """Whether a header of this name, as a client spelled it, stays here."""
        plain = folded(name)
        return (
            not _CLEAN.fullmatch(name)
            or plain in HOP_BY_HOP
            or plain in OF_OTHERS
            or plain in self._ours
            or plain.startswith(FAMILIES)
        )

    def are_internal(self, name: bytes) -> bool:
        """Whether an app's answer with this header would say something that is ours to say (GW-22)."""
        plain = folded(name)
        return (
            plain in HOP_BY_HOP - {b"trailer"}
            or plain in INTERNAL
            or plain in self._ours
            or plain.startswith(INTERNAL_FAMILIES)
        )

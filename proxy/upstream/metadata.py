"""Where a tenant's endpoints are: its discovery document (OpenID Connect Discovery 1.0 4), and what we were told.

The document must speak for the issuer we expect, byte for byte. That is ``options.issuer``; without one it is the base
of ``discovery_url``, where a slash at the end may be there or not, since people write it either way. Endpoints given in
the configuration stand instead of, or on top of, the document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from proxy.models import Connection, ConnectionOptions
from proxy.models.checks import address
from proxy.models.connection_options import NEEDS, SET_BY_US
from proxy.oidc.errors import UpstreamError
from proxy.oidc.urls import is_loopback, origin

WELL_KNOWN = "/.well-known/openid-configuration"
ENDPOINTS = (
    *("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"),
    "pushed_authorization_request_endpoint",
)
OURS = SET_BY_US | {"acr_values", "login_hint", "max_age", "prompt", "ui_locales"}
"""Parameters of an authorization request that only we set."""


@dataclass(frozen=True)
class Metadata:
    """A tenant as its checked document and our configuration describe it. Endpoints it lacks are empty.

    ``requires_pushed``: it takes pushed requests alone (RFC 9126 5).
    ``names_itself``: its authorization answers carry ``iss`` (RFC 9207 3). ``auth_methods`` are those its token
    endpoint takes, empty if it does not say.
    """

    issuer: str
    authorization_endpoint: str
    jwks_uri: str
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    pushed_authorization_request_endpoint: str = ""
    check_session_iframe: str = ""
    requires_pushed: bool = False
    names_itself: bool = False
    auth_methods: tuple[str, ...] = ()

    @property
    def origins(self) -> Mapping[str, str]:
        """Scheme, host and port of each endpoint: a change of one is a change of who is spoken to."""
        return {name: origin(getattr(self, name)) for name in ENDPOINTS if getattr(self, name)}


class Incomplete(UpstreamError):
    """The document lacks what the channel needs: ``missing`` names it."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__("server_error", UNUSABLE, reason="metadata_incomplete", status=502)
        self.missing = missing


UNUSABLE = "the login service describes itself in a way that cannot be used"


def document_url(options: ConnectionOptions) -> str:
    """Where the discovery document is, from a base or full URL; empty if the configuration says everything itself."""
    if options.oidc_metadata:
        return ""
    if options.discovery_url:
        at = options.discovery_url
        return at if WELL_KNOWN in at else at.rstrip("/") + WELL_KNOWN
    if all(getattr(options, name) for name in NEEDS[options.type]):
        return ""
    return options.issuer.rstrip("/") + WELL_KNOWN


def configured(connection: Connection) -> Metadata:
    """The metadata of a connection whose configuration says everything itself. Raises ``UpstreamError``."""
    return check_metadata(configured_document(connection.options), connection)


def configured_document(options: ConnectionOptions) -> Mapping[str, Any]:
    """What the configuration says in place of a document."""
    return {"issuer": options.issuer, **(options.oidc_metadata or {})}


def check_metadata(document: Mapping[str, Any], connection: Connection) -> Metadata:
    """The tenant as ``document`` and the configuration describe it. Raises ``UpstreamError`` (502)."""
    options = connection.options
    issuer = document.get("issuer")
    if not isinstance(issuer, str) or issuer not in expected_issuers(options):
        raise UpstreamError("server_error", UNUSABLE, reason="metadata_issuer_mismatch", status=502)
    endpoints = {name: getattr(options, name) or _endpoint(document, name, issuer) for name in ENDPOINTS}
    missing = tuple(name for name in NEEDS[options.type] if name != "issuer" and not endpoints[name])
    if missing:
        raise Incomplete(missing)
    _check_query(endpoints["authorization_endpoint"])
    return Metadata(
        issuer=issuer,
        **endpoints,
        check_session_iframe=_page(document, issuer),
        requires_pushed=document.get("require_pushed_authorization_requests") is True,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        auth_methods=strings(document, "token_endpoint_auth_methods_supported"),
    )


def moves(believed: Metadata, fresh: Metadata) -> tuple[str, ...]:
    """What of a fresh document names another host than the believed one, or another issuer. An endpoint that was not
    there before may be on any host that is believed already."""
    known = {origin(believed.issuer), *believed.origins.values()}
    names = [name for name, at in fresh.origins.items() if at != believed.origins.get(name, at) or at not in known]
    return (*names, "issuer") if fresh.issuer != believed.issuer else tuple(names)


def expected_issuers(options: ConnectionOptions) -> tuple[str, ...]:
    """The issuers the document may name: the configured one, or the base of where it is found."""
    if options.issuer:
        return (options.issuer,)
    if options.oidc_metadata:  # the operator's own word
        named = options.oidc_metadata.get("issuer")
        return (named,) if isinstance(named, str) and named else ()
    base = options.discovery_url.partition(WELL_KNOWN)[0].rstrip("/")
    return (base, f"{base}/")


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    """An endpoint of the document: https, or http where tenant and endpoint are both on loopback. "" if absent."""
    url = document.get(name)
    if url is None or url == "":
        return ""
    try:
        if not isinstance(url, str) or len(url) > 2083:
            raise ValueError
        address(url)
        if url.startswith("http://") and not is_loopback(issuer):
            raise ValueError
    except ValueError:
        raise UpstreamError("server_error", UNUSABLE, reason=f"bad_{name}", status=502) from None
    return url


def _page(document: Mapping[str, Any], issuer: str) -> str:
    """The page that watches sessions (Session Management 1.0 3.3), or empty: logins do not need it."""
    try:
        return _endpoint(document, "check_session_iframe", issuer)
    except UpstreamError:
        return ""


def _check_query(url: str) -> None:
    """A query of the tenant's own may not hold a parameter that we set: one of the two would be believed."""
    names = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    if names & OURS:
        raise UpstreamError("server_error", UNUSABLE, reason="bad_authorization_endpoint", status=502)


def strings(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of words of the document; empty if there is none."""
    listed = document.get(name)
    return tuple(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()

"""A route of the gateway: which requests it takes, where the app stands, who may come, what the app is told.

Rules for single values are in ``models.checks`` and here; what depends on other tables is in ``proxy.settings``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from proxy.models import checks
from proxy.oidc.addresses import Blocked, check_server

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "PROPPATCH", "MKCOL",
           "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH")  # fmt: skip
"""What may be asked of an app. TRACE and CONNECT never reach one."""
PRESETS = ("oauth2-proxy", "authelia", "cloudflare", "none")
"""Known sets of identity headers (``gateway.identity``)."""
OWN_PATH = "/.isthmus"
"""Below this path on the host of every route lies what the gateway itself answers; no app ever sees it."""
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:]+\])(?::[0-9]{{1,5}})?")
_RULE = re.compile(r"/(?:[A-Za-z0-9\-._~/]|%[89A-F][0-9A-F])*")
"""Paths in rules: of characters that have one spelling. Most apps take ``@`` and ``%40`` for the same, and a rule for
one of them would miss the other."""
_ASKED = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,=:@/?]|%[0-9A-F]{2})*")
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_TAKEN = re.compile(
    "host|cookie|authorization|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|forwarded|x-real-ip"
    "|x-forwarded-(for|host|proto|port)|x-request-id|set-cookie|content-.*|proxy-.*|sec-.*|x-isthmus-.*"
)
"""Names that say something of the request itself, or are the gateway's own."""


class Part(BaseModel):
    """A table of a route."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Allow(Part):
    """Who may come through: every kind of rule that is given must hold, and of a kind one of its values. Without any,
    everybody whose login the gateway's connections give. ``claims`` are attributes of the profile, each with a value or
    a list of values; ``plugin``: a plugin must say yes (``isthmus_gateway_access``)."""

    users: tuple[str, ...] = ()
    email_domains: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    claims: Mapping[str, Any] = {}
    connections: tuple[str, ...] = ()
    acr: tuple[str, ...] = ()
    plugin: bool = False

    @field_validator("users", "groups", "connections", "acr")
    @classmethod
    def _listed(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return checks.not_empty(values)

    @field_validator("email_domains")
    @classmethod
    def _domains(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.domain, names))

    @field_validator("claims")
    @classmethod
    def _claims(cls, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        for wanted in claims.values():
            values = wanted if isinstance(wanted, list | tuple) else (wanted,)
            if not values or not all(isinstance(value, str | int | bool) for value in values):
                raise ValueError("must be text, whole numbers, true or false, or lists of them")
        return claims


class Timeouts(Part):
    """Seconds: to connect to the app, until its answer begins, and without a byte in either direction."""

    connect: float = Field(default=2, gt=0, le=30, allow_inf_nan=False)
    first_byte: float = Field(default=60, gt=0, le=3600, allow_inf_nan=False)
    idle: float = Field(default=60, gt=0, le=86_400, allow_inf_nan=False)


class RouteLimits(Part):
    """``body``: most bytes of a request's body (0: no limit); ``websockets``: most open at once, for one person;
    ``frame``: most bytes of one WebSocket frame."""

    body: int = Field(default=0, ge=0)
    websockets: int = Field(default=100, ge=1, le=100_000)
    frame: int = Field(default=16 * 1024 * 1024, ge=125)


@dataclass(frozen=True)
class RouteView:
    """A route as plugins see it. ``name`` is what logs call it, too."""

    name: str
    host: str
    path_prefix: str


class Route(Part):
    """One app, or a part of one. ``host`` may name a port; ``upstream`` are the app's servers."""

    host: str = Field(max_length=255)
    path_prefix: str = Field(default="/", max_length=1024)
    name: str = Field(default="", max_length=128)
    upstream: tuple[str, ...] = Field(min_length=1, max_length=64)
    health_path: str = Field(default="", max_length=1024)
    trust: tuple[str, ...] = ()
    preserve_host: bool = True
    strip_prefix: bool = False
    public_paths: tuple[str, ...] = Field(default=(), max_length=1000)
    methods: tuple[str, ...] = ()
    ambiguous_paths: bool = False
    allow: Allow = Allow()
    websocket: bool = False
    origins: tuple[str, ...] = Field(default=(), max_length=100)
    cors_preflight: bool = False
    keep_forms: bool = False
    headers: str | Mapping[str, str] | None = None
    assertion: bool = True
    token: Literal["", "ours", "upstream"] = ""
    audience: str = Field(default="", max_length=2048)
    authorization: Literal["pass", "drop"] = "pass"
    timeouts: Timeouts = Timeouts()
    limits: RouteLimits = RouteLimits()

    @property
    def label(self) -> str:
        """What logs, metrics and commands call it: its name, else host and path."""
        return self.name or f"{self.host}{self.path_prefix}"

    @property
    def view(self) -> RouteView:
        """What plugins see of it."""
        return RouteView(self.label, self.host, self.path_prefix)

    @field_validator("host")
    @classmethod
    def _host(cls, host: str) -> str:
        name, colon, port = host.rpartition(":") if ":" in host.rpartition("]")[2] else (host, "", "")
        if not _HOST.fullmatch(host) or (colon and (int(port) not in range(1, 65_536) or port.startswith("0"))):
            raise ValueError('must be a host name in lower case, like "app.example.com" (no wildcard, no path)')
        return _as_browsers_write(name) + colon + port

    @field_validator("path_prefix")
    @classmethod
    def _prefix(cls, path: str) -> str:
        return _canonical(path)

    @field_validator("public_paths")
    @classmethod
    def _paths(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_canonical, paths))

    @field_validator("health_path")
    @classmethod
    def _health(cls, path: str) -> str:
        if path and not _ASKED.fullmatch(path):
            raise ValueError('must be a path that begins with a slash, like "/healthz"')
        return path

    @field_validator("upstream", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value

    @field_validator("upstream")
    @classmethod
    def _addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_server, checks.not_empty(urls)))

    @field_validator("methods")
    @classmethod
    def _methods(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        if not set(methods) <= set(METHODS):
            raise ValueError(f"must be from {', '.join(METHODS)}, in capitals")
        return methods

    @field_validator("audience")
    @classmethod
    def _audience(cls, uri: str) -> str:
        return checks.audience(uri) if uri else uri

    @field_validator("origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.web_origin, checks.not_empty(origins)))

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: str | Mapping[str, str] | None) -> str | Mapping[str, str] | None:
        return identity_headers(headers)

    @model_validator(mode="after")
    def _no_path_rule_can_be_fooled(self) -> Route:
        if self.ambiguous_paths and (self.path_prefix != "/" or self.public_paths):
            raise ValueError("ambiguous_paths needs path_prefix / and no public_paths: no rule may look at such a path")
        return self


def identity_headers(headers: str | Mapping[str, str] | None) -> str | Mapping[str, str] | None:
    """A preset's name, or header names each with the attribute of the profile it carries. Raises ValueError."""
    if isinstance(headers, str):
        if headers not in PRESETS:
            raise ValueError(f"must be one of {', '.join(PRESETS)}, or a table of header names and attributes")
        return headers
    for name, claim in (headers or {}).items():
        if not _NAME.fullmatch(name) or not claim:
            raise ValueError("must be header names of letters, digits and hyphens, each with an attribute's name")
        if _TAKEN.fullmatch(name.lower()):
            raise ValueError(f"{name} says something of the request itself; choose another name")
    if len({name.lower() for name in headers or ()}) < len(headers or ()):
        raise ValueError("must name each header once, whatever its case")
    return headers


def _as_browsers_write(name: str) -> str:
    """A host, if browsers write it in no other way (WHATWG URL 3.5). Raises ValueError."""
    literal = name.startswith("[") or name.rpartition(".")[2].isdigit()
    try:
        if literal and str(ipaddress.ip_address(name.strip("[]"))) != name.strip("[]"):
            raise ValueError
    except ValueError:
        raise ValueError("must be an address as browsers write it, like 127.0.0.1 or [::1]") from None
    return name


def _canonical(path: str) -> str:
    segments = path.split("/")[1:]
    if not _RULE.fullmatch(path) or "//" in path or {".", ".."} & set(segments):
        raise ValueError(
            'must be a plain path that begins with a slash, like "/app": of letters, digits, "-", ".", "_", "~" and '
            "escapes of what is not ASCII"
        )
    if path.lower() == OWN_PATH or path.lower().startswith(f"{OWN_PATH}/"):
        raise ValueError(f"must not lie below {OWN_PATH}/, which the gateway answers itself")
    return path


def _server(url: str) -> str:
    """``http://host:port``, ``https://host``, or ``unix:/path``: a server, without a path of its own."""
    if url.startswith("unix:/"):
        return url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("has a host or port that cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError('must be like "http://127.0.0.1:8080", "https://app.internal" or "unix:/run/app.sock"')
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc or "?" in url or "#" in url:
        raise ValueError("must be a server alone: no path, query, fragment or user name")
    try:
        check_server(f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname)
    except Blocked as error:
        raise ValueError(f"names no server of an app: {error}") from None
    return url.rstrip("/")

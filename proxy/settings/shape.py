"""What may stand in the configuration: one frozen model per table; an unknown key is an error.

Every key, its default and its meaning are in docs/configuration.md and config/isthmus.example.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretBytes, ValidationInfo, field_validator

from proxy.models import Client, Connection, checks
from proxy.models.route import Route, identity_headers

DAY = 86_400
HOUR = 3600
SIGNING = ("RS256", "PS256", "ES256", "EdDSA")
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


class Table(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Tenant(Table):
    """``[tenant]``: who we are. The first of ``secrets`` encrypts, all of them decrypt."""

    issuer: str = Field(max_length=255)
    name: str = Field(default="Isthmus", max_length=128)
    secrets: tuple[SecretBytes, ...] = ()
    acr_values: tuple[str, ...] = Field(default=(), max_length=50)
    allowed_logout_urls: tuple[str, ...] = Field(default=(), max_length=100)
    require_pushed_authorization_requests: bool = False

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, url: str) -> str:
        return checks.issuer(url)

    @field_validator("name")
    @classmethod
    def _words(cls, text: str) -> str:
        return checks.words(text)

    @field_validator("acr_values")
    @classmethod
    def _acr(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.printable, checks.not_empty(values)))

    @field_validator("allowed_logout_urls")
    @classmethod
    def _destinations(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.redirect_uri, checks.not_empty(urls)))


class Server(Table):
    """``[server]``: where we listen, whom we trust, whom we may call. Times are seconds."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=9000, ge=0, le=65_535)
    data_dir: Path = Path("var")
    workers: int = Field(default=1, ge=1, le=64)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    internal_port: int | None = Field(default=None, ge=0, le=65_535)
    trust: tuple[str, ...] = ()
    allow_private: tuple[str, ...] = ()
    clock_leeway: int = Field(default=60, ge=0, le=300)
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("internal_port")
    @classmethod
    def _another(cls, port: int | None, info: ValidationInfo) -> int | None:
        if port and port == info.data.get("port"):
            raise ValueError("must be another port than server.port")
        return port

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, cidrs: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.network, checks.not_empty(cidrs)))

    @field_validator("trust")
    @classmethod
    def _files(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return checks.not_empty(paths)

    @field_validator("allow_private")
    @classmethod
    def _networks(cls, cidrs: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checks.callable_network, checks.not_empty(cidrs)))


class SessionLimits(Table):
    """``[session]``: seconds a session lives without use, and at most. ``same_site`` none: the cookie reaches us in
    frames of other sites; ``management``: apps may watch the session by a frame (Session Management 1.0)."""

    absolute: int = Field(default=30 * DAY, ge=1, le=365 * DAY)
    idle: int = Field(default=3 * DAY, ge=1)
    same_site: Literal["lax", "none"] = "lax"
    management: bool = True

    @field_validator("idle")
    @classmethod
    def _shorter(cls, idle: int, info: ValidationInfo) -> int:
        if idle > info.data.get("absolute", idle):
            raise ValueError("must not be more than session.absolute")
        return idle


class Tokens(Table):
    """``[tokens]``: seconds each lives."""

    access_token: int = Field(default=DAY, ge=1, le=DAY)
    id_token: int = Field(default=36_000, ge=1, le=DAY)
    refresh_absolute: int = Field(default=30 * DAY, ge=1, le=365 * DAY)
    refresh_idle: int = Field(default=15 * DAY, ge=1)
    refresh_reuse_window: int = Field(default=10, ge=0, le=60)
    code: int = Field(default=60, ge=1, le=60)
    pushed_request: int = Field(default=60, ge=5, le=600)
    device_code: int = Field(default=900, ge=0, le=HOUR)
    dpop_nonce: bool = True

    @field_validator("refresh_idle")
    @classmethod
    def _shorter(cls, idle: int, info: ValidationInfo) -> int:
        if idle > info.data.get("refresh_absolute", idle):
            raise ValueError("must not be more than tokens.refresh_absolute")
        return idle

    @field_validator("device_code")
    @classmethod
    def _time_to_type(cls, seconds: int) -> int:
        if 0 < seconds < 60:
            raise ValueError("must be 60 or more, time to log in; or 0, which switches the device flow off")
        return seconds


class Keys(Table):
    """``[keys]``: what we sign with, and how many seconds a key signs until the next takes over (0: by hand)."""

    algorithms: tuple[str, ...] = ("RS256", "PS256")
    rotation: int = Field(default=90 * DAY, ge=0, le=3650 * DAY)

    @field_validator("algorithms")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not set(names) <= set(SIGNING) or "RS256" not in names:
            raise ValueError(f"must be from {', '.join(SIGNING)}, RS256 among them (OpenID Connect Core 15.1)")
        return tuple(dict.fromkeys(names))

    @field_validator("rotation")
    @classmethod
    def _slow_enough(cls, seconds: int) -> int:
        if 0 < seconds < HOUR:
            raise ValueError("must be 0 (by hand) or at least an hour: clients keep a key set for minutes")
        return seconds


class Registration(Table):
    """``[registration]``: who may register clients (RFC 7591): nobody, who brings an initial access token, anybody."""

    mode: Literal["off", "token", "open"] = "off"


class Redis(Table):
    """``[redis]``: without ``url`` an embedded server starts. ``allow_open``: a server without a password is fine."""

    url: str | None = Field(default=None, repr=False)
    allow_open: bool = False

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(REDIS_SCHEMES):
            raise ValueError(f"must begin with {', '.join(REDIS_SCHEMES)}; without it an embedded server starts")
        return url


class Plugins(Table):
    """``[plugins]``: the order of ``enabled`` is the order of calls; ``time_limit`` is seconds for one call."""

    enabled: tuple[str, ...] = ()
    folder: Path | None = None
    on_error: Literal["fail", "skip"] = "fail"
    settings: Mapping[str, Mapping[str, Any]] = {}
    time_limit: float = Field(default=2.0, gt=0, le=30, allow_inf_nan=False)

    @field_validator("enabled")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return checks.not_empty(names)


class Gateway(Table):
    """``[gateway]``: the apps we stand in front of. ``port``: a listener of its own; without it the server's, told
    apart by host. ``headers`` is what apps are told about a person unless their route says otherwise, ``header_budget``
    the most bytes of it; ``groups_claim`` names the attribute with the person's groups, ``assertion_seconds`` how long
    a signed assertion lives."""

    port: int | None = Field(default=None, ge=0, le=65_535)
    headers: str | Mapping[str, str] = "oauth2-proxy"
    header_budget: int = Field(default=4096, ge=256, le=16_384)
    groups_claim: str = Field(default="groups", min_length=1, max_length=128)
    assertion_seconds: int = Field(default=60, ge=10, le=600)
    routes: tuple[Route, ...] = Field(default=(), max_length=5000)

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: str | Mapping[str, str]) -> str | Mapping[str, str]:
        return identity_headers(headers) or headers


class File(Table):
    """The whole configuration, connections by name and clients by id."""

    tenant: Tenant
    server: Server = Server()
    session: SessionLimits = SessionLimits()
    tokens: Tokens = Tokens()
    keys: Keys = Keys()
    registration: Registration = Registration()
    redis: Redis = Redis()
    connections: Mapping[str, Connection] = {}
    clients: Mapping[str, Client] = {}
    gateway: Gateway = Gateway()
    plugins: Plugins = Plugins()


class Settings(File):
    """What the configuration says, checked; ``warnings`` are choices that work here and should not go further."""

    warnings: tuple[str, ...] = ()

"""An upstream tenant that is not ours: idpyoidc's OpenID Provider over TLS.

``person`` is who logs in; there is no form. Everything the provider decides is idpyoidc's own: this file is its
configuration and the aiohttp around it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web
from idpyoidc.server import Server
from idpyoidc.server.authz import AuthzHandling
from idpyoidc.server.cookie_handler import CookieHandler
from idpyoidc.server.exception import UnAuthorizedClient
from idpyoidc.server.oauth2.add_on import pkce
from idpyoidc.server.oidc.authorization import Authorization
from idpyoidc.server.oidc.provider_config import ProviderConfiguration
from idpyoidc.server.oidc.registration import Registration
from idpyoidc.server.oidc.token import Token
from idpyoidc.server.oidc.userinfo import UserInfo
from idpyoidc.server.user_authn.user import NoAuthn
from idpyoidc.server.user_info import UserInfo as People

from proxy.lab.listen import listen, port_of, serving
from proxy.lab.people import PEOPLE

CLIENT_ID = "isthmus-at-idpy"
CLIENT_SECRET = "known-to-idpyoidc-which-does-not-unquote-Basic"  # RFC 6749 2.3.1 says it must
PERSON = {who.sub: dict(who.claims) for who in PEOPLE}
KEYS = [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}]
KINDS = ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"]
METHODS = ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]


class Anybody(NoAuthn):  # type: ignore[misc]  # idpyoidc is untyped
    """Logs ``user`` in at once. Asked to show a form (prompt=login), it says so: the tenant goes on as if filled in."""

    def __call__(self, **kwargs: Any) -> str:
        """The form: nobody sees it."""
        return ""


@dataclass
class IdpyTenant:
    """The running tenant. ``trust`` is the PEM file of its authority, ``hits`` how often each path was asked."""

    issuer: str
    trust: Path
    server: Server
    hits: Counter[str] = field(default_factory=Counter)
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def person(self) -> str:
        """Who logs in."""
        return str(self._method.user)

    @person.setter
    def person(self, sub: str) -> None:
        self._method.user = sub

    @property
    def _method(self) -> Any:
        return self.server.context.authn_broker.db["anon"]["method"]

    @property
    def tls(self) -> ssl.SSLContext:
        """For a browser that trusts it."""
        return ssl.create_default_context(cafile=str(self.trust))

    def register(self, *redirect_uris: str, client_id: str = CLIENT_ID, jwks_uri: str = "", **more: Any) -> None:
        """Know a Relying Party; ``more`` it may have registered."""
        self.server.context.cdb[client_id] = {
            "client_id": client_id,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [(uri, {}) for uri in redirect_uris],
            "response_types": KINDS,
            "response_types_supported": KINDS,
            "token_endpoint_auth_method": "client_secret_basic",
            "allowed_scopes": ["openid", "profile", "email", "address", "phone", "groups"],
            "add_claims": {"by_scope": {"id_token": True}},
            **more,
        }
        self.server.keyjar.add_symmetric(client_id, CLIENT_SECRET)
        if jwks_uri:
            self.server.keyjar.add_url(client_id, jwks_uri)

    async def answer(self, request: web.Request) -> web.Response:
        """Hand one request to idpyoidc's endpoint and its answer to the browser. In a thread, since it may stop to
        fetch our keys."""
        self.hits[request.path] += 1
        body = await request.text() if request.method == "POST" else request.query_string
        async with self.one_at_a_time:
            return await asyncio.to_thread(self._answer, request, body)

    def _answer(self, request: web.Request, body: str) -> web.Response:
        name = {"/.well-known/openid-configuration": "provider_config"}.get(request.path, request.path[1:])
        endpoint = self.server.get_endpoint(name)
        http = {"headers": {key.lower(): value for key, value in request.headers.items()}, "method": request.method,
                "url": str(request.url)}  # fmt: skip
        try:
            parsed = endpoint.parse_request(body, http_info=http)
        except UnAuthorizedClient:
            return web.json_response({"error": "invalid_client"}, status=401)
        if "error" in parsed:
            return web.json_response(parsed.to_dict(), status=400)
        done = endpoint.process_request(parsed, http_info=http)
        if "http_response" in done:
            done = self._logged_in_again(endpoint, parsed)
        if "error" in done:
            return web.json_response(dict(done), status=400)
        return _http(endpoint.do_response(request=parsed, **done))

    def _logged_in_again(self, endpoint: Any, parsed: Any) -> Any:
        now = int(time.time())
        session = endpoint.create_session(parsed, self.person, "urn:lab:none", now, self._method)
        return endpoint.authz_part2(request=parsed, session_id=session)

    async def jwks(self, request: web.Request) -> web.Response:
        """Its public keys."""
        self.hits[request.path] += 1
        return web.json_response(self.server.keyjar.export_jwks())


def _http(info: Mapping[str, Any]) -> web.Response:
    headers = {name.title(): value for name, value in info["http_headers"]}
    told = headers.pop("Content-Type", "application/json").partition(";")[0]
    text = info["response"]
    if info.get("response_placement") != "body" and text.startswith("https:") or text.startswith("http:"):
        return web.Response(status=302, headers={**headers, "Location": text})
    signed = told == "application/jwt"
    kind = "text/html" if text.lstrip().startswith("<") else told if signed else "application/json"
    return web.Response(text=text, content_type=kind, headers=headers)


def _configuration(issuer: str) -> dict[str, Any]:
    endpoints = {
        "provider_config": (".well-known/openid-configuration", ProviderConfiguration, {}),
        "authorization": ("authorization", Authorization, {
            "response_types_supported": KINDS,
            "response_modes_supported": ["query", "fragment", "form_post"],
        }),
        "token": ("token", Token, {"client_authn_method": METHODS}),
        "registration": ("registration", Registration, {}),
        "userinfo": ("userinfo", UserInfo, {"claim_types_supported": ["normal"]}),
    }  # fmt: skip
    lifetime = {"lifetime": 3600}
    signed = {**lifetime, "alg": "RS256"}
    return {
        "issuer": issuer,
        "entity_id": issuer,
        "key_conf": {"key_defs": KEYS, "uri_path": "static/jwks.json"},
        "add_on": {"pkce": {"function": pkce.add_support, "kwargs": {"essential": False}}},
        "token_handler_args": {
            "jwks_def": {"private_path": "", "read_only": False, "key_defs": [{"type": "oct", "bytes": 24,
                         "use": ["enc"], "kid": "code"}]},
            "code": lifetime,
            "token": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": signed},
            "refresh": {"class": "idpyoidc.server.token.jwt_token.JWTToken", "kwargs": signed},
            "id_token": {"class": "idpyoidc.server.token.id_token.IDToken",
                         "kwargs": {"add_claims_by_scope": True}},
        },
        "endpoint": {n: {"path": p, "class": c, "kwargs": k} for n, (p, c, k) in endpoints.items()},
        "userinfo": {"class": People, "kwargs": {"db": PERSON}},
        "authentication": {"anon": {"acr": "urn:lab:none", "class": Anybody, "kwargs": {"user": "mira"}}},
        "authz": {"class": AuthzHandling, "kwargs": {"grant_config": {
            "usage_rules": {"authorization_code": {"supports_minting": ["access_token", "id_token"], "max_usage": 1},
                            "access_token": {}}, "expires_in": 3600}}},
        "cookie_handler": {"class": CookieHandler, "kwargs": {
            "keys": {"key_defs": [{"type": "OCT", "use": ["enc"]}, {"type": "OCT", "use": ["sig"]}]},
            "name": {"session": "oidc_op", "register": "oidc_op_rp", "session_management": "sman"}}},
        "scopes_to_claims": {
            "openid": ["sub"],
            "profile": ["name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture",
                        "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at", "preferred_username"],
            "email": ["email", "email_verified"], "address": ["address"],
            "phone": ["phone_number", "phone_number_verified"], "groups": ["groups", "roles"],
        },
        "session_params": {"encrypter": {"kwargs": {"keys": {"key_defs": [
            {"type": "OCT", "use": ["enc"], "kid": "password"}, {"type": "OCT", "use": ["enc"], "kid": "salt"}]},
            "iterations": 1}}},
    }  # fmt: skip


@asynccontextmanager
async def idpyoidc_tenant(directory: Path) -> AsyncIterator[IdpyTenant]:
    """The tenant on ``https://localhost``, with a certificate of an authority made for it."""
    sock = listen()
    issuer = f"https://localhost:{port_of(sock)}"
    authority, trust = trustme.CA(), directory / "idpy-ca.pem"
    authority.cert_pem.write_to_path(str(trust))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    tenant = IdpyTenant(issuer, trust, Server(_configuration(issuer)))
    app = web.Application()
    app.add_routes([web.get("/static/jwks.json", tenant.jwks), web.route("*", "/{endpoint:.*}", tenant.answer)])
    async with serving(app, sock, tls):
        yield tenant

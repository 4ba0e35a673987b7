"""One oidc-provider and one Isthmus with many connections to it, each with options of its own.

oidc-provider is told of each connection exactly what follows from its options, so that it refuses anything less: a
client that is to push its requests may not do otherwise, one that signs with ES256 may not use RS256.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.lab.browser import Browser, Tab
from proxy.lab.people import PEOPLE, SCOPE_CLAIMS
from proxy.models import ConnectionOptions
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from tests.e2e.sdk_world import Program, node_program
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import CLIENT_SECRET, OWN_SECRET, Node, client, configure, connection, isthmus
from tests.kit.valkey import Valkey, free_port

MIRA = PEOPLE[0]
FRONT = ("id_token", "id_token token")
STRICT = "strict"
"""A connection whose name begins so is one to the provider that insists on pushed requests and nonces."""
TOKEN = "the-initial-access-token-that-the-strict-one-wants"
Options = Mapping[str, Any]


@dataclass
class ProviderWorld:
    """Everything running. ``file`` and ``environ`` are for commands beside the server."""

    issuer: str
    strict: str
    provider: Program
    node: Node
    app: AuthlibApp
    file: Path
    environ: Mapping[str, str]

    async def leave(self, browser: Browser, name: str, **wishes: str) -> Tab:
        """A tab on its way through the connection, as far as it goes by itself."""
        more = "".join(f"&{key}={value}" for key, value in wishes.items())
        return await browser.open(f"{self.app.base}login?connection={name}{more}")

    async def log_in(self, browser: Browser, name: str, **wishes: str) -> Tab:
        """The whole way as Mira."""
        tab = await self.leave(browser, name, **wishes)
        await through_its_pages(tab)
        assert tab.page.text == f"hello oidc|{name}|{MIRA.sub}", (tab.page.url, tab.page.text)
        return tab

    async def counts(self) -> Counter[str]:
        """How often each path of the provider was asked for."""
        return Counter(await self.provider.ask("hits"))


async def through_its_pages(tab: Tab) -> None:
    """Log in at oidc-provider's own form, and consent."""
    assert tab.page.forms, (tab.page.url, tab.page.text)
    await tab.submit(login=MIRA.sub, password="anything")
    if "Continue" in tab.page.names:
        await tab.click("Continue")


def table(name: str, tenant: str, options: Options) -> Any:
    """The ``[[connections]]`` table."""
    channel = "front_channel" if options.get("response_type") in FRONT else "back_channel"
    made: Any = connection(name, tenant, channel, **{"client_id": name, **options})
    if options.get("token_endpoint_auth_method") in ("private_key_jwt", "none"):
        del made["options"]["client_secret"]
    return made


def known(name: str, ours: str, options: ConnectionOptions) -> dict[str, Any]:
    """How oidc-provider knows the connection. The client is native: only so does it take an http redirect URI."""
    usual = "client_secret_basic" if options.client_secret else "none"
    method = options.token_endpoint_auth_method or usual
    signs = bool(options.request_object) or method == "private_key_jwt"
    refreshes = ["refresh_token"] if "offline_access" in options.scopes else []
    pushes = options.enable_pushed_authorization_requests or name.startswith(STRICT)
    says = {
        "client_id": name,
        "client_secret": "" if method in ("private_key_jwt", "none") else CLIENT_SECRET,
        "application_type": "native",
        "redirect_uris": [f"{ours}login/callback"],
        "post_logout_redirect_uris": [f"{ours}login/logged-out"],
        "backchannel_logout_uri": f"{ours}login/backchannel-logout",
        "backchannel_logout_session_required": True,
        "response_types": [options.kind],
        "grant_types": ["authorization_code", "implicit", *refreshes],
        "token_endpoint_auth_method": method,
        "token_endpoint_auth_signing_alg": options.token_endpoint_auth_signing_alg,
        "jwks_uri": f"{ours}login/keys/{name}" if signs else "",
        "id_token_signed_response_alg": options.id_token_signed_response_algs[0],
        "userinfo_signed_response_alg": options.userinfo_signed_response_alg,
        "request_object_signing_alg": options.request_object_signing_alg if options.request_object else "",
        "require_signed_request_object": bool(options.request_object),
        "require_pushed_authorization_requests": pushes,
        "dpop_bound_access_tokens": bool(options.dpop_signing_alg),
    }
    return {key: value for key, value in says.items() if value}


@asynccontextmanager
async def provider_world(
    directory: Path, server: Valkey, ways: Mapping[str, Options], **client_changes: Any
) -> AsyncIterator[ProviderWorld]:
    """``ways``: the connections, by name. The store is a database of ``server``, which commands can open too."""
    port, there, strict = free_port(), free_port(), free_port()
    ours, where = f"http://127.0.0.1:{port}/", {False: f"http://localhost:{there}", True: f"http://localhost:{strict}"}
    tables = [table(name, where[name.startswith(STRICT)], options) for name, options in ways.items()]
    told = [known(one["name"], ours, ConnectionOptions.model_validate(one["options"])) for one in tables]
    configuration = {
        "issuer": where[False],
        "port": there,
        "clients": [one for one in told if not one["client_id"].startswith(STRICT)],
        "people": {person.sub: dict(person.claims) for person in PEOPLE},
        "scopes": {scope: list(claims) for scope, claims in SCOPE_CLAIMS.items()},
        "strict": {
            "issuer": where[True],
            "port": strict,
            "token": TOKEN,
            "clients": [one for one in told if one["client_id"].startswith(STRICT)],
        },
    }
    server.command("FLUSHALL")
    redis = f"unix://{server.socket_path}?db=0"
    store = RedisStore(redis, Seal([OWN_SECRET.encode()]))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        provider = await stack.enter_async_context(node_program("provider.mjs", configuration))
        await provider.hear()
        app = await stack.enter_async_context(authlib_app())
        site: dict[str, Any] = {
            "connections": tables,
            "clients": [client(app, **client_changes)],
            "redis": {"url": redis},
        }
        node = await stack.enter_async_context(isthmus(directory, store, port=port, **site))
        file, environ = await asyncio.to_thread(configure, directory, ours, port, site)
        app.issuer = node.issuer
        yield ProviderWorld(where[False], where[True], provider, node, app, file, environ)

"""Logins through idpyoidc, a provider from PyPI, by the ways it and a connection both know; and its registration."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from proxy.app import ROSTER
from proxy.lab.browser import Browser, Tab
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from tests.cli.conftest import Said
from tests.cli.conftest import isthmus as command
from tests.e2e.provider_world import FRONT, MIRA, Options
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.idpyoidc_tenant import CLIENT_SECRET, IdpyTenant, idpyoidc_tenant
from tests.kit.isthmus import OWN_SECRET, Node, client, configure, connection, isthmus
from tests.kit.valkey import Valkey, free_port
from tests.kit.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
USERINFO: Options = {"attribute_map": {"mapping_mode": "bind_all", "userinfo_scope": "groups"}}
AT_ENDPOINT: Options = {"token_endpoint_jwtca_aud_format": "token_endpoint"}
"""Whom an assertion must name: idpyoidc's token endpoint does not answer to its issuer."""
BY_KEY: Options = {"token_endpoint_auth_method": "private_key_jwt", **AT_ENDPOINT}
BACK = ("code", "code id_token", "code token", "code id_token token")
WAYS: Mapping[str, Options] = {
    "basic": {"token_endpoint_auth_method": "client_secret_basic"},
    "post": {"token_endpoint_auth_method": "client_secret_post"},
    "secret-jwt": {"token_endpoint_auth_method": "client_secret_jwt", **AT_ENDPOINT},
    "key-rs256": BY_KEY,
    "key-es256": {**BY_KEY, "token_endpoint_auth_signing_alg": "ES256"},
    **{
        f"{kind} by {mode}".replace("_", "-").replace(" ", "-"): {"response_type": kind, "response_mode": mode}
        for kind in (*BACK, *FRONT)
        for mode in (("form_post", "query") if kind == "code" else ("form_post", "fragment"))
    },
    "userinfo": USERINFO,
    "userinfo-signed": {**USERINFO, "userinfo_signed_response_alg": "RS256"},
    "id-token-es256": {"id_token_signed_response_algs": ["ES256"]},
    "id-token-ps256": {"id_token_signed_response_algs": ["PS256"]},
}


@dataclass
class World:
    """idpyoidc, Isthmus with a connection for each way, an application; what commands beside the server need."""

    tenant: IdpyTenant
    node: Node
    app: AuthlibApp
    file: Path
    environ: Mapping[str, str]

    async def log_in(self, name: str) -> Tab:
        """Through the connection, as Mira: idpyoidc asks for nothing."""
        async with Browser(trust=self.tenant.tls) as browser:
            tab = await browser.open(f"{self.app.base}login?connection={name}")
            assert tab.page.text.startswith(f"hello oidc|{name}|"), (tab.page.url, tab.page.text)
            assert browser.jar.refused == []
            return tab


def table(name: str, tenant: IdpyTenant, options: Options) -> Any:
    """The ``[[connections]]`` table."""
    channel = "front_channel" if options.get("response_type") in FRONT else "back_channel"
    secret = channel == "back_channel" and options.get("token_endpoint_auth_method") != "private_key_jwt"
    made: Any = connection(name, tenant.issuer, channel, client_id=name, **options)
    made["options"].pop("client_secret", None)
    made["options"] |= {"client_secret": CLIENT_SECRET} if secret else {}
    return made


def introduce(tenant: IdpyTenant, name: str, ours: str, options: Options) -> None:
    """Let idpyoidc know the connection, and by what it promised."""
    algs = options.get("id_token_signed_response_algs", ["RS256"])
    signed = options.get("userinfo_signed_response_alg")
    method = options.get("token_endpoint_auth_method", "client_secret_basic")
    tenant.register(
        f"{ours}login/callback",
        client_id=name,
        jwks_uri=f"{ours}login/keys/{name}" if method == "private_key_jwt" else "",
        id_token_signed_response_alg=algs[0],
        token_endpoint_auth_method=method,
        token_endpoint_client_authn_method=[method],
        **({"userinfo_signed_response_alg": signed} if signed else {}),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, server: Valkey) -> AsyncIterator[World]:
    """All connections at once."""
    folder, port = tmp_path_factory.mktemp("idpy"), free_port()
    ours, redis = f"http://127.0.0.1:{port}/", f"unix://{server.socket_path}?db=0"
    server.command("FLUSHALL")
    store = RedisStore(redis, Seal([OWN_SECRET.encode()]))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        tenant = await stack.enter_async_context(idpyoidc_tenant(folder))
        app = await stack.enter_async_context(authlib_app())
        connections = [table(name, tenant, options) for name, options in WAYS.items()]
        site: dict[str, Any] = {
            "connections": connections,
            "clients": [client(app)],
            "redis": {"url": redis},
            "server": {"trust": [str(tenant.trust)]},
        }
        node = await stack.enter_async_context(isthmus(folder, store, port=port, **site))
        for name, options in WAYS.items():
            await asyncio.to_thread(introduce, tenant, name, ours, options)  # it fetches our keys at once
        app.issuer = node.issuer
        yield World(tenant, node, app, *await asyncio.to_thread(configure, folder, ours, port, site))


@pytest.mark.parametrize("name", WAYS)
async def test_a_login_by_every_way(name: str, world: World) -> None:
    """The person arrives with name and email, and idpyoidc was asked for what the options say."""
    options: Any = world.node.settings.connections[name].options
    before = world.tenant.hits.copy()
    tab = await world.log_in(name)
    claims, called = world.app.last.claims, world.tenant.hits - before
    assert (claims["name"], claims["email"]) == (MIRA.claims["name"], MIRA.claims["email"])
    assert ("/token" in called, "/userinfo" in called) == ("code" in options.kind.split(), options.reads_userinfo)
    assert "id_token" not in "".join(tab.page.history)


async def test_one_command_makes_us_known(world: World) -> None:
    """Registered, added, logged in through within moments. It takes no registration back, which the answer says."""
    words = ("add", "far", "--issuer", world.tenant.issuer, "--register", "--client", "webapp")
    option = ("--option", *(f"{key}={value}" for key, value in AT_ENDPOINT.items()))
    said = await tell(world, *words, *option, "--json")
    assert said.status == 0, said.err
    made: dict[str, Any] = json.loads(said.out)
    assert made["options"]["token_endpoint_auth_method"] == "private_key_jwt"
    assert made["registration"]["taken_back_on_removal"] is False

    async def known() -> bool:
        return "far" in world.node.site[ROSTER]

    await eventually(known)
    await world.log_in("far")
    assert world.app.last.claims["email"] == MIRA.claims["email"]
    said = await tell(world, "remove", "far")
    assert (said.status, said.out) == (0, "") and "connection_removed" in said.err


async def tell(world: World, *words: str) -> Said:
    """``isthmus connections WORDS``, beside the running server."""
    return await asyncio.to_thread(command, "connections", *words, "--config", world.file, environ=dict(world.environ))

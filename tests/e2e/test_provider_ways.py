"""Logins through npm oidc-provider by every way that it and a connection both know: client authentication, response
types and modes, pushed and signed requests, proofs of possession, signed userinfo, algorithms of ID tokens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from proxy.lab.browser import Browser
from proxy.models import ConnectionOptions
from proxy.upstream.needs import gaps
from tests.e2e.provider_world import FRONT, MIRA, STRICT, Options, ProviderWorld, provider_world
from tests.kit.isthmus import CLIENT_SECRET
from tests.kit.valkey import Valkey

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
BACK = ("code", "code id_token", "code token", "code id_token token")
USERINFO: Options = {"attribute_map": {"mapping_mode": "bind_all", "userinfo_scope": "groups"}}
BY_KEY: Options = {"token_endpoint_auth_method": "private_key_jwt"}
PUSHED: Options = {"enable_pushed_authorization_requests": True}
KEYS = ("RS256", "PS256", "ES256", "EdDSA")


def _object(alg: str) -> Options:
    return {"request_object": "value", "request_object_signing_alg": alg}


def _answered(kind: str, mode: str) -> Options:
    return {"response_type": kind, "response_mode": mode, **({} if kind == "id_token" else USERINFO)}


WAYS: Mapping[str, Options] = {
    "basic": {"token_endpoint_auth_method": "client_secret_basic"},
    "post": {"token_endpoint_auth_method": "client_secret_post"},
    "secret-jwt": {"token_endpoint_auth_method": "client_secret_jwt"},
    "public": {"token_endpoint_auth_method": "none"},
    **{f"key-{alg.lower()}": {**BY_KEY, "token_endpoint_auth_signing_alg": alg} for alg in KEYS},
    "key-at-endpoint": {**BY_KEY, "token_endpoint_jwtca_aud_format": "token_endpoint"},
    **{
        f"{kind} by {mode}".replace("_", "-").replace(" ", "-"): _answered(kind, mode)
        for kind in (*BACK, *FRONT)
        for mode in ("form_post", "fragment", *(("query",) if kind == "code" else ()))
    },
    "pushed": PUSHED,
    "pushed-public": {**PUSHED, "token_endpoint_auth_method": "none"},
    "pushed-key": {**PUSHED, **BY_KEY},
    "pushed-front": {**PUSHED, "response_type": "id_token"},
    **{f"object-{alg.lower()}": _object(alg) for alg in KEYS},
    "object-front": {**_object("ES256"), "response_type": "id_token"},
    "object-pushed": {**_object("ES256"), **PUSHED},
    "dpop-es256": {"dpop_signing_alg": "ES256", **USERINFO},
    "dpop-ed25519": {"dpop_signing_alg": "Ed25519", **USERINFO},
    "dpop-pushed": {"dpop_signing_alg": "ES256", **PUSHED, **USERINFO},
    "userinfo": USERINFO,
    **{f"userinfo-{alg.lower()}": {**USERINFO, "userinfo_signed_response_alg": alg} for alg in KEYS},
    **{f"id-token-{alg.lower()}": {"id_token_signed_response_algs": [alg]} for alg in KEYS},
    "id-token-ps256-front": {"id_token_signed_response_algs": ["PS256"], "response_type": "id_token token"},
    "no-pkce": {"connection_settings": {"pkce": "disabled"}},
    "no-nonce": {"send_back_channel_nonce": False},
    "two-secrets": {"client_secret": "one that it does not know yet, or not", "client_secret_previous": CLIENT_SECRET},
    STRICT: {},
    f"{STRICT}-public": {"token_endpoint_auth_method": "none"},
    f"{STRICT}-dpop": {"dpop_signing_alg": "ES256", **USERINFO},
    f"{STRICT}-all": {
        **BY_KEY,
        **_object("PS256"),
        **USERINFO,
        "token_endpoint_auth_signing_alg": "ES256",
        "dpop_signing_alg": "Ed25519",
        "id_token_signed_response_algs": ["ES256"],
        "userinfo_signed_response_alg": "ES256",
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, server: Valkey) -> AsyncIterator[ProviderWorld]:
    """All connections at once."""
    async with provider_world(tmp_path_factory.mktemp("ways"), server, WAYS) as made:
        yield made


@pytest.mark.parametrize("name", WAYS)
async def test_a_login_by_every_way(name: str, world: ProviderWorld) -> None:
    """The person arrives with name and email; the provider saw what the options say, and nothing went by the
    address that should not."""
    options: Any = world.node.settings.connections[name].options
    async with Browser() as browser:
        before = await world.counts()
        tab = await world.log_in(browser, name)
        claims = world.app.last.claims
        assert (claims["name"], claims["email"]) == (MIRA.claims["name"], MIRA.claims["email"])
        assert browser.jar.refused == []
        assert "id_token" not in "".join(tab.page.history)
    called = await world.counts() - before
    assert ("/token" in called) is ("code" in options.kind)
    assert ("/request" in called) is (options.enable_pushed_authorization_requests or name.startswith(STRICT))
    assert ("/me" in called) is options.reads_userinfo


async def test_the_doctor_finds_nothing_missing_for_what_works(world: ProviderWorld) -> None:
    """Held against its document, no connection lacks anything; it says that it takes no requests by reference."""
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{world.issuer}/.well-known/openid-configuration") as answer:
            document = await answer.json()
    for name, connection in world.node.settings.connections.items():
        assert gaps(document, connection.options) == (), name
    by_reference: Any = {"client_id": "x", "type": "back_channel", "request_object": "reference"}
    assert gaps(document, ConnectionOptions.model_validate(by_reference)) == ("request_uri_parameter_supported",)

"""Discovery and the key set: what is there is said, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from proxy.downstream.metadata import joined
from proxy.downstream.ring import CACHED_FOR
from proxy.features import Caller, Feature
from proxy.models.client import RESPONSE_TYPES
from proxy.oidc.errors import Unavailable
from tests.downstream.world import ISSUER, FailingStore, World

KNOWN = {  # OpenID Connect Discovery 3, RFC 8414 2, RFC 9207 3, RFC 9449 5.1, RP-Initiated Logout 2.1
    "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint",
    "scopes_supported", "response_types_supported", "response_modes_supported", "grant_types_supported",
    "subject_types_supported", "id_token_signing_alg_values_supported", "token_endpoint_auth_methods_supported",
    "claims_supported", "code_challenge_methods_supported", "request_parameter_supported",
    "request_uri_parameter_supported", "authorization_response_iss_parameter_supported",
    "acr_values_supported", "claims_parameter_supported", "display_values_supported", "prompt_values_supported",
    "ui_locales_supported", "token_endpoint_auth_signing_alg_values_supported",
    "userinfo_signing_alg_values_supported", "dpop_signing_alg_values_supported",
}  # fmt: skip


async def discovery(world: World) -> dict[str, Any]:
    answer = await world.metadata.discovery(world.request({}))
    assert answer.json is not None
    return dict(answer.json)


async def test_the_document_says_what_certification_asks(world: World) -> None:
    """oidcc-discovery-endpoint-verification: every required member, with a legal value."""
    document = await discovery(world)
    assert document["issuer"] == ISSUER
    assert document["response_types_supported"] == list(RESPONSE_TYPES)
    assert set(document["response_modes_supported"]) == {"query", "fragment", "form_post"}
    assert document["subject_types_supported"] == ["public", "pairwise"]
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert "openid" in document["scopes_supported"] and "offline_access" in document["scopes_supported"]
    assert {"sub", "name", "email"} <= set(document["claims_supported"])
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert {"client_secret_basic", "client_secret_post"} <= set(document["token_endpoint_auth_methods_supported"])
    assert set(document["grant_types_supported"]) == {"authorization_code", "implicit", "refresh_token"}
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["request_parameter_supported"] is document["request_uri_parameter_supported"] is False


async def test_no_member_that_nobody_knows(world: World) -> None:
    """certification.md 4.1: an unknown field warns, a missing one fails."""
    assert set(await discovery(world)) == KNOWN


async def test_every_address_is_ours_and_answered(world: World) -> None:
    """What is advertised has an endpoint, and https."""
    document = await discovery(world)
    answered = {f"{ISSUER}{e.path}" for feature in (*world.features, world.metadata) for e in feature.endpoints()}
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value in answered and value.startswith("https://"), name


async def test_cf_02_the_issuer_is_the_configured_one(world: World) -> None:
    """CF-02: nothing of a request gets into the document."""
    plain = await discovery(world)
    answer = await world.metadata.discovery(world.request({"issuer": "https://evil.example/"}))
    assert answer.json == plain and not re.search("evil", str(answer))


async def test_both_well_known_addresses_say_the_same(world: World) -> None:
    """RFC 8414 3 and OpenID Connect Discovery 4; the key set beside them; all for anyone."""
    handlers = {e.path: (e.handler, e.caller, e.methods) for e in world.metadata.endpoints()}
    assert handlers[".well-known/openid-configuration"] == handlers[".well-known/oauth-authorization-server"]
    assert set(handlers) == {
        ".well-known/openid-configuration",
        ".well-known/oauth-authorization-server",
        ".well-known/jwks.json",
    }
    assert {(caller, methods) for _, caller, methods in handlers.values()} == {(Caller.ANYONE, ("GET",))}


async def test_the_key_set_may_be_kept_as_long_as_the_ring_counts_on(world: World) -> None:
    """The cache header and the time a key is published ahead come from one number."""
    answer = await world.metadata.jwks(world.request({}))
    assert answer.headers["Cache-Control"] == f"public, max-age={CACHED_FOR}"
    assert answer.json == world.keys.jwks(world.clock.now)


async def test_a_rotation_elsewhere_is_seen_at_once(world: World) -> None:
    """A node that is asked for keys looks whether another one has new ones."""
    other = await World(world.clock, store=world.store).begin(None)
    await world.keys.rotate(world.clock.now)
    world.clock.now += 1
    answer = await other.metadata.jwks(other.request({}))
    assert answer.json == world.keys.jwks(world.clock.now) and len(answer.json["keys"]) == 3


async def test_the_key_set_is_there_while_the_store_is_away(world: World) -> None:
    """Clients can verify tokens although we cannot issue any."""
    world.keys._store = FailingStore(world.store, lambda op: True, Unavailable("store"))
    world.clock.now += 3600
    answer = await world.metadata.jwks(world.request({}))
    assert answer.json is not None and len(answer.json["keys"]) == 2


@pytest.mark.parametrize(
    ("said", "document"),
    [
        ([{"a": ["x"]}, {"a": ["y", "x"]}], {"a": ["x", "y"]}),
        ([{"a": "x"}, {"b": True}], {"a": "x", "b": True}),
        ([{}, {}], {}),
    ],
)
def test_the_document_is_the_sum_of_the_features(said: list[dict[str, Any]], document: dict[str, Any]) -> None:
    """Lists of several features are joined without doubles."""

    def feature(what: dict[str, Any]) -> Feature:
        made = Feature()
        object.__setattr__(made, "metadata", lambda: what)
        return made

    assert joined([feature(what) for what in said]) == document

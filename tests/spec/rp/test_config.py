"""Configuration and dynamic Relying Party: discovery, WebFinger, registration, keys, request objects, signed userinfo.

OpenID Connect Discovery 1.0, Registration 1.0, Core 5.3.2, 6, 10.1.1.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from proxy import app
from proxy.lab.directory import FAULTS
from proxy.lab.keys import odd_keys
from proxy.models import Connection
from proxy.oidc import jose
from proxy.oidc.errors import UpstreamError
from proxy.parts import way_out
from proxy.roster import Entry
from proxy.upstream.federation import Federation
from proxy.upstream.ourselves import Ourselves
from tests.spec.rp.conftest import ALL, NEW_EACH_TIME, House, Run, Runs, Variant, has, played, variants
from tests.spec.rp.test_core import complete

pytestmark = pytest.mark.asyncio(loop_scope="session")
KEYS = "{issuer}login/keys/{name}"
ONE_OF_EACH = (("code", "query"), ("id_token", "form_post"), ("code id_token token", "fragment"))


@pytest_asyncio.fixture(loop_scope="session")
async def federation(house: House) -> AsyncIterator[Federation]:
    """What finds tenants and registers at them, with the real way out."""
    async with way_out(house.node.settings) as wire:
        yield Federation(wire.send, house.node.store)


@variants(*ONE_OF_EACH)
async def test_oidcc_client_test_discovery_openid_config(run: Runs, variant: Variant) -> None:
    """The discovery document is fetched before anything else, for this login."""
    async with run("healthy", variant) as made:
        await made.logged_in()
        assert made.called[:2] == ["discovery", "authorize"]
        await made.log_in(prompt="login")
        assert made.called.count("discovery") == 2


@variants(*ONE_OF_EACH)
async def test_oidcc_client_test_discovery_jwks_uri_keys(run: Runs, variant: Variant) -> None:
    """Keys come from the ``jwks_uri`` of this login's document: after it, and before userinfo."""
    suffixes: list[str] = []

    def elsewhere(document: dict[str, str]) -> dict[str, str]:
        suffixes.append(secrets.token_urlsafe(8))
        return {**document, "jwks_uri": f"{document['jwks_uri']}?{suffixes[-1]}=1"}

    async with run(replace(played("healthy"), document=elsewhere), variant) as made:
        await made.logged_in()
        complete(made)
        assert {suffix for call in made.calls("jwks") for suffix in call.params} == {suffixes[-1]}
        made.tenant.memory.calls.clear()
        await made.log_in(prompt="login")
        assert {suffix for call in made.calls("jwks") for suffix in call.params} == {suffixes[-1]} != {suffixes[0]}


@variants(*ONE_OF_EACH)
async def test_oidcc_client_test_discovery_issuer_mismatch(run: Runs, variant: Variant) -> None:
    """A document of another issuer: the authorization endpoint is never reached, and nothing else is."""
    async with run("issuer-mismatch", variant) as made:
        await made.refused("metadata_issuer_mismatch")
        assert set(made.called) == {"discovery"}


@variants()
async def test_oidcc_client_test_signing_key_rotation_just_before_signing(run: Runs, variant: Variant) -> None:
    """A key that came after the set was read: the set is read again for its name, once, and the login works."""
    async with run("rotation-at-signing", variant, jwks_max_age=600) as made:
        await made.logged_in()
        before = made.called.count("jwks")
        _, tab = await made.log_in(prompt="login")
        assert tab.pending is not None
        read = made.called.count("jwks") - before
        assert read == (2 if has(variant, "code") and has(variant, "id_token") else 1)  # a new key for each token


@variants()
async def test_oidcc_client_test_signing_key_rotation(run: Runs, variant: Variant) -> None:
    """Two logins, each with a key of its own: the set is read in each, and both work."""
    async with run("rotation", variant, jwks_max_age=600) as made:
        await made.logged_in()
        assert made.called.count("jwks") == 1
        await made.logged_in(prompt="login")
        assert made.called.count("jwks") == 2


async def looked_up(made: Run, federation: Federation, identifier: str) -> None:
    """The identifier is looked up at its host with the relation of Discovery 2, and the issuer that comes back is the
    one that is asked for its document, and registered at."""
    issuer = await federation.issuer_of(identifier, made.name)
    assert issuer == made.tenant.issuer
    (call,) = made.calls("webfinger")
    assert call.params == {"resource": identifier, "rel": "http://openid.net/specs/connect/1.0/issuer"}
    found = await federation.register(issuer, us(made))
    assert found.options["issuer"] == issuer and made.called[-2:] == ["discovery", "register"]


async def test_oidcc_client_test_discovery_webfinger_acct(run: Runs, federation: Federation) -> None:
    """The issuer of an account is found at the account's host."""
    async with run() as made:
        host = made.tenant.issuer.removeprefix("http://").rstrip("/")
        await looked_up(made, federation, f"acct:isthmus.module@{host}")


async def test_oidcc_client_test_discovery_webfinger_url(run: Runs, federation: Federation) -> None:
    """The issuer of an address is found at the address's host."""
    async with run() as made:
        await looked_up(made, federation, f"{made.tenant.issuer}isthmus/module")


def us(made: Run) -> Ourselves:
    """We, as this run's tenant is to know us."""
    return Ourselves(made.node.issuer, "Acme apps", made.name)


async def test_oidcc_client_test_dynamic_registration(run: Runs, federation: Federation) -> None:
    """Registered in one step, then logged in through what came of it; taken back, the tenant knows us no more."""
    async with run() as made:
        registered = await federation.register(made.tenant.issuer, us(made))
        await federation.remember(made.name, registered)
        options = {**registered.options, **NEW_EACH_TIME}
        before = made.node.site[app.ROSTER].by_id(made.name)
        assert before is not None
        table = {"name": made.name, "enabled_clients": ["webapp"], "options": options}
        await made.node.site[app.ROSTER].replace(
            Entry(made.name, Connection.model_validate(table), before.revision, None, before.created_at)
        )
        await made.logged_in()
        client = made.calls("authorize")[0].params["client_id"]
        assert client == registered.options["client_id"] and client in made.tenant.clients
        assert await federation.take_back(made.name) is True
        assert client not in made.tenant.clients


async def hosted(run: Runs, variant: Variant, alg: str) -> None:
    """The request is an object that lies with us; the tenant fetches it, and it says what was asked for, signed with
    ``alg`` by a key that we publish."""
    options = {"request_object": "reference", "request_object_signing_alg": alg}
    async with run("healthy", variant, {"jwks_uri": KEYS}, **options) as made:
        await made.logged_in()
        complete(made)
        (asked,) = made.calls("authorize")
        assert asked.params["request_uri"].startswith(f"{made.node.issuer}login/request/")
        assert set(asked.params) <= {"client_id", "response_type", "scope", "request_uri", "redirect_uri"}
        header, said = jose.peek((await made.app.ask(asked.params["request_uri"])).text)
        assert (header["alg"], said["aud"], said["response_type"]) == (alg, made.tenant.issuer, variant[0])
        assert said["redirect_uri"] == made.node.callback and {"state", "nonce"} <= set(said)


@variants(*ONE_OF_EACH)
async def test_oidcc_client_test_request_uri_signed_rs256(run: Runs, variant: Variant) -> None:
    """A request object by reference, signed with RS256."""
    await hosted(run, variant, "RS256")


@variants()
async def test_oidcc_client_test_request_uri_signed_none(run: Runs, variant: Variant) -> None:
    """A request object by reference, unsigned."""
    await hosted(run, variant, "none")


@variants(*[variant for variant in ALL if variant[0] != "id_token"])
async def test_oidcc_client_test_userinfo_signed(run: Runs, variant: Variant) -> None:
    """userinfo as a token signed with RS256 is read, its signature checked."""
    async with run("userinfo-signed", variant) as made:
        told = await made.logged_in()
        assert (await made.app.userinfo(told["access_token"])).json["email"] == "mira@corp.example"


async def test_userinfo_signed_by_nobody(run: Runs) -> None:
    """oidcc-client-test-userinfo-signed, turned round: a signed userinfo whose signature is not its own is refused."""

    def mangle(keys: object, header: object, claims: object, where: str) -> str:
        token: str = keys.sign(header, claims)
        return token if where != "userinfo" else f"{token.rpartition('.')[0]}.{'A' * 342}"

    async with run(replace(played("userinfo-signed"), seal=mangle)) as made:
        await made.refused("userinfo_bad_signature")


async def test_a_tenant_that_cannot_be_found_is_none(run: Runs, federation: Federation) -> None:
    """A host whose WebFinger names no issuer: the reason is told, and nothing else is asked there."""
    async with run(replace(FAULTS["healthy"], around={"webfinger": FAULTS["invalid-client"].around["token"]})) as made:
        host = made.tenant.issuer.removeprefix("http://").rstrip("/")
        with pytest.raises(UpstreamError) as told:
            await federation.issuer_of(f"acct:mira@{host}", made.name)
        assert told.value.reason == "webfinger_not_found" and made.called == ["webfinger"]


async def test_the_surroundings_are_the_suites() -> None:
    """The key set that all modules are played with has what the suite's has: odd curves, encryption keys, no ``alg``
    on any key that signs."""
    published = played("healthy").keys([{"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256"}])
    assert {jwk["kid"] for jwk in odd_keys()} < {jwk["kid"] for jwk in published}
    assert {"secp256k1", "Ed25519", "P-256"} <= {jwk.get("crv") for jwk in published}
    assert not [jwk for jwk in published if jwk["kty"] == "RSA" and jwk["use"] == "sig" and "alg" in jwk]

"""The token endpoint: which grants there are, who may use them, and what the answer looks like."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.downstream.token import Token
from proxy.features import Caller
from proxy.oidc.errors import Refused, Shown
from proxy.oidc.params import once, parse
from proxy.web.bodies import strings
from proxy.web.callers import NO_STORE
from tests.downstream.world import API, ISSUER, WEBAPP, World, payload


@pytest.mark.parametrize(
    ("grant_type", "code"),
    [
        pytest.param("password", "unsupported_grant_type", id="tk-19-password"),
        pytest.param("implicit", "unsupported_grant_type", id="tk-19-implicit"),
        pytest.param("client_credentials", "unsupported_grant_type", id="tk-19-client-credentials"),
        pytest.param(
            "urn:ietf:params:oauth:grant-type:token-exchange", "unsupported_grant_type", id="tk-19-token-exchange"
        ),
        pytest.param("urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type", id="tk-19-jwt-bearer"),
        pytest.param("Authorization_Code", "unsupported_grant_type", id="tk-19-case"),
        pytest.param('x"\\\r\n' + "y" * 5000, "unsupported_grant_type", id="tk-19-hostile"),
        pytest.param("", "invalid_request", id="tk-19-empty"),
    ],
)
async def test_a_grant_that_is_not_offered_is_refused(world: World, grant_type: str, code: str) -> None:
    """TK-19: refused before anything is read of the rest; the error is a short line of printable ASCII."""
    live = await world.new_code()
    with pytest.raises(Refused) as caught:
        await world.redeem(live, grant_type=grant_type)
    assert (caught.value.code, caught.value.status) == (code, 400)
    assert caught.value.description.isascii() and caught.value.description.isprintable()
    assert len(caught.value.description) < 120
    assert "access_token" in await world.redeem(live)


async def test_tk_19_an_array_is_no_grant_type(world: World) -> None:
    """TK-19: ``grant_type[]`` is a parameter nobody knows."""
    with pytest.raises(Refused, match="grant_type is missing"):
        await world.exchange(**{"grant_type[]": "authorization_code", "code": "x"})


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token"])
async def test_tk_19_a_client_uses_only_its_own_grants(world: World, grant: str) -> None:
    """TK-19: a grant that is offered but not this client's is unauthorized_client (RFC 6749 5.2)."""
    others = tuple(g for g in WEBAPP.grant_types if g != grant)
    world.clients["webapp"] = WEBAPP.model_copy(update={"grant_types": others})
    with pytest.raises(Refused) as caught:
        await world.exchange(grant_type=grant, code="x", refresh_token="x")
    assert (caught.value.code, caught.value.status) == ("unauthorized_client", 400)


async def test_tk_29_each_grant_reads_its_own_parameters(world: World) -> None:
    """TK-29: a refresh token, a user name or a subject token beside a code changes nothing and is not used up."""
    tokens = await world.tokens(scope="openid offline_access")
    mixed = {"refresh_token": tokens["refresh_token"], "username": "ada", "password": "x", "subject_token": "x"}
    assert "refresh_token" not in await world.redeem(await world.new_code(), **mixed)
    assert "access_token" in await world.refresh(
        tokens["refresh_token"], code="x", redirect_uri="https://evil.example/"
    )
    code = await world.new_code()
    with pytest.raises(Refused):
        await world.refresh("not-a-token", code=code)
    assert "access_token" in await world.redeem(code)


async def test_the_answer_has_what_the_specification_names(world: World) -> None:
    """RFC 6749 5.1, OIDC Core 3.1.3.3: these members, and types that fit."""
    answer = await world.tokens(scope="openid offline_access")
    assert set(answer) == {"access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"}
    assert isinstance(answer["expires_in"], int) and 1 <= answer["expires_in"] <= 31_536_000


async def test_without_openid_there_is_no_id_token(world: World) -> None:
    """OIDC Core 3.1.2.1: without ``openid`` it is plain OAuth."""
    answer = await world.tokens(scope="read:things", audience=API)
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    assert payload(answer["access_token"])["aud"] == API


def test_tk_25_the_endpoint_is_a_clients_and_its_answers_are_not_kept(world: World) -> None:
    """TK-25: POST by a client alone; that caller's wrapper sends no-store with every answer (RFC 6749 5.1)."""
    (endpoint,) = world.token.endpoints()
    assert (endpoint.path, endpoint.methods, endpoint.caller) == ("oauth/token", ("POST",), Caller.CLIENT)
    assert NO_STORE == {"Cache-Control": "no-store", "Pragma": "no-cache"}


def test_what_is_advertised_is_what_is_there(world: World) -> None:
    """The grants in the metadata are those the endpoint redeems."""
    said = world.token.metadata()
    assert said["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert said["token_endpoint"] == f"{ISSUER}oauth/token"
    assert Token(ISSUER, {}, world.proofs).metadata()["grant_types_supported"] == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[]", id="tk-23-array"),
        pytest.param('[["code","x"]]', id="tk-23-array-of-pairs"),
        pytest.param('"text"', id="tk-23-string"),
        pytest.param("7", id="tk-23-number"),
        pytest.param("null", id="tk-23-null"),
        pytest.param('{"code": 7}', id="tk-23-number-value"),
        pytest.param('{"code": ["x"]}', id="tk-23-list-value"),
        pytest.param('{"code": {"x": "y"}}', id="tk-23-object-value"),
        pytest.param('{"code": true}', id="tk-23-true"),
        pytest.param('{"code": NaN}', id="tk-23-nan"),
        pytest.param("{", id="tk-23-broken"),
        pytest.param("", id="tk-23-empty"),
        pytest.param("[" * 100_000, id="tk-23-deep"),
        pytest.param('{"code": ' + "1" * 10_000 + "}", id="tk-23-long-integer"),
        pytest.param('{"code": "x", "code": "x"}', id="tk-23-twice"),
    ],
)
def test_a_body_that_is_no_object_of_strings_is_refused(body: str) -> None:
    """TK-23: invalid_request for every other JSON, doubles included."""
    with pytest.raises(Shown) as caught:
        once(strings(body))
    assert (caught.value.code, caught.value.status) == ("invalid_request", 400)


@pytest.mark.parametrize(
    ("body", "params"),
    [
        ('{"grant_type": "refresh_token", "scope": null, "code": ""}', {"grant_type": "refresh_token"}),
        (' {"a": "\\u00e9"} ', {"a": "é"}),
        ("{}", {}),
    ],
)
def test_tk_23_null_and_empty_are_absent(body: str, params: dict[str, Any]) -> None:
    """TK-23: a JSON object of strings is a body like a form, as Auth0's SDKs send it."""
    assert once(strings(body)) == params
    assert parse("code=&scope") == {}

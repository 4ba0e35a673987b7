"""Forms to a tenant: what goes along, and what happens while a secret is rolled over."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from proxy.oidc import jose
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.store.memory import MemoryStore
from proxy.upstream.back_channel import BackChannel
from proxy.upstream.connection_keys import ConnectionKeys
from proxy.upstream.metadata import check_metadata
from tests.upstream.conftest import DOCUMENT, NOW, as_json, connection

URL = DOCUMENT["token_endpoint"]
FORM = {"grant_type": "authorization_code", "code": "c/+ d"}
UNKNOWN = as_json({"error": "invalid_client"}, 401)


class Tenant:
    """Knows us by one secret."""

    def __init__(self, secret: str) -> None:
        self.secret, self.sent = secret, list[HttpRequest]()

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        form = parse_qs(request.body.decode())
        return as_json({"access_token": "at"}) if form.get("client_secret") == [self.secret] else UNKNOWN

    def forms(self) -> list[dict[str, list[str]]]:
        return [parse_qs(request.body.decode()) for request in self.sent]

    def tried(self) -> list[str]:
        return [form["client_secret"][0] for form in self.forms()]


def way(tenant: Tenant) -> BackChannel:
    return BackChannel(tenant.send, ConnectionKeys(MemoryStore()))


async def post(back: BackChannel, **options: Any) -> HttpResponse:
    one = connection(token_endpoint_auth_method="client_secret_post", **options)
    return await back.post(one, check_metadata(DOCUMENT, one), URL, FORM, NOW)


async def test_a_form_goes_to_the_tenant_in_its_own_group() -> None:
    """As POST, with the deadline of a token call; its secret does not show in a traceback."""
    tenant = Tenant("s3cret")
    assert (await post(way(tenant))).status == 200
    (request,) = tenant.sent
    assert (request.method, request.url, request.group, request.seconds) == ("POST", URL, "corp", 5.0)
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert tenant.forms()[0]["code"] == ["c/+ d"]
    assert "DPoP" not in request.headers and "s3cret" not in repr(request)


BOTH = {"client_secret": "new", "client_secret_previous": "old"}


async def test_two_secrets_are_live_while_one_is_rolled_over() -> None:
    """The tenant still knows the old one: asked again with the same code, and remembered; once it knows the new one,
    that is found too."""
    tenant = Tenant("old")
    back = way(tenant)
    assert (await post(back, **BOTH)).status == 200
    assert tenant.tried() == ["new", "old"] and tenant.forms()[0]["code"] == tenant.forms()[1]["code"]
    await post(back, **BOTH)
    assert tenant.tried()[2:] == ["old"]
    tenant.secret = "new"
    await post(back, **BOTH)
    await post(back, **BOTH)
    assert tenant.tried()[3:] == ["old", "new", "new"]


async def test_a_tenant_that_knows_neither_is_asked_twice_and_no_more() -> None:
    """The refusal stands; nothing is remembered."""
    tenant = Tenant("other")
    back = way(tenant)
    assert (await post(back, **BOTH)).status == 401
    await post(back, **BOTH)
    assert tenant.tried() == ["new", "old", "new", "old"]


async def test_with_one_secret_a_refusal_is_asked_once() -> None:
    """Nothing could be different the second time."""
    tenant = Tenant("other")
    assert (await post(way(tenant))).status == 401
    assert tenant.tried() == ["s3cret"]


@pytest.mark.parametrize("answer", [as_json({"error": "invalid_grant"}, 400), as_json({}, 500), as_json({}, 401)])
async def test_rp_25_only_an_unknown_client_is_a_reason_to_send_a_code_again(answer: HttpResponse) -> None:
    """RP-25: after any other refusal the code may be used up, or stolen."""
    sent: list[HttpRequest] = []

    async def send(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return answer

    await post(BackChannel(send, ConnectionKeys(MemoryStore())), **BOTH)
    assert len(sent) == 1


async def test_private_key_jwt_needs_no_secret() -> None:
    """The assertion is signed with the connection's current key, each time a new one."""
    tenant, store = Tenant("x"), MemoryStore()
    keys = ConnectionKeys(store)
    back = BackChannel(tenant.send, keys)
    one = connection(
        client_secret=None, token_endpoint_auth_method="private_key_jwt", token_endpoint_auth_signing_alg="ES256"
    )
    for _ in range(2):
        await back.post(one, check_metadata(DOCUMENT, one), URL, FORM, NOW)
    tokens = [form["client_assertion"][0] for form in tenant.forms()]
    assert {jose.peek(token)[0]["kid"] for token in tokens} == {(await keys.signer(one, "ES256", NOW)).kid}
    assert len({jose.peek(token)[1]["jti"] for token in tokens}) == 2
    assert "client_secret" not in tenant.forms()[0]


async def test_a_call_that_is_made_again_for_a_nonce_has_an_assertion_of_its_own() -> None:
    """A tenant that asks for a nonce (RFC 9449 8) may have noted the assertion as used (RFC 7523 3)."""
    sent: list[HttpRequest] = []

    async def send(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return as_json({"error": "use_dpop_nonce"}, 400, **{"dpop-nonce": "n"}) if len(sent) == 1 else as_json({})

    one = connection(client_secret=None, token_endpoint_auth_method="private_key_jwt", dpop_signing_alg="ES256")
    back = BackChannel(send, ConnectionKeys(MemoryStore()))
    assert (await back.post(one, check_metadata(DOCUMENT, one), URL, FORM, NOW)).status == 200
    tokens = [parse_qs(request.body.decode())["client_assertion"][0] for request in sent]
    assert len({jose.peek(token)[1]["jti"] for token in tokens}) == len(sent) == 2

"""Pushed requests: what stands for them, and what a tenant may answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpResponse
from proxy.store.memory import MemoryStore
from proxy.upstream.back_channel import BackChannel
from proxy.upstream.connection_keys import ConnectionKeys
from proxy.upstream.metadata import check_metadata
from proxy.upstream.par import check_push, is_pushed, push
from tests.upstream.conftest import DOCUMENT, ISSUER, NOW, FakeTenant, as_json, connection

PAR = {**DOCUMENT, "pushed_authorization_request_endpoint": f"{ISSUER}/par"}
URI = "urn:ietf:params:oauth:request_uri:abc"


def pushing(document: dict[str, Any] = PAR, **options: Any) -> tuple[FakeTenant, Any]:
    tenant, one = FakeTenant(), connection(**options)
    tenant.answers["par"] = as_json({"request_uri": URI, "expires_in": 60}, 201)
    back = BackChannel(tenant.send, ConnectionKeys(MemoryStore()))
    return tenant, push(back, one, check_metadata(document, one), {"scope": "openid a&b", "state": "s"}, NOW)


async def test_the_reference_stands_for_the_request() -> None:
    """RFC 9126 2.1, 4: posted as the client, and nothing but name and reference in the address."""
    tenant, pushed = pushing()
    assert await pushed == {"client_id": "isthmus", "request_uri": URI}
    (sent,) = tenant.sent
    assert sent.headers["Authorization"].startswith("Basic ")
    assert parse_qs(sent.body.decode()) == {"scope": ["openid a&b"], "state": ["s"]}


async def test_the_configured_endpoint_wins() -> None:
    """``pushed_authorization_request_endpoint``; without any, nobody is asked."""
    tenant, pushed = pushing(DOCUMENT, pushed_authorization_request_endpoint=f"{ISSUER}/other/par")
    await pushed
    assert tenant.sent[0].url == f"{ISSUER}/other/par"
    tenant, pushed = pushing(DOCUMENT)
    with pytest.raises(UpstreamError) as caught:
        await pushed
    assert (caught.value.reason, caught.value.status, len(tenant.sent)) == ("no_pushed_endpoint", 502, 0)


@pytest.mark.parametrize(
    ("required", "enabled", "expected"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_when_requests_are_pushed(required: bool, enabled: bool, expected: bool) -> None:
    """Where it is switched on, and where the tenant takes no other (RFC 9126 5)."""
    one = connection(enable_pushed_authorization_requests=enabled)
    document = {**PAR, "require_pushed_authorization_requests": required}
    assert is_pushed(one, check_metadata(document, one)) is expected


@pytest.mark.parametrize(
    ("response", "status", "expected"),
    [
        (as_json({"error": "invalid_request"}, 400), 502, "push_refused"),
        (as_json({"error": "invalid_client"}, 401), 502, "push_refused"),
        (HttpResponse(302, {"location": "https://evil.example"}, b""), 502, "push_refused"),
        (as_json({}, 503), 503, "retry_after"),
        (HttpResponse(201, {}, b"<html>"), 502, "push_json"),
        (as_json({}, 201), 502, "push_without_reference"),
        (as_json({"request_uri": 5}, 201), 502, "push_without_reference"),
        (as_json({"request_uri": "a b"}, 201), 502, "push_without_reference"),
        (as_json({"request_uri": "x" * 1025}, 201), 502, "push_without_reference"),
    ],
)
def test_an_answer_without_a_reference(response: HttpResponse, status: int, expected: str) -> None:
    """RP-26: refusals, redirects and broken answers; the person hears it before leaving."""
    with pytest.raises(UpstreamError) as caught:
        check_push(response)
    assert (caught.value.status, caught.value.reason) == (status, expected)

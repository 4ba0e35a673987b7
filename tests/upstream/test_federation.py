"""Federating in one step, and taking it back: with a tenant in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.oidc.errors import Unavailable, UpstreamError
from proxy.oidc.messages import HttpRequest, HttpResponse
from proxy.store.memory import MemoryStore
from proxy.upstream.federation import Federation, registration_key
from proxy.upstream.ourselves import Ourselves
from proxy.upstream.webfinger import REL
from tests.downstream.world import FailingStore
from tests.upstream.conftest import DOCUMENT, ISSUER

US = Ourselves("https://sso.example/", "Acme apps", "corp")
OPEN = {**DOCUMENT, "registration_endpoint": f"{ISSUER}/register", "response_types_supported": ["code"]}


class Desk:
    """A tenant that registers whoever comes; ``document`` is at its issuer, ``links`` what WebFinger knows."""

    def __init__(self, document: Any = None, links: Any = None, removal: int = 204) -> None:
        self.document, self.links, self.removal = document, links, removal
        self.sent: list[HttpRequest] = []
        self.said: Any = {}

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        if request.method == "DELETE":
            if not self.removal:
                raise UpstreamError("server_error", "x", reason="unreachable", status=502)
            return HttpResponse(self.removal, {}, b"")
        if request.method == "POST":
            said = {**json.loads(request.body), "client_id": "c-1", "client_secret": "s" * 40}
            said |= {"registration_client_uri": f"{ISSUER}/register/c-1", "registration_access_token": "rat"}
            return as_json({**said, **self.said}, 201)
        if "webfinger" in request.url:
            return as_json({"links": self.links}) if self.links else HttpResponse(404, {}, b"")
        return as_json(self.document) if self.document else HttpResponse(404, {}, b"")


def as_json(value: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status, {}, json.dumps(value).encode())


async def test_one_call_makes_the_options_of_a_connection() -> None:
    """The issuer is pinned, as the document names it; every call counts for the connection."""
    desk = Desk(OPEN)
    made = await Federation(desk.send, MemoryStore()).register(ISSUER, US, "first")
    assert made.options["discovery_url"] == made.options["issuer"] == ISSUER
    assert (made.options["client_id"], made.options["client_secret"]) == ("c-1", "s" * 40)
    assert "attribute_map" not in made.options
    assert [one.method for one in desk.sent] == ["GET", "POST"]
    assert desk.sent[1].headers["Authorization"] == "Bearer first"
    assert {one.group for one in desk.sent} == {"corp"}


async def test_what_the_scopes_stand_for_is_read_at_userinfo() -> None:
    """Core 5.4: where a code is asked for the ID token need not have it."""
    desk = Desk({**OPEN, "userinfo_endpoint": f"{ISSUER}/userinfo"})
    made = await Federation(desk.send, MemoryStore()).register(ISSUER, US)
    assert made.options["attribute_map"]["userinfo_scope"] == "openid profile email"


@pytest.mark.parametrize(
    "document",
    [
        None,
        DOCUMENT,
        {**OPEN, "issuer": "https://evil.example"},
        {**OPEN, "registration_endpoint": "http://idp.example/register"},
        {**OPEN, "registration_endpoint": 7},
        {**OPEN, "token_endpoint": None},
    ],
)
async def test_a_tenant_that_cannot_be_used_is_not_asked_to_know_us(document: Any) -> None:
    """No document, no registrations, another issuer, an endpoint in the clear, no token endpoint: nothing is posted."""
    desk = Desk(document)
    with pytest.raises(UpstreamError):
        await Federation(desk.send, MemoryStore()).register(ISSUER, US)
    assert [one.method for one in desk.sent] == ["GET"]


async def test_an_address_that_can_be_no_issuer_is_refused_with_the_remedy() -> None:
    """Before anything is sent."""
    desk = Desk()
    with pytest.raises(ValueError, match="https"):
        await Federation(desk.send, MemoryStore()).register("http://idp.example", US)
    assert not desk.sent


@pytest.mark.parametrize(
    ("identifier", "document", "calls"),
    [
        (ISSUER, DOCUMENT, 1),
        ("acct:ada@corp.example", None, 1),
        ("ada@corp.example", DOCUMENT, 1),
        ("https://corp.example/ada", None, 2),
    ],
)
async def test_the_issuer_is_the_place_itself_or_what_webfinger_says(
    identifier: str, document: Any, calls: int
) -> None:
    """A place that describes itself is not asked again; a person's address and a person's page are looked up."""
    desk = Desk(document, [{"rel": REL, "href": ISSUER}])
    assert await Federation(desk.send, MemoryStore()).issuer_of(identifier, "corp") == ISSUER
    assert len(desk.sent) == calls


@pytest.mark.parametrize(
    ("status", "done"), [(204, True), (200, True), (404, True), (401, False), (500, False), (0, False)]
)
async def test_what_was_registered_is_taken_back_once(status: int, done: bool) -> None:
    """With its own token; forgotten whatever the tenant says."""
    desk, store = Desk(OPEN, removal=status), MemoryStore()
    federation = Federation(desk.send, store)
    await federation.remember("corp", await federation.register(ISSUER, US))
    assert await federation.take_back("corp") is done
    removal = desk.sent[-1]
    assert (removal.method, removal.url, removal.headers["Authorization"]) == (
        "DELETE",
        f"{ISSUER}/register/c-1",
        "Bearer rat",
    )
    assert await federation.take_back("corp") is None and await store.get(registration_key("corp")) is None


async def test_a_store_that_is_away_is_no_registration_forgotten() -> None:
    """Nothing is sent before it is known what to send."""
    desk = Desk(OPEN)
    broken = FailingStore(MemoryStore(), lambda op: True, Unavailable("store"))
    with pytest.raises(Unavailable):
        await Federation(desk.send, broken).take_back("corp")
    assert not desk.sent


@pytest.mark.parametrize("lie", [{"client_id": 7}, {"redirect_uris": ["https://evil.example/"]}, {"response_types": 7}])
async def test_mg_15_what_came_out_otherwise_is_taken_back(lie: Any) -> None:
    """MG-15: a registration that cannot be used does not stay at the tenant, where nobody would know of it."""
    desk = Desk(OPEN)
    desk.said = lie
    with pytest.raises(UpstreamError):
        await Federation(desk.send, MemoryStore()).register(ISSUER, US)
    assert [one.method for one in desk.sent] == ["GET", "POST", "DELETE"]
    assert desk.sent[-1].headers["Authorization"] == "Bearer rat"

"""The wrappers: parameters from one place, once; errors in the caller's own words; never a 500 for bad input."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp_session
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from proxy.bridge.session import Sessions
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.dpop import Proofs
from proxy.downstream.grant import Lifetimes
from proxy.downstream.keys import KeyRing
from proxy.features import Answer, Caller, Endpoint, Request
from proxy.models import Client
from proxy.oidc.errors import Refused, Shown, Unavailable
from proxy.store.memory import MemoryStore
from proxy.web.callers import Callers
from proxy.web.pages import Pages
from proxy.web.session import SessionStorage
from proxy.web.throttle import Throttle
from tests.kit.signing_client import authenticator

ISSUER = "https://sso.example/"
SECRET = "a-client-secret-of-forty-characters-0123"
FORM = "application/x-www-form-urlencoded"
Site = TestClient[web.Request, web.Application]


async def echo(request: Request) -> Answer:
    return Answer(json=dict(request.params))


async def fail(request: Request) -> Answer:
    raise {
        "shown": Shown("invalid_request", "bad <b>input</b>"),
        "refused": Refused("invalid_grant", "no"),
        "invalid_token": Refused("invalid_token", "no", status=401),
        "unavailable": Unavailable("redis at secret-host"),
        "bug": ZeroDivisionError("secret detail"),
    }[request.params["how"]]


async def body(request: Request) -> Answer:
    return Answer(json={"body": dict(request.body), "source": request.source}, status=int(request.params.get("s", 200)))


ENDPOINTS = [
    Endpoint(f"{caller.name.lower()}/{name}", ("GET", "POST"), caller, handler)
    for caller in (Caller.ANYONE, Caller.BROWSER, Caller.CLIENT)
    for name, handler in (("echo", echo), ("fail", fail))
] + [
    Endpoint("authorize", ("GET", "POST"), Caller.BROWSER, echo),
    Endpoint("userinfo", ("GET", "POST"), Caller.BEARER, echo),
    Endpoint("anyone/body", ("GET", "POST", "PUT", "DELETE"), Caller.ANYONE, body),
]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    store = MemoryStore()
    clients = {"webapp": Client(client_id="webapp", client_secret=SecretStr(SECRET))}
    callers = Callers(
        ISSUER,
        Pages(ISSUER, "Acme"),
        authenticator(ISSUER, clients, store),
        AccessTokens(ISSUER, store, KeyRing(store), Lifetimes()),
        Proofs(ISSUER, store, b"n" * 32, True),
        Throttle(burst=5, seconds=3600),
    )
    sessions = Sessions(store, {}, idle=1, absolute=1)
    app = web.Application(middlewares=[aiohttp_session.session_middleware(SessionStorage(sessions, ISSUER))])
    for endpoint in ENDPOINTS:
        for method in endpoint.methods:
            app.router.add_route(method, f"/{endpoint.path}", callers.wrap(endpoint))
    async with TestClient(TestServer(app)) as client:
        yield client


BASIC = {"Authorization": "Basic " + __import__("base64").b64encode(f"webapp:{SECRET}".encode()).decode()}


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("state=a&state=b", None),
        ("id_token=a&id_token=a", None),
        ("", "code=a&code=b"),
        ("state=a", "code=b"),
        ("", "a=%FF"),
        ("", "&".join(f"f{n}=1" for n in range(101))),
    ],
)
async def test_cb_06_az_09_ds_06_parameters_come_once_from_one_place(site: Site, query: str, body: str | None) -> None:
    """CB-06, AZ-09, DS-06: doubles, two places, bad UTF-8 and floods of fields are a page with 400."""
    method = "GET" if body is None else "POST"
    headers = {} if body is None else {"Content-Type": FORM}
    async with site.request(method, f"/browser/echo?{query}", data=body, headers=headers) as response:
        assert response.status == 400 and response.content_type == "text/html"


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (FORM, b"grant_type=x&a=1", 200),
        ("application/json", b'{"grant_type": "x", "organization": null, "scope": ""}', 200),
        ("application/json", b"[1]", 400),
        ("application/json", b'"x"', 400),
        ("application/json", b'{"a": 1}', 400),
        ("application/json", b'{"a": {"b": "c"}}', 400),
        ("application/json", b'{"a": "1", "a": "2"}', 400),
        ("application/json", b'{"a": "\xff"}', 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b'{"a": ' + b"1" * 10_000 + b"}", 400),
        ("application/json", b'{"a": NaN}', 400),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("multipart/form-data", b"x", 415),
        ("text/plain", b"a=b", 415),
        (None, b"a=b", 415),
        (FORM + "; charset=nope", b"a=b", 200),
        (FORM + "; charset=utf-16", b"a=b", 200),
        (FORM, b"a=\xff", 400),
    ],
)
async def test_tk_23_ds_03_ds_05_odd_bodies_are_told_apart(
    site: Site, content_type: str | None, body: bytes, status: int
) -> None:
    """TK-23, DS-03, DS-05: a form or a JSON object of strings, whatever charset is claimed; the rest is 400 or 415."""
    headers = {**BASIC, **({"Content-Type": content_type} if content_type else {})}
    skip = () if content_type else ("Content-Type",)
    async with site.post("/client/echo?ignored=1&ignored=2", data=body, headers=headers, skip_auto_headers=skip) as got:
        text = await got.text()
        assert got.status == status, text
        assert "ignored" not in text
        assert got.headers["Cache-Control"] == "no-store" and got.headers["Pragma"] == "no-cache"


async def test_tk_23_null_and_empty_mean_absent(site: Site) -> None:
    """TK-23: as Auth0's SDKs send them."""
    body = json.dumps({"grant_type": "x", "organization": None, "scope": ""})
    headers = {**BASIC, "Content-Type": "application/json"}
    async with site.post("/client/echo", data=body, headers=headers) as response:
        assert await response.json() == {"grant_type": "x"}


@pytest.mark.parametrize(
    ("path", "how", "status", "kind"),
    [
        ("/browser/fail", "shown", 400, "text/html"),
        ("/browser/fail", "unavailable", 503, "text/html"),
        ("/browser/fail", "bug", 500, "text/html"),
        ("/anyone/fail", "shown", 400, "application/json"),
        ("/anyone/fail", "unavailable", 503, "application/json"),
        ("/anyone/fail", "bug", 500, "application/json"),
    ],
)
async def test_errors_are_told_in_the_callers_words(site: Site, path: str, how: str, status: int, kind: str) -> None:
    """MG-14, LG-02: a page for a person, JSON for a program; never the exception's text, never a tag of the input."""
    async with site.get(path, params={"how": how}) as response:
        text = await response.text()
        assert (response.status, response.content_type) == (status, kind)
        assert "secret" not in text and (kind != "text/html" or "<b>" not in text)
        assert response.headers["Cache-Control"] == "no-store"
        if status == 503:
            assert int(response.headers["Retry-After"]) >= 1


async def test_an_error_page_carries_a_reference_and_a_policy(site: Site) -> None:
    """The person can name the request; AZ-22: nobody frames the page."""
    async with site.get("/browser/fail", params={"how": "shown"}) as response:
        assert "Reference <code>" in await response.text()
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


async def test_a_client_that_fails_to_authenticate_is_challenged(site: Site) -> None:
    """RFC 6749 5.2: 401, invalid_client, WWW-Authenticate: Basic."""
    headers = {"Authorization": "Basic d2ViYXBwOndyb25n"}
    async with site.post("/client/echo", data={"a": "b"}, headers=headers) as response:
        assert response.status == 401 and (await response.json())["error"] == "invalid_client"
        assert response.headers["WWW-Authenticate"].startswith("Basic ")


async def test_tk_11_guessing_a_secret_is_slowed_down_and_the_client_is_not(site: Site) -> None:
    """TK-11: after the burst 429 with the wrong client name; other clients of the same source still answer."""
    wrong = {"Authorization": "Basic bm9ib2R5Ondyb25n"}
    statuses = []
    for _ in range(7):
        async with site.post("/client/echo", data={"a": "b"}, headers=wrong) as response:
            statuses.append(response.status)
    assert statuses == [401] * 5 + [429] * 2
    async with site.post("/client/echo", data={"a": "b"}, headers=BASIC) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Origin": "https://evil.example"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 303),
        ({"Origin": "https://sso.example", "Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
    ],
)
async def test_az_29_a_cross_site_post_regains_its_cookie_by_get(
    site: Site, headers: dict[str, str], expected: int
) -> None:
    """AZ-29: the Lax cookie did not come along, so the browser is sent to the same request by GET."""
    async with site.post("/authorize", data={"client_id": "x y"}, headers=headers, allow_redirects=False) as response:
        assert response.status == expected
        assert response.headers.get("Location") in (None, f"{ISSUER}authorize?client_id=x+y")
        assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("method", "query", "headers", "form", "status", "named"),
    [
        ("GET", "", {}, None, 401, None),
        ("GET", "", {"Authorization": "Basic x"}, None, 401, None),
        ("GET", "", {"Authorization": "Bearer nonsense"}, None, 401, "invalid_token"),
        ("GET", "access_token=x", {}, None, 400, "invalid_request"),
        ("POST", "", {"Authorization": "Bearer x"}, {"access_token": "x"}, 400, "invalid_request"),
        ("POST", "", {}, {"access_token": "x"}, 401, "invalid_token"),
        ("POST", "access_token=x", {}, {"a": "b"}, 400, "invalid_request"),
    ],
)
async def test_in_03_an_access_token_comes_once_and_not_in_the_address(
    site: Site, method: str, query: str, headers: dict[str, str], form: object, status: int, named: str | None
) -> None:
    """IN-03: the header or the form, never both, never the query; the challenge says why (RFC 6750 3)."""
    async with site.request(method, f"/userinfo?{query}", headers=headers, data=form) as response:
        challenge = response.headers["WWW-Authenticate"]
        assert response.status == status and challenge.startswith("Bearer ")
        assert (f'error="{named}"' in challenge) if named else ("error=" not in challenge)


async def test_two_authorization_headers_are_refused(site: Site) -> None:
    """IN-03, TK-09: which of them would count is nobody's guess."""
    headers = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")]
    async with site.get("/userinfo", headers=headers) as response:
        assert response.status == 400


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("kind", "sent", "status"),
    [
        ("application/json", b'{"a": ["b", 1, null]}', 200),
        ("application/json; charset=utf-16", b'{"a": "b"}', 200),
        ("application/json", b"", 400),
        ("application/json", b"[1]", 400),
        ("application/json", b'{"a": 1, "a": 2}', 400),
        ("application/json", b'{"a": NaN}', 400),
        ("application/json", b'{"a": "\xff"}', 400),
        ("application/json", b"[" * 100_000, 400),
        (FORM, b"a=b", 400),
        ("text/plain", b"{}", 400),
    ],
)
async def test_ds_03_ds_05_anyones_body_is_one_json_object(
    site: Site, method: str, kind: str, sent: bytes, status: int
) -> None:
    """DS-03, DS-05: read strictly; anything else is an error in JSON that names what is wrong."""
    async with site.request(method, "/anyone/body", data=sent, headers={"Content-Type": kind}) as response:
        told = await response.json()
        assert response.status == status, told
        if status == 200:
            assert told["body"] == json.loads(sent)
        else:
            assert told["error"] == "invalid_client_metadata"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_body_that_nobody_asked_for_is_not_read(site: Site, method: str) -> None:
    """GET and DELETE have none."""
    async with site.request(method, "/anyone/body", data=b"{", headers={"Content-Type": "text/plain"}) as response:
        assert (await response.json())["body"] == {}


async def test_no_content_is_no_content(site: Site) -> None:
    """RFC 7592 2.3: 204 has no body."""
    async with site.delete("/anyone/body?s=204") as response:
        assert (response.status, await response.read()) == (204, b"")


async def test_a_bad_token_gets_a_bearer_challenge_from_anyone(site: Site) -> None:
    """RFC 6750 3: an endpoint that reads its own token says how one is shown, not that a client authenticates."""
    async with site.get("/anyone/fail", params={"how": "invalid_token"}) as response:
        challenge = response.headers["WWW-Authenticate"]
        assert response.status == 401 and challenge.startswith("Bearer ") and 'error="invalid_token"' in challenge

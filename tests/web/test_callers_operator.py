"""Who may use the Management API: the right kind of token, spelt the right way, not too often."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from pydantic import ValidationError

from proxy.features import Answer, Caller, Endpoint, Request
from proxy.models import Client
from proxy.oidc.errors import Refused, Unavailable
from proxy.telemetry import logs
from proxy.web import callers_operator
from proxy.web.callers_operator import BURST, COMMAND, REPEATED, spelt
from tests.management.world import ISSUER, World, world

SCOPE = "read:echo"


async def echo(request: Request) -> Answer:
    how = request.params.get("how")
    if how == "bug":
        raise ZeroDivisionError("redis://secret-host /srv/secret")
    if how == "away":
        raise Unavailable("redis at secret-host")
    bearer = request.bearer
    told = {"by": bearer.client_id if bearer else "", "scopes": list(bearer.scopes) if bearer else []}
    return Answer(json={**told, "body": dict(request.body), "items": request.items, "params": dict(request.params)})


ECHO = [
    Endpoint("api/v2/echo", ("GET", "POST", "PATCH"), Caller.OPERATOR, echo, scopes=(SCOPE, "read:connections")),
    Endpoint("api/v2/echo/{id}/parts", ("GET",), Caller.OPERATOR, echo, scopes=("read:a read:b",)),
]


@pytest.fixture
async def api() -> AsyncIterator[World]:
    """The API with endpoints that tell what came in."""
    async with world(*ECHO) as made:
        yield made


async def status_with(api: World, headers: Any, path: str = "echo") -> tuple[int, Any, Any]:
    async with api.site.get(f"/api/v2/{path}", headers=headers) as answer:
        return answer.status, await answer.json(), answer.headers


@pytest.mark.parametrize("kind", ["nothing", "cookie", "basic", "dpop", "form", "query", "two", "nonsense", "blank"])
async def test_mg_01_only_a_bearer_token_of_the_header_counts(api: World, kind: str) -> None:
    """MG-01: 401 for no token, a cookie, other schemes, a token in another place, two of them."""
    good = await api.issue(SCOPE)
    headers: Any = {
        "cookie": {"Cookie": f"session={good}; access_token={good}"},
        "basic": {"Authorization": f"Basic {good}"},
        "dpop": {"Authorization": f"DPoP {good}"},
        "two": [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")],
        "nonsense": {"Authorization": "Bearer nonsense"},
        "blank": {"Authorization": "Bearer "},
    }.get(kind, {})
    path = f"echo?access_token={good}" if kind == "query" else "echo"
    status, told, answer = await status_with(api, headers, path)
    assert (status, told["statusCode"], told["error"]) == (401, 401, "Unauthorized")
    assert answer["WWW-Authenticate"].startswith("Bearer ") and good not in str(told)


@pytest.mark.parametrize("kind", ["id_token", "userinfo", "person", "other", "removed", "no_grant", "ended"])
async def test_mg_01_tokens_of_another_kind_do_not_count(api: World, kind: str) -> None:
    """MG-01: an ID token, a token for userinfo or another API, a person's, a removed client's, one whose grant was
    taken back, one that has ended: 401, whatever scopes they name."""
    now = time.time()
    if kind == "id_token":
        claims = {
            "iss": ISSUER,
            "aud": f"{ISSUER}api/v2/",
            "sub": "oidc|corp|ada",
            "exp": int(now) + 60,
            "scope": SCOPE,
        }
        token = api.tokens.keys.signer(now).sign(claims, typ="JWT")
    elif kind == "ended":
        token = await replace_lifetime(api, -1)
    else:
        changes: dict[str, dict[str, str]] = {
            "userinfo": {"audience": ""},
            "person": {"user_id": "oidc|corp|ada", "client_id": "script"},
            "other": {"audience": "https://api.example/"},
            "removed": {"client_id": "gone"},
            "no_grant": {"client_id": "webapp"},
        }
        token = await api.issue(SCOPE, "read:connections", **changes[kind])
    status, told, _ = await status_with(api, {"Authorization": f"Bearer {token}"})
    assert (status, told["errorCode"]) == (401, "invalid_token")


async def replace_lifetime(api: World, seconds: int) -> str:
    """A token that lives so long."""
    tokens = api.tokens
    api.tokens = replace(tokens, lifetimes=replace(tokens.lifetimes, access_token=seconds))
    try:
        return await api.issue(SCOPE)
    finally:
        api.tokens = tokens


async def test_mg_07_a_client_may_what_its_grant_says_today(api: World) -> None:
    """MG-07: scopes that a token names and the client's grant does not hold (any more) do not count."""
    token = await api.issue("read:connections", SCOPE, client_id="script")
    status, told, _ = await status_with(api, {"Authorization": f"Bearer {token}"})
    assert (status, told["by"], told["scopes"]) == (200, "script", ["read:connections"])
    lost = await api.issue(SCOPE, client_id="script")
    assert (await status_with(api, {"Authorization": f"Bearer {lost}"}))[0] == 403
    with pytest.raises(ValidationError):
        Client(client_id=COMMAND)  # nobody can pass for the command


async def test_scopes_that_are_needed_together_are_all_needed(api: World) -> None:
    """One of two is not enough; 403 names both."""
    for scopes, expected in ((("read:a",), 403), (("read:b",), 403), (("read:a", "read:b"), 200)):
        status, told = await api.ask("GET", "echo/1/parts", token=await api.issue(*scopes))
        assert status == expected
        if status == 403:
            assert told["message"] == "Insufficient scope, expected any of: read:a read:b"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2//echo",
        "/api/v2/echo/",
        "/API/v2/echo",
        "/api/v2/%65cho",
        "/api/v2/x/../echo",
        "/api/v2/./echo",
        "/api/v2/echo;a=b",
        "/api/v2/echo%2f",
        "/api/%76%32/echo",
        "/api/v2/echo/1/%70arts",
        "/api/v2/echo//parts",
    ],
)
async def test_mg_02_another_spelling_is_404(api: World, path: str) -> None:
    """MG-02: what a proxy in front might read as another address is none of ours, with every scope."""
    from yarl import URL

    token = await api.issue(SCOPE, "read:a", "read:b")
    url = URL(str(api.site.make_url("/")).rstrip("/") + path, encoded=True)
    async with api.site.session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_mg_02_a_method_that_is_not_in_the_table_is_refused(api: World, method: str) -> None:
    """MG-02: 405; a header that claims another method changes nothing."""
    headers = {"Authorization": f"Bearer {api.token}", "X-HTTP-Method-Override": "GET"}
    async with api.site.request(method, "/api/v2/echo", headers=headers) as answer:
        assert answer.status == 405


async def test_requests_are_counted_by_who_sends_them(api: World) -> None:
    """Auth0's headers on every answer; 429 beyond the limit, and for nobody else."""
    token, other = await api.issue(SCOPE), await api.issue("read:connections", client_id="script")
    left = []
    for _ in range(BURST + 40):
        status, told, headers = await status_with(api, {"Authorization": f"Bearer {token}"})
        assert headers["X-RateLimit-Limit"] == str(BURST) and int(headers["X-RateLimit-Reset"]) >= int(time.time())
        left.append(int(headers["X-RateLimit-Remaining"]))
        if status == 429:
            break
    assert left[:2] == [BURST - 1, BURST - 2] and (status, told["errorCode"]) == (429, "too_many_requests")
    assert headers["X-RateLimit-Remaining"] == "0" and headers["Retry-After"] == "1"
    assert (await status_with(api, {"Authorization": f"Bearer {other}"}))[0] == 200


@pytest.mark.parametrize(
    ("how", "status", "code"), [("bug", 500, "server_error"), ("away", 503, "temporarily_unavailable")]
)
async def test_mg_14_our_own_faults_are_told_in_the_same_shape(api: World, how: str, status: int, code: str) -> None:
    """MG-14: without a word of what broke."""
    found, told = await api.ask("GET", f"echo?how={how}", token=await api.issue(SCOPE))
    assert (found, told["statusCode"], told["errorCode"]) == (status, status, code)
    assert set(told) == {"statusCode", "error", "message", "errorCode"} and "secret" not in str(told)


async def test_every_answer_names_the_request(api: World) -> None:
    """MG-14: the id that the log has, good answers and bad ones alike; nothing is kept by caches."""
    logs.begin("0123456789abcdef")
    request = make_mocked_request("GET", "/api/v2/echo")
    headers: dict[str, str] = {}
    operators = callers_operator.Operators(ISSUER, api.tokens, None)  # type: ignore[arg-type]
    operators.dress(request, headers)
    assert headers == {"X-Auth0-RequestId": "0123456789abcdef"}
    logs.begin("")
    token = await api.issue(SCOPE)
    for query in ("", "?how=bug"):
        assert (await status_with(api, {"Authorization": f"Bearer {token}"}, f"echo{query}"))[2][
            "Cache-Control"
        ] == "no-store"


async def test_bodies_are_objects_or_lists(api: World) -> None:
    """Each arrives as what it is; none is none."""
    token = await api.issue(SCOPE)
    for sent, body, items in (({"a": [1]}, {"a": [1]}, None), ([1, "b"], {}, [1, "b"]), (None, {}, None), ([], {}, [])):
        status, told = await api.ask("PATCH", "echo", sent, token=token)
        assert (status, told["body"], told["items"]) == (200, body, items)


@pytest.mark.parametrize(
    ("kind", "sent"),
    [("text/plain", b"{}"), ("application/x-www-form-urlencoded", b"a=b"), ("application/json", b"7")],
)
async def test_mg_14_any_other_body_is_400(api: World, kind: str, sent: bytes) -> None:
    """MG-14: in Auth0's shape."""
    headers = {"Authorization": f"Bearer {await api.issue(SCOPE)}", "Content-Type": kind}
    async with api.site.post("/api/v2/echo", data=sent, headers=headers) as answer:
        assert answer.status == 400 and (await answer.json())["errorCode"] == "invalid_body"


async def test_a_filter_may_repeat_and_nothing_else(api: World) -> None:
    """Auth0's SDKs repeat ``strategy`` for each value."""
    token = await api.issue(SCOPE)
    assert (await api.ask("GET", "echo?strategy=a&strategy=b", token=token))[1]["params"] == {"strategy": "a b"}
    status, told = await api.ask("GET", "echo?name=a&name=b", token=token)
    assert (status, told["errorCode"]) == (400, "invalid_query_string") and REPEATED == ("strategy",)


async def test_what_is_not_there_is_told_in_the_same_shape() -> None:
    """MG-02: whoever asks, whatever the method."""
    answer = await callers_operator.unknown(make_mocked_request("PUT", "/api/v2/nothing"))
    assert (answer.status, answer.content_type) == (404, "application/json") and '"statusCode": 404' in str(answer.text)


def test_a_spelling_is_compared_byte_for_byte() -> None:
    """What is fixed must be as it is; what is named may be anything that is there."""
    assert spelt("/api/v2/c/{id}", "/api/v2/c/oidc%7Cx?a=/b") and not spelt("/api/v2/c/{id}", "/api/v2/c/")
    assert not spelt("/api/v2/c", "/api/v2/C") and not spelt("/api/v2/c", "/api/v2/c/d")


def test_one_token_of_one_header() -> None:
    """The scheme in any case."""
    assert callers_operator.token_of(make_mocked_request("GET", "/", headers={"Authorization": "bEARER x"})) == "x"
    with pytest.raises(Refused) as told:
        callers_operator.token_of(make_mocked_request("GET", "/"))
    assert told.value.status == 401 and isinstance(make_mocked_request("GET", "/"), web.Request)

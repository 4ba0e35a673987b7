"""``api/v2/connections`` as a program meets it: shapes, scopes, errors, and what is never told."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from proxy.features import Answer, Caller, Endpoint, Request
from proxy.management.connections_api import ROUTES
from proxy.upstream.health import Health
from tests.management.world import ALL_SCOPES, BODY, LACKING, NOT_FOUND, OPTIONS, SECRET, World, world

ONE = "con_0123456789abcdef"
HOST = "https://idp.example"
GUIDE = {
    "front channel, discovery": {
        "type": "front_channel",
        "discovery_url": f"{HOST}/.well-known/openid-configuration",
        "client_id": "IDP_CLIENT_ID",
        "scopes": "openid profile",
    },
    "back channel, discovery": {
        "type": "back_channel",
        "discovery_url": f"{HOST}/.well-known/openid-configuration",
        "client_id": "IDP_CLIENT_ID",
        "client_secret": "IDP_CLIENT_SECRET",
        "scopes": "openid profile",
    },
    "front channel, endpoints": {
        "type": "front_channel",
        "issuer": HOST,
        "authorization_endpoint": f"{HOST}/authorize",
        "token_endpoint": f"{HOST}/oauth/token",
        "jwks_uri": f"{HOST}/.well-known/jwks.json",
        "client_id": "IDP_CLIENT_ID",
        "client_secret": "IDP_CLIENT_SECRET",
        "scopes": "openid profile",
    },
    "back channel, endpoints": {
        "type": "back_channel",
        "issuer": HOST,
        "authorization_endpoint": f"{HOST}/authorize",
        "jwks_uri": f"{HOST}/.well-known/jwks.json",
        "client_id": "IDP_CLIENT_ID",
        "scopes": "openid profile",
    },
}


@pytest.mark.parametrize("request_of_the_guide", GUIDE)
async def test_the_requests_of_the_guide_work_as_they_stand(api: World, request_of_the_guide: str) -> None:
    """201 each; only the last one, which lacks an endpoint, asks the tenant; ``scopes`` comes back as ``scope``."""
    sent = GUIDE[request_of_the_guide]
    status, told = await api.ask(
        "POST", "connections", {"strategy": "oidc", "name": "CONNECTION-NAME", "options": sent}
    )
    assert status == 201, told
    assert told["id"].startswith("con_") and len(told["id"]) == 20
    assert (told["name"], told["options"]["type"]) == ("CONNECTION-NAME", sent["type"])
    assert told["options"]["scope"] == "openid profile" and "scopes" not in told["options"]
    assert api.asked == (["CONNECTION-NAME"] if request_of_the_guide == "back channel, endpoints" else [])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (LACKING, "'options.token_endpoint is missing, and discovery at options.issuer does not supply it'"),
        (NOT_FOUND, "'options.token_endpoint is missing, and discovery at options.issuer does not supply it (no doc"),
    ],
)
async def test_an_endpoint_that_discovery_does_not_supply_is_named(api: World, found: Health, said: str) -> None:
    """The guide's last request, at a tenant that does not help: 400 says what is missing, not what exactly
    happened at the address, and nothing is stored."""
    api.tenant = found
    sent = {"strategy": "oidc", "name": "corp", "options": GUIDE["back channel, endpoints"]}
    status, told = await api.ask("POST", "connections", sent)
    assert (status, told["errorCode"]) == (400, "invalid_body") and said in told["message"]
    assert "nobody answers" not in told["message"]
    assert [one["name"] for one in (await api.ask("GET", "connections"))[1]] == ["from-file"]


async def test_an_address_that_cannot_be_reached_is_taken_and_marked_red(api: World) -> None:
    """Creating fetches nothing; the status says how the tenant fares."""
    api.tenant = NOT_FOUND
    made = await api.make()
    assert api.asked == []
    status, told = await api.ask("GET", f"connections/{made['id']}/status")
    assert (status, told["status"]) == (200, "red") and "nobody answers" not in str(told)


async def test_a_connection_is_made_read_changed_and_removed(api: World) -> None:
    """The whole life: 201, 200, 200, 204, 404; a second DELETE is no error, as at Auth0."""
    made = await api.make(display_name="Corp login", enabled_clients=["webapp"], metadata={"team": "a"})
    path = f"connections/{made['id']}"
    assert await api.ask("GET", path) == (200, made)
    assert made["enabled_clients"] == ["webapp"] and made["realms"] == ["corp"] and made["metadata"] == {"team": "a"}
    status, changed = await api.ask("PATCH", path, {"options": {**OPTIONS, "icon_url": f"{HOST}/i.png"}})
    assert status == 200 and changed["options"]["icon_url"] == f"{HOST}/i.png"
    assert changed["options"]["scope"] == "openid profile email", "replaced whole: the usual value again"
    assert changed["display_name"] == "corp", "reset, as at Auth0"
    assert changed["enabled_clients"] == ["webapp"] and changed["metadata"] == {"team": "a"}
    assert (await api.ask("DELETE", path))[0] == 204
    status, told = await api.ask("GET", path)
    assert (status, told) == (
        404,
        {
            "statusCode": 404,
            "error": "Not Found",
            "message": "The connection does not exist",
            "errorCode": "inexistent_connection",
        },
    )
    assert (await api.ask("DELETE", path))[0] == 204


async def test_the_list_has_three_shapes_and_one_more(api: World) -> None:
    """A bare array; with totals; by checkpoint; and both at once, as Auth0's SDKs ask. No item names its clients."""
    for name in ("one", "two", "three"):
        await api.make(name)
    names = ["from-file", "one", "two", "three"]
    bare = (await api.ask("GET", "connections"))[1]
    assert [one["name"] for one in bare] == names and not any("enabled_clients" in one for one in bare)
    totals = (await api.ask("GET", "connections?include_totals=true&page=1&per_page=3"))[1]
    assert [one["name"] for one in totals.pop("connections")] == names[3:]
    assert totals == {"start": 3, "limit": 3, "total": 4}
    first = (await api.ask("GET", "connections?take=2"))[1]
    assert set(first) == {"connections", "next"} and first["next"] == bare[2]["id"]
    last = (await api.ask("GET", f"connections?take=2&from={first['next']}"))[1]
    assert [one["name"] for one in last["connections"]] == names[2:] and set(last) == {"connections"}
    both = (await api.ask("GET", "connections?include_totals=true&take=50&strategy=oidc&strategy=samlp"))[1]
    assert {name: both[name] for name in ("start", "limit", "total")} == {"start": 0, "limit": 50, "total": 4}
    assert len(both["connections"]) == 4 and "next" not in both


async def test_the_list_is_filtered(api: World) -> None:
    """By strategy, which may repeat, by name, and down to some fields."""
    await api.make("one")
    assert (await api.ask("GET", "connections?strategy=samlp"))[1] == []
    assert [one["name"] for one in (await api.ask("GET", "connections?name=one"))[1]] == ["one"]
    assert (await api.ask("GET", "connections?name=one&fields=name,strategy"))[1] == [
        {"name": "one", "strategy": "oidc"}
    ]
    left = (await api.ask("GET", "connections?name=one&fields=options,realms&include_fields=false"))[1][0]
    assert "options" not in left and "realms" not in left and "id" in left


@pytest.mark.parametrize(
    "query",
    [
        "per_page=1000000",
        "per_page=0",
        "page=-1",
        "take=101",
        "take=1e1",
        "take=2&from=forged",
        f"take=2&from={ONE}",
        "q=*[",
        "sort=secret:1",
        "include_totals=yes",
        "fields=*",
        "fields=client_secret",
        "include=client_secret",
        "name=a&name=b",
        "page=%FF",
    ],
)
async def test_mg_10_a_query_that_nobody_reads_is_refused(api: World, query: str) -> None:
    """MG-10: sizes without measure, forged places, patterns, unknown parameters: 400, never a search in the store."""
    status, told = await api.ask("GET", f"connections?{query}")
    assert (status, told["statusCode"], told["error"]) == (400, 400, "Bad Request"), told
    assert told["errorCode"] == "invalid_query_string"


@pytest.mark.parametrize("query", ["", "?fields=*", "?fields=options", "?include=client_secret"])
async def test_mg_03_no_answer_holds_a_secret(api: World, query: str) -> None:
    """MG-03: neither the answer of creation nor any later one, with all scopes, whatever is asked; and it is there."""
    made = await api.make(options={"client_secret_previous": "of-before", "clientSecret": "mistyped"})
    id = made["id"]
    paths = (f"connections/{id}{query}", f"connections{query}", f"connections/{id}/clients{query}")
    texts = [json.dumps(made), *[json.dumps(await api.ask("GET", path)) for path in paths]]
    texts.append(json.dumps(await api.ask("PATCH", f"connections/{made['id']}", {"display_name": "x"})))
    for text in texts:
        assert SECRET not in text and "of-before" not in text and "mistyped" not in text
    kept = api.roster["corp"].options
    assert kept.client_secret is not None and kept.client_secret.get_secret_value() == SECRET


@pytest.mark.parametrize(
    "key", ["id", "tenant", "is_first_party", "created_by", "roles", "signing_keys", "__class__", "name", "strategy"]
)
async def test_mg_05_mg_06_nothing_is_assigned_that_is_not_ours_to_give(api: World, key: str) -> None:
    """MG-05, MG-06: unknown and fixed keys are a 400 that names them; nothing changes."""
    made = await api.make()
    status, told = await api.ask("PATCH", f"connections/{made['id']}", {key: "x", "display_name": "y"})
    assert (status, told["errorCode"]) == (400, "invalid_body") and key in told["message"]
    assert (await api.ask("GET", f"connections/{made['id']}"))[1] == made


@pytest.mark.parametrize("key", ["id", "enabled", "tenant"])
async def test_mg_05_creation_takes_no_more_either(api: World, key: str) -> None:
    """MG-05: an unknown key beside the options is refused as Auth0 refuses it."""
    status, told = await api.ask("POST", "connections", {**BODY, key: "x"})
    assert status == 400
    assert told["message"] == f"Payload validation error: 'Additional properties not allowed: {key}'"


async def test_unknown_options_are_kept_and_told(api: World) -> None:
    """They come back as they came, and a warning says that they do nothing."""
    sent = {**BODY, "options": {**OPTIONS, "client_secret": SECRET, "schema_version": "v1", "odd\r\nname": {"a": [1]}}}
    status, told, headers = await api.asking("POST", "connections", sent)
    assert status == 201 and told["options"]["schema_version"] == "v1"
    assert told["options"]["odd\r\nname"] == {"a": [1]}
    assert "299" in headers["Warning"] and "options.schema_version is not known here" in headers["Warning"]
    assert "odd??name" in headers["Warning"]
    changed = (await api.ask("PATCH", f"connections/{told['id']}", {"options": OPTIONS}))[1]
    assert "schema_version" not in changed["options"]


async def test_mg_11_a_lost_update_is_told(api: World) -> None:
    """MG-11: of two who change the same version the second hears 412; without a condition both count."""
    made = await api.make()
    path = f"connections/{made['id']}"
    version = (await api.asking("GET", path))[2]["ETag"]
    status, _, headers = await api.asking("PATCH", path, {"display_name": "first"}, If_Match=version)
    assert status == 200 and headers["ETag"] != version
    status, told = await api.ask("PATCH", path, {"display_name": "second"}, If_Match=version)
    assert (status, told["errorCode"]) == (412, "precondition_failed")
    assert (await api.ask("GET", path))[1]["display_name"] == "first"
    assert (await api.ask("PATCH", path, {"display_name": "third"}, If_Match="*"))[0] == 200


async def test_mg_13_every_change_is_one_line_of_the_log(api: World, caplog: pytest.LogCaptureFixture) -> None:
    """MG-13: who, what, which, and the names of what was sent; no value, no secret, nothing forged."""
    with caplog.at_level(logging.INFO, "isthmus.management"):
        made = await api.make(options={'odd\r\n{"event": "x"}': 1})
        path = f"connections/{made['id']}"
        await api.ask("PATCH", path, {"display_name": "secret words"})
        await api.ask("PATCH", f"{path}/clients", [{"client_id": "wiki", "status": True}])
        await api.ask("DELETE", path)
    lines = [vars(record) for record in caplog.records]
    assert [line["msg"] for line in lines] == [
        "connection_created",
        "connection_changed",
        "connection_changed",
        "connection_removed",
    ]
    assert {(line["operator"], line["connection"], line["id"]) for line in lines} == {
        ("isthmus token", "corp", made["id"])
    }
    assert [line["changed"] for line in lines] == [
        ["name", "options", "strategy"],
        ["display_name"],
        ["enabled_clients"],
        [],
    ]
    assert SECRET not in str(lines) and "secret words" not in str(lines)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "connections", b"{"),
        ("POST", "connections", b"[]"),
        ("POST", "connections", b'"x"'),
        ("POST", "connections", b'{"name": "a", "name": "b"}'),
        ("POST", "connections", b'{"name": NaN}'),
        ("POST", "connections", b'{"name": "\\ud800"}'),
        ("POST", "connections", b"[" * 100_000),
        ("POST", "connections", b'{"name": "a", "strategy": "oidc", "options": []}'),
        ("POST", "connections", b'{"name": "a", "strategy": "oidc", "options": null}'),
        ("POST", "connections", b'{"name": 7, "strategy": "oidc", "options": {"client_id": {}}}'),
        ("POST", "connections", b""),
        ("PATCH", "connections/{id}", b"{}"),
        ("PATCH", "connections/{id}", b"[]"),
        ("PATCH", "connections/{id}", b'{"options": 7}'),
        ("PATCH", "connections/{id}", b'{"realms": "a"}'),
        ("PATCH", "connections/{id}/clients", b"{}"),
        ("PATCH", "connections/{id}/clients", b"[]"),
        ("PATCH", "connections/{id}/clients", b'[{"client_id": "webapp"}]'),
        ("PATCH", "connections/{id}/clients", b'[{"client_id": {}, "status": true}]'),
        ("PATCH", "connections/{id}/clients", b'[{"client_id": "webapp", "status": 1}]'),
        ("PATCH", "connections/{id}/clients", b'["webapp"]'),
    ],
)
async def test_mg_14_bad_bodies_are_told_in_auth0s_shape(api: World, method: str, path: str, body: bytes) -> None:
    """MG-14: 400 with these four keys and a request id beside them; no stack, no path, nothing of ours."""
    made = await api.make()
    url, headers = f"/api/v2/{path.format(id=made['id'])}", {"Authorization": f"Bearer {api.token}"}
    async with api.site.request(
        method, url, data=body, headers={**headers, "Content-Type": "application/json"}
    ) as answer:
        told = await answer.json()
        assert answer.status == 400, told
        assert set(told) == {"statusCode", "error", "message", "errorCode"}
        assert (told["statusCode"], told["error"], told["errorCode"]) == (400, "Bad Request", "invalid_body")
        assert "Traceback" not in told["message"] and "proxy/" not in told["message"]


@pytest.mark.parametrize("id", ["x" * 5000, "con_*", "..", "con_0123456789abcdef"])
async def test_mg_14_an_id_that_is_none_is_404(api: World, id: str) -> None:
    """MG-14: however long or odd, on every route of one connection but DELETE."""
    if id == "..":
        id = "%2e%2e"
    for path in (
        f"connections/{id}",
        f"connections/{id}/status",
        f"connections/{id}/clients",
        f"connections/{id}/keys",
    ):
        assert (await api.ask("GET", path))[0] == 404
    assert (await api.ask("PATCH", f"connections/{id}", {"display_name": "x"}))[0] == 404


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"allow_private": ["10.0.0.0/8"]}, "options.allow_private"),
        ({"allow_private": []}, "options.allow_private"),
        ({"trust": ["/etc/passwd"]}, "options.trust"),
    ],
)
async def test_ss_14_private_networks_are_not_opened_over_the_api(
    api: World, options: dict[str, Any], named: str
) -> None:
    """SS-14: what the operator of the machine lists in the file cannot be set here; the file's is not shown either."""
    status, told = await api.ask("POST", "connections", {**BODY, "options": {**BODY["options"], **options}})
    assert status == 400 and named in told["message"]
    made = await api.make()
    status, told = await api.ask("PATCH", f"connections/{made['id']}", {"options": {**OPTIONS, **options}})
    assert status == 400 and named in told["message"]
    assert "10.0.0.0" not in json.dumps((await api.ask("GET", "connections"))[1])


@pytest.mark.parametrize("text", ["$PATH", "file:/etc/passwd", "$ISTHMUS_SECRET"])
async def test_ss_14_a_reference_is_just_text_here(api: World, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SS-14: a secret over the API is the text that was sent: nobody reads this machine's files or variables by it."""
    monkeypatch.setenv("ISTHMUS_SECRET", "of-the-machine")
    await api.make(options={"client_secret": text})
    kept = api.roster["corp"].options.client_secret
    assert kept is not None and kept.get_secret_value() == text


async def test_what_the_file_declares_is_read_only(api: World) -> None:
    """Readable like any other; 409 that says so for every change."""
    [declared] = (await api.ask("GET", "connections?name=from-file"))[1]
    path = f"connections/{declared['id']}"
    assert (await api.ask("GET", path))[1]["options"]["discovery_url"] == "https://file.example"
    for method, where, body in (
        ("PATCH", path, {"display_name": "x"}),
        ("DELETE", path, None),
        ("PATCH", f"{path}/clients", [{"client_id": "wiki", "status": True}]),
    ):
        status, told = await api.ask(method, where, body)
        assert status == 409 and "declared in the configuration file" in told["message"]


async def test_the_applications_of_a_connection(api: World) -> None:
    """Switched on and off by a list, shown page by page; an unknown one is 404, and nothing is changed by half."""
    made = await api.make(enabled_clients=["webapp"])
    path = f"connections/{made['id']}/clients"
    wishes = [{"client_id": "wiki", "status": True}, {"client_id": "script", "status": True}]
    assert await api.ask("PATCH", path, [*wishes, {"client_id": "webapp", "status": False}]) == (204, None)
    assert (await api.ask("GET", path))[1] == {"clients": [{"client_id": "wiki"}, {"client_id": "script"}]}
    assert (await api.ask("GET", f"{path}?take=1"))[1] == {"clients": [{"client_id": "wiki"}], "next": "script"}
    assert (await api.ask("GET", f"{path}?take=1&from=script"))[1] == {"clients": [{"client_id": "script"}]}
    assert (await api.ask("GET", f"{path}?take=1&from=nobody"))[0] == 400
    status, told = await api.ask(
        "PATCH", path, [{"client_id": "webapp", "status": True}, {**wishes[0], "client_id": "nobody"}]
    )
    assert (status, told["errorCode"]) == (404, "inexistent_client")
    assert api.roster["corp"].enabled_clients == ("wiki", "script")
    too_many = [{"client_id": f"c{n}", "status": False} for n in range(51)]
    assert (await api.ask("PATCH", path, too_many))[0] == 400


async def test_the_keys_of_a_connection(api: World) -> None:
    """Public halves alone, in Auth0's shape; a rotation lets the next one take over and answers the new next one."""
    made = await api.make(
        options={
            "client_secret": None,
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
        }
    )
    path = f"connections/{made['id']}/keys"
    status, keys = await api.ask("POST", path)
    assert status == 201 and [("current" in key, "next" in key) for key in keys] == [(True, False), (False, True)]
    assert all(key["cert"].startswith("-----BEGIN PUBLIC KEY") and key["algorithm"] == "ES256" for key in keys)
    assert (await api.ask("GET", path)) == (200, keys)
    assert (await api.ask("POST", path))[0] == 409, "they are there already"
    status, waiting = await api.ask("POST", f"{path}/rotate")
    assert status == 201 and waiting["next"] is True
    after = {key["kid"]: key for key in (await api.ask("GET", path))[1]}
    assert after[keys[1]["kid"]]["current"] is True and waiting["kid"] in after and keys[0]["kid"] in after
    assert "PRIVATE" not in json.dumps(after) and '"d"' not in json.dumps(after)


async def test_mg_17_a_second_rotation_in_the_same_minute_is_refused(api: World) -> None:
    """MG-17: 409, and the keys stay as they are; a tenant must have time to learn the next one."""
    options = {"client_secret": None, "token_endpoint_auth_method": "private_key_jwt"}
    path = f"connections/{(await api.make(options=options))['id']}/keys"
    assert (await api.ask("POST", f"{path}/rotate"))[0] == 201
    before = await api.ask("GET", path)
    assert (await api.ask("POST", f"{path}/rotate"))[0] == 409
    assert await api.ask("GET", path) == before


async def test_a_connection_that_signs_nothing_has_no_keys(api: World) -> None:
    """An empty list, and a 400 that says what to set."""
    made = await api.make()
    path = f"connections/{made['id']}/keys"
    assert await api.ask("GET", path) == (200, [])
    for where in (path, f"{path}/rotate"):
        status, told = await api.ask("POST", where)
        assert status == 400 and "private_key_jwt" in told["message"]


async def test_options_are_for_those_who_may_read_them(api: World) -> None:
    """Without ``read:connections_options`` they are left out and nothing fails. ``update:connections`` is all that a
    change needs, as Auth0's own description of its API says: no more is told of the options than was sent."""
    made = await api.make()
    path = f"connections/{made['id']}"
    reader = await api.issue("read:connections")
    assert "options" not in (await api.ask("GET", path, token=reader))[1]
    assert not any("options" in one for one in (await api.ask("GET", "connections", token=reader))[1])
    writer = await api.issue("update:connections")
    sent = {**OPTIONS, "tenant_domain": "t.example"}
    status, told = await api.ask("PATCH", path, {"options": sent}, token=writer)
    assert status == 200 and told["options"] == {**sent, "scope": "openid profile email"}
    status, told = await api.ask("PATCH", path, {"options": None, "display_name": "x"}, token=writer)
    assert status == 200 and "options" not in told
    status, told = await api.ask("PATCH", path, {"display_name": "x"}, token=writer)
    assert status == 200 and "options" not in told


@pytest.mark.parametrize(("method", "path", "scope", "name"), ROUTES)
async def test_mg_02_each_route_needs_its_own_scope(api: World, method: str, path: str, scope: str, name: str) -> None:
    """MG-02: every route with every scope but its own: 403 that names it, whatever else the token may do."""
    others = [one for one in ALL_SCOPES if one not in scope.split()]
    for scopes in ([], others, [*others, *scope.split()[1:]]):
        status, told = await api.ask(method, path.format(id=ONE), token=await api.issue(*scopes))
        assert (status, told["errorCode"], told["error"]) == (403, "insufficient_scope", "Forbidden"), scopes
        assert told["message"] == f"Insufficient scope, expected any of: {scope}"


async def test_mg_15_who_went_with_it_is_told(api: World) -> None:
    """MG-15: those who end sessions and tokens hear of every change, and of a removal before and after it is done."""
    made = await api.make(enabled_clients=["webapp"])
    await api.ask("PATCH", f"connections/{made['id']}/clients", [{"client_id": "webapp", "status": False}])
    await api.ask("DELETE", f"connections/{made['id']}")
    assert api.ended == [("corp", "corp"), ("corp", None), ("corp", None)]


async def test_the_gateway_may_be_enabled(api: World) -> None:
    """It is an application of our own, which no list of clients holds."""
    made = await api.make(enabled_clients=["gateway"])
    path = f"connections/{made['id']}/clients"
    assert (await api.ask("PATCH", path, [{"client_id": "gateway", "status": False}]))[0] == 204
    assert (await api.ask("PATCH", path, [{"client_id": "gateway", "status": True}]))[0] == 204


async def test_mg_02_a_route_without_a_scope_is_closed() -> None:
    """MG-02: an endpoint that forgot to say what it needs is nobody's to call."""

    async def open_to_all(request: Request) -> Answer:
        return Answer(json={"opened": True})

    async with world(Endpoint("api/v2/forgotten", ("GET",), Caller.OPERATOR, open_to_all)) as made:
        assert (await made.ask("GET", "forgotten"))[0] == 403


@pytest.mark.parametrize("depth", [64, 300, 900])
@pytest.mark.parametrize("place", ["extra", "oidc_metadata"])
async def test_mg_14_nothing_is_kept_that_cannot_be_read_again(api: World, place: str, depth: int) -> None:
    """MG-14: one connection with endless nesting would stop whoever reads the connections: every list, every node."""
    nested: Any = "end"
    for _ in range(depth):
        nested = [nested]
    options = {**OPTIONS, place: {"issuer": HOST, "deep": nested}}
    status, told = await api.ask("POST", "connections", {"name": "deep", "strategy": "oidc", "options": options})
    assert (status, told["errorCode"]) == (400, "invalid_body")
    assert (await api.ask("GET", "connections"))[0] == 200


async def test_mg_03_what_looks_like_a_secret_is_not_shown_however_deep_it_lies(api: World) -> None:
    """MG-03: nested objects of options that nobody knows too."""
    kept = {"settings": {"list": [{"clientSecret": SECRET, "plain": 1}]}, "api_key": SECRET, "signingKey": SECRET}
    made = await api.make(options={**kept, "credentials": {"user": SECRET}, "refresh_token": SECRET})
    for told in (made, (await api.ask("GET", f"connections/{made['id']}"))[1]):
        assert SECRET not in json.dumps(told) and told["options"]["settings"] == {"list": [{"plain": 1}]}


async def test_mg_14_a_long_name_is_cut_where_it_is_told(api: World) -> None:
    """MG-14: an answer is no echo of 100 KB."""
    for options in ({"connection_settings": {"A" * 100_000: 1}}, {"upstream_params": {"A" * 100_000: {"value": 1}}}):
        body = {"name": "long", "strategy": "oidc", "options": {**OPTIONS, **options}}
        status, told = await api.ask("POST", "connections", body)
        assert status == 400 and len(told["message"]) < 1000


async def test_an_application_is_listed_once(api: World) -> None:
    """However often it is named: what is kept, shown and looked up does not grow by repeating it."""
    assert (await api.make(enabled_clients=["webapp", "wiki"] * 20_000))["enabled_clients"] == ["webapp", "wiki"]

"""The hooks as the bridge uses them, with plugins loaded from files as an operator has them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from proxy.models import Button, Client, Connection
from proxy.models.route import Allow, Route
from proxy.plugins import PluginFailed, Plugins

Load = Callable[..., Plugins]
CLAIMS = {"sub": "u1", "name": "Ann", "email": "ann@example.com", "email_verified": True, "roles": ["a", "b"]}

ROLES = """
    @hookimpl
    def isthmus_map_profile(claims, profile):
        return {"groups": claims["roles"], "seen": list(profile.get("groups", ()))}
"""
BROKEN = """
    @hookimpl
    async def isthmus_map_profile(claims):
        raise SystemExit(1)

    @hookimpl
    def isthmus_request_scopes():
        return "openid groups"

    @hookimpl
    def isthmus_connection_button():
        raise RuntimeError
"""


async def test_without_plugins_our_defaults_answer(plugins: Load, connection: Connection, client: Client) -> None:
    """Scopes and button of the connection, standard claims, and ``isthmus`` as the one who set them."""
    loaded = plugins({})
    scopes = await loaded.request_scopes(connection, client)
    assert (scopes.values, set(scopes.sources.values())) == (("openid", "profile", "email"), {"isthmus"})
    mapped = await loaded.map_profile(connection, client, CLAIMS)
    assert mapped.profile == {
        "name": "Ann",
        "email": "ann@example.com",
        "email_verified": True,
        "nickname": "ann",
    }
    assert set(mapped.sources) == set(mapped.profile)
    button, sources = await loaded.button(connection, client)
    assert button == Button("Corp login", "https://cdn.example/corp.png")
    assert sources == {"display_name": "isthmus", "icon_url": "isthmus"}


async def test_each_sees_what_the_ones_before_did(plugins: Load, connection: Connection, client: Client) -> None:
    """The operator's order, plain and async mixed; the note says who set what it is now."""
    add = "@hookimpl\nasync def isthmus_request_scopes(scopes): return [*scopes, 'b']"
    drop = "@hookimpl\ndef isthmus_request_scopes(scopes): return [s for s in scopes if s != 'email'] + ['c']"
    scopes = await plugins({"add": add, "drop": drop}).request_scopes(connection, client)
    assert scopes.sources == {"openid": "isthmus", "profile": "isthmus", "b": "add", "c": "drop"}
    assert scopes.values == tuple(scopes.sources)
    mapped = await plugins({"first": ROLES, "second": ROLES}).map_profile(connection, client, CLAIMS)
    assert (mapped.profile["groups"], mapped.profile["seen"]) == (["a", "b"], ["a", "b"])
    assert (mapped.sources["groups"], mapped.sources["seen"]) == ("first", "second")


async def test_openid_cannot_be_removed(plugins: Load, connection: Connection, client: Client) -> None:
    """Without it the tenant would answer OAuth, not OpenID Connect."""
    loaded = plugins({"none": "@hookimpl\ndef isthmus_request_scopes(): return []"})
    assert (await loaded.request_scopes(connection, client)).values == ("openid",)


async def test_the_profile_is_plain_json(plugins: Load, connection: Connection, client: Client) -> None:
    """Whatever a plugin hands back, the store can write."""
    source = "@hookimpl\ndef isthmus_map_profile(claims): return {'all': {'roles': claims['roles'], 'claims': claims}}"
    mapped = await plugins({"all": source}).map_profile(connection, client, CLAIMS)
    assert json.loads(json.dumps(mapped.profile))["all"]["claims"] == CLAIMS


async def test_none_removes_and_an_empty_list_is_a_value(plugins: Load, connection: Connection, client: Client) -> None:
    """What was removed has no source; what was emptied has."""
    source = "@hookimpl\ndef isthmus_map_profile(): return {'name': None, 'groups': []}"
    mapped = await plugins({"first": ROLES, "clear": source}).map_profile(connection, client, CLAIMS)
    assert "name" not in mapped.profile
    assert "name" not in mapped.sources
    assert (mapped.profile["groups"], mapped.sources["groups"]) == ([], "clear")


@pytest.mark.parametrize("hook", ["map_profile", "request_scopes"])
async def test_pl_01_a_fault_ends_the_login(
    plugins: Load, connection: Connection, client: Client, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    """PL-01: with ``on_error = fail`` nobody gets past a plugin that failed; the log names plugin and hook."""
    loaded = plugins({"broken": BROKEN})
    more = (CLAIMS,) if hook == "map_profile" else ()
    with pytest.raises(PluginFailed) as caught:
        await getattr(loaded, hook)(connection, client, *more)
    assert (caught.value.plugin, caught.value.hook) == ("broken", f"isthmus_{hook}")
    assert "broken" in caplog.text
    assert f"isthmus_{hook}" in caplog.text


async def test_pl_01_a_plugin_that_hangs_ends_the_login(plugins: Load, connection: Connection, client: Client) -> None:
    """PL-01: a time-out is a fault like any other."""
    source = """
        import asyncio
        @hookimpl
        async def isthmus_map_profile(claims):
            await asyncio.Event().wait()
    """
    with pytest.raises(PluginFailed, match="took longer than 0.05 s"):
        await plugins({"slow": source}, time_limit=0.05).map_profile(connection, client, CLAIMS)


async def test_skip_goes_on_without_the_plugin(
    plugins: Load, connection: Connection, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """``on_error = skip`` is the operator's word: logged, and the plugins around it still count."""
    loaded = plugins({"broken": BROKEN, "roles": ROLES}, on_error="skip")
    mapped = await loaded.map_profile(connection, client, CLAIMS)
    assert (mapped.profile["name"], mapped.profile["groups"]) == ("Ann", ["a", "b"])
    assert (await loaded.request_scopes(connection, client)).values == ("openid", "profile", "email")
    assert "plugin broken failed in isthmus_map_profile: it raised SystemExit at broken.py" in caplog.text


async def test_pl_09_a_fault_in_a_button_always_skips(plugins: Load, connection: Connection, client: Client) -> None:
    """PL-09: a button is decoration; the login page is drawn whatever happens to it."""
    name = "@hookimpl\ndef isthmus_connection_button(button): return {'display_name': button.display_name + '!'}"
    button, sources = await plugins({"broken": BROKEN, "name": name}).button(connection, client)
    assert button == Button("Corp login!", "https://cdn.example/corp.png")
    assert sources == {"display_name": "name", "icon_url": "isthmus"}


async def test_a_fault_is_logged_without_what_the_tenant_said(
    plugins: Load, connection: Connection, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception's text may hold a claim: it is told at level debug only."""
    caplog.set_level(logging.INFO, "isthmus.plugins")
    source = "@hookimpl\ndef isthmus_map_profile(claims): raise ValueError(claims['email'])"
    with pytest.raises(PluginFailed) as caught:
        await plugins({"leaky": source}).map_profile(connection, client, CLAIMS)
    assert "raised ValueError at leaky.py" in caplog.text
    assert "ann@example.com" not in caplog.text + str(caught.value)


async def test_pl_03_reserved_claims_are_refused_and_logged(
    plugins: Load, connection: Connection, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """PL-03, RP-27: a plugin that maps everything still sets no name of a token; the log says which it tried."""
    names = ("iss", "sub", "aud", "exp", "client_id", "scope", "sid", "act", "user_id", "_internal")
    source = "@hookimpl\ndef isthmus_map_profile(claims): return claims"
    claims = {**CLAIMS, **dict.fromkeys(names, "evil")}
    mapped = await plugins({"all": source}).map_profile(connection, client, claims)
    assert not set(names) & set(mapped.profile)
    assert mapped.profile["roles"] == ["a", "b"]
    assert all(name in caplog.text for name in names)
    assert "plugin all may not set" in caplog.text
    assert "evil" not in caplog.text


@pytest.mark.parametrize(
    ("change", "verified"),
    [
        ("{'email': 'ann@other.example'}", False),
        ("{'email': 'ann@other.example', 'email_verified': True}", True),
        ("{'email': 'ann@example.com'}", True),
        ("{'email': None}", None),
    ],
    ids=["another", "another, verified", "the same", "removed"],
)
async def test_rp_15_verified_does_not_move_to_another_address(
    plugins: Load, connection: Connection, client: Client, change: str, verified: bool | None
) -> None:
    """RP-15: ``email_verified`` speaks of the address the tenant verified, and of no other."""
    source = f"@hookimpl\ndef isthmus_map_profile(): return {change}"
    mapped = await plugins({"email": source}).map_profile(connection, client, CLAIMS)
    assert mapped.profile.get("email_verified") is verified


async def test_the_whole_profile_is_bounded(plugins: Load, connection: Connection, client: Client) -> None:
    """Two plugins that each stay within bounds cannot pass them together."""
    half = "@hookimpl\ndef isthmus_map_profile(): return {__name__: 'x' * 40_000}"
    with pytest.raises(PluginFailed, match="larger than 65536 bytes") as caught:
        await plugins({"one": half, "two": half}).map_profile(connection, client, CLAIMS)
    assert caught.value.plugin == "two"


@pytest.mark.parametrize(
    "attempt",
    [
        "claims['roles'] = ()",
        "claims['roles'].append('admin')",
        "profile['name'] = 'Eve'",
        "connection.name = 'x'",
        "connection.options.scope = 'x'",
        "client.client_id = 'x'",
    ],
)
async def test_what_plugins_get_is_read_only(
    plugins: Load, connection: Connection, client: Client, attempt: str
) -> None:
    """At every depth: an attempt to change it is a fault of the plugin."""
    source = f"@hookimpl\ndef isthmus_map_profile(connection, client, claims, profile): {attempt}"
    with pytest.raises(PluginFailed):
        await plugins({"meddler": source}).map_profile(connection, client, CLAIMS)
    assert CLAIMS["roles"] == ["a", "b"]


async def test_what_plugins_get_has_no_secret(plugins: Load, connection: Connection, client: Client) -> None:
    """Neither ours at the tenant nor the client's at us."""
    source = """
        @hookimpl
        def isthmus_map_profile(connection, client):
            return {"seen": [str(connection.options.client_secret), str(client.client_secret), client.auth_method]}
    """
    mapped = await plugins({"curious": source}).map_profile(connection, client, CLAIMS)
    assert mapped.profile["seen"] == ["None", "None", "client_secret_basic"]


async def test_pl_11_one_connection_leaves_nothing_for_another(
    plugins: Load, connection: Connection, client: Client
) -> None:
    """PL-11: the same ``sub`` at two connections is two people; a hook is told which connection it works for."""
    source = "@hookimpl\ndef isthmus_map_profile(connection, claims): return {connection.name: claims['sub']}"
    loaded = plugins({"by": source})
    other = connection.model_copy(update={"name": "other"})
    first = await loaded.map_profile(connection, client, CLAIMS)
    second = await loaded.map_profile(other, client, {"sub": "u1"})
    assert first.profile["corp"] == second.profile["other"] == "u1"
    assert "corp" not in second.profile
    assert "email" not in second.profile


async def test_the_listing_says_what_is_there(plugins: Load) -> None:
    """Name, place and hooks, ours first, in the order of calls."""
    listing = plugins({"broken": "__version__ = '1.2'\n" + ROLES.strip().replace("\n    ", "\n")}).listing()
    ours, theirs = listing
    assert (ours.name, ours.found, len(ours.hooks)) == ("isthmus", "built in", 3)
    assert (theirs.name, theirs.version, theirs.hooks) == ("broken", "1.2", ("isthmus_map_profile",))
    assert theirs.found.startswith("file ")


async def test_pl_10_settings_are_data(plugins: Load, connection: Connection, client: Client) -> None:
    """PL-10: text in settings is never evaluated: here it is the name of a claim that is not there."""
    evil = "__import__('os').getpid()"
    loaded = plugins({}, enabled=("isthmus-groups",), settings={"isthmus-groups": {"claim": evil}})
    assert "groups" not in (await loaded.map_profile(connection, client, CLAIMS)).profile
    mapped = await loaded.map_profile(connection, client, {evil: ["a"]})
    assert mapped.profile["groups"] == ["a"]


async def test_the_two_real_plugins_together(plugins: Load, connection: Connection, client: Client) -> None:
    """Installed distributions, found by entry point, with their settings: scope, roles and a button of one's own."""
    given: dict[str, Any] = {
        "isthmus-groups": {"claim": "roles", "scope": "roles"},
        "isthmus-branding": {"buttons": {"webapp": {"*": {"display_name": "Acme badge"}}}},
    }
    loaded = plugins({}, enabled=tuple(given), settings=given)
    scopes = await loaded.request_scopes(connection, client)
    assert scopes.sources["roles"] == "isthmus-groups"
    mapped = await loaded.map_profile(connection, client, CLAIMS)
    assert (mapped.profile["groups"], mapped.sources["groups"]) == (["a", "b"], "isthmus-groups")
    button, sources = await loaded.button(connection, client)
    assert (button.display_name, sources["display_name"]) == ("Acme badge", "isthmus-branding")
    with pytest.raises(PluginFailed, match="TypeError"):
        await loaded.map_profile(connection, client, {"sub": "u1", "roles": {"admin": True}})


# --- the access hook ---

YES, NO, NONE = (f"@hookimpl\nasync def isthmus_gateway_access(): return {said}" for said in ("True", "False", "None"))
RAISES = "@hookimpl\nasync def isthmus_gateway_access(): raise SystemExit(1)"
PLAIN_FAULT = "@hookimpl\ndef isthmus_gateway_access(): return 1 / 0"
HANGS = """
    import asyncio
    @hookimpl
    async def isthmus_gateway_access():
        await asyncio.Event().wait()
"""
CANCELS = """
    import asyncio
    @hookimpl
    async def isthmus_gateway_access():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
"""
ROUTE = Route(host="app.example", upstream=("http://127.0.0.1:1",), name="wiki", allow=Allow(plugin=True))


async def asked(loaded: Plugins, connection: Connection, profile: dict[str, Any] | None = None) -> bool:
    """What the plugins say of a request."""
    return await loaded.gateway_access(connection, ROUTE, "POST", "/page", profile or {})


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ((), False),
        ((YES,), True),
        ((NO,), False),
        ((NONE,), False),
        ((NONE, YES), True),
        ((YES, NONE), True),
        ((YES, NO), False),
        ((NO, YES), False),
        ((YES, YES), True),
    ],
)
async def test_pl_02_one_yes_is_needed_and_one_no_is_enough(
    plugins: Load, connection: Connection, said: tuple[str, ...], allowed: bool
) -> None:
    """PL-02: no early yes wins, and where nobody has an opinion nobody passes."""
    loaded = plugins({f"p{number}": source for number, source in enumerate(said)})
    assert await asked(loaded, connection) is allowed


@pytest.mark.parametrize("value", ["1", "0", "'yes'", "object()", "[True]", "(True,)", "...", "NotImplemented"])
async def test_pl_02_nothing_else_is_a_yes(plugins: Load, connection: Connection, value: str) -> None:
    """PL-02: what is no boolean is a fault, and a fault is a no, even beside a yes."""
    odd = f"@hookimpl\nasync def isthmus_gateway_access(): return {value}"
    assert not await asked(plugins({"odd": odd, "yes": YES}), connection)


@pytest.mark.parametrize("on_error", ["fail", "skip"])
@pytest.mark.parametrize("fault", [RAISES, PLAIN_FAULT, HANGS, CANCELS], ids=["raises", "plain", "hangs", "cancels"])
async def test_pl_01_a_fault_in_the_access_hook_denies(
    plugins: Load, connection: Connection, on_error: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """PL-01: never "skip the plugin", whatever the others say and in whatever order; the log names it."""
    for files in ({"broken": fault, "yes": YES}, {"yes": YES, "broken": fault}):
        assert not await asked(plugins(files, on_error=on_error, time_limit=0.05), connection)
    assert "plugin broken failed in isthmus_gateway_access" in caplog.text


async def test_the_access_hook_sees_the_request_and_no_secret(plugins: Load, connection: Connection) -> None:
    """Every argument, read-only."""
    source = """
        @hookimpl
        async def isthmus_gateway_access(connection, route, method, path, profile):
            seen = (connection.name, connection.options.client_secret, route.name, route.host, route.path_prefix)
            try:
                profile["groups"] = ()
            except TypeError:
                seen += (method, path, profile["groups"])
                return seen == ("corp", None, "wiki", "app.example", "/", "POST", "/page", ("a",))
    """
    assert await asked(plugins({"sees": source}), connection, {"groups": ["a"]})

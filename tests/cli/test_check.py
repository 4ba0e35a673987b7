"""``isthmus check`` against tenants that are healthy, lack something, or are not there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from proxy.lab.listen import listen, port_of, serving
from proxy.upstream import visit
from tests.cli.conftest import Run, configure
from tests.kit.tenant import signer

PATH = "/.well-known/openid-configuration"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not there is told of at once."""
    monkeypatch.setattr(visit, "FLOOR_SECONDS", 0.0)


@asynccontextmanager
async def tenant(*lacks: str, body: str | None = None, **more: Any) -> AsyncIterator[str]:
    """A tenant whose document lacks ``lacks`` and has ``more``; or is ``body``. Answers its base URL."""
    sock = listen()
    base = f"http://127.0.0.1:{port_of(sock)}/"

    async def document(request: web.Request) -> web.Response:
        whole: Mapping[str, Any] = {
            "issuer": base,
            "authorization_endpoint": f"{base}authorize",
            "token_endpoint": f"{base}token",
            "jwks_uri": f"{base}jwks",
            "userinfo_endpoint": f"{base}userinfo",
            **more,
        }
        text = json.dumps({name: value for name, value in whole.items() if name not in lacks})
        return web.Response(text=text if body is None else body, content_type="application/json")

    app = web.Application()

    async def keys(request: web.Request) -> web.Response:
        return web.json_response({"keys": [dict(signer("one").public_jwk)]})

    app.router.add_get("/jwks", keys)
    app.router.add_get(PATH, document)
    async with serving(app, sock):
        yield base


async def test_a_green_check_for_a_tenant_that_is_found(run: Run, tmp_path: Path) -> None:
    """With the channel; plugins and their hooks follow; status 0. Base URL and full URL alike."""
    async with tenant() as base:
        for url in (base, base + PATH[1:]):
            said = await asyncio.to_thread(run, "check", "--config", configure(tmp_path, url))
            lines = said.out.splitlines()
            assert said.status == 0, said
            assert lines[0] == "✓ found  corp (front channel)"
            assert lines[1].startswith("plugin isthmus: isthmus_request_scopes, isthmus_map_profile")
            assert lines[-1] == "all is well"
            assert said.err == ""


@pytest.mark.parametrize(
    ("channel", "lacks", "status"),
    [
        ("back_channel", "token_endpoint", 1),
        ("back_channel", "jwks_uri", 1),
        ("front_channel", "authorization_endpoint", 1),
        ("front_channel", "token_endpoint", 0),
    ],
)
async def test_what_is_missing_for_the_channel_is_named(
    run: Run, tmp_path: Path, channel: str, lacks: str, status: int
) -> None:
    """The front channel needs no token endpoint, the back channel does."""
    async with tenant(lacks) as base:
        said = await asyncio.to_thread(run, "check", "--config", configure(tmp_path, base, channel))
    assert said.status == status
    if status:
        assert f"✗ found, but missing  corp ({channel.replace('_', ' ')}): {lacks}" in said.out
        assert said.out.endswith("there are faults\n")


async def test_a_red_mark_for_what_is_not_found(run: Run, tmp_path: Path) -> None:
    """Nobody there, and somebody there who has no document."""
    async with tenant() as base:
        said = await asyncio.to_thread(run, "check", "--config", configure(tmp_path, f"{base}elsewhere/"))
    assert said.status == 1
    assert said.out.startswith(
        "✗ not found  corp (front channel): no discovery document could be had (the address answers, but not with"
    )
    said = await asyncio.to_thread(run, "check", "--config", configure(tmp_path, base))
    assert said.out.startswith("✗ not found  corp (front channel): no discovery document could be had (nobody")


async def test_what_is_found_and_unusable_is_told_apart(run: Run, tmp_path: Path) -> None:
    """Another tenant's document, or one without keys; a page that is no JSON is no document."""
    async with tenant(body="<html>") as base:
        said = await asyncio.to_thread(run, "check", "--config", configure(tmp_path, base))
        assert said.out.startswith("✗ not found  corp")
        assert "what is found there is not a JSON object" in said.out
    async with tenant(jwks_uri="http://127.0.0.1:9/jwks") as base:
        said = await asyncio.to_thread(run, "check", "--config", configure(tmp_path, base))
        assert said.out.startswith("✗ not found  corp (front channel): the keys could not be had (nobody answers")
    async with tenant(issuer="https://other.example/") as base:
        said = await asyncio.to_thread(run, "check", "--config", configure(tmp_path, base))
    assert said.out.startswith("✗ found, but unusable  corp")
    assert "another issuer (https://other.example/); set options.issuer if that is right" in said.out


async def test_all_of_it_as_json(run: Run, tmp_path: Path) -> None:
    """For programs: the same facts, the same status."""
    async with tenant("token_endpoint") as base:
        said = await asyncio.to_thread(run, "check", "--json", "--config", configure(tmp_path, base, "back_channel"))
    found = json.loads(said.out)
    assert (said.status, found["ok"]) == (1, False)
    (corp,) = found["connections"]
    assert (corp["name"], corp["status"], corp["missing"]) == ("corp", "incomplete", ["token_endpoint"])
    assert "set options.token_endpoint" in corp["findings"][0]["remedy"]
    assert found["plugins"][0]["name"] == "isthmus"


async def test_scopes_that_may_be_answered_at_userinfo_only_are_told(run: Run, tmp_path: Path) -> None:
    """In the back channel; with openid alone, or in the front channel, there is nothing to say."""
    async with tenant(authorization_response_iss_parameter_supported=True) as base:
        for channel, scope, told in (
            ("back_channel", "openid email", True),
            ("back_channel", "openid", False),
            ("front_channel", "openid email", False),
        ):
            file = configure(tmp_path, base, channel, more=f'scope = "{scope}"')
            said = await asyncio.to_thread(run, "check", "--config", file)
            assert said.status == 0
            assert ("! warning  corp (back channel): email may be answered at userinfo" in said.out) is told


@pytest.mark.parametrize(
    ("own", "names_itself", "channel", "told"),
    [
        (False, False, "back_channel", True),
        (True, False, "back_channel", False),
        (False, True, "back_channel", False),
        (False, False, "front_channel", False),
    ],
)
async def test_rp_22_a_pair_that_cannot_be_told_apart_is_warned_of(
    run: Run, tmp_path: Path, own: bool, names_itself: bool, channel: str, told: bool
) -> None:
    """RP-22: two back channels on one callback, and a tenant that sends no ``iss``: its codes could go astray."""
    other = """
[[connections]]
name = "other"
[connections.options]
type = "{channel}"
discovery_url = "{base}"
client_id = "isthmus"
client_secret = "$ISTHMUS_CORP"
"""
    async with tenant(authorization_response_iss_parameter_supported=names_itself) as base:
        more = f"own_callback = {str(own).lower()}"
        file = configure(tmp_path, base, "back_channel", more=more, tail=other.format(base=base, channel=channel))
        said = await asyncio.to_thread(run, "check", "--config", file)
    assert ("corp (back channel): the tenant does not name itself" in said.out and "own_callback" in said.out) is told


async def test_warnings_of_the_settings_are_shown(run: Run, tmp_path: Path) -> None:
    """They do not change the status."""
    async with tenant() as base:
        file = configure(tmp_path, base, more="trust_prompt = true")
        said = await asyncio.to_thread(run, "check", "--config", file)
    assert said.status == 0
    assert "! warning  connections[corp].options.trust_prompt" in said.out


async def test_a_plugin_that_cannot_be_loaded_is_a_fault(run: Run, tmp_path: Path) -> None:
    """Beside what the tenants said, not instead of it."""
    async with tenant() as base:
        file = configure(tmp_path, base, tail='[plugins]\nenabled = ["not-there"]\n')
        said = await asyncio.to_thread(run, "check", "--config", file)
    assert said.status == 1
    assert "✓ found  corp" in said.out
    assert "✗ plugin  plugins.enabled: not-there: not found" in said.out


def test_without_connections_all_is_well(run: Run, tmp_path: Path) -> None:
    """Nothing is asked."""
    file = tmp_path / "isthmus.toml"
    file.write_text('[tenant]\nissuer = "http://127.0.0.1:9000/"\n')
    said = run("check", "--config", file)
    assert (said.status, said.out.splitlines()[0]) == (0, "no connections")


async def test_mg_19_routes_are_listed_with_what_is_doubtful(run: Run, tmp_path: Path) -> None:
    """MG-19: who may come through, and the rules that match nobody or everybody; a hook that no plugin implements."""
    tail = """
[[gateway.routes]]
host = "wiki.localhost"
upstream = "http://127.0.0.1:1"
public_paths = ["/"]
allow = { groups = ["ops"], plugin = true }
[plugins]
enabled = ["isthmus-branding"]
"""
    async with tenant() as base:
        file = configure(tmp_path, base, tail=tail)
        said = await asyncio.to_thread(run, "check", "--config", file)
        told = json.loads((await asyncio.to_thread(run, "check", "--json", "--config", file)).out)
    assert said.status == 0, said.err
    assert "route wiki.localhost/: http://wiki.localhost:9000/ for group ops; a plugin says yes" in said.out
    assert told["routes"] == [
        {"route": "wiki.localhost/", "address": "http://wiki.localhost:9000/", "who": "group ops; a plugin says yes"}
    ]
    for warning in (
        'gateway: no connection has "gateway" in enabled_clients',
        "gateway.routes[0].public_paths: / is all of the route",
        "gateway.routes[0].allow.plugin: no plugin implements isthmus_gateway_access",
    ):
        assert any(one.startswith(warning) for one in told["warnings"]), warning
        assert warning in said.out

"""Rules for routes: among each other, and with connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.settings.conftest import Bench

OPEN = {"connections.0.enabled_clients": ["webapp", "gateway"], "server.trusted_proxies": ["10.0.0.0/8"]}


def route(**changes: Any) -> dict[str, Any]:
    """A route that is right."""
    return {"host": "app.example", "upstream": "http://127.0.0.1:1", **changes}


def place(*routes: dict[str, Any], gateway: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Changes that make these the routes."""
    return {**OPEN, "gateway": {"routes": list(routes), **(gateway or {})}, **changes}


def warned(bench: Bench, *routes: dict[str, Any], **changes: Any) -> list[str]:
    """What is said about the routes, each fine in itself."""
    return list(bench.load(at=place(*routes, **changes)).warnings)


ADMIN = route(path_prefix="/admin")


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ([route(), route()], "gateway.routes[1].path_prefix: is there twice for this host"),
        ([route(name="a"), route(name="b")], "gateway.routes[1].path_prefix: is there twice for this host"),
        (
            [route(), route(host="app.example:443", path_prefix="/x")],
            "gateway.routes[1].host: is app.example in another",
        ),
        ([route(name="x"), route(name="x", path_prefix="/x")], "gateway.routes[1].name: is there twice"),
        ([route(name="app.example/x"), route(path_prefix="/x")], "gateway.routes[1].name: is there twice"),
        ([route(host="login.example.com")], "gateway.routes[0].host: is the issuer's own"),
        ([route(host="login.example.com:443")], "gateway.routes[0].host: is the issuer's own"),
        ([route(ambiguous_paths=True), ADMIN], "gateway.routes[0].ambiguous_paths: needs a host without other routes"),
        ([route(token="ours")], "gateway.routes[0].audience: is missing"),
        ([route(trust=["nowhere.pem"])], "gateway.routes[0].trust[0]: "),
        ([route(upstream="http://169.254.169.254/")], "gateway.routes[0].upstream: names no server of an app"),
    ],
)
def test_routes_that_cannot_be(bench: Bench, routes: list[dict[str, Any]], said: str) -> None:
    """Two for one place, two spellings of one host, the issuer's host (GW-33), paths that fool other routes (GW-08)."""
    (line,) = bench.mistakes(at=place(*routes))
    assert said in line


def test_gw_33_the_issuers_host_with_a_port_of_its_own(bench: Bench) -> None:
    """GW-33: another port is another place, told apart by listener and by the Host header; the same is not."""
    local = {"tenant.issuer": "http://127.0.0.1:9000/"}
    there = route(host="127.0.0.1")
    (line,) = bench.mistakes(at=place(there, **local))
    assert "gateway.routes[0].host: is the issuer's own" in line
    assert bench.load(at=place(there, gateway={"port": 9003}, **local)).gateway.port == 9003
    assert bench.load(at=place(route(host="login.example.com:8443"))).gateway.routes
    (line,) = bench.mistakes(at=place(route(host="login.example.com"), gateway={"port": 9003}))
    assert "is the issuer's own" in line  # behind a proxy, browsers find both at 443


@pytest.mark.parametrize("other", [{}, {"server.internal_port": 9003}])
def test_the_gateways_port_is_its_own(bench: Bench, other: dict[str, Any]) -> None:
    """Neither the server's nor that of the health checks."""
    (line,) = bench.mistakes(at=place(route(), gateway={"port": 9003 if other else 9000}, **other))
    assert "gateway.port: must be another port" in line


def test_no_application_is_the_gateway(bench: Bench) -> None:
    """Its name in ``enabled_clients`` means one thing, with routes or without."""
    assert any("clients[gateway].client_id: is the gateway's own" in one for one in bench.mistakes(
        at={"clients.0.client_id": "gateway", "connections.0.enabled_clients": []}
    ))  # fmt: skip


def test_a_connection_named_in_a_rule_is_open_to_the_gateway(bench: Bench) -> None:
    """Otherwise nobody comes through it; one that the file does not know may be added over the API."""
    named = route(allow={"connections": ["corp"]})
    assert warned(bench, named) == []
    (line,) = bench.mistakes(at={**place(named), "connections.0.enabled_clients": ["webapp"]})
    assert 'gateway.routes[0].allow.connections: names corp, whose enabled_clients lacks "gateway"' in line
    (warning,) = warned(bench, route(allow={"connections": ["crop"]}))
    assert warning.startswith("gateway.routes[0].allow.connections: crop is no connection of this file")


def test_trust_of_a_route_counts_from_the_project(bench: Bench, tmp_path: Path) -> None:
    """Like every other path in the file."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    settings = bench.load(at=place(route(upstream="https://app.internal", trust=["ca.pem"])))
    assert settings.gateway.routes[0].trust == (str(tmp_path / "ca.pem"),)
    assert settings.warnings == ()


def test_routes_that_are_right_are_not_doubted(bench: Bench) -> None:
    """The most specific route wins; that is no conflict. Nor is an app without TLS, or one rule of each kind."""
    full = {"users": ["oidc|corp|ada"], "email_domains": ["corp.example"], "groups": ["g"], "claims": {"a": 1}}
    routes = (
        route(public_paths=["/healthz", "/static"], allow=full),
        ADMIN,
        route(path_prefix="/admin/users"),
        route(host="app.example:8443"),
        route(host="other.example", ambiguous_paths=True),
        route(host="third.example", token="ours", audience="https://api.example/", allow={"acr": ["mfa"]}),
    )
    assert warned(bench, *routes, **{"tenant.acr_values": ["mfa"]}) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"public_paths": ["/"]}, "public_paths: / is all of the route: everybody gets in"),
        ({"path_prefix": "/a", "public_paths": ["/a"]}, "public_paths: /a is all of the route"),
        ({"path_prefix": "/a/b", "public_paths": ["/a"]}, "public_paths: /a is all of the route"),
        ({"path_prefix": "/a", "public_paths": ["/b"]}, "public_paths: /b never matches: it does not lie below"),
        ({"path_prefix": "/a", "public_paths": ["/ab"]}, "public_paths: /ab never matches: it does not lie below"),
        (
            {"public_paths": ["/admin/x"]},
            "public_paths: /admin/x never matches: it belongs to the route app.example/admin",
        ),
        ({"public_paths": ["/x", "/x/y"]}, "public_paths: /x/y says nothing new"),
        ({"public_paths": ["/x"], "methods": ["POST"]}, "public_paths: methods has no GET"),
        ({"allow": {"groups": []}}, "allow.groups: is empty, which is no rule"),
        ({"allow": {"claims": {}}}, "allow.claims: is empty, which is no rule"),
        ({"allow": {"users": ["ada@corp.example"]}}, "allow.users: ada@corp.example never matches: a user id is like"),
        (
            {"allow": {"users": ["oidc|shut|ada"]}},
            "allow.users: oidc|shut|ada never matches: nobody comes here through",
        ),
        ({"allow": {"email_domains": ["shut.example"]}}, "allow.email_domains: shut.example belongs to shut"),
        ({"allow": {"acr": ["mfa"]}}, "allow.acr: mfa is not in tenant.acr_values"),
        ({"allow": {"plugin": True}}, "allow.plugin: no plugin is enabled, so nobody gets in"),
        ({"audience": "https://api.example/"}, 'audience: is for token = "ours" alone'),
    ],
)
def test_mg_19_rules_that_match_nobody_or_everybody_are_told(bench: Bench, changes: dict[str, Any], said: str) -> None:
    """MG-19: they work, and are hardly meant; one line each, with the place."""
    shut = {
        "name": "shut",
        "options": {"discovery_url": "https://o.example/", "client_id": "x", "domain_aliases": ["shut.example"]},
    }
    (line,) = warned(bench, route(**changes), ADMIN if changes.get("path_prefix") is None else route(host="b.example"),
                     **{"connections.1": shut})  # fmt: skip
    assert line.startswith(f"gateway.routes[0].{said}")


def test_nobody_can_log_in(bench: Bench) -> None:
    """Without a connection for the gateway; by plain http where browsers keep no secure cookies; with no way to come by
    https. Without routes nothing of it is said."""
    (line,) = warned(bench, route(), **{"connections.0.enabled_clients": ["webapp"]})
    assert line.startswith('gateway: no connection has "gateway" in enabled_clients')
    (line,) = warned(bench, route(), **{"tenant.issuer": "http://127.0.0.1:9000/"})
    assert line.startswith("gateway.routes[0].host: by http browsers keep our cookies on loopback alone")
    for host in ("127.0.0.1:1", "[::1]", "localhost:1", "wiki.localhost"):
        assert warned(bench, route(host=host), **{"tenant.issuer": "http://127.0.0.1:9000/"}) == []
    (line,) = warned(bench, route(), **{"server.trusted_proxies": []})
    assert line.startswith("server.trusted_proxies: without it")
    assert bench.load(at={"server.trusted_proxies": []}).warnings == ()

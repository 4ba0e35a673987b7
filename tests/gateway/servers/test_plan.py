"""What servers in front are told of hosts and routes, and the lines of each configuration that safety hangs on."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from proxy.gateway.identity import names_of
from proxy.gateway.names import FAMILIES, OF_OTHERS
from proxy.gateway.original import TOLD
from proxy.gateway.servers import SERVERS, configurations
from proxy.gateway.servers.header_names import IDENTITY
from proxy.gateway.servers.plan import Plan, plan
from proxy.oidc.errors import Misconfigured
from proxy.settings.shape import Settings

WIKI = {"host": "wiki.example", "upstream": ["http://127.0.0.1:9004", "unix:/run/wiki.sock"], "name": "the wiki"}
ADMIN = {"host": "wiki.example", "path_prefix": "/ad.min", "upstream": ["https://admin.internal"], "strip_prefix": True}
OTHER = {"host": "other.example:8443", "upstream": ["http://127.0.0.1:9005"], "headers": {"X-Who": "email"}}


def planned(*routes: dict[str, Any], issuer: str = "https://login.example/", **options: Any) -> Plan:
    """The plan of a configuration with these routes."""
    settings = Settings.model_validate({"tenant": {"issuer": issuer}, "gateway": {"port": 9003, "routes": routes}})
    return plan(settings, functools.partial(names_of, gateway=settings.gateway), options.pop("isthmus", ""), **options)


def written(server: str, *routes: dict[str, Any], **options: Any) -> str:
    """Everything that is printed for a server."""
    return "\n".join(configurations(server, planned(*(routes or (WIKI, ADMIN, OTHER)), **options)).values())


def test_hosts_and_their_routes() -> None:
    """One site a host, the longest path first; ports and addresses filled in."""
    found = planned(WIKI, ADMIN, OTHER)
    assert [(site.name, site.port, [door.number for door in site.doors]) for site in found.sites] == [
        ("wiki.example", 443, [2, 1]), ("other.example", 8443, [3]),
    ]  # fmt: skip
    assert found.sites[0].doors[0].servers == ("admin.internal:443",)
    assert found.sites[0].doors[1].servers == ("127.0.0.1:9004", "unix:/run/wiki.sock")
    assert (found.isthmus, found.issuer_host, found.ask) == ("127.0.0.1:9003", "login.example", "/forward-auth")


def test_one_route_alone() -> None:
    """By its name, or by host and path."""
    assert [door.label for door in planned(WIKI, ADMIN, route="the wiki").doors] == ["the wiki"]
    assert [door.label for door in planned(WIKI, ADMIN, route="wiki.example/ad.min").doors] == ["wiki.example/ad.min"]


@pytest.mark.parametrize(
    ("routes", "options"),
    [
        ([WIKI], {"route": "none"}),
        ([WIKI], {"isthmus": "127.0.0.1:9003"}),
        ([WIKI], {"isthmus": "https://127.0.0.1:9003"}),
        ([WIKI], {"isthmus": "http://127.0.0.1:9003/x"}),
        ([{**WIKI, "path_prefix": "/%C3%A9"}], {}),
        ([{**WIKI, "upstream": ["http://a.example", "https://b.example"]}], {}),
        ([], {}),
    ],
)
def test_what_cannot_be_written(routes: list[dict[str, Any]], options: dict[str, Any]) -> None:
    """One line that says why."""
    with pytest.raises(Misconfigured):
        planned(*routes, **options)


@pytest.mark.parametrize("server", SERVERS)
def test_a_name_does_not_leave_its_comment(server: str) -> None:
    """A route's name is text of the operator, not of the configuration."""
    text = written(server, {**WIKI, "name": 'x\n}\r\n"evil"; %$host'})
    assert (
        "\n}\r" not in text
        and '\n"evil' not in text
        and "route=x%0A%7D%0D%0A%22evil%22%3B%20%25%24host" in text
        or (
            server == "envoy"  # asks by the request's own line
        )
    )


@pytest.mark.parametrize("server", SERVERS)
def test_gw_01_every_known_name_is_removed(server: str) -> None:
    """GW-01, GW-06: identity, origin and what changes a request, by name or by family, for each route."""
    text = written(server).lower()
    by_family = server in ("caddy", "haproxy", "envoy")
    for name in map(str.lower, IDENTITY):
        assert name in text or by_family and any(name.startswith(family.decode()) for family in FAMILIES), name
    if by_family:
        assert all(family.decode() in text for family in FAMILIES if family != b"x-envoy-")
        assert all(name.decode() in text for name in OF_OTHERS if name != b"x-request-id")
    assert "x-who" in text


def test_gw_06_nginx_overwrites_every_header_that_questions_are_read_from() -> None:
    """GW-06: in every location that talks to Isthmus."""
    text = written("nginx")
    talking = [block for block in re.findall(r"location [^{]*\{.*?\n    \}", text, re.S) if "//isthmus;" in block
               or "//isthmus/" in block]  # fmt: skip
    assert len(talking) == 2 + 2 * 3  # a host's own paths, a route's question and its way to a login
    for block in talking:
        for name in TOLD:
            assert f"proxy_set_header {name.decode()} " in block.lower()


@pytest.mark.parametrize("server", SERVERS)
def test_gw_07_nobody_asks_through_the_server(server: str) -> None:
    """GW-07: what Isthmus answers to servers is not for browsers."""
    text = written(server)
    assert "/.isthmus/forward-auth" in text or "forward-auth|start" in text
    assert "/.isthmus/start" in text or "forward-auth|start" in text


@pytest.mark.parametrize("server", ["nginx", "caddy", "haproxy", "traefik"])
def test_gw_08_the_question_names_the_route(server: str) -> None:
    """GW-08: a server that reads a path in another way is told so."""
    text = written(server)
    assert "route=the%20wiki" in text and "route=wiki.example%2Fad.min" in text


def test_gw_08_envoy_reads_a_path_once_before_anybody_decides() -> None:
    """GW-08: what is decided on is what goes on."""
    text = written("envoy")
    assert "normalize_path: true" in text and "path_with_escaped_slashes_action: REJECT_REQUEST" in text


@pytest.mark.parametrize("server", ["nginx", "caddy", "haproxy", "envoy"])
def test_gw_21_our_cookies_stay(server: str) -> None:
    """GW-21: a line that takes them out."""
    assert re.search(r"__host%?-isthmus%?-", written(server).lower())


def test_in_10_what_is_asked_for_a_cached_answer_is_in_its_key() -> None:
    """IN-10: of a request that can be answered from the cache nothing else is told."""
    text = written("nginx", WIKI, cached=True)
    asked = text[text.index("location = /.isthmus/forward-auth/1 {") :]
    asked = asked[: asked.index("\n    }")]
    told = set(re.findall(r"proxy_set_header \S+ (\$\w+);", asked))
    key = set(re.findall(r"\$\w+", re.search(r"proxy_cache_key (.*);", asked)[1]))  # type: ignore[index]
    empty = {
        "$isthmus_origin",
        "$isthmus_events",
        "$http_authorization",
        "$http_sec_websocket_key",
    }  # when it can be, by $isthmus_fresh
    preflight = {"$http_access_control_request_method"}  # OPTIONS alone
    assert told - key - empty - preflight == {"$remote_addr"}  # for the log
    assert "proxy_pass_request_headers off" in asked and "proxy_cache_valid 200 4s" in asked
    assert "proxy_cache_bypass $isthmus_fresh" in asked and "proxy_no_cache $isthmus_fresh" in asked
    assert "proxy_cache" not in written("nginx", WIKI)


def test_traefik_as_its_documentation_has_it() -> None:
    """It parses; cleaning comes first, questions keep to what is listed, answers replace what a client said."""
    http = yaml.safe_load(written("traefik"))["http"]
    for name, router in http["routers"].items():
        assert router["middlewares"][0] == "isthmus-clean"
        if "app" in name:
            assert router["middlewares"][1].startswith("isthmus-ask-")
        assert router["service"] in http["services"] and router["tls"] == {}
    ask = http["middlewares"]["isthmus-ask-1"]["forwardAuth"]
    assert ask["address"] == "http://127.0.0.1:9003/forward-auth?route=the%20wiki"
    assert "X-Forwarded-User" in ask["authResponseHeaders"] and "trustForwardHeader" not in ask
    assert {"Cookie", "Sec-Fetch-Mode"} <= set(ask["authRequestHeaders"])
    assert not {name.lower().encode() for name in ask["authRequestHeaders"]} & set(TOLD)
    assert "PathRegexp(`^/ad[.]min(/|$)`)" in http["routers"]["isthmus-app-2"]["rule"]
    cleaned = http["middlewares"]["isthmus-clean"]["headers"]["customRequestHeaders"]
    assert {"X-Forwarded-User", "X_Forwarded_User", "X.Forwarded-User", "X_Who"} <= cleaned.keys()
    assert not any(cleaned.values())
    assert http["routers"]["isthmus-own-1"]["priority"] > http["routers"]["isthmus-app-2"]["priority"]
    assert http["routers"]["isthmus-app-2"]["priority"] > http["routers"]["isthmus-app-1"]["priority"]


def test_envoy_as_its_documentation_has_it() -> None:
    """It parses; who is not decided on does not get in; names are cleaned before the question, cookies after it."""
    listeners = yaml.safe_load(written("envoy"))["static_resources"]["listeners"]
    for listener in listeners:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        names = [each["name"] for each in manager["http_filters"]]
        assert names == [
            "envoy.filters.http.lua", "envoy.filters.http.ext_authz", "isthmus.cookies", "envoy.filters.http.router",
        ]  # fmt: skip
        ask = manager["http_filters"][1]["typed_config"]
        assert ask["failure_mode_allow"] is False and ask["http_service"]["path_prefix"] == "/.isthmus/forward-auth"
        allowed = {each["exact"] for each in ask["allowed_headers"]["patterns"]}
        assert allowed & {name.decode() for name in TOLD} == {"x-forwarded-proto"}
        assert manager["common_http_protocol_options"]["headers_with_underscores_action"] == "REJECT_REQUEST"
        disabled = [route for host in manager["route_config"]["virtual_hosts"] for route in host["routes"]
                    if "typed_per_filter_config" in route]  # fmt: skip
        assert {route["match"]["prefix"] for route in disabled} == {"/.isthmus/"}

"""Routes: single values, and the names of headers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.models.route import Route, RouteView, identity_headers


def route(**changes: Any) -> Route:
    """A route with changes."""
    return Route.model_validate({"host": "app.example", "upstream": "http://127.0.0.1:1", **changes})


def refused(**changes: Any) -> str:
    """Why a route is none."""
    with pytest.raises(ValidationError) as caught:
        route(**changes)
    (error,) = caught.value.errors()
    return str(error["msg"])


@pytest.mark.parametrize(
    "host", ["app.example", "app.example:8443", "a", "xn--bcher-kva.example", "127.0.0.1", "127.0.0.1:9003", "[::1]:80"]
)
def test_hosts(host: str) -> None:
    """As browsers write them in a Host header."""
    assert route(host=host).host == host


@pytest.mark.parametrize(
    "host",
    [
        "App.example", "app.example.", ".app.example", "*.example", "app..example", "app_x.example", "-a.example",
        "app.example/", "http://app.example", "a@b", "app.example:0", "app.example:65536", "app.example:080",
        "app.example:", "127.1", "0177.0.0.1", "1.2.3.4.5", "[::ffff:1]:", "[0:0::1]", "[::1", "bücher.example", "",
    ],
)  # fmt: skip
def test_gw_11_hosts_that_are_none(host: str) -> None:
    """GW-11, GW-12: no wildcard, no pattern, nothing with a second spelling."""
    assert refused(host=host)


@pytest.mark.parametrize("path", ["/", "/a", "/a/", "/a/b-c_d~e.f", "/.well-known/x", "/...", "/%C3%A9"])
def test_paths_of_rules(path: str) -> None:
    """Prefix and public paths."""
    assert (route(path_prefix=path).path_prefix, route(public_paths=[path]).public_paths) == (path, (path,))


@pytest.mark.parametrize(
    "path",
    [
        "", "a", "//", "/a//b", "/../a", "/a/.", "/%61", "/%2e", "/a%2Fb", "/%c3%a9", "/%41", "/@a", "/%40a", "/a+b",
        "/a;b", "/a?b", "/a#b", "/a b", "/ä", "/*", "/a|b", "/(a+)+$", "/.isthmus", "/.isthmus/x", "/.Isthmus/x",
    ],
)  # fmt: skip
def test_gw_08_paths_with_two_spellings_are_no_rules(path: str) -> None:
    """GW-08, MG-19, GW-33: what an app may know by another spelling, patterns, and what lies below our own path."""
    assert refused(path_prefix=path)
    assert refused(public_paths=[path])


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080", "https://app.internal", "http://[::1]:80", "unix:/run/app.sock", "http://app_1:80/"],
)
def test_servers(url: str) -> None:
    """One, or several, without a path of their own."""
    assert route(upstream=url).upstream == (url.rstrip("/"),)
    assert route(upstream=[url, "http://10.0.0.1"]).upstream == (url.rstrip("/"), "http://10.0.0.1")


@pytest.mark.parametrize(
    "url",
    [
        "", "app.internal", "ftp://app.internal", "http://", "http://a/b", "http://a?b", "http://a#b", "http://a/?",
        "http://u:p@a", "http://a:0", "http://a:99999", "http://[::1", "unix:run/app.sock", "http+unix://x", "http://127.1",
        "http://0x7f000001", "http://2130706433", "http://a b",
    ],
)  # fmt: skip
def test_ss_07_what_is_no_server(url: str) -> None:
    """SS-07, SS-02: other schemes, paths, and addresses in other spellings."""
    assert refused(upstream=url)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "169.254.169.254:80", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]",
        "metadata.google.internal", "METADATA.google.internal:80", "metadata", "0.0.0.0", "168.63.129.16",
    ],
)  # fmt: skip
def test_ss_06_no_metadata_service_is_an_app(host: str) -> None:
    """SS-06: whatever the operator says."""
    assert "names no server of an app" in refused(upstream=f"http://{host}")


def test_other_values() -> None:
    """Each with the remedy."""
    assert "in capitals" in refused(methods=["get"])
    assert "in capitals" in refused(methods=["TRACE"])
    assert "begins with a slash" in refused(health_path="healthz")
    assert route(health_path="/up?deep=1").health_path == "/up?deep=1"
    assert refused(allow={"groups": [""]})
    assert refused(allow={"email_domains": ["com"]})
    assert refused(allow={"email_domains": ["*.example"]})
    assert refused(allow={"claims": {"a": []}})
    assert refused(allow={"claims": {"a": {"b": 1}}})
    assert refused(allow={"claims": {"a": 1.5}})
    assert refused(allow={"roles": ["x"]})
    assert refused(timeouts={"connect": 0})
    assert refused(limits={"frame": 1})
    assert refused(origins=["https://app.example/"])


@pytest.mark.parametrize("more", [{"path_prefix": "/a"}, {"public_paths": ["/a"]}])
def test_gw_08_no_rule_looks_at_ambiguous_paths(more: dict[str, Any]) -> None:
    """GW-08: a route that takes them has its host to itself."""
    assert "no rule may look" in refused(ambiguous_paths=True, **more)
    assert route(ambiguous_paths=True).ambiguous_paths


def test_a_route_has_a_name() -> None:
    """Its own, or host and prefix; plugins see as much."""
    assert route().label == "app.example/" and route(name="wiki").label == "wiki"
    assert route(path_prefix="/x").view == RouteView("app.example/x", "app.example", "/x")


@pytest.mark.parametrize(
    "headers", [None, "none", "oauth2-proxy", "authelia", "cloudflare", {"X-User": "user_id", "Remote-M": "email"}, {}]
)  # fmt: skip
def test_names_of_headers(headers: Any) -> None:
    """Presets, and names of your own."""
    assert identity_headers(headers) == headers


@pytest.mark.parametrize(
    "headers",
    [
        "other", {"X_User": "user_id"}, {"": "user_id"}, {"X-User": ""}, {"Host": "user_id"},
        {"X-Forwarded-For": "user_id"}, {"X-Isthmus-User": "user_id"}, {"X-User": "a", "x-user": "b"},
        {"X User": "a"}, {"content-type": "a"},
    ],
)  # fmt: skip
def test_gw_02_names_that_are_taken_or_have_two_spellings(headers: Any) -> None:
    """GW-02: what apps fold, what says something of the request, and what is ours."""
    with pytest.raises(ValueError, match=r"must|says something"):
        identity_headers(headers)

"""Routes: which one takes a request, what is no host of ours, and where browsers find one."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.gateway.request import Malformed
from proxy.gateway.routes import Routes, is_own
from proxy.settings import Settings

HTTPS = "https://login.example/"


def routes(*tables: dict[str, Any], issuer: str = HTTPS, gateway_port: int | None = None, **server: Any) -> Routes:
    """Routes of a configuration, each on app.example and named by its prefix unless it says otherwise."""
    full = [{"host": "app.example", "upstream": "http://127.0.0.1:1", **table} for table in tables]
    gateway = {"routes": full, "port": gateway_port}
    return Routes(Settings.model_validate({"tenant": {"issuer": issuer}, "server": server, "gateway": gateway}))


def taken(found: Routes, host: bytes, target: bytes = b"/") -> str:
    """The label of the route that takes a request; ``own``, ``none`` (421) or ``bad`` (400)."""
    try:
        match = found.match(host, target)
    except Malformed as error:
        assert error.status == 400
        return "bad"
    return "none" if match is None else "own" if match.route is None else match.route.label


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (b"app.example", "app.example/"),
        (b"APP.Example", "app.example/"),
        (b"app.example:443", "app.example/"),
        (b"app.example:9000", "app.example/"),
        (b"app.example:80", "none"),
        (b"app.example:9001", "none"),
        (b"other.example", "none"),
        (b"login.example", "none"),
        (b"evilapp.example", "none"),
        (b"app.example.evil.example", "none"),
        (b"x.app.example", "none"),
        (b"127.0.0.1", "none"),
        (b"[::1]", "none"),
        (b"[::1]:443", "none"),
        (b"APP.EXAMPLE.", "bad"),
        (b"app.example.:443", "bad"),
        (b"a@b", "bad"),
        (b"a@app.example", "bad"),
        (b"app.example:99999", "bad"),
        (b"app.example:", "bad"),
        (b"app.example:+443", "bad"),
        (b"app.example:443:443", "bad"),
        (b'x"/><script>', "bad"),
        (b"app.example/x", "bad"),
        (b"app.example,other.example", "bad"),
        (b"app.example ", "bad"),
        (b"app\xc3\xa9.example", "bad"),
        (b"*.example", "bad"),
        (b"[::1", "bad"),
        (b"", "bad"),
    ],
)
def test_gw_12_a_host_is_ours_or_it_is_nobodys(host: bytes, said: str) -> None:
    """GW-12, GW-11: compared after lower-casing; 421 for another one, 400 for what is none."""
    assert taken(routes({}), host) == said


def test_gw_12_the_target_names_no_host() -> None:
    """GW-12: absolute form is refused, whichever host it names."""
    found = routes({"host": "public.example"}, {"host": "admin.example"})
    assert taken(found, b"public.example", b"http://admin.example/x") == "bad"


def test_the_longest_prefix_takes_it() -> None:
    """Most specific wins, whatever the order in the file."""
    found = routes(*({"path_prefix": path} for path in ("/a", "/", "/a/b/c", "/b/", "/a/b")))
    for target, prefix in {
        b"/": "/", b"/x/y/z/u/v": "/", b"/a": "/a", b"/a/": "/a", b"/a/x/c": "/a", b"/a/b": "/a/b", b"/a/b/": "/a/b",
        b"/a/bc": "/a", b"/ab": "/", b"/a/b/c": "/a/b/c", b"/a/b/c/d/e": "/a/b/c", b"/b": "/", b"/b/": "/b/",
        b"/b/x?/a/b": "/b/",
    }.items():  # fmt: skip
        assert taken(found, b"app.example", target) == f"app.example{prefix}", target


def test_gw_11_a_path_that_no_route_takes_is_nobodys() -> None:
    """GW-11: deny by default; prefixes end with a segment."""
    found = routes({"path_prefix": "/public"})
    assert taken(found, b"app.example", b"/publicadmin") == taken(found, b"app.example", b"/") == "none"
    assert taken(found, b"app.example", b"/public/x") == "app.example/public"


@pytest.mark.parametrize("target", [b"/admin", b"/%61dmin", b"/admin/", b"/admin?x=/public", b"/%61d%6Din/x"])
def test_gw_08_every_spelling_meets_the_same_rule(target: bytes) -> None:
    """GW-08: what the route is chosen by is what the app gets."""
    match = routes({}, {"path_prefix": "/admin"}).match(b"app.example", target)
    assert match is not None and match.route is not None
    assert match.route.path_prefix == "/admin"
    assert match.wire.partition(b"?")[0].decode() == match.path
    assert b"%" not in match.wire


@pytest.mark.parametrize(
    "target",
    [
        b"/a/../admin", b"/a/%2e%2e/admin", b"/./admin", b"//admin", b"/admin%2f", b"/admin;x", b"/admin%00",
        b"/%2e/admin", b"/a/..%2fadmin", b"/\\admin", b"/a%5c..%5cadmin", b"/public/..;/admin", b"/admin#/public",
    ],
)  # fmt: skip
def test_gw_08_ambiguous_targets_are_400(target: bytes) -> None:
    """GW-08: unless the app opted in."""
    assert taken(routes({}, {"path_prefix": "/admin"}), b"app.example", target) == "bad"


@pytest.mark.parametrize("target", [b"//x", b"/a%2fb", b"/a;b", b"/a%5Cb"])
def test_gw_08_an_app_may_opt_in(target: bytes) -> None:
    """GW-08: then such a path goes on, hexadecimal in capitals; dot segments never."""
    found = routes({"ambiguous_paths": True})
    match = found.match(b"app.example", target)
    assert match is not None and match.wire == target.replace(b"%2f", b"%2F")
    assert taken(found, b"app.example", target + b"/../x") == "bad"
    assert taken(found, b"app.example", target + b"%00") == "bad"


@pytest.mark.parametrize(
    "target",
    [
        b"/.isthmus", b"/.isthmus/", b"/.isthmus/callback?code=x", b"/.ISTHMUS/callback", b"/%2eisthmus/x",
        b"/.%69sthmus/callback", b"/.isthmus@x", b"/.isthmus:80",
    ],
)  # fmt: skip
def test_gw_33_our_own_path_is_never_an_apps(target: bytes) -> None:
    """GW-33: whatever its spelling, and whatever an app registers: ours, or refused."""
    assert taken(routes({}), b"app.example", target) in ("own", "bad")


@pytest.mark.parametrize("target", [b"//.isthmus/x", b"/%2F.isthmus", b"/;/.isthmus", b"/%5C.IsThMuS/", b"/.isthmus;x"])
def test_gw_33_nor_is_it_where_ambiguous_paths_go_through(target: bytes) -> None:
    """GW-33: an app that folds such a path does not get it."""
    assert taken(routes({"ambiguous_paths": True}), b"app.example", target) == "own"


@pytest.mark.parametrize("path", ["/.isthmusx", "/.isthmus-x", "/x/.isthmus", "/isthmus", "/", "/.isthmus.js"])
def test_what_only_looks_like_our_own_path_is_the_apps(path: str) -> None:
    """A name that continues is another name."""
    assert not is_own(path)


def test_gw_33_the_issuers_paths_are_the_apps_own_on_its_host() -> None:
    """GW-33: no shadowing either way."""
    for target in (b"/oauth/token", b"/login/callback", b"/.well-known/openid-configuration", b"/authorize"):
        assert taken(routes({}), b"app.example", target) == "app.example/"


@pytest.mark.parametrize(
    ("host", "issuer", "port", "server", "origin"),
    [
        ("app.example", HTTPS, None, {}, "https://app.example"),
        ("app.example", HTTPS, 9003, {}, "https://app.example"),
        ("app.example:8443", HTTPS, 9003, {}, "https://app.example:8443"),
        ("app.example:443", HTTPS, 9003, {}, "https://app.example"),
        ("app.example", HTTPS, 9003, {"tls_cert": "x", "tls_key": "x"}, "https://app.example:9003"),
        ("app.example", HTTPS, None, {"tls_cert": "x", "tls_key": "x", "port": 443}, "https://app.example"),
        ("127.0.0.1", "http://127.0.0.1:9000/", 9003, {}, "http://127.0.0.1:9003"),
        ("app.localhost", "http://127.0.0.1:9000/", None, {"port": 9000}, "http://app.localhost:9000"),
        ("127.0.0.1:80", "http://127.0.0.1:9000/", 9003, {}, "http://127.0.0.1"),
        ("[::1]", "http://127.0.0.1:9000/", 9003, {}, "http://[::1]:9003"),
        ("[::1]:9004", "http://127.0.0.1:9000/", 9003, {}, "http://[::1]:9004"),
    ],
)
def test_where_browsers_find_a_host(
    host: str, issuer: str, port: int | None, server: dict[str, Any], origin: str
) -> None:
    """And by that origin, as browsers send it, the host is found."""
    found = routes({"host": host}, issuer=issuer, gateway_port=port, **server)
    assert found.origin(host) == origin
    assert found.host_of(origin.partition("//")[2].encode()) == host
    assert list(found.hosts) == [host] and host in found.spelled
    assert all(found.host_of(name.encode()) == host for name in found.spelled)


def test_a_host_that_names_a_port_is_there_alone() -> None:
    """What asks at another port is asking somebody else."""
    found = routes({"host": "app.example:8443"})
    assert taken(found, b"app.example:8443") == "app.example:8443/"
    assert taken(found, b"app.example") == taken(found, b"app.example:443") == "none"


def test_a_host_with_a_port_goes_before_the_port_we_listen_on() -> None:
    """A route says so; the other is only another way to name a host."""
    found = routes({}, {"host": "app.example:9000"})
    assert taken(found, b"app.example:9000") == "app.example:9000/"
    assert taken(found, b"app.example") == "app.example/"


def test_long_targets_are_found_like_others() -> None:
    """They are only not remembered."""
    found = routes({}, {"path_prefix": "/admin"})
    for _ in range(2):
        assert taken(found, b"app.example", b"/admin/" + b"a" * 2000) == "app.example/admin"
        assert taken(found, b"app.example", b"/admin/" + b"a" * 2000 + b"/..") == "bad"
    assert found.names(b"APP.example") and not found.names(b"a@b") and not found.names(b"other.example")


def test_the_first_page_of_a_host() -> None:
    """Where its route with the shortest prefix begins."""
    found = routes({"path_prefix": "/app/x"}, {"path_prefix": "/app"}, {"host": "other.example"})
    assert found.home("app.example") == "https://app.example/app"
    assert found.home("other.example") == "https://other.example/"

"""What holds behind every server that asks: one suite, run once for each of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import pytest
from playwright.async_api import BrowserContext

from proxy.lab.browser import Browser
from proxy.oidc.errors import Unavailable
from tests.e2e.forward_auth_world import World, exchange, read, walk, world
from tests.journeys.conftest import MIRA, Stores
from tests.kit.folding_apps import php_app, wsgi_app
from tests.kit.waiting import eventually

FORGED = ("X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username",
          "Remote-User", "X-Auth-Request-User", "X-Auth-Email", "X-Auth-Groups", "X-Isthmus-Assertion",
          "Cf-Access-Jwt-Assertion", "X-WebAuth-User", "X-Remote-User")  # fmt: skip
FOLDED = ("X_Forwarded_User", "X-Forwarded_User", "x-forwarded-USER", "X.Forwarded.User", "X.Forwarded-Groups",
          "X+Forwarded-User", "X~Forwarded~User", "X_Forwarded_Groups", "Remote_User", "REMOTE.USER", "X|Auth-Email",
          "X^Forwarded^User", "X%Forwarded-User", "X&Forwarded-User", "X`Forwarded-User", "X'Forwarded-User",
          "X!Forwarded-User", "X#Forwarded-User", "X$Forwarded-User")  # fmt: skip
TELLING = ("X-Forwarded-Uri: /public", "X-Forwarded-Method: OPTIONS", "X-Forwarded-Host: other.example",
           "X-Forwarded-Proto: https", "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /public",
           "X-Original-URL: https://other.example/public", "X-Original-URI: /public", "X-Original-Method: OPTIONS",
           "X-Rewrite-URL: /public", "Forwarded: for=192.0.2.1;host=other.example", "X-Forwarded-For: 192.0.2.1",
           "X-Real-IP: 192.0.2.1")  # fmt: skip
FORM = ("Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: document", "Accept: text/html")  # fmt: skip
TRICKS = ("/a/../admin", "/a/%2e%2e/admin", "/./admin", "//admin", "/%61dmin", "/admin%2f", "/admin;x", "/admin%00",
          "/%2e/admin", "/a/..%2fadmin", "/\\admin", "/a%5c..%5cadmin", "/public/..;/admin", "/public/../admin",
          "/public/%2e%2e/admin", "/public/..%2fadmin", "/public/..%5cadmin", "/public//../admin", "/public/.%2e/admin",
          "/admin?x=/public", "/admin?/public", "/admin%3f/public", "/admin#/public", "/public#/../admin", "/admin%23",
          "http://127.0.0.1/admin", "/admin/", "/admin/./x", "/admin//x", "/%2561dmin", "/\u00ff/../admin")  # fmt: skip
BROKEN = ("/%zz", "/%", "/a%0d%0aX-Evil:%201", "/\x01", "/a\x7f", "/\xff\xfe", "/" + "a" * 8200, "/a b", "/%ff%fe", "*",
          "a", "/a\x00")  # fmt: skip


def leads_to_admin(target: str) -> bool:
    """Whether an app of any kind might take a target for what lies below ``/admin``."""
    path = unquote(target.split("?")[0].split("#")[0])
    found: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        word = segment.split(";")[0].split("\0")[0]
        if word == ".." and found:
            found.pop()
        elif word not in ("", ".", ".."):
            found.append(word.lower())
    return found[:1] == ["admin"]


class Behind:
    """The tests. ``server`` is which one stands in front."""

    server: ClassVar[str]

    @pytest.fixture
    async def world(self, tmp_path: Path, stores: Stores) -> AsyncIterator[World]:
        """A world with this server."""
        async with world(tmp_path, stores, self.server) as made:
            yield made

    async def test_a_login_and_who_it_is(self, world: World) -> None:
        """From the app's address to the tenant and back; the app hears who it is, and from where."""
        tab = await world.log_in("/page?a=b")
        assert tab.page.url == f"{world.base}/page?a=b"
        got = json.loads(tab.page.text)
        assert got["line"] == "GET /page?a=b HTTP/1.1"
        assert got["headers"]["x-forwarded-user"] == f"oidc|corp|{MIRA.sub}"
        assert got["headers"]["x-forwarded-email"] == MIRA.claims["email"]
        assert got["headers"]["x-isthmus-assertion"].count(".") == 2
        assert (got["headers"]["x-forwarded-for"], got["headers"]["x-forwarded-proto"]) == ("127.0.0.1", "http")
        assert got["headers"]["host"] == world.host

    async def test_a_fragment_survives_the_login(self, world: World, window: BrowserContext) -> None:
        """By the page on the way, whose scripts run in a real browser."""
        page = await window.new_page()
        await page.goto(f"{world.base}/page?a=b#deep/link")
        await page.get_by_role("button", name="Mira").click()
        await page.wait_for_url(f"{world.base}/page?a=b#deep/link")
        assert not [target for target in world.app.targets if "deep" in target]

    async def test_gw_01_forged_identity_does_not_arrive(self, world: World) -> None:
        """GW-01: on public paths there is none at all; nobody else's beside a login."""
        lines = [f"{name}: admin" for name in FORGED]
        assert "admin" not in json.dumps((await world.send("/public", *lines)).told)
        await world.log_in()
        told = (await world.send("/", *lines, cookies=world.cookies())).told
        assert "admin" not in json.dumps(told) and told["x-forwarded-user"] == f"oidc|corp|{MIRA.sub}"

    async def test_gw_02_no_spelling_of_it_arrives(self, world: World) -> None:
        """GW-02: nor one that an app folds into it; a name that is none of these goes through."""
        await world.log_in()
        for name in FOLDED:
            answer = await world.send("/", f"{name}: admin", "X-Control: yes", cookies=world.cookies())
            if answer.status == 200:
                assert "admin" not in json.dumps(answer.told) and answer.told["x-control"] == "yes", name
            else:
                assert answer.status == 400, name

    @pytest.mark.parametrize("kind", ["php", "wsgi"])
    async def test_gw_02_an_app_that_folds_names_is_not_fooled(self, tmp_path: Path, stores: Stores, kind: str) -> None:
        """GW-02: PHP and WSGI read hyphen, line and dot alike; they see who is there, and nobody else."""
        async with (
            php_app(tmp_path) if kind == "php" else wsgi_app() as port,
            world(tmp_path, stores, self.server, upstream=f"http://127.0.0.1:{port}") as made,
        ):
            await made.log_in()
            for name in (*FORGED, *FOLDED):
                answer = await made.send("/", f"{name}: admin", cookies=made.cookies())
                if answer.status != 400:
                    got = answer.got
                    assert got["HTTP_X_FORWARDED_USER"] == f"oidc|corp|{MIRA.sub}" and "admin" not in got.values(), name

    async def test_gw_03_one_header_and_it_is_ours(self, world: World) -> None:
        """GW-03: three forged ones, empty ones."""
        await world.log_in()
        lines = ("X-Forwarded-User: a", "X-Forwarded-User:", "x-forwarded-user: b")
        assert (await world.send("/", *lines, cookies=world.cookies())).told["x-forwarded-user"] == (
            f"oidc|corp|{MIRA.sub}"
        )

    async def test_gw_05_connection_takes_nothing_of_ours_away(self, world: World) -> None:
        """GW-05: the client names our headers as hop-by-hop."""
        await world.log_in()
        for name in ("X-Forwarded-User, X-Isthmus-Assertion", "x-forwarded-user", "Cookie"):
            answer = await world.send("/", f"Connection: close, {name}", cookies=world.cookies())
            assert answer.status != 200 or answer.told["x-forwarded-user"] == f"oidc|corp|{MIRA.sub}", name

    async def test_gw_06_what_a_client_tells_of_its_request_is_not_heard(self, world: World) -> None:
        """GW-06: neither by Isthmus, which would allow another request, nor by the app."""
        for line in TELLING:
            assert (await world.send("/secret", line)).status in (303, 400, 401), line
        assert (await world.send("/secret", *TELLING, method="POST")).status in (303, 400, 401, 403)
        assert world.app.heads == []
        told = (await world.send("/public", *TELLING)).told
        assert "192.0.2.1" not in json.dumps(told) and "other.example" not in json.dumps(told)
        assert "/public" not in told.values() and "OPTIONS" not in told.values()

    async def test_gw_07_nobody_asks_through_the_server(self, world: World) -> None:
        """GW-07: what Isthmus answers to servers is nothing for browsers, who are logged in or not."""
        await world.log_in()
        world.app.heads.clear()
        telling = ("X-Forwarded-Uri: /", "X-Forwarded-Method: GET", f"X-Forwarded-Host: {world.host}")
        for path in ("/.isthmus/forward-auth", "/.isthmus/forward-auth/", "/.isthmus/forward-auth/x", "/.isthmus/start",
                     "/.isthmus/start?answer=status", "/%2eisthmus/forward-auth/x", "/.isthmus/%66orward-auth/x",
                     "/.isthmus//forward-auth/x", "/.isthmus/./forward-auth/x", "/x/../.isthmus/forward-auth/x",
                     "//.isthmus/forward-auth/x", "/.isthmus/forward-auth/1"):  # fmt: skip
            answer = await world.send(path, *telling, cookies=world.cookies())
            assert answer.status in (400, 403, 404), path
            assert not {name for name in answer.headers if name.startswith(("x-forwarded", "x-isthmus", "x-auth"))}
        assert world.app.heads == []

    @pytest.mark.parametrize("logged_in", [False, True])
    async def test_gw_08_no_path_trick_gets_in(self, world: World, logged_in: bool) -> None:
        """GW-08, GW-09, GW-10: ``/admin`` is for nobody, and no spelling of it is let through to the app by anybody who
        may come elsewhere."""
        if logged_in:
            await world.log_in()
        cookies = world.cookies() if logged_in else ""
        world.app.heads.clear()
        assert (await world.send("/admin", cookies=cookies)).status in (303, 401, 403)
        for target in TRICKS:
            await world.send(target, cookies=cookies)
        assert not [target for target in world.app.targets if leads_to_admin(target)]

    async def test_gw_35_malformed_requests(self, world: World) -> None:
        """GW-35: whatever is no request is never let through."""
        for target in BROKEN:
            for cookies in ("", "a=b"):
                status = (await world.send(target, cookies=cookies)).status
                assert status in (0, 303, 400, 401, 403, 404, 414, 421), target
        assert world.app.heads == []

    async def test_gw_35_broken_cookies(self, world: World) -> None:
        """GW-35, GW-15: a cookie of our name with anything in it is nobody."""
        await world.log_in()
        names = [pair.split("=")[0] for pair in world.cookies().split("; ")]
        world.app.heads.clear()
        for value in ("", "x", "a.b", "%00", "\xff", '"', "a" * 3000, "..", "e30=.e30="):
            sent = "; ".join(f"{name}={value}" for name in names)
            assert (await world.send("/", cookies=sent)).status in (303, 400, 401, 403), value
        assert world.app.heads == []

    async def test_gw_21_our_cookies_stay_out_of_the_app(self, world: World) -> None:
        """GW-21: all of ours, wherever they stand; the app's own pass as they are."""
        await world.log_in()
        ours = world.cookies().split("; ")
        for cookies in (["first=1", *ours, "last=2"], [*ours, "first=1", "last=2"], ["first=1", "last=2", *ours]):
            told = (await world.send("/", cookies="; ".join(cookies))).told
            assert [pair.strip() for pair in told["cookie"].split(";")] == ["first=1", "last=2"]
        assert "cookie" not in (await world.send("/", cookies="; ".join(ours))).told
        many = [f"__Host-isthmus-x{number}=secret" for number in range(30)]
        assert "secret" not in json.dumps((await world.send("/public", cookies="; ".join(many))).told)

    async def test_gw_30_the_clients_address(self, world: World) -> None:
        """GW-30: what a client says of its address is gone."""
        told = (await world.send("/public", "X-Forwarded-For: 192.0.2.1, 127.0.0.1", "X-Real-IP: 192.0.2.1")).told
        assert (told["x-forwarded-for"], told["x-real-ip"]) == ("127.0.0.1", "127.0.0.1")
        assert "forwarded" not in told

    async def test_a_program_hears_401(self, world: World) -> None:
        """No redirect that a script would follow; for a page there is one."""
        answer = await world.send("/api", "Accept: application/json", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty")
        assert answer.status == 401 and "location" not in answer.headers
        assert "no-store" in answer.headers["cache-control"]
        page = await world.send("/page", "Accept: text/html", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
        assert page.status == 303

    async def test_who_may_not_is_told_so(self, world: World) -> None:
        """403, by a page of Isthmus, and the app hears nothing."""
        await world.log_in()
        world.app.heads.clear()
        assert (await world.send("/admin", cookies=world.cookies())).status == 403
        assert world.app.heads == []

    async def test_a_logout_ends_it(self, world: World) -> None:
        """The next request with the same cookie is nobody's."""
        await world.log_in()
        cookies = world.cookies()
        assert (await world.send("/", cookies=cookies)).status == 200
        tab = await world.browser.open(f"{world.node.issuer}oidc/logout")
        await tab.submit()
        world.app.heads.clear()

        async def is_out() -> bool:
            return (await world.send("/", cookies=cookies)).status in (303, 401)

        await eventually(is_out)
        world.app.heads.clear()
        assert (await world.send("/", cookies=cookies)).status in (303, 401)
        assert world.app.heads == []

    async def test_gw_26_a_form_survives_the_login(self, world: World) -> None:
        """GW-26: what was typed arrives after the login as it was sent."""
        await world.log_in("/form")
        fields = "title=Gr%C3%BC%C3%9Fe&text=line+one%0D%0Aline+two"
        answer = await world.send("/save", *FORM, f"Origin: {world.base}", method="POST", body=fields.encode())
        assert answer.status == 303 and "location" in answer.headers
        assert not [target for target in world.app.targets if target == "/save"]
        async with Browser() as other:
            for line in answer.headers["set-cookie"].split("|"):
                other.jar.store(f"{world.base}/", line, other.clock())
            tab = await other.open(f"{world.base}{answer.headers['location']}" if answer.headers["location"][0] == "/"
                                   else answer.headers["location"])  # fmt: skip
            await walk(tab, MIRA)
            got = json.loads(tab.page.text)
        assert (got["line"], got["body"]) == ("POST /save HTTP/1.1", fields)

    async def test_a_large_upload_arrives_and_a_strangers_does_not(self, world: World) -> None:
        """Eight mebibytes; who is not logged in is turned away, and the app sees nothing of it."""
        body = b"x" * (8 * 1024 * 1024)
        assert (await world.send("/upload", method="PUT", body=body)).status in (0, 401, 413)
        assert world.app.heads == []
        await world.log_in()
        assert (await world.send("/upload", method="PUT", cookies=world.cookies(), body=body)).got["length"] == len(
            body
        )

    async def test_a_websocket(self, world: World) -> None:
        """Upgraded and spliced, for who is logged in and comes from the app's own pages (GW-18)."""
        await world.log_in()
        handshake = [
            "GET /socket HTTP/1.1", f"Host: {world.host}", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", f"Origin: {world.base}",
            f"Cookie: {world.cookies()}",
        ]  # fmt: skip
        opened, echoed = await exchange(
            world.port,
            "\r\n".join([*handshake, "", ""]).encode(),
            b"\x81\x82" + b"abcd" + bytes([ord("h") ^ 97, ord("i") ^ 98]),
        )
        assert read(opened).status == 101 and echoed == b"\x81\x02hi"

    @pytest.mark.parametrize("origin", ["https://evil.example", "null"])
    async def test_gw_18_a_websocket_of_another_site(self, world: World, origin: str) -> None:
        """GW-18: the person's cookie does not open it."""
        await world.log_in()
        world.app.heads.clear()
        answer = await world.send(
            "/socket", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13", f"Origin: {origin}", cookies=world.cookies(),
        )  # fmt: skip
        assert answer.status in (400, 403) and world.app.heads == []

    async def test_gw_19_no_other_upgrade(self, world: World) -> None:
        """GW-19: the app is not asked to speak h2c."""
        told = (
            await world.send("/public", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAM")
        ).told
        assert "upgrade" not in told

    async def test_events_pass_as_they_come(self, world: World) -> None:
        """The first event is there while the second is not yet sent."""
        await world.log_in()
        near, out = await asyncio.open_connection("127.0.0.1", world.port)
        out.write(f"GET /events HTTP/1.1\r\nHost: {world.host}\r\nCookie: {world.cookies()}\r\n\r\n".encode())
        async with asyncio.timeout(10):
            assert b"data: one" in await near.readuntil(b"one\n\n")
            world.app.go_on.set()
            assert b"data: two" in await near.readuntil(b"two\n\n")
        out.close()

    async def test_gw_15_isthmus_is_away(self, world: World) -> None:
        """GW-15: who cannot be asked about does not get in, logged in or not."""
        await world.log_in()
        cookies = world.cookies()
        world.app.heads.clear()
        world.asked.node, world.asked.open = 1, False
        for target in ("/", "/public", "/admin"):
            assert (await world.send(target, cookies=cookies)).status in (500, 502, 503), target
        assert world.app.heads == []

    async def test_gw_15_the_store_is_away(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """GW-15: could not look is 503, not a login; who was known goes on for seconds at most. Public paths stay."""
        await world.log_in()
        cookies = world.cookies()
        world.app.heads.clear()

        async def away(*_: object) -> None:
            raise Unavailable("the store")

        monkeypatch.setattr(world.node.store, "run", away)
        ours = next(pair for pair in cookies.split("; ") if "-gateway-" in pair)
        other = f"{ours[:-1]}{'A' if ours[-1] != 'A' else 'B'}"
        assert (await world.send("/", cookies=other)).status == 503
        assert world.app.heads == []
        assert (await world.send("/public")).status == 200

        async def is_out() -> bool:
            return (await world.send("/", cookies=cookies)).status == 503

        await eventually(is_out, within=8)
        assert await is_out()

    async def test_gw_38_isthmus_does_not_answer(self, world: World) -> None:
        """GW-38: the server does not wait for ever, and nobody gets in meanwhile."""
        await world.log_in()
        cookies = world.cookies()
        world.app.heads.clear()
        world.asked.silent = True
        assert (await world.send("/", cookies=cookies)).status in (500, 502, 503, 504)
        assert world.app.heads == []

"""The verdict on every kind of request: who gets through, as whom, and what all others hear."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

import pytest

from proxy.gateway import replies
from proxy.gateway.request import Asked
from proxy.gateway.verdict import Forward, Reply
from tests.gateway.house import (
    COOKIE,
    FETCH,
    FORM,
    HERE,
    HOST,
    OLD_PAGE,
    OTHER,
    PAGE,
    House,
    a_house,
    header,
    link,
    location,
    without_a_store,
)

PROXY = "192.0.2.200"
SOCKET = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two hosts with a public path, WebSockets, preflights and kept forms."""
    route = {"public_paths": ["/public"], "websocket": True, "cors_preflight": True, "keep_forms": True}
    return a_house(tmp_path, route=route, server={"trusted_proxies": [PROXY]})


async def entered(house: House, **changes: Any) -> House:
    """The same, somebody being logged in."""
    await house.log_in(await house.begin(**changes))
    return house


def names(told: bytes) -> set[str]:
    """The names in header lines."""
    return {line.partition(":")[0].lower() for line in told.decode().split("\r\n") if line}


# --- with a session and without ---


async def test_somebody_gets_through(house: House) -> None:
    """As who they are, without our cookies and with the app's own."""
    await entered(house)
    house.jar["app"] = "mine"
    verdict = await house.forward("GET /a%41?b")
    assert (verdict.target, verdict.user_id, verdict.reason) == (b"/aA?b", "oidc|corp|ada", "allowed")
    assert b"X-Forwarded-User: oidc|corp|ada\r\n" in verdict.told
    assert verdict.cookies == b"app=mine" and verdict.sid


async def test_what_is_held_is_decided_at_once(house: House) -> None:
    """Nobody is asked then; and no longer than five seconds."""
    await entered(house)
    house.doorway.held.link(up=True)
    asked = house.asked("GET /", **PAGE)
    house.doorway.held._up_since = house.clock.now
    assert house.keeper.at_once(asked) is None
    assert isinstance(await house.say(asked), Forward)
    with without_a_store(house):
        assert isinstance(house.keeper.at_once(asked), Forward)
    house.clock.now += 5
    assert house.keeper.at_once(asked) is None


@pytest.mark.parametrize(
    ("target", "sent", "status"),
    [
        ("GET /", PAGE, 303),
        ("HEAD /", PAGE, 303),
        ("GET /", OLD_PAGE, 303),
        ("GET /", {}, 303),
        ("GET /", FETCH, 401),
        ("GET /", {**OLD_PAGE, "X-Requested-With": "XMLHttpRequest"}, 401),
        ("GET /", {**SOCKET, "Origin": HERE}, 401),
        ("GET /", {"Accept": "text/event-stream"}, 401),
        ("GET /", {"Accept": "application/json"}, 401),
        ("POST /", FETCH, 401),
        ("POST /", OLD_PAGE, 401),
        ("PUT /", OLD_PAGE, 401),
        ("OPTIONS /", {}, 401),
    ],
)
async def test_gw_26_users_31_pages_are_sent_to_a_login(
    house: House, target: str, sent: dict[str, str], status: int
) -> None:
    """GW-26, users 31: whatever cannot follow hears 401 and is redirected nowhere."""
    reply = await house.reply(target, **sent)
    assert (reply.status, reply.reason) == (status, "no_session")
    assert bool(header(reply, "Location")) == bool(header(reply, "Set-Cookie")) == (status == 303)
    assert not header(reply, "WWW-Authenticate")


@pytest.mark.parametrize("sent", [PAGE, FETCH])
async def test_who_may_not_is_told_so(tmp_path: Path, sent: dict[str, str]) -> None:
    """People can log in as somebody else; nobody goes round in circles."""
    house = await entered(a_house(tmp_path, route={"allow": {"groups": ["admins"]}}))
    reply = await house.reply(**sent)
    assert (reply.status, reply.reason) == (403, "group")
    assert b"for members of certain groups" in reply.body and b"admins" not in reply.body
    if sent is PAGE:
        assert link(reply) == f"{HERE}/.isthmus/logout" and b"request-1" in reply.body
    else:
        assert json.loads(reply.body)["error"] == "access_denied"


async def test_se_14_every_request_is_decided_anew(tmp_path: Path) -> None:
    """SE-14: a connection that does not serve the gateway any more lets nobody through, whoever is logged in."""
    house = await entered(a_house(tmp_path))
    assert await house.forward()
    corp = house.parts.roster["corp"]
    house.keeper = replace(house.keeper, connections={"corp": corp.model_copy(update={"enabled_clients": ("webapp",)})})
    assert (await house.reply(**PAGE)).reason == "connection"
    house.keeper = replace(house.keeper, connections={})
    assert (await house.reply(**PAGE)).status == 403


async def test_se_11_the_absolute_end_is_the_end(house: House) -> None:
    """SE-11: however often it was used."""
    await entered(house, expires_at=int(house.clock.now) + 3600)
    house.doorway.held.link(up=True)
    house.doorway.held._up_since = 0.0
    for _ in range(59):
        house.clock.now += 60
        await house.forward()
    house.clock.now += 60
    assert (await house.reply(**FETCH)).status == 401


# --- cookies ---


@pytest.mark.parametrize(
    "cookie",
    [
        b"\xe2\x80\x80{n}={v}",
        b"\xc2\x85{n}={v}",
        b"\xc2\xa0{n}={v}",
        b"\xe3\x80\x80{n}={v}",
        b"{n} ={v}",
        b"={n}={v}",
        b"{n}",
        b"{n}=",
        b'{n}="{v}"',
        b"{n}={v}x",
        b"{n}={v}\xff",
        b"{l}={v}",
        b"x{n}={v}",
        b"{n}={v}; {n}=x",
        b"{n}=x; {n}={v}",
        b'{"a":1}',
        b";;;=;=;",
        b"{n}=" + b"a" * 8000,
    ],
)
async def test_gw_15_se_06_se_07_se_09_what_is_not_exactly_our_cookie_is_none(house: House, cookie: bytes) -> None:
    """GW-15, SE-06, SE-07, SE-09: nobody gets in, nothing breaks, and beside the good one others change nothing."""
    await entered(house)
    value = house.jar[COOKIE].encode()
    good, name = b"%s=%s" % (COOKIE.encode(), value), COOKIE.encode()
    for mark, text in ((b"{n}", name), (b"{l}", name.lower()), (b"{v}", value)):
        cookie = cookie.replace(mark, text)
    reply = await house.reply("GET /", (b"Cookie", cookie), jar={}, **FETCH)
    assert (reply.status, reply.reason) == (401, "no_session")
    if cookie.count(name + b"=") == 0 or cookie.startswith((b"\xe2", b"\xc2", b"\xe3", b"x", b"=")):
        assert (await house.forward("GET /", (b"Cookie", cookie + b"; " + good), jar={})).sid


@pytest.mark.parametrize("sent", [PAGE, OLD_PAGE])
async def test_se_07_two_logins_are_none_and_end_in_no_circle(house: House, sent: dict[str, str]) -> None:
    """SE-07: another login would change nothing, so the person is told; and the browser forgets ours."""
    await entered(house)
    both = f"{COOKIE}={house.jar[COOKIE]}; {COOKIE}=tossed".encode()
    for headers in ([(b"Cookie", both)], [(b"Cookie", piece) for piece in reversed(both.split(b"; "))]):
        reply = await house.reply("GET /", *headers, jar={}, **sent)
        assert reply.status == 400 and not header(reply, "Location")
        assert header(reply, "Set-Cookie") == f"{COOKIE}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"


async def test_se_09_three_hundred_cookies(house: House) -> None:
    """SE-09: ours is found among them, and theirs go on to the app."""
    await entered(house)
    others = {f"c{n}": "x" for n in range(300)}
    verdict = await house.forward(jar={**others, **house.jar})
    assert verdict.sid and verdict.cookies.count(b"=") == 300


async def test_gw_29_the_cookie_of_one_host_opens_no_other(house: House) -> None:
    """GW-29."""
    await entered(house)
    assert (await house.reply(host=OTHER, **FETCH)).status == 401


async def test_gw_17_who_it_is_is_the_cookies_word_alone(tmp_path: Path) -> None:
    """GW-17: an Authorization header is between the browser and the app, passed on untouched, or dropped where the
    route says so; it never makes anybody somebody."""
    bearer = (b"Authorization", b"Bearer of-bob")
    for authorization in ("pass", "drop"):
        house = a_house(tmp_path, route={"authorization": authorization})
        assert (await house.reply("GET /", bearer, **FETCH)).status == 401
        asked = (await entered(house)).asked("GET /", bearer)
        verdict = await house.say(asked)
        assert isinstance(verdict, Forward) and verdict.user_id == "oidc|corp|ada"
        assert verdict.drop_authorization is (authorization == "drop")
        assert bearer in asked.kept and b"of-bob" not in verdict.told


# --- other sites ---


@pytest.mark.parametrize(
    ("origin", "status"),
    [(HERE, 0), ("https://evil.example", 403), ("null", 403), ("", 403), (f"https://{OTHER}", 403),
     ("http://app.example", 403), ("https://x.app.example", 403)],
)  # fmt: skip
@pytest.mark.parametrize("is_held", [False, True])
async def test_gw_18_a_websocket_is_the_apps_own(house: House, origin: str, status: int, is_held: bool) -> None:
    """GW-18: with the person's cookie, and whether or not anybody must be asked."""
    await entered(house)
    if is_held:
        house.doorway.held.link(up=True)
        house.doorway.held._up_since = 0.0
        await house.forward()
    verdict = await house.ask("GET /", **SOCKET, **({"Origin": origin} if origin else {}))
    assert (verdict.status if isinstance(verdict, Reply) else 0) == status


@pytest.mark.parametrize("is_held", [False, True])
async def test_gw_13_a_preflight_gets_through_as_nobody(house: House, is_held: bool) -> None:
    """GW-13: without identity and session, even if there is one; with a body it is no preflight."""
    await entered(house)
    if is_held:
        house.doorway.held.link(up=True)
        house.doorway.held._up_since = 0.0
        await house.forward()
    sent = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
    verdict = await house.forward("OPTIONS /a", **sent)
    assert (verdict.reason, verdict.sid, verdict.user_id, verdict.cookies) == ("preflight", "", "", b"")
    assert not names(verdict.told) & {"x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"}
    assert (await house.reply("OPTIONS /a", body=b"x", jar={}, **sent)).status == 401
    assert (await house.reply("GET /a", jar={}, **{**FETCH, **sent})).status == 401


@pytest.mark.parametrize(
    "sent",
    [{"User-Agent": "kube-probe/1.2"}, {"X-Healthcheck": "1"}, {"X-Original-URL": "/public"},
     {"X-Forwarded-User": "oidc|corp|ada"}, {"X-Forwarded-For": "127.0.0.1"}],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/healthz", "/robots.txt", "/publicity"])
async def test_gw_13_nothing_else_opens_a_door(house: House, path: str, sent: dict[str, str]) -> None:
    """GW-13: no program's name, no file's name."""
    assert (await house.reply(f"GET {path}", **FETCH, **sent)).status == 401


# --- forms ---


async def test_gw_26_a_form_is_kept_over_the_login(house: House) -> None:
    """GW-26: and what was read of it is nowhere in an address."""
    page = location(await house.reply("POST /save", body=b"a=secret", **FORM))
    assert page.startswith(f"{HERE}/.isthmus/login/") and "secret" not in page


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b"a=" + b"x" * 64 * 1024, {}),
        (b"a=%E9", {}),
        (b"a=b", {"Origin": "https://evil.example"}),
        (b"a=b", {"Sec-Fetch-Site": "same-site"}),
        (b"a=b", {"Content-Type": "multipart/form-data; boundary=x"}),
    ],
)
async def test_gw_26_otherwise_nothing_is_kept(house: House, body: bytes, more: dict[str, str]) -> None:
    """GW-26: the person is told, can log in in another tab, and nothing lies in the store."""
    reply = await house.reply("POST /save", body=body, **{**FORM, **more})
    assert reply.status == 401 and link(reply) == f"{HERE}/.isthmus/login?to=/"
    assert not [name for name in await house.records() if "visit" in name]


async def test_gw_26_a_flood_of_forms_is_not_kept(house: House) -> None:
    """GW-26: one address has room for 4 MiB; pages are sent to a login all the same."""
    body = b"a=" + b"x" * 60_000
    said = [(await house.reply("POST /save", body=body, jar={}, **FORM)).status for _ in range(80)]
    assert said.count(303) == 4 * 1024 * 1024 // len(body) and said[-1] == 401
    assert (await house.reply("POST /save", body=body, jar={}, peer="192.0.2.8", **FORM)).status == 303
    assert (await house.reply("GET /", jar={}, **PAGE)).status == 303


# --- another way of logging in ---


async def test_a_step_up_asks_for_it_and_goes_round_in_no_circle(tmp_path: Path) -> None:
    """When the login gives nothing better, the person is told so, with a way to be somebody else."""
    house = a_house(
        tmp_path, route={"allow": {"acr": ["mfa", "smartcard"]}}, tenant={"acr_values": ["mfa", "smartcard"]}
    )
    weak = await house.begin(acr="pwd")
    for _ in range(2):
        asked = await house.reply(**OLD_PAGE)
        assert dict(parse_qsl(urlsplit(location(asked)).query))["acr_values"] == "mfa smartcard"
        refused = await house.reply(await house.answer(location(asked), weak), **OLD_PAGE)
        assert (refused.status, refused.reason, header(refused, "Set-Cookie")) == (403, "acr", "")
        assert link(refused) == f"{HERE}/.isthmus/logout"
    cookie, writes = house.keeper.links.begin(weak, HOST, house.clock.now)
    await house.parts.store.run(*writes)
    house.jar[COOKIE] = cookie  # from another app of the host, which takes every login
    assert (await house.reply(**OLD_PAGE)).reason == "acr"
    assert json.loads((await house.reply(**FETCH)).body)["error"] == "login_required"
    strong = await house.begin(acr="mfa", sid="s" * 22)
    asked = await house.reply("GET /.isthmus/login", **OLD_PAGE)
    assert "acr_values=mfa+smartcard" in location(asked)
    assert location(await house.reply(await house.answer(location(asked), strong), **OLD_PAGE)) == f"{HERE}/"
    assert (await house.forward()).sid == strong.sid


# --- the store is away ---


@pytest.mark.parametrize(
    ("target", "sent", "expected"),
    [
        ("GET /", PAGE, 503),
        ("GET /", FETCH, 503),
        ("POST /save", FORM, 503),
        ("GET /", {**SOCKET, "Origin": HERE}, 503),
        ("GET /.isthmus/me", FETCH, 503),
        ("GET /public/x", PAGE, 0),
        ("OPTIONS /", {"Origin": HERE, "Access-Control-Request-Method": "PUT"}, 0),
    ],
)
@pytest.mark.parametrize("logged_in", [False, True])
async def test_p1_in_doubt_nobody_gets_in(
    house: House, target: str, sent: dict[str, str], expected: int, logged_in: bool
) -> None:
    """P1: 503 with Retry-After, not 401 and not 200; what is public stays so; programs without a cookie are nobody."""
    if logged_in:
        await entered(house)
    with without_a_store(house):
        verdict = await house.ask(target, **sent)
    if not logged_in and (expected == 503) and sent is not PAGE and sent is not FORM:
        expected = 401
    assert (verdict.status if isinstance(verdict, Reply) else 0) == expected
    if isinstance(verdict, Reply) and expected == 503:
        assert header(verdict, "Retry-After") and not header(verdict, "Set-Cookie")
    if isinstance(verdict, Forward):
        assert not verdict.sid


@pytest.mark.parametrize("query", ["", "?answer=status", "?route=app.example/"])
async def test_p1_forward_auth_is_never_a_yes_then(house: House, query: str) -> None:
    """P1: and with the store it is."""
    await entered(house)
    question = {
        "X-Forwarded-Method": "GET", "X-Forwarded-Proto": "https", "X-Forwarded-Host": HOST, "X-Forwarded-Uri": "/",
        "X-Forwarded-For": "192.0.2.9",
    }  # fmt: skip
    target = f"GET /forward-auth{query}"
    with without_a_store(house):
        away = await house.reply(target, host="sso.example", peer=PROXY, **question)
    assert away.status == 503
    back = await house.reply(target, host="sso.example", peer=PROXY, **question)
    assert back.status == 200 and header(back, "X-Forwarded-User")


async def test_gw_15_whatever_breaks_is_no_yes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-15: an error of ours, in any step, with a good cookie."""
    await entered(house)

    def broken(*args: Any, **rest: Any) -> NoReturn:
        raise KeyError("broken")

    for part, name in (
        (house.doorway.routes, "match"), (house.keeper.links, "follow"), (house.keeper.identities, "lines"),
        (house.keeper.identities, "prepare"), (house.keeper.senders, "client"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(type(part), name, broken)
            assert (await house.reply(**PAGE)).status == 503
            assert (await house.reply(**FETCH)).status == 503


# --- what is said of requests that cannot be served ---


@pytest.mark.parametrize("status", [400, 404, 405, 413, 414, 417, 421, 431, 500, 501, 502, 503, 504])
def test_p10_errors_are_told_apart(house: House, status: int) -> None:
    """P10: as a page with a reference, or as JSON; 503 says when to come again, 405 what there is."""
    for sent in (PAGE, FETCH):
        seen = {name.lower().encode(): value.encode() for name, value in sent.items()}
        reply = house.keeper.trouble(Asked(b"GET", b"/", seen=seen, id="request-1"), status, "word")
        assert (reply.status, reply.reason) == (status, "word")
        assert (b"request-1" in reply.body) if sent is PAGE else json.loads(reply.body)["error"]
        assert bool(header(reply, "Retry-After")) == (status == 503)
        assert bool(header(reply, "Allow")) == (status == 405)
        assert bool(header(reply, "Set-Cookie")) == (status == 431)
    assert house.keeper.trouble(None, status, "word").status == status


async def test_gw_27_our_answers_are_kept_by_nobody(house: House) -> None:
    """GW-27, SE-19: redirects, 401, 403 and pages."""
    replies_ = [await house.reply(**sent) for sent in (PAGE, OLD_PAGE, FETCH)]
    replies_.append(house.keeper.trouble(None, 503, "x"))
    for reply in replies_:
        head = replies.render(reply, "id", https=True, close=False, to_head=False).partition(b"\r\n\r\n")[0]
        assert head.count(b"Cache-Control: no-store") == 1 and b"Strict-Transport-Security" in head


@pytest.mark.parametrize(("host", "status"), [("evil.example", 421), ("app.example.evil.example", 421), ("a@b", 400)])
async def test_gw_12_a_host_is_ours_or_nobodys(house: House, host: str, status: int) -> None:
    """GW-12."""
    assert (await house.reply(host=host)).status == status


async def test_a_path_that_no_route_takes_is_404(tmp_path: Path) -> None:
    """Not a login: there is nothing behind it."""
    house = a_house(tmp_path, route={"path_prefix": "/app"})
    assert (await house.reply("GET /x", **PAGE)).status == 404
    assert json.loads((await house.reply("GET /app", **FETCH)).body)["login"] == f"{HERE}/.isthmus/login?to=/app"


async def test_se_23_plain_http_sets_no_cookie(house: House) -> None:
    """SE-23: what loses nothing is sent to https, all else is 400; the client's own word counts for nothing."""
    await entered(house)
    for sent in ({}, {"X-Forwarded-Proto": "https"}):
        for target, status in (("GET /a?b", 308), ("HEAD /a?b", 308), ("POST /a?b", 400)):
            asked = house.asked(target, **sent)
            asked.secure = False
            reply = await house.say(asked)
            assert isinstance(reply, Reply) and reply.status == status and not header(reply, "Set-Cookie")
            assert header(reply, "Location") == (f"{HERE}/a?b" if status == 308 else "")


async def test_gw_33_no_request_below_our_path_is_forwarded(house: House) -> None:
    """GW-33: by whatever method, with whatever headers."""
    await entered(house)
    for method in ("GET", "POST", "OPTIONS", "PROPFIND", "DELETE"):
        for path in ("/.isthmus", "/.isthmus/x", "/.ISTHMUS/x", "/.isthmus/../x", "/%2Eisthmus/", "//.isthmus/x"):
            for sent in ({}, {**SOCKET, "Origin": HERE}, {"Origin": HERE, "Access-Control-Request-Method": "PUT"}):
                assert isinstance(await house.ask(f"{method} {path}", **sent), Reply)

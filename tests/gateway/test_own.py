"""What the gateway answers itself: to a login and back, for one browser, on one host, to places of its own."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from proxy.gateway.own import challenge_of, login_at
from proxy.gateway.verdict import Reply
from proxy.http.cookies import OURS
from tests.downstream.world import ISSUER
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

AWAY = f"{ISSUER}authorize?"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two hosts; forms are kept."""
    return a_house(tmp_path, route={"keep_forms": True})


def query(url: str) -> dict[str, str]:
    """What an address carries."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


async def test_a_page_is_sent_to_the_login(house: House) -> None:
    """RFC 6749 4.1.1, RFC 7636 4.3: an address of the issuer, with nothing of where the person wanted to go."""
    url = location(await house.reply("GET /a/secret?x=1", **OLD_PAGE))
    assert url.startswith(AWAY)
    asked = query(url)
    assert asked["redirect_uri"] == f"{HERE}/.isthmus/callback"
    assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == ("gateway", "code", "S256")
    assert "secret" not in url and len(asked["state"]) == 47


async def test_a_browser_that_runs_scripts_goes_by_our_page(house: House) -> None:
    """The fragment is still in its address there; without scripts the page leads on as well."""
    page = location(await house.reply("GET /a?x=1", **PAGE))
    assert page.startswith(f"{HERE}/.isthmus/login/")
    for method in ("GET", "HEAD"):
        shown = await house.reply(f"{method} {urlsplit(page).path}", **PAGE)
        assert shown.status == 200 and not header(shown, "Set-Cookie")
    assert link(shown).startswith(AWAY) and link(shown, "data-target") == f"{HERE}/a?x=1"
    assert f'<meta http-equiv="refresh" content="0; url={AWAY}'.encode() in shown.body
    assert "script-src 'sha256-" in header(shown, "Content-Security-Policy")


async def test_the_way_back(house: House) -> None:
    """The code becomes the cookie of this host, and the person is where they wanted to be."""
    session = await house.begin()
    back = await house.log_in(session, "GET /a?x=1")
    assert location(back) == f"{HERE}/a?x=1"
    assert (await house.forward("GET /a?x=1")).sid == session.sid


async def test_the_way_back_in_a_browser_that_runs_scripts(house: House) -> None:
    """A page whose script puts the fragment back."""
    page = location(await house.reply("GET /a?x=1", **PAGE))
    url = link(await house.reply(f"GET {urlsplit(page).path}", **PAGE))
    back = await house.reply(await house.answer(url, await house.begin()), **PAGE)
    assert back.status == 200 and link(back) == f"{HERE}/a?x=1"
    assert link(back, "data-visit") == query(url)["state"] == page.rpartition("/")[2]


async def test_se_05_the_cookie_has_every_flag(house: House) -> None:
    """SE-05: and no longer a life than the session."""
    session = await house.begin(expires_at=int(house.clock.now) + 1234)
    set_cookie = header(await house.log_in(session), "Set-Cookie")
    assert re.fullmatch(
        rf"{COOKIE}={session.sid}\.[A-Za-z0-9_-]{{43}}; Max-Age=1234; Path=/; Secure; HttpOnly; SameSite=Lax",
        set_cookie,
    )
    assert COOKIE.startswith("__Host-")


async def test_se_01_what_a_browser_brought_is_not_taken_on(house: House) -> None:
    """SE-01: after the login it has a cookie that nobody knew before."""
    session = await house.begin()
    chosen = f"{session.sid}.{'a' * 43}"
    house.jar[COOKIE] = chosen
    await house.log_in(session)
    assert house.jar[COOKIE] != chosen
    assert (await house.reply(jar={COOKIE: chosen}, **FETCH)).status == 401
    first = house.jar[COOKIE]
    await house.log_in(session, "GET /.isthmus/login")
    assert house.jar[COOKIE] != first


async def test_se_21_the_next_person_is_another_one(house: House) -> None:
    """SE-21: Bob logs in where Ada was, whatever is left in the browser: all of it is his."""
    ada, bob = await house.begin(), await house.begin(sid="b" * 22, user_id="oidc|corp|bob", subject="bob")
    await house.log_in(ada)
    adas = house.jar[COOKIE]
    assert (await house.forward()).user_id == ada.user_id
    await house.end(ada)
    house.doorway.held.drop(ada.sid)
    await house.log_in(bob, "GET /.isthmus/login")
    assert (await house.forward()).user_id == bob.user_id
    assert adas.partition(".")[0] not in house.jar[COOKIE]
    assert (await house.reply(jar={COOKIE: adas}, **FETCH)).status == 401


@pytest.mark.parametrize(
    "attack", ["twice", "another browser", "no browser", "another host", "forged state", "no state", "other verifier"]
)
async def test_gw_29_a_callback_is_good_once_in_one_browser_on_one_host(house: House, attack: str) -> None:
    """GW-29: everything else is 400 or 403, and nobody is logged in by it."""
    session = await house.begin()
    mine = await house.answer(location(await house.reply("GET /mine", **OLD_PAGE)), session)
    other: dict[str, str] = {}
    theirs = location(await house.reply("GET /theirs", jar=other, **OLD_PAGE))
    jar, host, target = house.jar, HOST, mine
    if attack == "twice":
        assert location(await house.reply(mine, jar=dict(jar), **OLD_PAGE)) == f"{HERE}/mine"
    if attack == "another browser":
        jar = other
    if attack == "no browser":
        jar = {}
    if attack == "another host":
        host = OTHER
    if attack == "forged state":
        target = re.sub("state=[^&]*", f"state={query(theirs)['state']}", mine)
    if attack == "no state":
        target = re.sub("state=[^&]*&", "", mine)
    if attack == "other verifier":  # a code that was given for another visit
        code = re.search("code=([^&]*)", await house.answer(theirs, session))
        target = re.sub("code=[^&]*", code[0] if code else "", mine)
    refused = await house.reply(target, host=host, jar=jar, **OLD_PAGE)
    assert refused.status in (400, 403)
    assert not header(refused, "Set-Cookie") and not header(refused, "Location")
    assert COOKIE not in jar


async def test_gw_29_a_code_is_good_once(house: House) -> None:
    """GW-29: with another visit of the same browser it is refused; so is one for another host's callback."""
    session = await house.begin()
    first = await house.answer(location(await house.reply("GET /1", **OLD_PAGE)), session)
    second = await house.answer(location(await house.reply("GET /2", **OLD_PAGE)), session)
    code = re.search("code=([^&]*)", first)
    assert code and location(await house.reply(first, **OLD_PAGE)) == f"{HERE}/1"
    refused = await house.reply(re.sub("code=[^&]*", code[0], second), **OLD_PAGE)
    assert (refused.status, refused.reason) == (403, "code_reuse")


async def test_gw_29_a_visit_is_over_after_ten_minutes_and_a_code_after_one(house: House) -> None:
    """GW-29."""
    session = await house.begin()
    for wait, status in ((60, 403), (600, 400)):
        callback = await house.answer(location(await house.reply("GET /1", **OLD_PAGE)), session)
        house.clock.now += wait
        assert (await house.reply(callback, **OLD_PAGE)).status == status


@pytest.mark.parametrize("iss", ["", "https://evil.example/", ISSUER[:-1]])
async def test_rp_04_an_answer_of_another_issuer_is_none(house: House, iss: str) -> None:
    """RFC 9207 2.4: ours always says who it is."""
    callback = await house.answer(location(await house.reply("GET /1", **OLD_PAGE)), await house.begin(), iss=iss)
    refused = await house.reply(callback, **OLD_PAGE)
    assert (refused.status, refused.reason) == (403, "wrong_issuer")


async def test_a_login_that_was_refused_is_said(house: House) -> None:
    """To people as text, to programs as JSON; and it is over."""
    url = location(await house.reply("GET /1", **OLD_PAGE))
    said = f"error=access_denied&error_description=No+%3Cb%3E+way&iss={ISSUER}&state={query(url)['state']}"
    target = f"GET /.isthmus/callback?{said}"
    refused = await house.reply(target, **OLD_PAGE)
    assert refused.status == 403 and b"No &lt;b&gt; way" in refused.body and b"<b>" not in refused.body
    again = await house.reply(target, **FETCH)
    assert again.status == 400 and json.loads(again.body)["error"] == "invalid_request"


async def test_a_session_that_ended_on_the_way_is_none(house: House) -> None:
    """Between the code and the callback."""
    session = await house.begin()
    callback = await house.answer(location(await house.reply("GET /1", **OLD_PAGE)), session)
    await house.end(session)
    refused = await house.reply(callback, **OLD_PAGE)
    assert refused.status == 400 and COOKIE not in house.jar


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["callback", "login", "login/x", "logged-out", "me"])
async def test_se_15_nothing_happens_by_another_method(house: House, method: str, path: str) -> None:
    """SE-15: least of all by HEAD, which only finds out what would."""
    reply = await house.reply(f"{method} /.isthmus/{path}", **OLD_PAGE)
    assert reply.status == 405 or (method == "HEAD" and path not in ("callback", "login"))
    assert not await house.records()


# --- where a login leads ---

PLACES = [
    "https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "///evil.example",
    "/%2fevil.example",    "/%5cevil.example", "/%09/evil.example", "javascript:alert(1)",
    "evil.example", "@evil.example", "/x#@evil.example",
    "/a/../b", "/%2e%2e/x", "/;//evil.example", "/.isthmus/logout", "/.ISTHMUS/callback", "/%0d%0aSet-Cookie:x", "?x",
    "*",    "/\u2028", "http://app.example/", "https://app.example:444/", "https://app.example@evil.example/", "/é",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
async def test_gw_25_a_login_leads_to_no_other_place(house: House, place: str) -> None:
    """GW-25, LO-02: what is not a plain path of this very host is refused before anything is begun."""
    reply = await house.reply(f"GET {urlsplit(login_at('', place)).geturl()}", **OLD_PAGE)
    assert reply.status in (400, 404), reply.headers
    assert not await house.records()


async def test_gw_25_a_path_of_an_app_that_takes_ambiguous_ones_is_no_host(tmp_path: Path) -> None:
    """GW-25: where ``//`` is a path, the address is absolute, so that no browser reads a host in it."""
    house = a_house(tmp_path, route={"ambiguous_paths": True, "keep_forms": True})
    session = await house.begin()
    target = "//evil.example/%2e"[:-3]
    for sent in (OLD_PAGE, PAGE):
        away = location(await house.reply(f"GET {target}", **sent))
        if sent is PAGE:
            page = await house.reply(f"GET {urlsplit(away).path}", **PAGE)
            assert link(page, "data-target") == f"{HERE}{target}"
            away = link(page)
        back = await house.reply(await house.answer(away, session), **sent)
        assert (link(back) if sent is PAGE else location(back)) == f"{HERE}{target}"
        house.jar.clear()
    page = await house.reply(f"POST {target}", body=b"a=b", **FORM)
    away = link(await house.reply(f"GET {urlsplit(location(page)).path}", **PAGE))
    back = await house.reply(await house.answer(away, session), **PAGE)
    assert link(back, "action") == f"{HERE}{target}"


@pytest.mark.parametrize("to", ["/", "/a/b?c=d&e=%2F%2Fevil.example", "/a%20b", "/search?q=https://x.example/"])
async def test_gw_25_a_path_of_this_host_is_fine(house: House, to: str) -> None:
    """GW-25: so an app's script can send people to a login that leads back."""
    reply = await house.reply(f"GET {login_at('', to)}", **OLD_PAGE)
    back = await house.reply(await house.answer(location(reply), await house.begin()), **OLD_PAGE)
    assert location(back) == f"{HERE}{to}"


async def test_a_programs_401_tells_a_login_that_works(house: House) -> None:
    """users 31: also where no route takes the root."""
    login = json.loads((await house.reply(**FETCH)).body)["login"]
    assert login == f"{HERE}/.isthmus/login?to=/"
    assert location(await house.reply(f"GET {login.removeprefix(HERE)}", **OLD_PAGE)).startswith(AWAY)


# --- forms ---


async def test_gw_26_a_form_comes_back_in_a_page_that_sends_it(house: House) -> None:
    """GW-26: escaped, under a policy that lets the app redirect, and so that the app's check of Origin holds."""
    body = b"t=%0D%0A%3C%2Ftextarea%3E%3Cscript%3E&a=1&a=2&empty=&q=%22%26"
    page = location(await house.reply("POST /save?x=1", body=body, **FORM))
    shown = await house.reply(f"GET {urlsplit(page).path}", **PAGE)
    assert link(shown, "data-target") == ""  # no other tab's login helps it
    assert body not in shown.body and b"textarea" not in shown.body
    back = await house.reply(await house.answer(link(shown), await house.begin()), **PAGE)
    assert link(back, "action") == f"{HERE}/save?x=1"
    fields = re.findall(r'<textarea hidden name="([^"]*)">\n(.*?)</textarea>', back.body.decode(), re.DOTALL)
    assert [(html.unescape(name), html.unescape(value)) for name, value in fields] == [
        ("t", "\r\n</textarea><script>"), ("a", "1"), ("a", "2"), ("empty", ""), ("q", '"&'),
    ]  # fmt: skip
    policy = header(back, "Content-Security-Policy")
    assert "form-action" not in policy and "script-src 'sha256-" in policy and "default-src 'none'" in policy
    assert header(back, "Referrer-Policy") == "strict-origin"


async def test_gw_26_a_kept_form_is_sealed_bound_and_sent_once(house: House, tmp_path: Path) -> None:
    """GW-26: the other browser and the second time get nothing of it."""
    page = location(await house.reply("POST /save", body=b"a=secret", **FORM))
    away = link(await house.reply(f"GET {urlsplit(page).path}", **PAGE))
    callback = await house.answer(away, await house.begin())
    assert b"secret" not in (await house.reply(callback, jar={}, **PAGE)).body
    assert b"secret" in (await house.reply(callback, **PAGE)).body
    assert b"secret" not in (await house.reply(callback, **PAGE)).body


# --- logging out, and the rest ---


async def test_after_the_logout_the_cookie_is_forgotten(house: House) -> None:
    """Also while the store is away."""
    await house.log_in(await house.begin())
    with without_a_store(house):
        left = await house.reply("GET /.isthmus/logged-out", **OLD_PAGE)
    assert left.status == 200 and COOKIE not in house.jar
    assert header(left, "Set-Cookie") == f"{COOKIE}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"


async def test_me_says_who_is_logged_in(house: House) -> None:
    """For the app's own scripts, and without a fault 401 for nobody."""
    assert (await house.reply("GET /.isthmus/me", **FETCH)).status == 401
    await house.log_in(await house.begin())
    assert json.loads((await house.reply("GET /.isthmus/me", **FETCH)).body) == {
        "user_id": "oidc|corp|ada", "name": "Ada", "email": "ada@corp.example",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/.isthmus", "/.isthmus/", "/.isthmus/x", "/.ISTHMUS/callback", "/.isthmus/login%2Fx"]
)
@pytest.mark.parametrize("sent", [PAGE, FETCH])
async def test_gw_33_the_rest_below_our_path_is_nobodys(house: House, path: str, sent: dict[str, str]) -> None:
    """GW-33: with a session or without one no app gets it."""
    for logged_in in (False, True):
        if logged_in:
            await house.log_in(await house.begin())
        reply = await house.reply(f"GET {path}", **sent)
        assert reply.status == 404
        assert header(reply, "Content-Type").startswith("text/html" if sent is PAGE else "application/json")


async def test_se_19_gw_27_every_answer_may_be_kept_by_nobody(house: House) -> None:
    """SE-19, GW-27: none of them says anything else of caches, and ``replies`` then says no-store."""
    session = await house.begin()
    said: list[Reply] = [await house.log_in(session)]
    paths = ("login", "login/x", "callback", "logout", "logged-out", "me", "x", "claims")
    said += [await house.reply(f"GET /.isthmus/{path}", **OLD_PAGE) for path in paths]
    assert not [reply for reply in said if header(reply, "Cache-Control")]
    assert all(value.startswith(OURS) for reply in said for name, value in reply.headers if name == "Set-Cookie")


@pytest.mark.parametrize("path", ["login?to=/", "login/{id}", "callback?state={id}&code=x&iss=" + ISSUER, "me"])
async def test_p1_who_cannot_look_says_503(house: House, path: str) -> None:
    """P1: and nothing was used up."""
    session = await house.begin()
    await house.log_in(session)
    jar: dict[str, str] = {}
    url = location(await house.reply("GET /a", jar=jar, **OLD_PAGE))
    target = f"GET /.isthmus/{path.format(id=query(url)['state'])}"
    with without_a_store(house):
        reply = await house.reply(target, jar={**house.jar, **jar}, **PAGE)
    assert reply.status == 503 and header(reply, "Retry-After")
    assert location(await house.reply(await house.answer(url, session), jar=jar, **OLD_PAGE)) == f"{HERE}/a"


def test_the_challenge_is_that_of_the_specification() -> None:
    """RFC 7636 appendix B."""
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

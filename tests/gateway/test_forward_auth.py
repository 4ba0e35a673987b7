"""Forward-auth: whom it answers, which question it hears, and that only "forward it" is ever 200."""

from __future__ import annotations

import pytest

from proxy.gateway.asker import is_program
from proxy.gateway.forward_auth import ForwardAuth, Question
from proxy.gateway.request import Asked
from proxy.gateway.verdict import BodyTooLarge, Forward, Reply, Verdict
from proxy.http.client_address import Proxies
from proxy.models.route import Route

ROUTE = Route(host="app.example", upstream=("http://127.0.0.1:1",), name="wiki")
TOLD = b"X-Forwarded-User: ada\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Isthmus-Assertion: e.y.J\r\n"
SEEN = {
    b"x-forwarded-method": b"GET",
    b"x-forwarded-proto": b"https",
    b"x-forwarded-host": b"app.example",
    b"x-forwarded-uri": b"/a?b=c",
}
LOGIN = Reply(303, (("Location", "/.isthmus/login/x"), ("Set-Cookie", "v=1")), reason="no_session", route="wiki")
AWAY = Reply(503, (("Retry-After", "5"),), reason="unavailable")
KNOWN = {"X-Forwarded-User", "X-Forwarded-Groups"}


def door(issuer: str = "https://login.example/") -> ForwardAuth:
    """Forward-auth of an issuer with one route."""
    return ForwardAuth(issuer, ["app.example"], Proxies(["127.0.0.1/32"]), lambda route: KNOWN)


def ask(
    target: bytes = b"/forward-auth", peer: str = "127.0.0.1", host: bytes = b"login.example", **seen: bytes
) -> Asked:
    """A question, ``seen`` changing its headers."""
    told = {**SEEN, **{name.replace("_", "-").encode(): value for name, value in seen.items()}}
    return Asked(b"GET", target, host=host, seen=told, peer=peer)


def heard(asked: Asked) -> Question:
    """The question in it."""
    question = door().read(asked)
    assert isinstance(question, Question), question
    return question


def refused(asked: Asked) -> Reply:
    """What is said to no question."""
    reply = door().read(asked)
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize(
    ("host", "target", "meant"),
    [
        (b"login.example", b"/forward-auth", True),
        (b"login.example", b"/forward-auth?answer=status", True),
        (b"127.0.0.1:9003", b"/forward-auth", True),  # Traefik names the address that it asks
        (b"login.example", b"/forward-auth/", False),
        (b"login.example", b"/forward-authx", False),
        (b"app.example", b"/forward-auth", False),  # the app's own
        (b"APP.example", b"/forward-auth", False),
        (b"app.example", b"/.isthmus/forward-auth/a?b", True),
        (b"app.example", b"/.isthmus/forward-authx", False),
        (b"app.example", b"/.isthmus/start", True),
        (b"app.example", b"/.isthmus/callback", False),
        (b"app.example", b"/", False),
    ],
)
def test_where_it_is(host: bytes, target: bytes, meant: bool) -> None:
    """The issuer's path anywhere but on the hosts of apps; below ``/.isthmus`` everywhere."""
    assert door().meant(ask(target, host=host)) is meant


def test_an_issuer_with_a_path() -> None:
    """It is relative to the issuer."""
    assert door("https://example.com/auth/").meant(ask(b"/auth/forward-auth"))
    assert not door("https://example.com/auth/").meant(ask(b"/forward-auth"))


@pytest.mark.parametrize("target", [b"/forward-auth", b"/.isthmus/forward-auth/a", b"/.isthmus/start"])
@pytest.mark.parametrize("peer", ["192.0.2.7", "", "127.0.0.2", "::1"])
def test_gw_07_only_trusted_proxies_are_answered(target: bytes, peer: str) -> None:
    """GW-07: others hear which key names proxies, and nothing of anybody."""
    reply = refused(ask(target, peer))
    assert reply.status == 403 and b"server.trusted_proxies" in reply.body and not reply.route


def test_gw_06_a_question_without_its_request_is_400() -> None:
    """GW-06: the text says what is missing."""
    reply = refused(ask(x_forwarded_uri=b""))
    assert reply.status == 400 and b"X-Forwarded-Uri" in reply.body


@pytest.mark.parametrize("query", [b"allowed_groups=admins", b"answer=yes", b"status", b"answer=status&x=1"])
def test_an_unknown_wish_is_no_question(query: bytes) -> None:
    """A parameter of another program may have been meant to forbid something."""
    assert refused(ask(b"/forward-auth?" + query)).status in (400, 403)


@pytest.mark.parametrize("uri", [b"/.isthmus/logout", b"/%2eisthmus/x", b"/.ISTHMUS", b"/.isthmus%2flogout"])
def test_gw_33_nobody_is_let_through_to_our_own_paths(uri: bytes) -> None:
    """GW-33: no app gets them; nor does a question make something happen there."""
    assert refused(ask(x_forwarded_uri=uri)).status in (400, 403)


@pytest.mark.parametrize(
    ("uri", "told"),
    [(b"/a%c3%a9?b=%2f", True), (b"/%61dmin", False), (b"/a/../admin", False), (b"/a%2fb", True), (b"//a", True),
     (b"/a%2e", False), (b"/%7Eada", False)],
)  # fmt: skip
def test_gw_08_the_app_gets_what_rules_look_at(uri: bytes, told: bool) -> None:
    """GW-08: the server forwards the target as it came, so one that we would write in another way is no request."""
    found = door().read(ask(x_forwarded_uri=uri))
    assert isinstance(found, Question) if told else isinstance(found, Reply) and found.status == 400


def test_yes_carries_who_it_is() -> None:
    """Identity and assertion as headers; not what the server in front knows better."""
    verdict = Forward(ROUTE, b"/a", told=TOLD, sid="s", reason="allowed")
    reply = door().answer(heard(ask()), verdict)
    assert (reply.status, reply.reason, reply.route) == (200, "allowed", "wiki")
    assert dict(reply.headers) == {
        "X-Forwarded-User": "ada", "X-Auth-Request-User": "ada", "X-Isthmus-Assertion": "e.y.J",
        "X-Forwarded-Groups": "", "X-Auth-Request-Groups": "",
    }  # fmt: skip


def test_gw_04_what_is_not_known_is_told_as_empty() -> None:
    """GW-04: a server that copies headers overwrites the client's own with nothing; on public paths all of them."""
    reply = door().answer(heard(ask()), Forward(ROUTE, b"/a", reason="public"))
    assert reply.status == 200 and dict(reply.headers).keys() >= KNOWN and not any(dict(reply.headers).values())


def test_gw_08_the_route_that_the_server_takes_is_the_one_decided_on() -> None:
    """GW-08: a server that reads the path in another way sends it to another app."""
    verdict = Forward(ROUTE, b"/a", told=TOLD)
    assert door().answer(heard(ask(b"/forward-auth?route=wiki")), verdict).status == 200
    reply = door().answer(heard(ask(b"/forward-auth?route=admin")), verdict)
    assert reply.status == 403 and b"ada" not in reply.body and "ada" not in str(reply.headers)


@pytest.mark.parametrize(
    ("status", "told"),
    [(200, 403), (204, 403), (303, 401), (308, 401), (401, 401), (400, 403), (403, 403), (405, 403), (413, 403),
     (421, 403), (503, 503), (502, 502)],
)  # fmt: skip
def test_gw_35_a_status_that_nginx_understands(status: int, told: int) -> None:
    """GW-35: 401 or 403 for every no, our own trouble as it is, never 2xx, and nothing else."""
    reply = door().answer(heard(ask(b"/forward-auth?answer=status")), Reply(status, (("Location", "/x"),), b"body"))
    assert (reply.status, reply.headers, reply.body) == (told, (), b"")


def test_for_a_status_no_login_is_begun() -> None:
    """The gatekeeper sees a program, whatever the client is: the way to a login comes by another address."""
    assert is_program(heard(ask(b"/forward-auth?answer=status", sec_fetch_mode=b"navigate")).about)
    assert not is_program(heard(ask(sec_fetch_mode=b"navigate")).about)
    assert not is_program(heard(ask(b"/.isthmus/start", host=b"app.example", sec_fetch_mode=b"navigate")).about)


def test_a_no_passes_through_where_the_server_passes_answers() -> None:
    """With the cookies of the way to a login, and an absolute Location: Traefik resolves others against our address."""
    reply = door().answer(heard(ask()), LOGIN)
    assert reply.status == 303
    assert reply.headers == (("Location", "https://app.example/.isthmus/login/x"), ("Set-Cookie", "v=1"))
    assert LOGIN.headers[0][1] == "/.isthmus/login/x"


@pytest.mark.parametrize("verdict", [Reply(200, (), b"page"), Reply(204), Reply(101)])
def test_gw_15_no_reply_is_a_yes(verdict: Reply) -> None:
    """GW-15: 2xx opens the door, so what is not "forward it" never has it."""
    assert door().answer(heard(ask()), verdict).status == 403


def test_gw_35_what_is_no_request_is_told_so_that_nginx_understands() -> None:
    """GW-35: 403, and on the way to a login what it really is."""
    assert refused(ask(b"/forward-auth?answer=status", x_forwarded_uri=b"/%zz")).status == 403
    assert refused(ask(b"/.isthmus/start?route=wiki", host=b"app.example", x_forwarded_uri=b"/%zz")).status == 400


def test_gw_15_the_store_is_away() -> None:
    """GW-15: could not look is no yes and no login."""
    assert door().answer(heard(ask()), AWAY).status == 503
    assert door().answer(heard(ask(b"/forward-auth?answer=status")), AWAY).status == 503


@pytest.mark.parametrize("verdict", [LOGIN, AWAY, Reply(401), Reply(403, (), b"no")])
def test_the_way_to_a_login_answers_as_the_gateway_does(verdict: Verdict) -> None:
    """The page or the redirect, as it is: it is served on the app's own host."""
    assert door().answer(heard(ask(b"/.isthmus/start", host=b"app.example")), verdict) is verdict


def test_on_the_way_to_a_login_somebody_was_let_in() -> None:
    """The request is made again; a form must be sent again."""
    start = ask(b"/.isthmus/start", host=b"app.example", x_forwarded_uri=b"//evil.example/")
    reply = door().answer(heard(start), Forward(ROUTE, b"/a", told=TOLD))
    assert (reply.status, reply.headers) == (303, (("Location", "https://app.example//evil.example/"),))
    start = ask(b"/.isthmus/start", host=b"app.example", x_forwarded_method=b"POST")
    assert door().answer(heard(start), Forward(ROUTE, b"/a", told=TOLD)).status == 503


async def test_gw_26_a_form_comes_along_only_on_the_way_to_a_login() -> None:
    """GW-26: a question has no body, and none is taken for an empty one."""

    async def read(most: int) -> bytes:
        return b"a=b"

    start = ask(b"/.isthmus/start", host=b"app.example", x_forwarded_method=b"POST")
    start.length = 3
    question = heard(start)
    assert question.about.length == 3 and await question.body(read)(10) == b"a=b"
    question = heard(ask(x_forwarded_method=b"POST"))
    assert question.about.length is None
    with pytest.raises(BodyTooLarge):
        await question.body(read)(10)


def test_envoy_asks_on_the_apps_host() -> None:
    """The target is what follows."""
    asked = Asked(b"POST", b"/.isthmus/forward-auth/a?b=c", host=b"app.example", seen={b"x-forwarded-proto": b"https"},
                  peer="127.0.0.1")  # fmt: skip
    about = heard(asked).about
    assert (about.method, about.host, about.target) == (b"POST", b"app.example", b"/a?b=c")

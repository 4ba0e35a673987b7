"""The gateway put together by itself, in memory: real parts, no network. A browser is a dictionary of cookies."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from proxy import settings
from proxy.bridge.session import Ticket, ends
from proxy.doorway import Doorway
from proxy.downstream.authorization_code import Code, code_key
from proxy.downstream.grant import session_key
from proxy.gateway.gatekeeper import Gatekeeper
from proxy.gateway.request import Asked, Header
from proxy.gateway.verdict import BodyTooLarge, Forward, ReadBody, Reply, Verdict
from proxy.http.cookies import cookie_name
from proxy.models import Session
from proxy.oidc.errors import Unavailable
from proxy.parts import Parts, way_out
from proxy.store import Op, Put
from proxy.store.memory import MemoryStore
from proxy.web.pages import Pages
from tests.downstream.world import ISSUER, NOW, Clock, FailingStore, a_session
from tests.kit.isthmus import configure, connection

HOST, OTHER = "app.example", "other.example"
HERE = f"https://{HOST}"
COOKIE = cookie_name("gateway", ISSUER)
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
OLD_PAGE = {"Accept": "text/html"}
"""A browser that says nothing of what it does."""
FETCH = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
FORM = {
    **PAGE, "Content-Type": "application/x-www-form-urlencoded", "Origin": HERE, "Sec-Fetch-Site": "same-origin",
}  # fmt: skip
Jar = dict[str, str]
_SET = re.compile(r"([^=;]+)=([^;]*)(.*)")


@dataclass
class House:
    """The gateway, and the store behind it. ``away`` says which operations cannot be done."""

    doorway: Doorway
    keeper: Gatekeeper
    parts: Parts
    clock: Clock
    memory: MemoryStore
    away: Callable[[Op], bool] = lambda op: False
    jar: Jar = field(default_factory=dict)

    async def ask(self, target: str = "GET /", *more: Header, **rest: Any) -> Verdict:
        """What is said to a request, see ``asked``."""
        return await self.say(self.asked(target, *more, **rest), rest.get("body", b""), rest.get("jar"))

    def asked(self, target: str, *more: Header, **headers: Any) -> Asked:
        """A request of a browser to ``host``, from ``peer``, with the cookies of ``jar``, else the house's own, with
        ``body`` and other headers."""
        host, peer = headers.pop("host", HOST), headers.pop("peer", "192.0.2.7")
        jar, body = headers.pop("jar", None), headers.pop("body", b"")
        method, _, path = target.partition(" ")
        sent = {"Host": host, **headers}
        if body or method == "POST":
            sent["Content-Length"] = str(len(body))
        if cookies := "; ".join(f"{name}={value}" for name, value in (self.jar if jar is None else jar).items()):
            sent["Cookie"] = cookies
        asked = Asked(method.encode(), path.encode(), peer=peer, secure=True, id="request-1")
        lines = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        self.doorway.proxy.sort(asked, [*lines, *more])
        return asked

    async def say(self, asked: Asked, body: bytes = b"", jar: Jar | None = None) -> Verdict:
        """The verdict; cookies that it sets are kept."""
        verdict = self.keeper.at_once(asked)
        if verdict is None:
            verdict = await self.keeper.ask(asked, reading(body))
        keep(self.jar if jar is None else jar, verdict)
        return verdict

    async def reply(self, target: str = "GET /", *more: Header, **rest: Any) -> Reply:
        """The same, where it is an answer of ours."""
        verdict = await self.ask(target, *more, **rest)
        assert isinstance(verdict, Reply), verdict
        return verdict

    async def forward(self, target: str = "GET /", *more: Header, **rest: Any) -> Forward:
        """The same, where it goes on to the app."""
        verdict = await self.ask(target, *more, **rest)
        assert isinstance(verdict, Forward), verdict
        return verdict

    async def begin(self, **changes: Any) -> Session:
        """Somebody is logged in at the issuer."""
        session = a_session(**{"created_at": int(self.clock.now), **changes})
        await self.parts.store.run(self.parts.sessions.begin(session, Ticket.new(session.sid), self.clock.now))
        return session

    async def end(self, session: Session) -> None:
        """The session ends."""
        await self.parts.store.run(*ends(session.sid))

    async def answer(self, url: str, session: Session, **changes: str) -> str:
        """What the issuer answers to an authorization request: the target of the callback."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = secrets.token_urlsafe(32)
        person = {
            "user_id": session.user_id, "subject": session.user_id, "connection": session.connection,
            "auth_time": session.auth_time, "acr": session.acr, "amr": (), "profile": session.profile, "claims": {},
        }  # fmt: skip
        stands = Code(
            "gateway", asked["redirect_uri"], session.sid, ("openid",), challenge=asked["code_challenge"], person=person
        )
        await self.parts.store.run(Put(code_key(code), stands.as_value(), 60))
        said = {"code": code, "state": asked["state"], "iss": ISSUER, **changes}
        return "GET /.isthmus/callback?" + "&".join(f"{name}={value}" for name, value in said.items() if value)

    async def log_in(self, session: Session, target: str = "GET /", *, host: str = HOST, **rest: Any) -> Reply:
        """From a page to the issuer and back: the answer of the callback."""
        away = await self.reply(target, host=host, **{**OLD_PAGE, **rest})
        return await self.reply(await self.answer(location(away), session), host=host, **OLD_PAGE)

    async def records(self) -> Mapping[str, str]:
        """All that lies in the store."""
        return {name: entry.text for name, entry in self.memory._entries.items()}


def reading(body: bytes) -> ReadBody:
    """What reads a body that came."""

    async def read(most: int) -> bytes:
        if len(body) > most:
            raise BodyTooLarge("longer")
        return body

    return read


def keep(jar: Jar, verdict: Verdict) -> None:
    """As a browser does."""
    for name, value in verdict.headers if isinstance(verdict, Reply) else ():
        if name == "Set-Cookie" and (found := _SET.fullmatch(value)):
            jar[found[1]] = found[2]
            if "Max-Age=0" in found[3]:
                del jar[found[1]]


def header(reply: Reply, name: str) -> str:
    """The value of a header; empty without it."""
    return next((value for key, value in reply.headers if key.lower() == name.lower()), "")


def location(reply: Reply) -> str:
    """Where it leads."""
    assert reply.status == 303, (reply.status, reply.body)
    return header(reply, "Location")


def link(reply: Reply, attribute: str = "href") -> str:
    """The address in a page of ours."""
    found = re.search(rf'<(?:a|form)[^>]* {attribute}="([^"]*)"', reply.body.decode())
    assert found, reply.body
    return found[1].replace("&amp;", "&")


def a_house(directory: Path, **tables: Any) -> House:
    """The gateway with routes on two hosts; ``route`` are settings of both."""
    route = {"upstream": "http://127.0.0.1:9004", "assertion": False, **tables.pop("route", {})}
    routes = [{"host": host, **route} for host in (HOST, OTHER)] + tables.pop("routes", [])
    ways = [connection("corp", "https://idp.example", "front_channel", ("gateway",))]
    everything: dict[str, Any] = {"connections": ways, "gateway": {"routes": routes}, **tables}
    file, environ = configure(directory, ISSUER, 9000, everything)
    loaded = settings.load(file, environ)
    clock = Clock()
    memory = MemoryStore(clock=clock)
    house: House
    store = FailingStore(memory, lambda op: house.away(op), Unavailable("the store is away"))
    parts = Parts(loaded, store, settings.own_secrets(loaded), way_out(loaded))
    doorway = Doorway(parts, Pages(ISSUER, "Acme apps"))
    keeper = replace(doorway.keeper, clock=clock, loop_time=clock)
    house = House(doorway, keeper, parts, clock, memory)
    return house


@contextmanager
def without_a_store(house: House) -> Iterator[None]:
    """The store cannot be asked."""
    before, house.away = house.away, lambda op: True
    yield
    house.away = before


__all__ = ["COOKIE", "FETCH", "FORM", "HERE", "HOST", "NOW", "OLD_PAGE", "OTHER", "PAGE", "House", "a_house", "header",
           "link", "location", "session_key", "without_a_store"]  # fmt: skip

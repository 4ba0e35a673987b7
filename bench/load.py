"""The browser and the application: what a person does with one server, as often as one likes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from bench.web import Client, Jar, Reply

MOST_STEPS = 12
FORM = re.compile(r"<form[^>]*?action=\"([^\"]*)\"[^>]*>(.*?)</form>", re.DOTALL | re.IGNORECASE)
FIELD = re.compile(r"<input[^>]*?name=\"([^\"]*)\"[^>]*?value=\"([^\"]*)\"", re.IGNORECASE)
Operation = Callable[[], Awaitable[None]]


class WentWrong(Exception):
    """An operation that did not do what it is measured for."""


@dataclass(frozen=True)
class Target:
    """A server under test, and the application it knows."""

    name: str
    authorize: str
    token: str
    connections: dict[str, str]
    client_id: str = "bench-app"
    client_secret: str = "a-secret-of-the-benchmark-0123456789"
    redirect_uri: str = "http://127.0.0.1:9/callback"

    @property
    def netloc(self) -> str:
        """Host and port."""
        return urlsplit(self.token).netloc


@dataclass
class Person:
    """One browser that went through one login: its cookies, and the application's tokens."""

    jar: Jar = field(default_factory=Jar)
    tokens: dict[str, Any] = field(default_factory=dict)


async def visit(web: Client, target: Target, jar: Jar, url: str) -> str:
    """Follow redirects and forms from ``url`` on, as a browser does, until the application's address comes up."""
    method, body, origin = "GET", b"", ""
    for _ in range(MOST_STEPS):
        parts = urlsplit(url)
        ours = parts.netloc == target.netloc
        headers = jar.header(bool(body) and origin not in ("", parts.netloc)) if ours else {}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        reply = await web.send(method, url, headers, body)
        if ours:
            jar.take(reply.cookies)
        method, following, body = _next(reply, url)
        origin, url = parts.netloc, urljoin(url, following)
        if url.startswith(target.redirect_uri):
            return url
    raise WentWrong(f"{MOST_STEPS} steps, and the application was not reached")


def _next(reply: Reply, url: str) -> tuple[str, str, bytes]:
    if reply.status in (302, 303):
        return "GET", reply.headers["location"], b""
    form = FORM.search(reply.body.decode()) if reply.status == 200 else None
    if form is None:
        raise WentWrong(f"{url.partition('?')[0]} answered {reply.status}: {reply.body[:300]!r}")
    fields = {html.unescape(name): html.unescape(value) for name, value in FIELD.findall(form[2])}
    return "POST", html.unescape(form[1]), urlencode(fields).encode()


@dataclass
class App:
    """The application in front of one server: authorization code with PKCE, a confidential client."""

    web: Client
    target: Target

    async def log_in(self, connection: str, person: Person | None = None) -> Person:
        """The whole way, from the application and back into it."""
        person = person or Person()
        verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code", "client_id": self.target.client_id, "redirect_uri": self.target.redirect_uri,
            "scope": "openid profile email offline_access", "state": state, "nonce": nonce, "connection": connection,
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        arrived = await visit(self.web, self.target, person.jar, f"{self.target.authorize}?{urlencode(asked)}")
        given = {name: values[0] for name, values in parse_qs(urlsplit(arrived).query).items()}
        if given.get("state") != state or "code" not in given:
            raise WentWrong(f"came back with {given}")
        form = {"grant_type": "authorization_code", "code": given["code"], "code_verifier": verifier}
        person.tokens = await self._tokens({**form, "redirect_uri": self.target.redirect_uri})
        claims = json.loads(base64.urlsafe_b64decode(person.tokens["id_token"].split(".")[1] + "=="))
        if claims.get("nonce") != nonce or "@" not in claims.get("email", ""):
            raise WentWrong(f"not the ID token asked for: {claims}")
        return person

    async def refresh(self, person: Person) -> None:
        """The next tokens for the last refresh token, which is used up by it."""
        last = person.tokens["refresh_token"]
        person.tokens = await self._tokens({"grant_type": "refresh_token", "refresh_token": last})
        if person.tokens["refresh_token"] == last or "id_token" not in person.tokens:
            raise WentWrong("the refresh token did not rotate, or no ID token came")

    async def _tokens(self, form: dict[str, str]) -> dict[str, Any]:
        basic = base64.b64encode(f"{self.target.client_id}:{self.target.client_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        reply = await self.web.send("POST", self.target.token, headers, urlencode(form).encode())
        if reply.status != 200:
            raise WentWrong(f"the token endpoint answered {reply.status}: {reply.body[:300]!r}")
        tokens: dict[str, Any] = json.loads(reply.body)
        return tokens


async def through(web: Client, url: str) -> str:
    """Log in on the way to ``url``, which a gateway guards; what the browser says in Cookie from then on."""
    wanted, jars, method, body = url, dict[str, Jar](), "GET", b""
    for _ in range(MOST_STEPS):
        netloc = urlsplit(url).netloc
        jar = jars.setdefault(netloc, Jar())
        headers = jar.header(cross_site_post=False)
        if body:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}
        reply = await web.send(method, url, headers, body)
        jar.take(reply.cookies)
        if reply.status == 200 and url == wanted:
            return jar.header(cross_site_post=False)["Cookie"]
        method, following, body = _next(reply, url)
        url = urljoin(url, following)
    raise WentWrong(f"{MOST_STEPS} steps, and {wanted} was not reached")


async def operation(app: App, load: str, at_once: int) -> Operation:
    """What to repeat for ``load``; people who must be logged in before are."""
    if load in app.target.connections:
        return lambda: _discard(app.log_in(app.target.connections[load]))
    connection = app.target.connections["login, back channel"]
    people: asyncio.Queue[Person] = asyncio.Queue()
    for _ in range(2 * at_once):
        people.put_nowait(await app.log_in(connection))

    async def again() -> None:
        person = await people.get()
        try:
            if load == "refresh":
                await app.refresh(person)
            else:
                await app.log_in(connection, person)
        finally:
            people.put_nowait(person)

    return again


async def _discard(login: Awaitable[Person]) -> None:
    await login


async def repeat(work: Operation, times: int, at_once: int) -> None:
    """``times`` operations, ``at_once`` side by side. The first that goes wrong ends it."""
    left = iter(range(times))

    async def worker() -> None:
        for _ in left:
            await work()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())

"""The downstream shore put together by itself: a store, keys, two clients, one person, and no web around it."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from proxy.downstream import keys as key_store
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.authorization_code import AuthorizationCode
from proxy.downstream.authorize import AuthorizeRequest
from proxy.downstream.authorize_endpoint import Authorize, Shore
from proxy.downstream.clients import Clients
from proxy.downstream.consents import Consents
from proxy.downstream.dpop import Proofs
from proxy.downstream.front_channel import FrontChannel
from proxy.downstream.grant import Lifetimes, session_key
from proxy.downstream.id_token import IdTokens
from proxy.downstream.key_record import Held, to_value
from proxy.downstream.keys import KeyRing
from proxy.downstream.leaving import Leaving
from proxy.downstream.logout import RpInitiatedLogout
from proxy.downstream.metadata import Metadata, joined
from proxy.downstream.refresh_token import RefreshToken
from proxy.downstream.ring import Ring
from proxy.downstream.standing import Standing
from proxy.downstream.subjects import Subjects
from proxy.downstream.token import Issuer, Token
from proxy.downstream.userinfo import UserInfo
from proxy.features import Answer, Doors, Feature, Request
from proxy.models import Client, Connection, Session
from proxy.oidc import pkce
from proxy.oidc.jose import Signer
from proxy.store import Drop, Heard, Link, Op, Store, Touch
from proxy.store.memory import MemoryStore

ISSUER = "https://sso.example/"
NOW = 1_800_000_000.0
SECRET = "a-client-secret-of-forty-characters-0123"
API = "https://api.example/"
APP = "https://app.example"
CALLBACK = f"{APP}/cb"
VERIFIER = "a-verifier-of-more-than-43-characters-0123456789"
CHALLENGE = pkce.challenge(VERIFIER)
BROWSER = "b" * 43

WEBAPP = Client.model_validate(
    {
        "client_id": "webapp",
        "client_secret": SECRET,
        "client_name": "Web app",
        "redirect_uris": [CALLBACK, "http://127.0.0.1/cb", "https://app.example/cb2?bar=foo"],
        "post_logout_redirect_uris": ["https://app.example/", "https://app.example/bye?a=b"],
        "grant_types": ["authorization_code", "refresh_token"],
        "grants": [{"audience": API, "scopes": ["read:things"]}],
    }
)
OTHER = WEBAPP.model_copy(
    update={"client_id": "other", "grants": (), "post_logout_redirect_uris": ("https://other.example/",)}
)
SPA = Client.model_validate(
    {"client_id": "spa", "redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"]}
)
FRONT = Client.model_validate(
    {
        "client_id": "front",
        "redirect_uris": [CALLBACK],
        "grant_types": ["implicit"],
        "response_types": ["id_token"],
        "id_token_claims": "lean",
    }
)
CORP = Connection.model_validate(
    {
        "name": "corp",
        "enabled_clients": ["webapp", "other", "spa", "front"],
        "options": {"client_id": "isthmus", "discovery_url": "https://idp.example"},
    }
)
PROFILE = {"name": "Ada", "email": "ada@corp.example", "email_verified": True, "groups": ["staff"]}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def a_session(**changes: Any) -> Session:
    """Ada's session."""
    plain = Session(
        sid="ada-session-0123456789"[:22],
        user_id="oidc|corp|ada",
        connection="corp",
        issuer="https://idp.example",
        subject="ada",
        auth_time=int(NOW) - 100,
        created_at=int(NOW) - 100,
        expires_at=int(NOW) + 86_400,
        profile=PROFILE,
    )
    return replace(plain, **changes)


@lru_cache
def first_ring() -> Ring:
    """Two real keys, made once: RSA keys take long to find."""
    first = replace(key_store.generate(int(NOW)), signs_from=int(NOW))
    return (first, key_store.generate(int(NOW)))


@lru_cache
def first_signers() -> dict[str, Signer]:
    """The same, ready to sign: to read them takes long, too."""
    return {k.kid: Signer(k.pem, k.kid, k.alg) for k in first_ring()}


def asked(**changes: Any) -> dict[str, str]:
    """The parameters of an honest authorization request; None takes one out."""
    plain: dict[str, Any] = {
        "response_type": "code",
        "client_id": "webapp",
        "redirect_uri": CALLBACK,
        "scope": "openid profile email",
        "state": "st-1",
        "nonce": "n-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in plain.items() if value is not None}


def asked_front(**changes: Any) -> dict[str, str]:
    """The parameters of an honest request for an ID token."""
    implicit = {
        "response_type": "id_token",
        "client_id": "front",
        "code_challenge": None,
        "code_challenge_method": None,
    }
    return asked(**{**implicit, **changes})


def answer_params(url: str) -> dict[str, str]:
    """What a redirect carries in its query."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def told(answer: Answer) -> tuple[str, dict[str, str]]:
    """How an answer reaches the client, and what it says there; an address gets nothing beside."""
    if answer.page == "web_message.html":
        assert answer.values["origin"] == APP
        return "web_message", dict(answer.values["response"])
    if answer.page:
        assert (answer.page, answer.values["action"]) == ("form_post.html", CALLBACK)
        return "form_post", dict(answer.values["fields"])
    mark = "?" if answer.redirect.startswith(f"{CALLBACK}?") else "#"
    address, _, encoded = answer.redirect.removesuffix("#").partition(mark)
    assert address == CALLBACK
    return {"#": "fragment", "?": "query"}[mark], dict(parse_qsl(encoded, keep_blank_values=True, strict_parsing=True))


def payload(token: str) -> dict[str, Any]:
    """The claims of a JWT, unchecked."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


class FailingStore(Store):
    """A store that cannot do operations for which ``fails`` holds: the fault comes before anything is written."""

    def __init__(self, inner: Store, fails: Callable[[Op], bool], error: Exception) -> None:
        self._inner, self._fails, self._error = inner, fails, error

    async def run(self, *ops: Op) -> Sequence[Any]:
        if any(map(self._fails, ops)):
            raise self._error
        return await self._inner.run(*ops)

    async def ping(self) -> float:
        return await self._inner.ping()

    async def listen(self, topics: Sequence[str], heard: Heard, link: Link) -> None:
        await self._inner.listen(topics, heard, link)

    async def close(self) -> None:
        await self._inner.close()


class SlowStore(Store):
    """A store whose every answer lets all others go first: what is not atomic shows."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    async def run(self, *ops: Op) -> Sequence[Any]:
        await asyncio.sleep(0)
        answers = await self._inner.run(*ops)
        await asyncio.sleep(0)
        return answers

    async def ping(self) -> float:
        return await self._inner.ping()

    async def listen(self, topics: Sequence[str], heard: Heard, link: Link) -> None:
        await self._inner.listen(topics, heard, link)

    async def close(self) -> None:
        await self._inner.close()


@dataclass
class World:
    """The shore. ``went`` notes whom it sent to log in, ``ended`` which sessions it ended."""

    clock: Clock = field(default_factory=Clock)
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    store: Store = None  # type: ignore[assignment]  # made below unless given
    clients: dict[str, Client] = field(default_factory=lambda: {c.client_id: c for c in (WEBAPP, OTHER, SPA, FRONT)})
    connections: dict[str, Connection] = field(default_factory=lambda: {"corp": CORP})
    session: Session | None = None
    went: list[tuple[AuthorizeRequest, Session | None]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    frames: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.store = self.store or MemoryStore(clock=self.clock)
        self.build()

    def build(self) -> None:
        """Put the features together on the store."""
        self.keys = KeyRing(self.store, self.lifetimes.signed)
        self.access_tokens = AccessTokens(ISSUER, self.store, self.keys, self.lifetimes)
        self.known = Clients(self.clients, self.store)
        self.subjects = Subjects(self.store)
        self.doors = Doors(lambda: self.features)
        issuer = Issuer(self.access_tokens, IdTokens(ISSUER, self.keys, self.lifetimes.id_token), self.subjects)
        self.code = AuthorizationCode(self.store, issuer, self.lifetimes, self.connections)
        self.refresh_token = RefreshToken(self.store, issuer, self.lifetimes, self.connections)
        self.front = FrontChannel(self.code, issuer)
        responses = {**self.code.responses(), **self.front.responses()}
        shore = Shore(ISSUER, self.known, self.connections, self.store, self.keys, self.subjects)
        self.authorize_endpoint = Authorize(shore, responses, self.log_in, self.keep_alive, self.doors)
        self.proofs = Proofs(ISSUER, self.store, b"n" * 32, asks_nonce=False)
        self.token = Token(ISSUER, {**self.code.grants(), **self.refresh_token.grants()}, self.proofs)
        self.userinfo_endpoint = UserInfo(ISSUER, self.keys, Standing(self.connections, Consents(self.store)))
        self.leaving = Leaving(ISSUER, self.end, self.away, b"k" * 32)
        self.logout = RpInitiatedLogout(ISSUER, self.known, self.keys, self.subjects, self.leaving)
        self.features: tuple[Feature, ...] = (
            self.authorize_endpoint,
            self.token,
            self.code,
            self.front,
            self.refresh_token,
            self.userinfo_endpoint,
            self.logout,
        )
        self.metadata = Metadata(ISSUER, self.keys, joined(self.features))

    async def begin(self, session: Session | None) -> World:
        """Keys, and who is logged in."""
        if not self.keys.loaded:
            value = to_value(Held(first_ring()))
            await self.store.add(key_store.RING, value, key_store.FOREVER)
            self.keys._signers = first_signers()
            await self.keys.load(self.clock.now)
        self.session = session
        if session is not None:
            await self.store.put(session_key(session.sid), {"user_id": session.user_id}, 86_400 * 365)
        return self

    async def log_in(
        self, request: Request, asked: AuthorizeRequest, client: Client, session: Session | None
    ) -> Answer:
        """In place of the bridge."""
        self.went.append((asked, session))
        return Answer(redirect=f"{ISSUER}login")

    def keep_alive(self, session: Session, now: float) -> Op:
        """In place of the bridge."""
        return Touch(session_key(session.sid), 86_400 * 365)

    async def end(self, session: Session, browsers: Sequence[str], now: float) -> Sequence[str]:
        """In place of the bridge."""
        self.ended.append(session.sid)
        await self.store.run(Drop(session_key(session.sid)))
        return self.frames

    async def away(self, session: Session, target: str, request: Request) -> Answer | None:
        """In place of the bridge: a tenant that logs people out."""
        return Answer(redirect=f"https://idp.example/bye?then={target}", browser=BROWSER)

    async def _current(self) -> Session | None:
        return self.session

    def request(self, params: Mapping[str, str], method: str = "GET", **more: Any) -> Request:
        """A request as the wrappers make it."""
        return Request(method, "/x", params, {}, self.clock.now, browsers=(BROWSER,), session=self._current, **more)

    async def authorize(self, **changes: Any) -> Answer:
        """An authorization request, honest but for the changes."""
        return await self.authorize_endpoint.handle(self.request(asked(**changes)))

    async def authorize_front(self, **changes: Any) -> Answer:
        """A request for an ID token, honest but for the changes."""
        return await self.authorize_endpoint.handle(self.request(asked_front(**changes)))

    async def refusal(self, **changes: Any) -> dict[str, str]:
        """What the client hears of an authorization request."""
        return answer_params((await self.authorize(**changes)).redirect)

    async def new_code(self, **changes: Any) -> str:
        """A fresh code."""
        return (await self.refusal(**changes))["code"]

    async def exchange(self, client: str = "webapp", **params: str) -> dict[str, Any]:
        """A request at the token endpoint by an authenticated client."""
        request = self.request({n: v for n, v in params.items() if v}, "POST", client=self.clients[client])
        answer = await self.token.exchange(request)
        assert answer.json is not None
        return dict(answer.json)

    async def redeem(self, code: str, client: str = "webapp", **changes: str) -> dict[str, Any]:
        """Tokens for a code."""
        usual = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER, "code": code}
        return await self.exchange(client, **{**usual, **changes})

    async def refresh(self, token: str, client: str = "webapp", **changes: str) -> dict[str, Any]:
        """Tokens for a refresh token."""
        return await self.exchange(client, **{"grant_type": "refresh_token", "refresh_token": token, **changes})

    async def tokens(self, **changes: Any) -> dict[str, Any]:
        """A whole trip from a live session."""
        return await self.redeem(await self.new_code(**changes), changes.get("client_id", "webapp"))

    async def userinfo(self, token: str) -> dict[str, Any]:
        """What userinfo says to a token."""
        bearer = await self.access_tokens.check(token, f"{ISSUER}userinfo", self.clock.now)
        asks = self.request({}, bearer=bearer, client=self.clients[bearer.client_id])
        answer = await self.userinfo_endpoint.serve(asks)
        assert answer.json is not None
        return dict(answer.json)

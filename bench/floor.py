"""The least federated login on this stack that still is one: aiohttp, redis-py, RS256, uvloop, and no features.

It keeps what makes a login safe: exact redirect URI, PKCE on both sides, state tied to the browser, nonce, a verified
ID token, codes and refresh tokens that work once. It has no configuration, no pages, no plugins, no logs, no errors
worth reading. A product cannot cost less without leaving the stack; how much more it costs is the question.

    python -m bench.floor PORT TENANT REDIS
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sys
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp
import uvloop
from aiohttp import web
from redis.asyncio import Redis

from bench.load import Target
from bench.signing import Signer, Verifier, encode
from bench.tenant import serve

APP = Target("", "", "", {})
HOUR, TEN_MINUTES, MINUTE = 3600, 600, 60
BASIC = "Basic " + base64.b64encode(b"isthmus:upstream-secret").decode()
KEPT = ("sub", "name", "given_name", "family_name", "email", "email_verified", "auth_time")
ASKED = ("client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "connection")


def hashed(text: str) -> str:
    """SHA-256, base64url."""
    return encode(hashlib.sha256(text.encode()).digest())


class Floor:
    """Three addresses: authorize, callback, token."""

    def __init__(self, base: str, tenant: str, store: Redis) -> None:
        self.base, self.tenant, self.store = base, tenant, store
        self.signer = Signer("floor")

    async def start(self, _: web.Application) -> None:
        """Fetch the tenant's document and keys."""
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        async with self.http.get(f"{self.tenant}/.well-known/openid-configuration") as found:
            self.metadata = await found.json()
        async with self.http.get(self.metadata["jwks_uri"]) as found:
            self.verifier = Verifier(await found.json())

    async def save(self, *records: tuple[str, Any, int]) -> None:
        """Write the records, in one round trip."""
        if len(records) == 1:
            name, value, ttl = records[0]
            await self.store.set(name, json.dumps(value), ex=ttl)
            return
        pipeline = self.store.pipeline(transaction=False)
        for name, value, ttl in records:
            pipeline.set(name, json.dumps(value), ex=ttl)
        await pipeline.execute()

    async def take(self, name: str) -> dict[str, Any]:
        """A record, once."""
        found = await self.store.getdel(name)
        if found is None:
            raise web.HTTPBadRequest
        record: dict[str, Any] = json.loads(found)
        return record

    async def authorize(self, request: web.Request) -> web.Response:
        """On to the tenant, or straight back if the browser has a session."""
        asked = {name: request.query[name] for name in ASKED}
        if asked["client_id"] != APP.client_id or asked["redirect_uri"] != APP.redirect_uri:
            raise web.HTTPBadRequest
        if cookie := request.cookies.get("session"):
            found = await self.store.get("session:" + hashed(cookie))
            if found is not None:
                code = secrets.token_urlsafe(24)
                await self.save(("code:" + hashed(code), {"asked": asked, "person": json.loads(found)}, MINUTE))
                return self.back(asked, code)
        state, nonce, verifier = (secrets.token_urlsafe(24) for _ in range(3))
        await self.save(("trip:" + hashed(state), {"asked": asked, "nonce": nonce, "verifier": verifier}, TEN_MINUTES))
        front = asked["connection"] == "front"
        up = {"client_id": "isthmus", "redirect_uri": f"{self.base}/callback", "scope": "openid profile email",
              "state": state, "nonce": nonce}  # fmt: skip
        if front:
            up |= {"response_type": "id_token", "response_mode": "form_post"}
        else:
            up |= {"response_type": "code", "code_challenge": hashed(verifier), "code_challenge_method": "S256"}
        tie = f"trip={hashed(state)}; HttpOnly; SameSite={'None; Secure' if front else 'Lax'}"
        place = f"{self.metadata['authorization_endpoint']}?{urlencode(up)}"
        return web.Response(status=302, headers={"Location": place, "Set-Cookie": tie})

    async def callback(self, request: web.Request) -> web.Response:
        """Back from the tenant: check, begin a session, go back to the application."""
        given = await request.post() if request.method == "POST" else request.query
        state = str(given["state"])
        if not hmac.compare_digest(request.cookies.get("trip", ""), hashed(state)):
            raise web.HTTPBadRequest
        trip = await self.take("trip:" + hashed(state))
        token = str(given["id_token"]) if "id_token" in given else await self.redeem(str(given["code"]), trip)
        claims = self.verifier.claims(token)
        right = (self.metadata["issuer"], "isthmus", trip["nonce"])
        if (claims["iss"], claims["aud"], claims["nonce"]) != right or claims["exp"] < time.time():
            raise web.HTTPBadRequest
        person = {name: claims[name] for name in KEPT}
        cookie, code = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        await self.save(
            ("session:" + hashed(cookie), person, HOUR),
            ("code:" + hashed(code), {"asked": trip["asked"], "person": person}, MINUTE),
        )
        answer = self.back(trip["asked"], code)
        answer.headers["Set-Cookie"] = f"session={cookie}; HttpOnly; SameSite=Lax"
        return answer

    async def redeem(self, code: str, trip: dict[str, Any]) -> str:
        """The tenant's ID token for its code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{self.base}/callback",
                "code_verifier": trip["verifier"]}  # fmt: skip
        place = self.metadata["token_endpoint"]
        async with self.http.post(place, data=form, headers={"Authorization": BASIC}) as answer:
            return str((await answer.json())["id_token"])

    def back(self, asked: dict[str, Any], code: str) -> web.Response:
        """To the application, with a code."""
        given = urlencode({"code": code, "state": asked["state"], "iss": self.base})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{given}"})

    async def token(self, request: web.Request) -> web.Response:
        """A code or a refresh token, once, for tokens."""
        right = "Basic " + base64.b64encode(f"{APP.client_id}:{APP.client_secret}".encode()).decode()
        if not hmac.compare_digest(request.headers.get("Authorization", ""), right):
            raise web.HTTPUnauthorized
        form = await request.post()
        if form["grant_type"] == "refresh_token":
            grant = await self.take("refresh:" + hashed(str(form["refresh_token"])))
        else:
            grant = await self.take("code:" + hashed(str(form["code"])))
            if grant["asked"]["redirect_uri"] != form["redirect_uri"]:
                raise web.HTTPBadRequest
            if grant["asked"]["code_challenge"] != hashed(str(form["code_verifier"])):
                raise web.HTTPBadRequest
        access, refresh, now = secrets.token_urlsafe(24), secrets.token_urlsafe(24), int(time.time())
        await self.save(
            ("access:" + hashed(access), grant["person"], HOUR), ("refresh:" + hashed(refresh), grant, HOUR)
        )
        claims = {"iss": self.base, "aud": APP.client_id, "iat": now, "exp": now + HOUR, **grant["person"]}
        id_token = self.signer.jwt({**claims, "nonce": grant["asked"]["nonce"]})
        return web.json_response(
            {"access_token": access, "token_type": "Bearer", "expires_in": HOUR, "refresh_token": refresh,
             "id_token": id_token, "scope": grant["asked"]["scope"]}
        )  # fmt: skip

    def site(self) -> web.Application:
        """The addresses."""
        site = web.Application()
        site.on_startup.append(self.start)
        site.router.add_get("/authorize", self.authorize)
        site.router.add_get("/callback", self.callback)
        site.router.add_post("/callback", self.callback)
        site.router.add_post("/token", self.token)
        return site


async def main(port: int, tenant: str, redis: str) -> None:
    """Listen until ended."""
    await serve(Floor(f"http://127.0.0.1:{port}", tenant, Redis.from_url(redis)).site(), port)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))

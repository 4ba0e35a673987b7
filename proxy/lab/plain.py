"""A plain app: it speaks no OpenID Connect, and believes the headers that the gateway before it writes.

It checks the signed assertion as such an app should (the headers alone are worth what the network around it is): with
the gateway's key set, its issuer, and the app's own address as audience. It keeps no session and knows no login.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jwt
from aiohttp import web

from proxy.lab import pages

USER, ASSERTION = "X-Forwarded-User", "X-Isthmus-Assertion"
TOLD = (USER, "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups")


@dataclass
class PlainApp:
    """The app that browsers find at ``base`` (ends in a slash), behind the gateway of ``issuer``. ``seen`` are the
    headers of every request that reached it."""

    base: str
    issuer: str
    seen: list[Mapping[str, str]] = field(default_factory=list)

    @property
    def app(self) -> web.Application:
        """The server."""
        app = web.Application()
        app.add_routes([web.get("/", self.home), web.get("/public", self.public)])
        return app

    async def home(self, request: web.Request) -> web.Response:
        """Who is told to be there."""
        self.seen.append(request.headers)
        try:
            claims = await self.verified(request.headers.get(ASSERTION, ""))
        except (jwt.PyJWTError, aiohttp.ClientError, LookupError) as error:
            return _page(pages.message("Nobody we can be sure of", f"The assertion is not good: {error}"), 403)
        told = {name: request.headers[name] for name in TOLD if name in request.headers}
        name = claims.get("name") or request.headers.get(USER, "")
        links = [{"href": "/.isthmus/logout", "text": "Log out", "kind": ""}]
        about = "This app knows no login. The gateway before it told it who you are, and signed that:"
        return _page(pages.claims(f"Hello {name}", about, {**told, **claims}, links))

    async def public(self, request: web.Request) -> web.Response:
        """A page for everybody."""
        self.seen.append(request.headers)
        links = [{"href": "/", "text": "Go in", "kind": "first"}]
        return _page(pages.claims("Plain app", "Everybody may see this page.", {}, links))

    async def verified(self, assertion: str) -> dict[str, Any]:
        """What the assertion says, if it is the gateway's, for this app, and not over. Raises what is wrong."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.issuer}.well-known/jwks.json") as answer:
            keys = (await answer.json())["keys"]
        kid = jwt.get_unverified_header(assertion)["kid"]
        key = jwt.PyJWK(next(key for key in keys if key["kid"] == kid))
        claims: dict[str, Any] = jwt.decode(
            assertion, key, [str(key.algorithm_name)], audience=self.base, issuer=self.issuer,
            options={"require": ["exp", "iat", "sub"]},
        )  # fmt: skip
        return claims


def _page(html: str, status: int = 200) -> web.Response:
    return web.Response(text=html, content_type="text/html", status=status, headers=pages.HEADERS)

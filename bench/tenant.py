"""An upstream tenant for measuring: everybody is logged in at once, as somebody new, through either channel.

python -m bench.tenant PORT
"""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import secrets
import sys
import time
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bench.signing import Signer

MOST_CODES = 10_000


class Tenant:
    """Discovery, keys, authorization and token endpoint; codes are kept in memory, the oldest go first."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.signer = Signer("tenant")
        self.codes: dict[str, dict[str, Any]] = {}
        self.people = itertools.count()

    async def metadata(self, _: web.Request) -> web.Response:
        """The discovery document."""
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "response_types_supported": ["code", "id_token"],
                "response_modes_supported": ["query", "form_post"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "scopes_supported": ["openid", "profile", "email"],
            }
        )

    async def jwks(self, _: web.Request) -> web.Response:
        """The one key."""
        return web.json_response({"keys": [self.signer.jwk]})

    async def authorize(self, request: web.Request) -> web.Response:
        """Everybody is let in."""
        asked = request.query
        number = next(self.people)
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": asked["client_id"], "sub": f"person-{number}", "iat": now, "exp": now + 600,
            "auth_time": now, "nonce": asked["nonce"], "name": f"Person {number}", "given_name": "Person",
            "family_name": str(number), "email": f"person-{number}@corp.example", "email_verified": True,
        }  # fmt: skip
        if asked["response_type"] == "id_token":
            return self._form(asked["redirect_uri"], {"id_token": self.signer.jwt(claims), "state": asked["state"]})
        code = secrets.token_urlsafe(24)
        self.codes[code] = claims
        if len(self.codes) > MOST_CODES:
            del self.codes[next(iter(self.codes))]
        back = urlencode({"code": code, "state": asked["state"]})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    def _form(self, action: str, fields: dict[str, str]) -> web.Response:
        inputs = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in fields.items()
        )
        page = f'<!doctype html><form method="post" action="{html.escape(action)}">{inputs}</form>'
        return web.Response(text=page, content_type="text/html")

    async def token(self, request: web.Request) -> web.Response:
        """The tokens of a code, once."""
        claims = self.codes.pop(str((await request.post()).get("code")), None)
        if claims is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        answer = {"access_token": secrets.token_urlsafe(24), "token_type": "Bearer", "expires_in": 600}
        return web.Response(
            text=json.dumps({**answer, "id_token": self.signer.jwt(claims)}), content_type="application/json"
        )

    def site(self) -> web.Application:
        """The addresses."""
        site = web.Application()
        site.router.add_get("/.well-known/openid-configuration", self.metadata)
        site.router.add_get("/jwks", self.jwks)
        site.router.add_get("/authorize", self.authorize)
        site.router.add_post("/token", self.token)
        return site


async def serve(site: web.Application, port: int) -> None:
    """Listen on loopback until ended."""
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Tenant(f"http://localhost:{sys.argv[1]}").site(), int(sys.argv[1])))

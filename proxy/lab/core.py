"""What every part of a tenant of the lab needs: its issuer, people, clients, keys, clock, memory and fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.lab.fault import NONE, Fault, Where
from proxy.lab.keys import Keys, new_rsa
from proxy.lab.rooms import HEALTHY, LabClient, Memory, Room
from proxy.oidc.urls import is_loopback

TIMEOUT = aiohttp.ClientTimeout(total=5)
TYPES: Mapping[Where, str] = {"logout": "logout+jwt"}


class Core:
    """A tenant at ``issuer`` (ends in a slash), without its endpoints. ``clients`` may be added while it runs."""

    def __init__(
        self,
        issuer: str,
        clients: Iterable[LabClient] = (),
        room: Room = HEALTHY,
        clock: Callable[[], float] = time.time,
        key: rsa.RSAPrivateKey | None = None,
        fault: Fault = NONE,
        make_key: Callable[[], rsa.RSAPrivateKey] = new_rsa,
    ) -> None:
        if not is_loopback(issuer):
            raise ValueError("the lab stays on loopback")
        self.issuer, self.room, self.clock, self.fault = issuer, room, clock, fault
        self.clients = {client.client_id: client for client in clients}
        self.memory = Memory()
        self.keys = Keys(make_key)
        if key is not None:
            self.keys.rsa = key

    @property
    def now(self) -> int:
        """Whole seconds since the epoch, by this tenant's clock."""
        return int(self.clock()) + self.fault.ahead

    @property
    def key(self) -> rsa.RSAPrivateKey:
        """The key that signs."""
        return self.keys.rsa

    @key.setter
    def key(self, key: rsa.RSAPrivateKey) -> None:
        self.keys.rsa = key

    @property
    def kid(self) -> str:
        """Its name."""
        return self.keys.kid

    @kid.setter
    def kid(self, kid: str) -> None:
        self.keys.kid = kid

    def sign(self, claims: Mapping[str, Any], where: Where) -> str:
        """A signed token for ``where``, as the fault has it."""
        self.fault.at_signing(self.keys)
        header = self.fault.header({"alg": "RS256", "kid": self.keys.kid, "typ": TYPES.get(where, "JWT")}, where)
        token = self.fault.seal(self.keys, header, self.fault.claims(dict(claims), where), where)
        self.memory.issued.append(token)
        return token

    async def fetch(
        self, method: str, url: str, data: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and text of a client's address: on loopback alone, redirects not followed; 0 if nobody
        answers."""
        if not is_loopback(url):
            return 0, {}, ""
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as http,
                http.request(method, url, data=data, allow_redirects=False) as answer,
            ):
                return answer.status, answer.headers.copy(), await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0, {}, ""

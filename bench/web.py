"""A thin HTTP/1.1 client and a browser's cookie jar: cheap, since they share their core with the tenant."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PATIENCE = 20.0
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Names of headers are in lower case; ``cookies`` are the values of Set-Cookie."""

    status: int
    headers: dict[str, str]
    cookies: list[str]
    body: bytes


@dataclass
class Client:
    """Keeps connections alive, a pool for each server; speaks to loopback only. ``exchanges`` counts by server."""

    pools: dict[str, list[Connection]] = field(default_factory=dict)
    exchanges: dict[str, int] = field(default_factory=dict)

    async def send(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Reply:
        """One exchange. A kept connection that the server closed meanwhile is replaced."""
        parts = urlsplit(url)
        self.exchanges[parts.netloc] = self.exchanges.get(parts.netloc, 0) + 1
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Accept: */*"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        data = "\r\n".join([*lines, "", ""]).encode() + body
        pool = self.pools.setdefault(parts.netloc, [])
        async with asyncio.timeout(PATIENCE):
            while pool:
                try:
                    return await self._exchange(pool, pool.pop(), data)
                except (ConnectionError, asyncio.IncompleteReadError):
                    continue
            return await self._exchange(pool, await self._connect(parts.hostname or "", parts.port or 80), data)

    async def _connect(self, host: str, port: int) -> Connection:
        address = "127.0.0.1" if host == "localhost" else host
        if not ipaddress.ip_address(address).is_loopback:
            raise ValueError(f"{host} is not on loopback")
        return await asyncio.open_connection(address, port, limit=1 << 20)

    async def _exchange(self, pool: list[Connection], connection: Connection, data: bytes) -> Reply:
        reader, writer = connection
        try:
            writer.write(data)
            reply = await _read(reader)
        except BaseException:
            writer.close()
            raise
        if reply.headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            pool.append(connection)
        return reply

    def close(self) -> None:
        """Let go of every kept connection."""
        for pool in self.pools.values():
            for _, writer in pool:
                writer.close()


async def _read(reader: asyncio.StreamReader) -> Reply:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")[:-4].split("\r\n")
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "set-cookie":
            cookies.append(value.strip())
        else:
            headers[name.lower()] = value.strip()
    if "chunked" in headers.get("transfer-encoding", ""):
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Reply(int(first.split()[1]), headers, cookies, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    pieces = []
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        pieces.append((await reader.readexactly(size + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(pieces)


@dataclass
class Jar:
    """The cookies of one browser for one server. Loopback counts as secure, paths are not looked at."""

    cookies: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def take(self, lines: list[str]) -> None:
        """Keep, replace or delete what Set-Cookie says."""
        for line in lines:
            pair, *attributes = (part.strip() for part in line.split(";"))
            name, _, value = pair.partition("=")
            known = {part.partition("=")[0].lower(): part.partition("=")[2].lower() for part in attributes}
            if known.get("max-age") == "0" or "1970" in known.get("expires", ""):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = (value, known.get("samesite") == "none")

    def header(self, cross_site_post: bool) -> dict[str, str]:
        """What the browser sends; to a form posted from another site only what is SameSite=None."""
        sent = [f"{name}={value}" for name, (value, free) in self.cookies.items() if free or not cross_site_post]
        return {"Cookie": "; ".join(sent)} if sent else {}

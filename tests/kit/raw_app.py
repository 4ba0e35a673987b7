"""An app that says exactly the bytes it is told to, and writes down exactly what came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.kit.listener import listening

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSE = b"<close>"
"""In what is said: the connection ends here."""
HANG = b"<hang>"
"""In what is said: nothing more comes."""


@dataclass
class RawApp:
    """``says`` are the answers, one for each head that comes, the last one again and again; ``heard`` is what each
    connection sent."""

    says: Sequence[bytes] = (OK,)
    port: int = 0
    heard: list[bytearray] = field(default_factory=list)
    answered: int = 0

    @property
    def all(self) -> bytes:
        """All that came."""
        return b"".join(map(bytes, self.heard))

    @property
    def requests(self) -> int:
        """How many heads came."""
        return self.all.count(b" HTTP/1.1\r\n")

    async def serve(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        """One connection."""
        heard = bytearray()
        self.heard.append(heard)
        begun = 0
        while data := await near.read(65_536):
            heard += data
            while heard.count(b"\r\n\r\n", begun) and heard.find(b" HTTP/1.1\r\n", begun) >= 0:
                begun = heard.find(b"\r\n\r\n", begun) + 4
                said = self.says[min(self.answered, len(self.says) - 1)]
                self.answered += 1
                for part in said.split(HANG)[0].split(CLOSE)[:1]:
                    out.write(part)
                await out.drain()
                if CLOSE in said:
                    return


@asynccontextmanager
async def raw_app(*says: bytes) -> AsyncIterator[RawApp]:
    """The app, running."""
    app = RawApp(says or (OK,))
    async with listening(app.serve) as app.port:
        yield app

"""A load balancer of the simplest kind: each new connection goes to the next node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from proxy.lab.listen import listen, port_of


@dataclass
class Relay:
    """Listens at ``port``; ``nodes`` are the ports behind, in turn. ``used`` notes where connections went."""

    port: int
    nodes: list[int] = field(default_factory=list)
    used: list[int] = field(default_factory=list)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both directions, until one end closes."""
        node = self.nodes[len(self.used) % len(self.nodes)]
        self.used.append(node)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", node)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def relay(*nodes: int) -> AsyncIterator[Relay]:
    """The relay, running."""
    sock = listen()
    made = Relay(port_of(sock), list(nodes))
    server = await asyncio.start_server(made.carry, sock=sock)
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()

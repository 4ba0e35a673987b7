"""``isthmus lab``: upstream tenants with known faults on this machine, for trying connections, mappings and plugins."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from proxy.cli.common import Json

if TYPE_CHECKING:
    from proxy.lab.directory import Directory

PORT = 9010


def lab(
    *, port: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))] = PORT, json: Json = False
) -> int:
    """Run upstream tenants with known faults until Ctrl-C.

    Example: isthmus lab --port 9010

    Parameters
    ----------
    port
        Where to listen on loopback; another port is taken if this one is not free.
    """
    return asyncio.run(_until_told(port, json))


async def _until_told(port: int, machine: bool) -> int:
    """The lab, taken down in order when a signal comes."""
    work = asyncio.create_task(_lab(port, machine))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        if not machine:
            print("The lab is closed.")
    return 0


async def _lab(port: int, machine: bool) -> None:
    from json import dumps

    from proxy.lab.directory import Directory
    from proxy.lab.listen import listen, port_of, serving

    with listen(port) as sock:
        directory = Directory(f"http://localhost:{port_of(sock)}/")
        async with serving(directory.app, sock):
            print(dumps(directory.listing(), indent=2) if machine else _introduction(directory), flush=True)
            await asyncio.Event().wait()  # forever: a signal ends it


def _introduction(directory: Directory) -> str:
    from proxy.cli.common import table

    rows = ((tenant.issuer, tenant.fault.does) for tenant in directory.tenants.values())
    return f"""{table(rows)}

Open {directory.base} for what Isthmus should say of each, and a connection to paste.
Every tenant knows Isthmus as client isthmus, at any port of this machine. Ctrl-C closes the lab."""

"""``isthmus demo``: everything on this machine, ready to be clicked through, or with ``--check`` tried at once."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from proxy.cli.demo_scene import Scene


def demo(*, check: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Run a tenant, Isthmus, an application and a plain app behind the gateway on this machine until Ctrl-C.

    Example: isthmus demo --check

    Parameters
    ----------
    check
        Log in once through each channel and the gateway, say what was seen a step a line, stop; exit 1 if anything
        was wrong.
    """
    return asyncio.run(_until_told(check))


async def _until_told(check: bool) -> int:
    """The demo, taken down in order when a signal comes, whatever it is doing."""
    work = asyncio.create_task(_demo(check))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        print("Everything is stopped.")
        return 1 if check else 0


async def _demo(check: bool) -> int:
    from proxy.cli.demo_scene import scene

    with tempfile.TemporaryDirectory(prefix="isthmus-demo-", ignore_cleanup_errors=True) as directory:
        async with scene(Path(directory)) as running:
            _introduce(running)
            if not check:
                await asyncio.Event().wait()  # forever: a signal ends it
            return await _check(running)


async def _check(scene: Scene) -> int:
    from proxy.cli.demo_check import Failed, walk, walk_in

    for connection in scene.app.connections:
        try:
            await walk(scene.app, scene.isthmus, scene.tenant.issuer, connection)
        except Failed as error:
            print(f"FAILED: {connection}: {error}")
            return 1
    try:
        await walk_in(scene.plain, scene.isthmus, scene.tenant.issuer)
    except Failed as error:
        print(f"FAILED: gateway: {error}")
        return 1
    print("\nBoth channels and the gateway work.")
    return 0


def _introduce(scene: Scene) -> None:
    people = ", ".join(person.name for person in scene.tenant.room.people)
    print(
        f"""
  The application            {scene.app.base}
  A plain app (the gateway)  {scene.plain.base}
  Isthmus                    {scene.isthmus}
  The upstream tenant        {scene.tenant.issuer}

Open {scene.app.base} and log in, through either channel. The tenant knows
{people}, and lets you type any other name. There are no passwords.
The plain app knows no login: the gateway asks for one, and tells it who came.
Ctrl-C stops everything.""",
        flush=True,
    )

"""``isthmus serve``: the server."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from proxy.cli.common import Config, configuration

if TYPE_CHECKING:
    from aiohttp import web

    from proxy.settings import Settings
    from proxy.store import Store


def serve(
    *, workers: Annotated[int | None, Parameter(validator=Number(gte=1, lte=64))] = None, config: Config = None
) -> int:
    """Run the server until SIGTERM or Ctrl-C; requests under way are finished first.

    Example: isthmus serve --workers 2

    Parameters
    ----------
    workers
        How many processes serve; instead of server.workers.
    """
    from proxy.web.serve import main

    settings = configuration(config)
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return main(settings, build, workers)


async def build(settings: Settings, store: Store, secrets: Sequence[bytes]) -> web.Application:
    """The site, made of modules that are imported only here: with several workers, after the fork."""
    from proxy import app

    return await app.build(settings, store, secrets)

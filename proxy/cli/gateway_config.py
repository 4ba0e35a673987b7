"""``isthmus gateway-config``: a working configuration for a server that carries the traffic and lets Isthmus decide."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from proxy.cli.common import Config, configuration
from proxy.oidc.errors import Misconfigured, Problem

SERVER = "nginx, caddy, haproxy, traefik or envoy."
CACHED = "nginx keeps answers for 4 seconds: most requests are served without asking, a revocation is that much later."
ISTHMUS = "Where the server asks; by default the gateway's port on this machine."
OUTPUT = "A folder to write the files into, in place of printing."


def gateway_config(
    server: Annotated[str, Parameter(help=SERVER)],
    *,
    cached: Annotated[bool, Parameter(negative="", help=CACHED)] = False,
    lua: Annotated[bool, Parameter(negative="", help="Print the Lua file that HAProxy's configuration loads.")] = False,
    route: Annotated[str, Parameter(help="One route alone, by its name, or by host and path.")] = "",
    isthmus: Annotated[str, Parameter(help=ISTHMUS)] = "",
    output: Annotated[Path | None, Parameter(help=OUTPUT)] = None,
    config: Config = None,
) -> int:
    """Print a configuration for a server in front of the apps, with the reason of each line that matters.

    Example: isthmus gateway-config nginx --cached --isthmus http://127.0.0.1:9003
    """
    from proxy.gateway.identity import names_of
    from proxy.gateway.servers import configurations
    from proxy.gateway.servers.plan import plan

    _check(server, cached, lua)
    settings = configuration(config)
    names = functools.partial(names_of, gateway=settings.gateway)
    files = configurations(server, plan(settings, names, isthmus, route, cached))
    if output is not None:
        _write(output, files)
    else:
        print(list(files.values())[1 if lua else 0], end="")
    return 0


def _check(server: str, cached: bool, lua: bool) -> None:
    """Raises Misconfigured."""
    from proxy.gateway.servers import SERVERS

    if server not in SERVERS:
        known = ", ".join(SERVERS)
        raise Misconfigured(Problem("gateway-config", server, f"is not known here (there are: {known})"))
    if cached and server != "nginx":
        raise Misconfigured(Problem("gateway-config", "--cached", "is for nginx alone"))
    if lua and server != "haproxy":
        raise Misconfigured(Problem("gateway-config", "--lua", "is for haproxy alone"))


def _write(folder: Path, files: dict[str, str]) -> None:
    """Raises Misconfigured."""
    for name, text in files.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise Misconfigured(Problem("gateway-config", "--output", f"{error.strerror}: {folder / name}")) from None
        print(folder / name)

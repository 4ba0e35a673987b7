"""``isthmus plugins``: what is loaded, and what it makes of a person's claims."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from proxy.cli.common import Config, Json, configuration, table
from proxy.oidc.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from proxy.models import Client, Connection
    from proxy.plugins import Plugins
    from proxy.settings import Settings


CLAIMS = "A file with the ID token's claims, as JSON; - reads standard input."


def list_plugins(*, json: Json = False, config: Config = None) -> int:
    """Show every plugin in the order of calls, where it was found, and the hooks it implements.

    Example: isthmus plugins list
    """
    from proxy.plugins import load

    loaded = load(configuration(config).plugins)
    infos = loaded.listing()
    loaded.close()
    if json:
        _print_json([asdict(info) for info in infos])
    else:
        rows = [(info.name, info.version or "-", ", ".join(info.hooks) or "-", info.found) for info in infos]
        print(table([("PLUGIN", "VERSION", "HOOKS", "FOUND"), *rows]))
    return 0


def try_plugins(
    *,
    connection: Annotated[str, Parameter(help="The connection's name.")],
    claims: Annotated[Path, Parameter(allow_leading_hyphen=True, help=CLAIMS)],
    client: Annotated[
        str | None, Parameter(help="The application; else the first that may use the connection.")
    ] = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Show the scopes, the profile and the button, each value with the plugin that set it. Nothing is stored.

    Example: isthmus plugins try --connection corp --claims claims.json
    """
    from proxy.oidc.errors import UpstreamError
    from proxy.plugins import PluginFailed, load

    settings = configuration(config)
    tenant = _connection(settings, connection)
    application = _client(settings, tenant, client)
    facts = _claims(claims)
    loaded = load(settings.plugins)
    try:
        found = asyncio.run(_try(loaded, tenant, application, facts))
    except (PluginFailed, UpstreamError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        loaded.close()
    if json:
        _print_json(found)
    else:
        _show(found)
    return 0


def _connection(settings: Settings, name: str) -> Connection:
    if name not in settings.connections:
        known = ", ".join(settings.connections) or "none"
        raise Misconfigured(Problem("plugins try", "--connection", f"there is no such connection (there are: {known})"))
    return settings.connections[name]


def _client(settings: Settings, connection: Connection, client_id: str | None) -> Client:
    id = client_id or next(iter(connection.enabled_clients), None)
    if id is None:
        raise Misconfigured(Problem("plugins try", "--client", "no application may use the connection; name one"))
    if id not in settings.clients:
        known = ", ".join(settings.clients) or "none"
        raise Misconfigured(Problem("plugins try", "--client", f"there is no such client (there are: {known})"))
    return settings.clients[id]


def _claims(path: Path) -> Mapping[str, Any]:
    """The claims in the file. Raises Misconfigured; the message holds nothing of the file."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        claims = json.loads(text)
    except OSError as error:
        raise Misconfigured(Problem(str(path), "--claims", f"cannot be read ({error.strerror})")) from None
    except (ValueError, RecursionError):
        raise Misconfigured(Problem(str(path), "--claims", "is not JSON")) from None
    if not isinstance(claims, dict):
        raise Misconfigured(Problem(str(path), "--claims", 'must hold a JSON object, like {"sub": "1"}'))
    return claims


async def _try(plugins: Plugins, connection: Connection, client: Client, claims: Mapping[str, Any]) -> dict[str, Any]:
    from proxy.bridge.profile import Profiles
    from proxy.models import Identity
    from proxy.roster import declared_id

    scopes = await plugins.request_scopes(connection, client)
    identity = Identity(connection.name, "", str(claims.get("sub", "")), claims)
    mapped = await Profiles(plugins, declared_id).of(connection, client, identity)
    button, sources = await plugins.button(connection, client)
    return {
        "scopes": [{"value": scope, "plugin": scopes.sources[scope]} for scope in scopes.values],
        "profile": {
            name: {"value": value, "plugin": mapped.sources.get(name, "")} for name, value in mapped.profile.items()
        },
        "button": {name: {"value": value, "plugin": sources[name]} for name, value in asdict(button).items()},
    }


def _show(found: Mapping[str, Any]) -> None:
    print(table([("SCOPE", "PLUGIN"), *((each["value"], each["plugin"]) for each in found["scopes"])]))
    for title in ("profile", "button"):
        rows = [(name, json.dumps(each["value"]), each["plugin"]) for name, each in found[title].items()]
        print("\n" + table([(title.upper(), "VALUE", "PLUGIN"), *rows]))


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))

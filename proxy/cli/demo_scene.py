"""What ``isthmus demo`` runs: an embedded store, a tenant, Isthmus, an application, and a plain app behind the gateway.

The tenant is on ``localhost``, Isthmus and the application on ``127.0.0.1``: two sites for a browser, as in production,
so that what the front channel needs of cookies is really needed.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from socket import socket

from proxy import app, settings
from proxy.hooks import PROJECT
from proxy.lab.app import LabApp
from proxy.lab.listen import listen, port_of, serving
from proxy.lab.plain import PlainApp
from proxy.lab.rooms import LabClient
from proxy.lab.tenant import Tenant
from proxy.store.embedded import EmbeddedServer
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from proxy.web import runner
from proxy.web.health import Health, doors
from proxy.web.worker import can_sign

PORTS = {"Isthmus": 9000, "the tenant": 9001, "the application": 9002, "the gateway": 9003, "the plain app": 9004}
WAYS = {"corp-back": "Log in through the back channel", "corp-front": "Log in through the front channel"}
PLUGIN = "isthmus-groups"
FILE = """\
[tenant]
issuer = "{isthmus}"
name = "Acme apps"

[server]
port = {port}
data_dir = {data}

[[connections]]
name = "corp-back"
display_name = "Corp login (back channel)"
enabled_clients = ["webapp", "gateway"]
[connections.options]
type = "back_channel"
discovery_url = "{tenant}"
client_id = "isthmus"
client_secret = "$DEMO_UPSTREAM_SECRET"
scope = "openid profile email address phone"

[[connections]]
name = "corp-front"
display_name = "Corp login (front channel)"
enabled_clients = ["webapp"]
[connections.options]
type = "front_channel"
discovery_url = "{tenant}"
client_id = "isthmus"
scope = "openid profile email address phone"

[[clients]]
client_id = "webapp"
client_secret = "$DEMO_APP_SECRET"
client_name = "Web app"
redirect_uris = ["{app}callback"]
post_logout_redirect_uris = ["{app}"]

[gateway]
port = {gateway}

[[gateway.routes]]
host = "127.0.0.1"
upstream = "{plain}"
public_paths = ["/public"]

[plugins]
enabled = {plugins}
"""


@dataclass(frozen=True)
class Scene:
    """Everything that runs."""

    isthmus: str
    tenant: Tenant
    app: LabApp
    plain: PlainApp


@contextlib.asynccontextmanager
async def scene(directory: Path) -> AsyncIterator[Scene]:
    """Everything, running while the block does. ``directory`` takes the configuration and the store's data."""
    with _sockets() as (ours, theirs, apps, gate, behind):
        isthmus = f"http://127.0.0.1:{port_of(ours)}/"
        base = f"http://127.0.0.1:{port_of(apps)}/"
        known = {"DEMO_UPSTREAM_SECRET": secrets.token_urlsafe(32), "DEMO_APP_SECRET": secrets.token_urlsafe(32)}
        callback, left = (f"{isthmus}login/callback",), (isthmus, f"{isthmus}oidc/logout")
        client = LabClient("isthmus", callback, known["DEMO_UPSTREAM_SECRET"], left)
        tenant = Tenant(f"http://localhost:{port_of(theirs)}/", [client])
        application = LabApp(base, isthmus, "webapp", known["DEMO_APP_SECRET"], WAYS)
        plain = PlainApp(f"http://127.0.0.1:{port_of(gate)}/", isthmus)
        upstream = f"http://127.0.0.1:{port_of(behind)}"
        file = _configure(directory, isthmus, port_of(ours), tenant.issuer, base, port_of(gate), upstream)
        async with (
            serving(tenant.app, theirs),
            _isthmus(settings.load(file, known), ours, gate),
            serving(application.app, apps),
            serving(plain.app, behind),
        ):
            yield Scene(isthmus, tenant, application, plain)


@contextlib.contextmanager
def _sockets() -> Iterator[tuple[socket, ...]]:
    """The ports of ``PORTS``, others where those are taken."""
    with contextlib.ExitStack() as stack:
        yield tuple(stack.enter_context(contextlib.closing(listen(port))) for port in PORTS.values())


def _configure(directory: Path, isthmus: str, port: int, tenant: str, base: str, gateway: int, plain: str) -> Path:
    """The configuration, written as an operator would write it."""
    installed = {point.name for point in entry_points(group=PROJECT)}
    file = directory / "isthmus.toml"
    file.write_text(
        FILE.format(
            isthmus=isthmus, port=port, tenant=tenant, app=base, gateway=gateway, plain=plain,
            data=json.dumps(str(directory / "var")),
            plugins=json.dumps([PLUGIN] if PLUGIN in installed else []),
        )
    )  # fmt: skip
    return file


@contextlib.asynccontextmanager
async def _isthmus(loaded: settings.Settings, sock: socket, gateway: socket) -> AsyncIterator[None]:
    """Isthmus as ``serve`` runs it, with an embedded server."""
    own = settings.own_secrets(loaded)
    async with EmbeddedServer(loaded.server.data_dir) as server:
        store = RedisStore(server.socket_path, Seal(own))
        try:
            site = await app.build(loaded, store, own)
            health = Health(store.ping, lambda: can_sign(site))
            serving_as = runner.Serving(loaded.tenant.issuer, doors(health, "/", None))
            async with runner.serve(site, serving_as, sock, gateway):
                await site[app.KEYS].load(time.time())
                yield
        finally:
            await store.close()

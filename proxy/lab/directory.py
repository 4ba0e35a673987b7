"""Many tenants on one address, each with a fault of its own, and a page that says which does what.

``http://localhost:PORT/<fault>/`` is a tenant's issuer: discovery, keys, people and logins of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.lab import answers, metadata, pages
from proxy.lab.fault import NONE, Fault
from proxy.lab.faults_in_servers import LOGOUTS, SERVERS
from proxy.lab.faults_in_tokens import TOKENS
from proxy.lab.keys import new_rsa
from proxy.lab.rooms import LabClient, Room
from proxy.lab.snippet import CLIENT_ID, SECRET, VARIABLE, snippet
from proxy.lab.tenant import Tenant

FAULTS = {fault.name: fault for fault in (NONE, *TOKENS, *SERVERS, *LOGOUTS)}
"""Every tenant there is, by name."""
ISTHMUS = LabClient(CLIENT_ID, client_secret=SECRET, loopback=True)
LIST = "tenants.json"


def room(fault: Fault) -> Room:
    """Who lives at a tenant, and what its login page says."""
    return Room(fault.name, f"Lab: {fault.name}", f"{fault.does} There are no passwords.", fault.people)


class Directory:
    """The tenants at ``base`` (ends in a slash). ``app`` is what to serve."""

    def __init__(
        self,
        base: str,
        faults: Iterable[Fault] = tuple(FAULTS.values()),
        make_key: Callable[[], rsa.RSAPrivateKey] = new_rsa,
    ) -> None:
        self.base = base
        self.tenants = {
            fault.name: Tenant(
                f"{base}{fault.name}/", [replace(ISTHMUS, **fault.client)], room(fault), fault=fault, make_key=make_key
            )
            for fault in faults
        }

    @property
    def app(self) -> web.Application:
        """The server."""
        app = web.Application(middlewares=[answers.errors])
        app.add_routes(
            [
                web.get("/", self.index),
                web.get(f"/{LIST}", self.machine_readable),
                web.get("/.well-known/webfinger", self.webfinger),
                *(route for tenant in self.tenants.values() for route in tenant.routes()),
            ]
        )
        return app

    def listing(self) -> dict[str, Any]:
        """What is here, for programs."""
        return {"client_id": CLIENT_ID, "client_secret": SECRET, "tenants": [*map(self._entry, self.tenants.values())]}

    def _entry(self, tenant: Tenant) -> dict[str, Any]:
        fault = tenant.fault
        return {
            "name": fault.name,
            "issuer": tenant.issuer,
            "does": fault.does,
            "isthmus": fault.says,
            "reason": fault.reason,
            "connection": snippet(fault, tenant.issuer),
        }

    async def index(self, request: web.Request) -> web.Response:
        """The page; a program that asks for JSON gets the list."""
        if "application/json" in request.headers.get("Accept", ""):
            return await self.machine_readable(request)
        export = f"export {VARIABLE}={SECRET}"
        return answers.page(pages.directory(self.listing()["tenants"], export))

    async def machine_readable(self, request: web.Request) -> web.Response:
        """The list."""
        return web.json_response(self.listing(), dumps=lambda value: json.dumps(value, indent=2))

    async def webfinger(self, request: web.Request) -> web.Response:
        """Which tenant answers for an account or an address (Discovery 2): ``acct:anybody.<fault>@host`` and
        ``http://host/<fault>/anything``; the healthy one for any other."""
        resource = request.query.get("resource", "")
        kind, _, rest = resource.partition(":")
        said = rest.partition("@")[0].rpartition(".")[2] if kind == "acct" else urlsplit(resource).path.split("/")[1:2]
        name = said if isinstance(said, str) else "".join(said)
        issuer = f"{self.base}{name if name in self.tenants else NONE.name}/"
        body = json.dumps(metadata.webfinger(resource, issuer))
        return web.Response(text=body, content_type="application/jrd+json")

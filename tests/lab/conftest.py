"""A tenant of the lab with the lab's application as its client, and a browser."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from proxy.lab.app import LabApp
from proxy.lab.browser import Browser
from proxy.lab.listen import listen, port_of, serving
from proxy.lab.rooms import LabClient
from proxy.lab.tenant import Tenant
from tests.kit.lab_keys import lab_key

SECRET = "a secret of the lab's application"


@dataclass
class Lab:
    """What a test gets."""

    tenant: Tenant
    app: LabApp
    browser: Browser
    now: float


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    """Tenant on ``localhost``, application on ``127.0.0.1``: two sites."""
    there, here = listen(), listen()
    base = f"http://127.0.0.1:{port_of(here)}/"
    client = LabClient("app", (f"{base}callback",), SECRET, (base,))
    public = LabClient("public", (f"{base}callback",))
    tenant = Tenant(f"http://localhost:{port_of(there)}/", [client, public], key=lab_key())
    app = LabApp(base, tenant.issuer, "app", SECRET)
    async with serving(tenant.app, there), serving(app.app, here), Browser() as browser:
        made = Lab(tenant, app, browser, time.time())
        tenant.clock = lambda: made.now
        yield made

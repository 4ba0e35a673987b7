"""The demo's check says no when a step does not go as it must."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli.demo_check import Failed, walk
from proxy.lab.app import LabApp
from proxy.lab.listen import listen, port_of, serving
from proxy.lab.people import Person
from proxy.lab.rooms import LabClient, Room
from proxy.lab.tenant import Tenant
from tests.journeys.conftest import tenant_key

NAMELESS = Person("mira", {"name": "Mira Joan Vance"})


@pytest.mark.parametrize(("people", "told"), [((), "login form did not come"), ((NAMELESS,), "did not arrive")])
async def test_a_login_that_goes_wrong_is_a_failure(people: tuple[Person, ...], told: str, tmp_path: Path) -> None:
    """Nobody to choose at the tenant, or no email in the application: each is told with what came instead."""
    there, here = listen(), listen()
    base = f"http://127.0.0.1:{port_of(here)}/"
    tenant = Tenant(
        f"http://localhost:{port_of(there)}/",
        [LabClient("app", (f"{base}callback",), "secret")],
        Room("odd", "Odd login", "", people),
        key=tenant_key(),
    )
    app = LabApp(base, tenant.issuer, "app", "secret", {"corp": "Log in at corp"})
    async with serving(tenant.app, there), serving(app.app, here):
        with pytest.raises(Failed, match=told):
            await walk(app, tenant.issuer, tenant.issuer, "corp")


async def test_a_page_without_the_way_is_a_failure() -> None:
    """An application that does not answer is told as one line, not as a traceback."""
    sock = listen()
    base = f"http://127.0.0.1:{port_of(sock)}/"
    sock.close()
    with pytest.raises(Failed):
        await walk(LabApp(base, base, "app", "secret", {"corp": "Log in"}), base, base, "corp")

"""Two Isthmus tenants, one the upstream of the other: what one says as a provider the other takes as a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.lab.browser import Browser
from tests.journeys.conftest import CHANNELS, MIRA, Stores, know, lab_tenant
from tests.kit.authlib_app import AuthlibApp, authlib_app
from tests.kit.isthmus import CLIENT_SECRET, client, connection, isthmus


@asynccontextmanager
async def chain(directory: Path, stores: Stores, channel: str) -> AsyncIterator[tuple[AuthlibApp, Browser]]:
    """Application, near Isthmus, far Isthmus, tenant. The far one has a port reserved for it, so that the near one's
    callback can be registered before either runs."""
    async with lab_tenant() as tenant, authlib_app() as app, Browser() as browser:
        near_client: dict[str, Any] = {
            "client_id": "isthmus",
            "client_name": "Isthmus, nearer to the application",
            "client_secret": CLIENT_SECRET,
            "redirect_uris": ["http://127.0.0.1/login/callback"],
        }
        if channel == "front_channel":
            near_client |= {"grant_types": ["implicit"], "response_types": ["id_token"]}
        way = connection("corp", tenant.issuer, channel, ["isthmus"])
        async with isthmus(directory, stores(1), connections=[way], clients=[near_client]) as far:
            know(tenant, far)
            hop = connection("far", far.issuer, channel)
            async with isthmus(directory, stores(2), connections=[hop], clients=[client(app)]) as near:
                app.issuer = near.issuer
                yield app, browser


@pytest.mark.parametrize("channel", CHANNELS)
async def test_name_and_email_cross_two_tenants(channel: str, tmp_path: Path, stores: Stores) -> None:
    """A login through both arrives with name and email, under a user id that says both ways; cookies of the two, on one
    host, do not disturb each other."""
    async with chain(tmp_path, stores, channel) as (app, browser):
        tab = await browser.open(f"{app.base}login")
        await tab.click(MIRA.name)
        assert tab.page.text == "hello oidc|far|oidc|corp|mira", tab.page.text
        claims = app.last.claims
        assert (claims["name"], claims["email"]) == (MIRA.name, "mira@corp.example")
        ours = [c.name for c in browser.jar.cookies.values() if c.name.startswith("__Host-isthmus-session")]
        assert len(set(ours)) == 2
        again = await browser.open(f"{app.base}login?prompt=login")
        await again.click(MIRA.name)
        assert app.last.claims["auth_time"] > claims["auth_time"]

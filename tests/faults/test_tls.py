"""Served over TLS by the real command: what is only pretended on plain loopback holds for real."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import trustme

from proxy.lab.browser import Browser
from tests.kit.invariants import check_log, check_store
from tests.kit.isthmus import connection
from tests.kit.moody import moody
from tests.kit.plain_app import CLIENT, PlainApp, arrived, stop_at_the_app
from tests.kit.valkey import Valkey, free_port
from tests.kit.whole import MIRA, served

NAMES = ("front", "back")


async def test_a_login_over_tls(tmp_path: Path, server: Valkey) -> None:
    """With ``tls_cert`` and ``tls_key`` a login on each channel over an https issuer and an https tenant works;
    every cookie is Secure with the ``__Host-`` prefix, the answers say HSTS, and plain http is not spoken."""
    authority, port = trustme.CA(), free_port()
    ca, cert, key = (str(tmp_path / f"{name}.pem") for name in ("ca", "cert", "key"))
    authority.cert_pem.write_to_path(ca)
    pair = authority.issue_cert("localhost", "127.0.0.1")
    pair.private_key_pem.write_to_path(key)
    for part in pair.cert_chain_pems:
        part.write_to_path(cert, append=True)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(theirs)
    trust = ssl.create_default_context(cafile=ca)
    async with moody(theirs) as tenant, Browser(trust) as browser:
        async with PlainApp(f"https://127.0.0.1:{port}/", tls=trust) as app:
            tenant.know(app.issuer)
            tables: dict[str, Any] = {
                "connections": [connection(name, tenant.issuer, f"{name}_channel") for name in NAMES],
                "clients": [CLIENT],
                "server": {"tls_cert": cert, "tls_key": key, "trust": [ca]},
            }
            async with served(tmp_path, app.issuer, server.url, port=port, **tables) as node:
                node.scheme = "https"
                await node.becomes(200)
                for name in NAMES:
                    trip = app.begin(connection=name, prompt="login")
                    tab = await stop_at_the_app(browser).open(trip.url)
                    await tab.click(MIRA.name)
                    tokens = (await app.redeem(trip, arrived(tab)["code"])).json
                    told = await app.userinfo(tokens["access_token"])
                    assert told.json["sub"] == f"oidc|{name}|mira"
                    assert told.headers["Strict-Transport-Security"] == "max-age=31536000"
                ours = [c for c in browser.jar.cookies.values() if "isthmus" in c.name]
                assert len(ours) == 3
                assert all(c.secure and c.host_only and c.name.startswith("__Host-") for c in ours)
                assert [c.name.split("-")[2] for c in ours if not c.http_only] == ["state"]  # for the frame's script
                assert browser.jar.refused == []
                node.scheme = "http"
                assert await node.status("/healthz") == 0
                node.tell()
                assert await node.ended() == 0
            check_log(node.said, app.secrets)
    check_store(server, app.secrets)

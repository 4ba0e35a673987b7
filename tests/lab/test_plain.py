"""The plain app believes what is signed, and nothing else."""

from __future__ import annotations

import aiohttp

from proxy.lab.listen import listen, port_of, serving
from proxy.lab.plain import USER, PlainApp


async def test_gw_39_without_the_gateway_before_it_nobody_is_believed() -> None:
    """GW-39: headers that anybody could have written, and no assertion: nobody."""
    sock = listen()
    base = f"http://127.0.0.1:{port_of(sock)}/"
    app = PlainApp(base, "http://127.0.0.1:9/")
    async with serving(app.app, sock), aiohttp.ClientSession() as http:
        async with http.get(base, headers={USER: "admin"}) as answer:
            assert answer.status == 403
            assert "admin" not in await answer.text()
        async with http.get(f"{base}public") as answer:
            assert answer.status == 200

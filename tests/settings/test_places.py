"""Where browsers find a route's host, and how they name it."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.settings.places import listening_port, origin_of, port_in, public_port, scheme, spellings
from proxy.settings.shape import File


def file(issuer: str = "https://login.example/", gateway: int | None = None, **server: Any) -> File:
    """A configuration."""
    return File.model_validate({"tenant": {"issuer": issuer}, "server": server, "gateway": {"port": gateway}})


@pytest.mark.parametrize(
    ("host", "port"), [("app.example", None), ("app.example:8443", 8443), ("[::1]", None), ("[::1]:80", 80)]
)
def test_the_port_that_a_host_names(host: str, port: int | None) -> None:
    """The colons of an address are none."""
    assert port_in(host) == port


def test_ports() -> None:
    """Behind a proxy browsers find us at the usual port; otherwise where we listen."""
    assert (listening_port(file()), public_port(file()), scheme(file())) == (9000, 443, "https")
    assert (listening_port(file(gateway=9003)), public_port(file(gateway=9003))) == (9003, 443)
    assert public_port(file(gateway=9003, tls_cert="x", tls_key="x")) == 9003
    assert public_port(file("http://127.0.0.1:9000/", gateway=9003)) == 9003


@pytest.mark.parametrize(
    ("host", "origin", "named"),
    [
        ("app.example", "https://app.example", {"app.example", "app.example:443", "app.example:9000"}),
        ("app.example:443", "https://app.example", {"app.example", "app.example:443"}),
        ("app.example:8443", "https://app.example:8443", {"app.example:8443"}),
        ("[::1]", "https://[::1]", {"[::1]", "[::1]:443", "[::1]:9000"}),
    ],
)
def test_gw_12_the_ways_to_name_a_host(host: str, origin: str, named: set[str]) -> None:
    """GW-12: its own port, the one where browsers find it, the one we listen on; nothing else."""
    assert origin_of(file(), host) == origin
    assert set(spellings(file(), host)) == named

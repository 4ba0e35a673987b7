"""Rules between tables, and between a table and the files it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.settings.conftest import Bench

LOOPBACK = "http://127.0.0.1:9000/"
NAMES = (
    "discovery_url",
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "icon_url",
    "userinfo_endpoint",
)


@pytest.mark.parametrize("name", NAMES)
def test_cf_13_http_needs_loopback_at_both_ends(bench: Bench, name: str) -> None:
    """CF-13, LG-01: a tenant's address may be http only on loopback, and only while our issuer is there too."""
    place = f"connections.0.options.{name}"
    local, remote = "http://127.0.0.1:9001/x", "http://idp.example/x"
    assert any(f"options.{name}: must begin with https://" in line for line in bench.mistakes(at={place: local}))
    assert getattr(bench.load(at={place: local, "tenant.issuer": LOOPBACK}).connections["corp"].options, name) == local
    assert any(f"options.{name}:" in line for line in bench.mistakes(at={place: remote, "tenant.issuer": LOOPBACK}))


def test_rp_34_a_domain_has_one_owner(bench: Bench) -> None:
    """RP-34: the second connection that claims a domain is refused, in whatever case."""
    other = {
        "name": "other",
        "options": {"discovery_url": "https://o.example/", "client_id": "x", "domain_aliases": ["Corp.Example"]},
    }
    changes = {"connections.0.options.domain_aliases": ["corp.example"], "connections.1": other}
    (line,) = bench.mistakes(at=changes)
    assert "connections[other].options.domain_aliases: corp.example belongs to connection corp" in line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"connections.0.enabled_clients": ["webap"]}, "connections[corp].enabled_clients[0]: names no client"),
        ({"connections.0.options.client_secret": None}, "connections[corp].options.client_secret: is missing"),
        ({"clients.0.client_secret": None}, "clients[webapp].client_secret: is missing"),
        ({"clients.0.redirect_uris": []}, "clients[webapp].redirect_uris: is missing"),
        ({"plugins.folder": "nowhere"}, "plugins.folder:"),
        ({"server.trust": ["nowhere.pem"]}, "server.trust[0]:"),
        ({"server.trust": ["isthmus.toml"]}, "server.trust[0]:"),
        ({"connections.0.options.trust": ["isthmus.toml"]}, "connections[corp].options.trust[0]:"),
        ({"server.tls_cert": "isthmus.toml"}, "server.tls_key: is missing"),
        ({"server.tls_key": "isthmus.toml"}, "server.tls_cert: is missing"),
        (
            {"server.tls_cert": "isthmus.toml", "server.tls_key": "isthmus.toml"},
            "server.tls_cert: tls_cert and tls_key must",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(bench: Bench, changes: dict[str, Any], said: str) -> None:
    """A client nobody knows, a secret forgotten, files that are not there or not what they should be."""
    (line,) = bench.mistakes(at=changes)
    assert said in line


def test_certificates_that_fit_are_taken(bench: Bench, tmp_path: Path) -> None:
    """Anchors and a pair of certificate and key."""
    ca = trustme.CA()
    cert = ca.issue_cert("login.example.com")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    cert.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o600)
    cert.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    changes = {
        "server.trust": ["ca.pem"],
        "connections.0.options.trust": [str(tmp_path / "ca.pem")],
        "server.tls_cert": "cert.pem",
        "server.tls_key": "key.pem",
    }
    settings = bench.load(at=changes)
    assert settings.server.trust == settings.connections["corp"].options.trust == (str(tmp_path / "ca.pem"),)
    assert settings.warnings == ()
    (tmp_path / "key.pem").chmod(0o644)
    assert "everybody may read this key" in bench.load(at=changes).warnings[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"server.allow_private": ["10.0.0.0/8"]}, "server.allow_private"),
        ({"redis.url": "redis://cache.example/0", "redis.allow_open": True}, "redis.allow_open"),
        ({"plugins.on_error": "skip", "plugins.enabled": ["x"]}, "plugins.on_error"),
        ({"connections.0.options.allow_private": ["10.0.0.0/8"]}, "connections[corp].options.allow_private"),
        ({"connections.0.options.trust_prompt": True}, "connections[corp].options.trust_prompt"),
        (
            {"connections.0.options.connection_settings": {"pkce": "disabled"}},
            "connections[corp].options.connection_settings.pkce",
        ),
        ({"registration.mode": "token"}, "registration.mode: no connection has is_domain_connection = true"),
        ({"registration.mode": "open", "connections.0.is_domain_connection": True}, "registration.mode: open means"),
    ],
)
def test_cf_13_what_weakens_something_is_said(bench: Bench, changes: dict[str, Any], said: str) -> None:
    """CF-13: one place lists every switch that makes Isthmus less safe."""
    (warning,) = bench.load(at=changes).warnings
    assert warning.startswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ()),
        ({"assertion": False}, ("gateway.routes[0].assertion: ",)),
        ({"assertion": False, "upstream": "unix:/run/app.sock"}, ()),
        ({"assertion": False, "upstream": ["http://127.0.0.1:1", "http://localhost:2"]}, ()),
        ({"assertion": False, "upstream": ["http://127.0.0.1:1", "https://app.internal"]}, ("gateway.routes[0].",)),
    ],
)
def test_gw_39_an_app_that_strangers_may_reach_should_be_able_to_check(
    bench: Bench, changes: dict[str, Any], said: tuple[str, ...]
) -> None:
    """GW-39: a self-check of what the operator alone can see to."""
    route = {"host": "app.example.com", "upstream": "http://app.internal:80", **changes}
    warnings = [one for one in bench.load(at={"gateway": {"routes": [route]}}).warnings if "assertion" in one]
    assert len(warnings) == len(said) and all(one.startswith(said) for one in warnings)


def test_gw_31_a_budget_that_nothing_fits_into_is_said(bench: Bench) -> None:
    """GW-31: what does not fit is never cut, so nobody would get through."""
    route = {"host": "app.example.com", "upstream": "http://127.0.0.1:1"}
    warnings = bench.load(at={"gateway": {"routes": [route], "header_budget": 512}}).warnings
    assert any(one.startswith("gateway.header_budget: ") for one in warnings)


def test_rg_09_open_registration_and_private_networks_are_said_together(bench: Bench) -> None:
    """RG-09, LO-13: what is opened for tenants is open for whoever registers: the operator must know."""
    warnings = bench.load(at={"registration.mode": "open", "server.allow_private": ["10.0.0.0/8"]}).warnings
    assert any(each.startswith("server.allow_private: whoever registers a client") for each in warnings)


def test_a_connection_may_name_a_client_of_the_store(bench: Bench) -> None:
    """One that was added by a command, or that registered itself: its id says that it is not in the file."""
    names = ["webapp", "tpc_0123"]
    assert bench.load(at={"connections.0.enabled_clients": names}).connections["corp"].enabled_clients == tuple(names)

"""The demo's configuration is one that an operator could have written."""

from __future__ import annotations

import secrets
from pathlib import Path

from proxy import settings
from proxy.cli.demo_scene import WAYS, _configure

KNOWN = {name: secrets.token_urlsafe(32) for name in ("DEMO_UPSTREAM_SECRET", "DEMO_APP_SECRET")}


def test_the_configuration_is_taken_without_a_word(tmp_path: Path) -> None:
    """It loads without a fault, has one connection for each channel, and a tenant on another site than Isthmus."""
    isthmus, app, plain = (f"http://127.0.0.1:{port}" for port in (9000, 9002, 9004))
    file = _configure(tmp_path, f"{isthmus}/", 9000, "http://localhost:9001/", f"{app}/", 9003, plain)
    loaded = settings.load(file, KNOWN)
    assert list(loaded.connections) == list(WAYS)
    assert {c.options.type for c in loaded.connections.values()} == {"front_channel", "back_channel"}
    assert {c.options.discovery_url for c in loaded.connections.values()} == {"http://localhost:9001/"}
    assert loaded.clients["webapp"].redirect_uris == ("http://127.0.0.1:9002/callback",)

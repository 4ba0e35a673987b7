"""The command, in this process for speed or in one of its own where that matters."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.cli import main

ROOT = Path(__file__).resolve().parents[2]
FILE = """
[tenant]
issuer = "http://127.0.0.1:9000/"
[server]
data_dir = "var"
[[connections]]
name = "corp"
enabled_clients = ["webapp"]
[connections.options]
type = "{type}"
discovery_url = "{tenant}"
client_id = "isthmus"
{secret}
{more}
[[clients]]
client_id = "webapp"
token_endpoint_auth_method = "none"
redirect_uris = ["http://127.0.0.1:9002/callback"]
"""


@dataclass
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str


Run = Callable[..., Said]


def configure(
    folder: Path, tenant: str = "http://127.0.0.1:9/", channel: str = "front_channel", more: str = "", tail: str = ""
) -> Path:
    """A configuration with one connection; ``more`` goes into its options, ``tail`` after everything."""
    file = folder / "isthmus.toml"
    secret = 'client_secret = "$ISTHMUS_CORP"' if channel == "back_channel" else ""
    file.write_text(FILE.format(tenant=tenant, type=channel, secret=secret, more=more) + tail)
    return file


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process."""
    monkeypatch.setenv("ISTHMUS_CORP", "of-the-tenant")

    def go(*arguments: object) -> Said:
        status = main([str(each) for each in arguments])
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return go


def isthmus(*arguments: object, environ: dict[str, str] | None = None) -> Said:
    """Runs ``python -m proxy`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "proxy", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=50,
        check=False, env={**os.environ, "ISTHMUS_CORP": "of-the-tenant", **(environ or {})},
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)

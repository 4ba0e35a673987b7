"""The whole way from file and environment to settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from proxy.oidc.errors import Misconfigured
from proxy.settings import kinds, load
from proxy.settings.shape import File
from tests.settings.conftest import ENVIRON, SECRET, Bench

ROOT = Path(__file__).resolve().parents[2]


def test_a_right_configuration_becomes_values(bench: Bench) -> None:
    """References are resolved, defaults filled in, connections and clients lie under their names."""
    settings = bench.load()
    assert settings.connections["corp"].options.client_secret.get_secret_value() == ENVIRON["CORP"]  # type: ignore[union-attr]
    assert settings.tenant.secrets[0].get_secret_value() == SECRET.encode()
    assert settings.clients["webapp"].redirect_uris == ("https://app.example/callback",)
    assert (settings.session.idle, settings.tokens.id_token, settings.server.clock_leeway) == (259_200, 36_000, 60)
    assert settings.warnings == ()


def test_cf_03_every_mistake_is_told_at_once(bench: Bench) -> None:
    """CF-03: mistakes of every kind, in one key and between keys, come in one answer."""
    lines = bench.mistakes(
        {"ISTHMUS_SERVER__PRT": "1"},
        at={
            "server.port": "9000",
            "gatewy": {"port": 1},
            "connections.0.options.scope": "profile",
            "connections.0.enabled_clients": ["nobody"],
            "clients.0.redirect_uris": None,
            "tenant.secrets": ["$NOT_THERE"],
        },
    )
    wanted = (
        "server.port: must be a whole number",
        "gatewy: is not a key",
        'connections[corp].options.scope: must contain "openid"',
        "connections[corp].enabled_clients[0]: names no client",
        "clients[webapp].redirect_uris: is missing",
        "tenant.secrets[0]: the environment has no variable NOT_THERE",
        "environment: ISTHMUS_SERVER__PRT: names no key",
    )
    assert len(lines) == len(wanted)
    for words in wanted:
        assert sum(words in line for line in lines) == 1, words


def test_cf_05_no_message_and_no_repr_holds_a_secret(bench: Bench) -> None:
    """CF-05: neither the settings as text nor any refusal shows a secret, wherever it was put by mistake."""
    settings = bench.load({"REDIS": "redis://:geheimnis@127.0.0.1/0"}, at={"redis.url": "$REDIS"})
    for secret in (*ENVIRON.values(), "geheimnis"):
        assert secret not in repr(settings)
        assert secret not in str(settings)
    misplaced = {
        "connections.0.options.client_secret": "geheimnis",
        "connections.0.options.type": "geheimnis",
        "connections.0.options.issuer": "https://u:geheimnis@idp.example/",
        "server.port": "geheimnis",
        "tenant.secrets": ["geheimnis", "$geheimnis"],
        "redis.url": "redis://:geheimnis@127.0.0.1/0",
        "clients.0.client_secret": 5,
    }
    assert "geheimnis" not in "\n".join(bench.mistakes(at=misplaced))


@pytest.mark.parametrize("name", ["isthmus.toml", "isthmus.example.toml"])
def test_the_files_that_come_along_are_right(name: str) -> None:
    """The configuration ready to run and the one with every key load as they stand."""
    environ = {"ISTHMUS_SECRET": SECRET, "CORP_SECRET": ENVIRON["CORP"], "WEBAPP_SECRET": ENVIRON["APP"]}
    settings = load(ROOT / "config" / name, environ if "example" in name else {})
    assert settings.server.data_dir == ROOT / "var"
    assert settings.warnings == ()


def every_key(kind: object) -> set[str]:
    """The names of all keys below ``kind``."""
    if kind is Any:
        return set()
    names = kinds.keys(kind)
    if names == []:
        return every_key(kinds.at(kind, (0,))) if kinds.at(kind, (0,)) else set()
    if names is None:
        return every_key(kinds.at(kind, ("any",)))
    return set(names).union(*(every_key(kinds.at(kind, (name,))) for name in names))


@pytest.mark.parametrize("file", ["config/isthmus.example.toml", "docs/configuration.md"])
def test_every_key_is_written_down(file: str) -> None:
    """A key that neither the example nor the manual shows cannot be found by its readers."""
    assert {"issuer", "audience", "pkce", "time_limit"} <= every_key(File)
    assert every_key(File) - set(re.findall(r"\w+", (ROOT / file).read_text())) == set()


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A missing file, bytes that are no text and a slip in the TOML each end in one line with the place."""
    broken = tmp_path / "isthmus.toml"
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(broken, {})
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match="must be UTF-8"):
        load(broken, {})
    broken.write_text("[tenant]\nissuer = 1\nissuer = 2\n")
    with pytest.raises(Misconfigured, match="line 3"):
        load(broken, {})


def test_an_empty_file_lacks_an_issuer(tmp_path: Path) -> None:
    """Nothing but the tenant is compulsory."""
    file = tmp_path / "isthmus.toml"
    file.write_text("")
    with pytest.raises(Misconfigured) as refused:
        load(file, {})
    assert [problem.key for problem in refused.value.problems] == ["tenant"]

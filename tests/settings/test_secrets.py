"""Secrets: references, strength, and the one made at the first start."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.oidc.errors import Misconfigured
from proxy.settings import own_secrets, secrets
from tests.settings.conftest import SECRET, Bench

LOOPBACK = "http://127.0.0.1:9000/"
OWN, CORP, APP = "tenant.secrets", "connections.0.options.client_secret", "clients.0.client_secret"


@pytest.mark.parametrize(
    "weak",
    [
        "",
        " " * 40,
        "short",
        "x" * 31,
        "a" * 64,
        "abcabcabc" * 6,
        "changeme",
        "changeme-changeme-changeme-changeme-1",
        "this-is-only-an-example-secret-123456",
        "<put your secret here, 32 bytes or more>",
        "01" * 32,
    ],
)
def test_cf_01_weak_secrets_of_our_own_stop_the_start(bench: Bench, weak: str) -> None:
    """CF-01: empty, short, example, repeated and placeholder values are refused, with the command that makes one."""
    (line,) = bench.mistakes({"OWN": weak})
    assert "tenant.secrets[0]:" in line
    assert "openssl rand" in line


def test_cf_01_every_one_of_several_secrets_is_judged(bench: Bench) -> None:
    """CF-01: an old secret that is still read must be as strong as the one in use."""
    (line,) = bench.mistakes({"OLD": "weak"}, at={OWN: ["$OWN", "$OLD"]})
    assert "tenant.secrets[1]:" in line


def test_cf_01_a_clients_secret_has_32_characters(bench: Bench) -> None:
    """CF-01: a shorter one stops the start, and is a warning while the issuer is on loopback."""
    short = "k3jR8vQ2"
    (line,) = bench.mistakes({"APP": short})
    assert "clients[webapp].client_secret: must have at least 32 characters" in line
    (warning,) = bench.load({"APP": short}, at={"tenant.issuer": LOOPBACK}).warnings
    assert "clients[webapp].client_secret" in warning
    assert short not in warning


def test_cf_01_a_tenants_secret_is_not_ours_to_choose(bench: Bench) -> None:
    """CF-01: a short one is taken."""
    assert bench.load({"CORP": "k3jR"}).warnings == ()


@pytest.mark.parametrize("place", [CORP, APP])
@pytest.mark.parametrize(
    "value", ["", "  ", "changeme", "Change-Me", "<secret>", "xxxxxxxx", "${SECRET}", "YOUR_CLIENT_SECRET"]
)
def test_cf_01_placeholders_are_refused_everywhere(bench: Bench, place: str, value: str) -> None:
    """CF-01: what only marks where a secret belongs is no secret, on loopback either."""
    name = "CORP" if place == CORP else "APP"
    (line,) = bench.mistakes({name: value}, at={"tenant.issuer": LOOPBACK})
    assert "is empty or a placeholder" in line


@pytest.mark.parametrize("place", [CORP, APP])
def test_a_literal_secret_is_refused(bench: Bench, place: str) -> None:
    """The file holds references only; what is misspelt as a reference counts as a secret and is not repeated."""
    for literal in (SECRET, "$lower", "${CORP}"):
        (line,) = bench.mistakes(at={place: literal})
        assert "must not stand in the file" in line
        assert literal not in line


def test_a_password_of_redis_is_a_secret_and_its_address_is_not(bench: Bench) -> None:
    """``redis.url`` may stand in the file as long as it holds no password."""
    assert bench.load(at={"redis.url": "redis://127.0.0.1/0"}).redis.url == "redis://127.0.0.1/0"
    assert "must not stand" in bench.mistakes(at={"redis.url": "redis://:pw@127.0.0.1/0"})[0]
    from_environ = bench.load({"ISTHMUS_REDIS__URL": "redis://:pw@127.0.0.1/0"})
    assert from_environ.redis.url == "redis://:pw@127.0.0.1/0"


def test_a_secret_comes_from_a_file(bench: Bench, tmp_path: Path) -> None:
    """One newline at the end is not part of it."""
    file = tmp_path / "corp"
    file.write_text("of the tenant\n\n")
    file.chmod(0o600)
    settings = bench.load(at={CORP: f"file:{file}"})
    secret = settings.connections["corp"].options.client_secret
    assert secret is not None
    assert secret.get_secret_value() == "of the tenant\n"
    assert settings.warnings == ()


def test_cf_14_a_secrets_file_that_others_may_touch_is_told(bench: Bench, tmp_path: Path) -> None:
    """CF-14: readable by everybody is a warning, writable by everybody a mistake."""
    file = tmp_path / "corp"
    file.write_text("of the tenant")
    file.chmod(0o644)
    (warning,) = bench.load(at={CORP: f"file:{file}"}).warnings
    assert "everybody may read" in warning
    file.chmod(0o666)
    assert "everybody may write" in bench.mistakes(at={CORP: f"file:{file}"})[0]


def test_a_missing_file_or_variable_is_named(bench: Bench, tmp_path: Path) -> None:
    """And so is a file that is no text."""
    assert f"the file {tmp_path}/none cannot be read" in bench.mistakes(at={CORP: f"file:{tmp_path}/none"})[0]
    assert "no variable NONE" in bench.mistakes(at={CORP: "$NONE"})[0]
    (tmp_path / "raw").write_bytes(os.urandom(64) + b"\xff")
    assert "not UTF-8" in bench.mistakes(at={CORP: f"file:{tmp_path}/raw"})[0]


def test_cf_14_a_secret_is_made_once_and_kept_private(bench: Bench) -> None:
    """CF-14: mode 0600 in a folder of 0700, strong, and the same ever after."""
    settings = bench.load(at={"tenant.issuer": LOOPBACK, OWN: []})
    (made,) = own_secrets(settings)
    path = settings.server.data_dir / "secret"
    assert len(made) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert own_secrets(settings) == (made,)
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_processes_that_start_together_make_one_secret(bench: Bench) -> None:
    """Whoever is first wins, the others read it."""
    settings = bench.load(at={"tenant.issuer": LOOPBACK, OWN: []})
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: own_secrets(settings), range(16)))) == 1


def test_cf_14_a_made_secret_that_others_may_read_stops_the_start(bench: Bench) -> None:
    """CF-14: it would be everybody's key; one cut short is refused too."""
    settings = bench.load(at={"tenant.issuer": LOOPBACK, OWN: []})
    own_secrets(settings)
    path = settings.server.data_dir / "secret"
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        own_secrets(settings)
    path.chmod(0o600)
    path.write_bytes(b"cut")
    with pytest.raises(Misconfigured, match="too short"):
        own_secrets(settings)


def test_configured_secrets_come_in_their_order(bench: Bench) -> None:
    """The first encrypts."""
    settings = bench.load({"OLD": SECRET.swapcase()}, at={OWN: ["$OWN", "$OLD"]})
    assert own_secrets(settings) == (SECRET.encode(), SECRET.swapcase().encode())
    assert not (settings.server.data_dir / "secret").exists()


@pytest.mark.parametrize(
    ("issuer", "redis", "needed"),
    [
        (LOOPBACK, "redis://127.0.0.1/0", False),
        ("https://login.example.com/", None, False),
        ("https://login.example.com/", "redis://127.0.0.1/0", True),
    ],
)
def test_cf_01_nodes_that_share_a_redis_share_their_secrets(
    bench: Bench, issuer: str, redis: str | None, needed: bool
) -> None:
    """CF-01: a secret is made here only with the embedded server or an issuer on loopback."""
    changes = {"tenant.issuer": issuer, OWN: [], **({"redis.url": redis} if redis else {})}
    if needed:
        assert "tenant.secrets: is missing" in bench.mistakes(at=changes)[0]
    else:
        assert bench.load(at=changes).tenant.secrets == ()


def test_random_secrets_are_taken() -> None:
    """No rule refuses what a generator makes."""
    import base64

    for _ in range(200):
        made = base64.b64encode(os.urandom(48)).decode()
        assert not secrets.is_placeholder(made)
        assert not secrets.is_regular(made)

"""The server as a process: starts, refuses to start, stops."""

from __future__ import annotations

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from proxy import settings
from proxy.oidc.errors import Misconfigured
from proxy.web import serve
from tests.kit.serving_program import SOON, Program, config, refused, running
from tests.kit.waiting import eventually


async def ready(program: Program, status: int = 200, path: str = "/readyz") -> None:
    """Wait until it answers ``status``."""

    async def answers() -> bool:
        return program.get(path)[0] == status

    await eventually(answers, within=SOON)


async def test_ft_22_sigterm_loses_no_request(tmp_path: Path, unused_tcp_port: int) -> None:
    """Twenty slow requests are answered after SIGTERM, then the process ends with 0 and a clean log (FT-22)."""
    with running(config(tmp_path, unused_tcp_port), unused_tcp_port) as program, ThreadPoolExecutor(20) as threads:
        await ready(program)
        asked = [threads.submit(program.get, "/slow") for _ in range(20)]

        async def all_running() -> bool:
            return "isthmus_requests" in program.get("/metrics")[1] and all(not one.done() for one in asked)

        await eventually(all_running)
        program.get("/who")
        status, out, err = program.end()
        assert [one.result() for one in asked] == [(200, "done")] * 20
    assert (status, err) == (0, "")
    assert "never retrieved" not in out
    assert "unclosed" not in out.lower()
    assert '"stopped"' in out


async def test_ft_27_a_store_that_is_away_keeps_nobody_from_starting(tmp_path: Path, unused_tcp_port: int) -> None:
    """With Redis down the process stays up, alive and not ready (FT-27)."""
    redis = f"unix://{tmp_path}/nobody.sock"
    with running(config(tmp_path, unused_tcp_port, redis=redis), unused_tcp_port) as program:
        await ready(program, path="/healthz")
        assert program.get("/readyz") == (503, "not ready")
        assert program.get("/who")[0] == 200
        assert program.end()[0] == 0


def test_ft_27_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """An address that is taken stops the start with status 2 and one line that says so (FT-27)."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = refused(config(tmp_path, port))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "server.port" in done.stderr
    assert "in use" in done.stderr


def test_cf_09_the_slow_parser_is_refused(
    tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the compiled HTTP parser the start stops (CF-09)."""
    monkeypatch.setenv("AIOHTTP_NO_EXTENSIONS", "1")
    done = refused(config(tmp_path, unused_tcp_port))
    assert done.returncode == 2
    assert "AIOHTTP_NO_EXTENSIONS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_package_of_our_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another distribution that installs a package ``proxy`` stops the start."""
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: name)
    with pytest.raises(Misconfigured, match="with our name"):
        serve.check_environment()


async def test_ft_31_a_full_pipe_does_not_stop_requests(tmp_path: Path, unused_tcp_port: int) -> None:
    """With standard output in a pipe that nobody reads, thousands of requests are answered, and it stops (FT-31)."""
    with running(config(tmp_path, unused_tcp_port), unused_tcp_port) as program:
        await ready(program)
        for _ in range(500):  # some 100 kB of log lines; a pipe holds 64
            assert program.get("/who")[0] == 200
        program.process.terminate()
        assert program.process.wait(SOON) == 0


async def test_cf_07_health_on_a_port_of_its_own(tmp_path: Path, unused_tcp_port_factory: object) -> None:
    """With an internal port the public one knows nothing of health and metrics (CF-07)."""
    port, inside = unused_tcp_port_factory(), unused_tcp_port_factory()  # type: ignore[operator]
    with running(config(tmp_path, port, server=f"internal_port = {inside}"), port) as program:
        await ready(program, path="/who")
        assert [program.get(path)[0] for path in ("/healthz", "/readyz", "/metrics")] == [404] * 3
        assert [program.get(path, inside)[0] for path in ("/healthz", "/readyz", "/metrics", "/who")] == [
            200, 200, 200, 404,
        ]  # fmt: skip


def test_tls_is_modern(tmp_path: Path) -> None:
    """TLS below 1.2 is not spoken; a broken certificate is a line for the operator."""
    pair = trustme.CA().issue_cert("sso.example")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    pair.private_key_pem.write_to_path(key)
    for part in pair.cert_chain_pems:
        part.write_to_path(cert, append=True)
    path = config(tmp_path, 9000, server=f'tls_cert = "{cert}"\ntls_key = "{key}"')
    loaded = settings.load(path, {})
    context = serve.tls_context(loaded)
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    cert.write_text("broken")
    with pytest.raises(Misconfigured, match=r"server\.tls_cert"):
        serve.tls_context(loaded)

"""Several workers on one socket: one that falls is started again, all stop together."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.kit.serving_program import SOON, Program, config, running
from tests.kit.waiting import eventually


def workers(program: Program) -> set[str]:
    """The processes that answer."""
    return {text for _ in range(15) if (text := program.get("/who")[1])}


async def test_a_fallen_worker_is_started_again(tmp_path: Path, unused_tcp_port: int) -> None:
    """A crash costs one worker for a moment; another takes its place, and SIGTERM ends all with 0."""
    with running(config(tmp_path, unused_tcp_port), unused_tcp_port, workers=2) as program:

        async def both() -> bool:
            return len(workers(program)) == 2

        await eventually(both, within=SOON)
        before = workers(program)
        assert program.get("/crash") == (0, "")

        async def replaced() -> bool:
            return len(workers(program) - before) == 1

        await eventually(replaced, within=SOON)
        assert program.get("/metrics")[1].count("isthmus_requests_total") > 0
        status, _, err = program.end()
    assert status == 0
    assert '"worker_fell"' in err


async def test_workers_do_not_outlive_their_supervisor(tmp_path: Path, unused_tcp_port: int) -> None:
    """When the supervisor is killed, the workers leave by themselves, and the port is free."""
    with running(config(tmp_path, unused_tcp_port), unused_tcp_port, workers=2) as program:

        async def up() -> bool:
            return program.get("/who")[0] == 200

        await eventually(up, within=SOON)
        program.process.send_signal(signal.SIGKILL)

        async def gone() -> bool:
            return program.get("/who")[0] == 0

        await eventually(gone, within=SOON)

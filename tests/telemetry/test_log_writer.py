"""The log thread: in order, all of it, and never in the way."""

from __future__ import annotations

import contextlib
import io
import os

from proxy.telemetry.log_writer import Writer


def test_lines_come_in_order_and_all_of_them() -> None:
    """What was taken is written before the writer closes."""
    stream = io.StringIO()
    writer = Writer(stream)
    for number in range(1000):
        writer.msg(str(number))
    writer.close()
    assert stream.getvalue().split() == [str(number) for number in range(1000)]
    assert writer.dropped == 0


def test_ft_31_a_pipe_that_nobody_reads_holds_nobody_up() -> None:
    """With a full pipe lines are dropped and counted, and the writer can be closed (FT-31)."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        writer = Writer(stream, most=50)
        for _ in range(5000):
            writer.msg("x" * 1000)
        assert writer.dropped > 0
        writer.close()
        os.set_blocking(reading, False)
        while writer._thread.is_alive():
            with contextlib.suppress(BlockingIOError):
                os.read(reading, 1 << 20)
            writer._thread.join(0.01)
    os.close(reading)


def test_ft_31_a_closed_pipe_and_a_full_disk_are_counted() -> None:
    """A reader that is gone, or a disk without room, costs lines and nothing else (FT-31)."""
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    writer = Writer(stream)
    writer.msg("lost")
    writer.close()
    assert writer.dropped == 1
    closed = io.StringIO()
    closed.close()
    late = Writer(closed)
    late.msg("lost")
    late.close()
    assert late.dropped == 1
    try:
        stream.close()
    except BrokenPipeError:
        assert stream.closed

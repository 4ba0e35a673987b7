"""Logs: one event a line, JSON on standard output, without a secret, and never in a request's way.

    event    what happened: a name from a fixed set, and fields
    seldom   the same, at most once a second for each name: for what a stranger can cause at will

A field whose name is that of a secret is hidden, texts are cut to 200 characters, control characters are escaped by
JSON itself. Lines go to a thread through a bounded queue: with a pipe that nobody reads they are dropped and counted,
and requests go on. Records of the standard library's logging take the same way; those of libraries from WARNING on,
since they say more than they should below that.
"""

from __future__ import annotations

import json
import logging
import re
import time
import traceback
from collections.abc import MutableMapping
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from proxy.telemetry.log_writer import Writer

LONGEST: Final = 200
FRAMES: Final = 12
SECRETS: Final = frozenset(
    {
        "access_token",
        "assertion",
        "authorization",
        "browser",
        "client_assertion",
        "client_secret",
        "code",
        "code_challenge",
        "code_verifier",
        "cookie",
        "cookies",
        "id_token",
        "id_token_hint",
        "logout_token",
        "nonce",
        "password",
        "query",
        "referer",
        "refresh_token",
        "request",
        "secret",
        "secrets",
        "set-cookie",
        "state",
        "token",
        "url",
    }
)
"""Field names whose values are never written. An address is among them: its query may hold any of the others."""
OPAQUE: Final = re.compile(r"[A-Za-z0-9_\-+=~]{24,}")
"""What looks like a token or a key inside a free text."""
EVENT: Final = re.compile(r"[a-z]+(_[a-z]+)*")
"""What our own events are called; however long, it is no token."""
PLAIN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_request_id: ContextVar[str] = ContextVar("isthmus_request_id", default="")
_quiet: dict[str, tuple[int, int]] = {}
Fields = MutableMapping[str, Any]
Told = tuple[type[BaseException], BaseException, TracebackType | None]


def begin(request_id: str) -> None:
    """Bind a request's id to the running task: every line it causes carries it."""
    _request_id.set(request_id)


def request_id() -> str:
    """The id of the running request, which its pages show as the reference; empty outside one."""
    return _request_id.get()


def scrub(text: str) -> str:
    """A free text without what looks like a token, cut."""
    return OPAQUE.sub("[hidden]", text[: 4 * LONGEST])[:LONGEST]


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value[:FRAMES]]
    text = value if isinstance(value, str) else str(value)
    return text[:LONGEST].replace("\x7f", "\\x7f")


def _censor(_: Any, __: str, fields: Fields) -> Fields:
    for name, value in fields.items():
        if name in SECRETS:
            fields[name] = "[hidden]"
        elif name != "exc_info":
            fields[name] = _clean(value)
    return fields


def _context(_: Any, level: str, fields: Fields) -> Fields:
    fields["time"] = round(time.time(), 3)
    fields["level"] = level
    if found := _request_id.get():
        fields["request_id"] = found
    return fields


def _explain(_: Any, __: str, fields: Fields) -> Fields:
    """An exception as its type, its scrubbed words, and where it was raised: no source line, no value."""
    error = fields.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        fields["exception"] = type(error).__name__
        fields["detail"] = scrub(str(error))
        fields["at"] = places(traceback.extract_tb(error.__traceback__))
    return fields


def places(stack: traceback.StackSummary) -> list[str]:
    """The innermost frames of a stack, fit for a log: file, line and function, no source line, no value."""
    return [f"{'/'.join(f.filename.rsplit('/', 3)[-3:])}:{f.lineno} {f.name}" for f in stack[-FRAMES:]]


def _as_json(_: Any, __: str, fields: Fields) -> str:
    first = {name: fields.pop(name) for name in ("time", "level", "event")}
    return json.dumps(first | dict(fields))


def _as_text(_: Any, __: str, fields: Fields) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(fields.pop("time")))
    head = f"{clock} {fields.pop('level'):<7} {json.dumps(fields.pop('event'))[1:-1]}"
    return " ".join([head, *(f"{name}={json.dumps(value)}" for name, value in fields.items())])


class _Bridge(logging.Handler):
    """Standard library records to ours. What libraries say is scrubbed."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: value for name, value in record.__dict__.items() if name not in PLAIN}
        fields.update(logger=record.name, exc_info=record.exc_info)
        level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        own = record.name.startswith("isthmus")
        level = level if level in LEVELS else "info"
        said = record.getMessage()
        name = said if own and EVENT.fullmatch(said) else scrub(said)
        _write(level, name, fields, seldom_by="" if own else record.name)


class _Output:
    """The writer and the logger that ``configure`` made; before it, nothing is written."""

    writer: Writer | None = None
    logger: Any = None
    access = False
    json = True


@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return json.dumps(_clean(text))


def access(
    *,
    method: str,
    route: str,
    status: int,
    ms: float,
    size: int,
    client: str,
    decision: str = "",
    request_id: str = "",
) -> None:
    """The line of one request. Written by hand: it is most of the log, and all of its fields are of known shape.
    ``decision`` is the gateway's reason; without ``request_id`` it is the running request's."""
    if _Output.writer is None or not _Output.access:
        return
    known = {"request_id": request_id} if request_id else {}
    if not _Output.json:
        more: dict[str, Any] = {**known, **({"decision": decision} if decision else {})}
        event("request", method=method, route=route, status=status, ms=round(ms, 2), bytes=size, client=client, **more)
        return
    why = f', "decision": {_quoted(decision)}' if decision else ""
    _Output.writer.info(
        f'{{"time": {time.time():.3f}, "level": "info", "event": "request", '
        f'"request_id": "{request_id or _request_id.get()}", '
        f'"method": {_quoted(method)}, "route": {_quoted(route)}, "status": {status}, "ms": {ms:.2f}, '
        f'"bytes": {size}, "client": {_quoted(client)}{why}}}'
    )


def configure(level: str, stream: TextIO) -> None:
    """Write to ``stream`` from now on: JSON, or plain lines on a terminal. Once in each process, after a fork."""
    close()
    _Output.writer = Writer(stream)
    _Output.access, _Output.json = LEVELS[level] <= logging.INFO, not stream.isatty()
    render = _as_json if _Output.json else _as_text
    _Output.logger = structlog.wrap_logger(
        _Output.writer,
        processors=[_context, _explain, _censor, render],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
    ).bind()
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(logging.WARNING)
    logging.getLogger("isthmus").setLevel(LEVELS[level])


def close() -> None:
    """Write what is waiting, for at most a second, and stop."""
    if _Output.writer is not None:
        _Output.writer.close()
    _Output.writer = _Output.logger = None
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _Bridge)]


def dropped() -> int:
    """How many lines could not be written, because nobody reads them or there is no room."""
    return _Output.writer.dropped if _Output.writer is not None else 0


def event(name: str, *, level: str = "info", exc_info: BaseException | Told | None = None, **fields: Any) -> None:
    """One line: ``name`` from a fixed set, and fields. An exception is told by type, place and scrubbed words."""
    if exc_info is not None:
        fields["exc_info"] = exc_info
        level = "error"
    _write(level, name, fields)


def seldom(name: str, *, level: str = "warning", **fields: Any) -> None:
    """``event``, at most once a second for each name; the next line says how many were left out."""
    _write(level, name, fields, seldom_by=name)


def _write(level: str, name: str, fields: dict[str, Any], *, seldom_by: str = "") -> None:
    if _Output.logger is None or (seldom_by and not _may(seldom_by, fields)):
        return
    getattr(_Output.logger, level)(name, **fields)


def _may(name: str, fields: dict[str, Any]) -> bool:
    second, left_out = _quiet.get(name, (0, 0))
    now = int(time.monotonic())
    if second == now:
        _quiet[name] = (now, left_out + 1)
        return False
    _quiet[name] = (now, 0)
    if left_out:
        fields["left_out"] = left_out
    return True

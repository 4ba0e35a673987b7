"""What is said to Redis for each operation, and what its replies mean: pure, without a server."""

from __future__ import annotations

import hashlib
import re
from typing import Any, get_args

import pytest

from proxy.store import Add, Count, Drop, Get, List, Op, Put, Record, Scan, Swap, Take, Taken, Tell, Touch, Used, key
from proxy.store.commands import (
    ADD,
    COUNT,
    LINK,
    PUT_CAPPED,
    SCRIPTS,
    SWAP,
    TAKE,
    TOUCH,
    Command,
    Commands,
    Script,
    in_full,
)
from proxy.store.records import LIVE, Records, Unreadable
from proxy.store.sealing import Seal

RECORDS = Records(Seal([b"a secret of the tests, 32 bytes or more"]))
COMMANDS = Commands(RECORDS)
CODE = key("code", "c0de")
OWN, FAR = key("open", "b", group="c0de"), key("by_user", "ada")
HOSTILE = "FLUSHALL-MARK"
VALUE = {"text": HOSTILE}
EVERY: tuple[Op, ...] = (
    Get(CODE),
    Put(CODE, VALUE, 60),
    Put(CODE, VALUE, 60, (FAR, OWN)),
    Put(CODE, VALUE, 60, (OWN,), 100),
    Add(CODE, VALUE, 60, (FAR,)),
    Take(CODE, HOSTILE),
    Swap(CODE, VALUE, 60, b"12345678", (FAR,)),
    Touch(CODE, 60, (FAR,)),
    Count(CODE, 60),
    Drop(CODE),
    List(FAR),
    Scan("session", "0"),
    Tell("topic", "text"),
)


def said(op: Op) -> list[Command]:
    """The commands of an operation, scripts by their text."""
    return [in_full(command) if command[0] == "EVALSHA" else command for command in COMMANDS.commands(op)]


def plain(command: Command) -> Command:
    """A command without its sealed value."""
    return tuple("sealed" if isinstance(word, bytes) and len(word) > len(LIVE) + 8 else word for word in command)


@pytest.mark.parametrize(
    ("op", "command"),
    [
        (Get(CODE), ("GET", CODE.name)),
        (Drop(CODE), ("DEL", CODE.name)),
        (List(FAR), ("ZRANGE", FAR.name, 0, -1)),
        (Put(CODE, {}, 60), ("SET", CODE.name, "sealed", "EX", 60)),
        (Put(CODE, {}, 0), ("SET", CODE.name, "sealed", "EX", 1)),
        (Put(CODE, {}, 60, (OWN,), 5), PUT_CAPPED((CODE.name, OWN.name), "sealed", 60, 5)),
        (Add(CODE, {}, 60), ADD((CODE.name,), "sealed", 60)),
        (Add(CODE, {}, -1), ADD((CODE.name,), "sealed", 1)),
        (Add(CODE, {}, None), ADD((CODE.name,), "sealed", "")),
        (Take(CODE, "g", 9), TAKE((CODE.name,), LIVE, "sealed", 9)),
        (Swap(CODE, {}, 60, None), SWAP((CODE.name,), LIVE, "sealed", 60)),
        (Swap(CODE, {}, 60, b"12345678"), SWAP((CODE.name,), LIVE + b"12345678", "sealed", 60)),
        (Touch(CODE, 60), TOUCH((CODE.name,), LIVE, 60)),
        (Count(CODE, 60, -1), COUNT((CODE.name,), -1, 60)),
        (Tell("topic", "text"), ("PUBLISH", "isthmus:{tell}:topic", "text")),
        (Count(CODE, 0), COUNT((CODE.name,), 1, 1)),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, get_args(Op)) else "",
)
def test_what_each_operation_says(op: Op, command: Command) -> None:
    """One command each; a lifetime is at least a second, since Redis refuses less."""
    (only,) = COMMANDS.commands(op)
    assert plain(only) == command


@pytest.mark.parametrize("op", [Put(CODE, {}, 60, (FAR, OWN)), Add(CODE, {}, None, (FAR,)), Touch(CODE, 9, (FAR,))])
def test_every_index_is_written_by_a_command_of_its_own(op: Put | Add | Touch) -> None:
    """Indexes may lie in another slot of a cluster: they come after the record, with its name and lifetime."""
    _, *links = COMMANDS.commands(op)
    ttl = "" if op.ttl is None else op.ttl
    assert links == [LINK((index.name,), CODE.name, ttl) for index in op.under]


@pytest.mark.parametrize("op", EVERY, ids=lambda op: type(op).__name__)
def test_all_keys_of_a_command_lie_in_one_slot(op: Op) -> None:
    """A cluster runs a script only where all its keys are: one hash tag for each command."""
    for command in COMMANDS.commands(op):
        names = command[3 : 3 + int(command[2])] if command[0] == "EVALSHA" else command[1:2]
        if isinstance(op, Scan):  # names no key: every node is asked for its own
            continue
        assert len({re.findall(r"\{(.*?)\}", str(name))[0] for name in names}) == 1


@pytest.mark.parametrize("op", EVERY, ids=lambda op: type(op).__name__)
def test_nothing_of_a_value_is_in_a_script_or_in_the_open(op: Op) -> None:
    """Scripts are fixed text, and values go sealed: neither program nor server sees what was stored."""
    for command in said(op):
        assert HOSTILE not in repr(command)
        assert command[0] != "EVAL" or command[1] in {script.text for script in SCRIPTS}


def test_a_script_goes_by_its_digest_and_by_its_text() -> None:
    """EVALSHA first; a server that does not know the script gets the same call with the text."""
    short = TOUCH(("k",), LIVE, 9)
    assert short == ("EVALSHA", hashlib.sha1(TOUCH.text.encode()).hexdigest(), 1, "k", LIVE, 9)
    assert in_full(short) == ("EVAL", TOUCH.text, 1, "k", LIVE, 9)
    assert len({script.sha for script in SCRIPTS}) == len(SCRIPTS) and Script("return 1") not in SCRIPTS


LIVING, GONE = RECORDS.live(CODE, {"n": 1}), RECORDS.used(CODE, "grant-1")


@pytest.mark.parametrize(
    ("op", "reply", "means"),
    [
        (Get(CODE), None, None),
        (Get(CODE), LIVING, Record({"n": 1}, LIVING[2:10])),
        (Get(CODE), GONE, None),
        (Put(CODE, {}, 1), b"OK", None),
        (Tell("topic", "text"), 3, None),
        (Add(CODE, {}, 1), None, None),
        (Add(CODE, {}, 1), LIVING, Record({"n": 1}, LIVING[2:10])),
        (Add(CODE, {}, 1), GONE, Record({}, b"")),
        (Take(CODE), None, None),
        (Take(CODE), LIVING, Taken({"n": 1})),
        (Take(CODE), GONE, Used("grant-1")),
        (Swap(CODE, {}, 1, None), 1, True),
        (Swap(CODE, {}, 1, None), 0, False),
        (Touch(CODE, 1), 0, False),
        (Count(CODE, 1), 7, 7),
        (Drop(CODE), 1, True),
        (Drop(CODE), 0, False),
        (List(FAR), [], ()),
        (List(FAR), [CODE.name.encode()], (CODE,)),
    ],
)
def test_what_a_reply_means(op: Op, reply: Any, means: Any) -> None:
    """The answers that every store promises, made of what Redis says."""
    assert COMMANDS.answer(op, reply) == means


@pytest.mark.parametrize("op", [Get(CODE), Add(CODE, {}, 1), Take(CODE)], ids=lambda op: type(op).__name__)
def test_a_record_that_cannot_be_read_is_not_absent(op: Op) -> None:
    """What another version wrote is an error, never None."""
    with pytest.raises(Unreadable):
        COMMANDS.answer(op, b"\x02" + LIVING[1:])


def test_every_operation_can_be_said_and_heard() -> None:
    """A new operation without its command or its answer would be noticed here."""
    assert {type(op) for op in EVERY} == set(get_args(Op))

"""JSON that two parsers could read differently is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.oidc.strict_json import NotStrict, load, load_object

ODD = {
    "duplicate": b'{"sub":"a","sub":"b"}',
    "nested-duplicate": b'{"a":[{"b":1,"b":2}]}',
    "nan": b'{"a":NaN}',
    "infinity": b'{"a":-Infinity}',
    "1e999": b'{"a":1e999}',
    "5000-digits": b'{"a":' + b"9" * 5000 + b"}",
    "20000-arrays": b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "65-arrays": b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    "960-objects": b'{"a":' * 960 + b"1" + b"}" * 960,
    "bom": b"\xef\xbb\xbf{}",
    "utf-16": '{"a":1}'.encode("utf-16"),
    "bad-utf-8": b'{"a":"\xff"}',
    "lone-surrogate": b'{"a":"\\ud800"}',
    "lone-surrogate-name": b'{"\\udfff":1}',
    "list": b"[1]",
    "string": b'"a"',
    "empty": b"",
    "trailing": b"{} {}",
    "control": b'{"a":"\x01"}',
}


@pytest.mark.parametrize("data", ODD.values(), ids=[f"jo-11-{name}" for name in ODD])
def test_jo_11_odd_json_is_refused(data: bytes) -> None:
    """JO-11: doubles, constants, huge numbers, endless nesting, other encodings, and what is no object."""
    with pytest.raises(NotStrict):
        load_object(data)


def test_plain_json_is_read() -> None:
    """Ordinary documents pass, emoji written as a pair of escapes too."""
    assert load_object(b'{"a":[1,2.5,null,true],"b":"\\ud83d\\ude00"}') == {
        "a": [1, 2.5, None, True],
        "b": "\U0001f600",
    }


@given(st.binary(max_size=200))
def test_any_bytes_end_as_an_object_or_as_not_strict(data: bytes) -> None:
    """No input raises anything else."""
    with contextlib.suppress(NotStrict):
        assert isinstance(load_object(data), dict)


def test_a_value_of_any_kind_is_read_as_strictly() -> None:
    """Lists too; what is ambiguous in an object is so in a list."""
    assert load(b'[{"a": 1}, 2]') == [{"a": 1}, 2]
    for text in (b'[{"a": 1, "a": 2}]', b"[NaN]", b"[", b"\xff"):
        with pytest.raises(NotStrict):
            load(text)


def test_jo_11_mg_14_what_is_read_can_be_read_again_anywhere() -> None:
    """JO-11, MG-14: nesting ends long before it depends on who calls whether a text can be read; width does not."""
    assert load(b"[" * 64 + b"]" * 64) and len(load(b"[" + b"{}," * 5000 + b"[]]")) == 5001

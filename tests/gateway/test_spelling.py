"""GW-31: attributes as header bytes, by one rule that can be read back."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest

from proxy.gateway.spelling import CannotSay, spelled


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Ada", "Ada"),
        ("Doe, Jane (ext)", "Doe, Jane (ext)"),
        ('a"b\\c;d=e', 'a"b\\c;d=e'),
        ("Zo\u00eb", "Zo%C3%AB"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        (" admin", "%20admin"),
        ("admin ", "admin%20"),
        ("  a b  ", "%20%20a b%20%20"),
        (" ", "%20"),
        ("\u2000x\u3000", "%E2%80%80x%E3%80%80"),
        ("\U0001f600", "%F0%9F%98%80"),
        ("\u2028", "%E2%80%A8"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (12.5, "12.5"),
        (None, ""),
        ("", ""),
        ([], ""),
        (["staff"], "staff"),
        (["staff", "R&D, Berlin", "caf\u00e9", " x"], "staff,R&D%2C Berlin,caf%C3%A9,%20x"),
        (("a", 1, True), "a,1,true"),
        (["a", ["b", "c"]], 'a,["b"%2C"c"]'),
        ({"country": "FR", "city": "Nice\u00e9"}, '{"country":"FR","city":"Nice%C3%A9"}'),
    ],
)
def test_gw_31_one_rule_for_all_values(value: Any, text: str) -> None:
    """GW-31: what comes out is printable ASCII that no reader trims, and whoever decodes it has what went in."""
    assert spelled(value) == text
    assert re.fullmatch(r"([!-~]([ -~]*[!-~])?)?", text)
    if isinstance(value, str):
        assert unquote(text) == value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        assert [unquote(item) for item in text.split(",")] == value


@pytest.mark.parametrize(
    "text", ["a\r\nX-Admin: 1", "a\nb", "a\rb", "\x00", "a\tb", "\x1b", "\x7f", "\x85", "\x9f", "\ud800", "a\udfff"]
)
@pytest.mark.parametrize("inside", [lambda text: text, lambda text: ["fine", text], lambda text: [f"{text}, x"]])
def test_gw_31_control_characters_and_half_characters_cannot_be_said(text: str, inside: Any) -> None:
    """GW-31: refused, wherever they stand; nothing is dropped or replaced."""
    with pytest.raises(CannotSay) as caught:
        spelled(inside(text), "name")
    assert (caught.value.reason, caught.value.attribute, caught.value.status) == ("unprintable", "name", 403)


@pytest.mark.parametrize("code", range(0x100))
def test_gw_31_every_byte_has_one_fate(code: int) -> None:
    """GW-31: as it is, encoded, or refused."""
    letter = chr(code)
    try:
        text = spelled(f"a{letter}b")
    except CannotSay:
        assert code < 0x20 or 0x7F <= code <= 0x9F
    else:
        assert text == (f"a{letter}b" if 0x20 <= code < 0x7F and letter != "%" else text)
        assert unquote(text) == f"a{letter}b" and text.isascii()


@pytest.mark.parametrize("reason", ["unprintable", "too_long", "log_in_again", "token_unprintable"])
def test_gw_31_a_person_is_told_what_does_not_pass_by_itself(reason: str) -> None:
    """GW-31: a clear page, without the value; what passes by itself needs no words."""
    assert CannotSay(reason, "name").detail.endswith(".") and "name" not in CannotSay(reason, "name").detail
    assert CannotSay("no_signing_key", status=503).detail == ""

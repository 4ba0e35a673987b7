"""What a request carries: one place, one value, one token."""

from __future__ import annotations

import json

import pytest
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from proxy.oidc.errors import ProtocolError, Refused, Shown
from proxy.web import bodies
from proxy.web.bodies import FORM


class Body(StreamReader):
    """A body that has arrived whole."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    async def readany(self) -> bytes:
        raw, self._raw = self._raw, b""
        return raw


async def place(method: str, target: str, body: bytes = b"", content_type: str = FORM) -> object:
    """What ``one_place`` reads of a request, or the reason why not."""
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    request = make_mocked_request(method, target, headers, payload=Body(body))
    request._read_bytes = body
    try:
        return await bodies.one_place(request)
    except Shown as error:
        return error.reason


@pytest.mark.parametrize(
    ("method", "target", "body", "found"),
    [
        ("GET", "/x", b"", {}),
        ("GET", "/x?a=1&b=", b"", {"a": "1"}),
        ("GET", "/x?a=1&a=1", b"", "duplicate_parameter"),
        ("GET", "/x?a=%FF", b"", "malformed"),
        ("POST", "/x", b"a=1", {"a": "1"}),
        ("POST", "/x?b=2", b"a=1", "two_places"),
        ("POST", "/x", b"a=\xff", "malformed"),
    ],
)
async def test_cb_06_parameters_come_from_one_place(method: str, target: str, body: bytes, found: object) -> None:
    """CB-06: the query of a GET, the form of a POST, never both; each once, as UTF-8."""
    assert await place(method, target, body) == found


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/json"])
async def test_cb_06_a_browser_sends_forms_alone(content_type: str) -> None:
    """CB-06: any other body of a browser is refused by its type, before it is read."""
    assert await place("POST", "/x", b"a=1", content_type) == "content_type"


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('{"a": "1", "b": null, "c": ""}', [("a", "1"), ("b", ""), ("c", "")]),
        (' {"a": "1", "a": "2"}', [("a", "1"), ("a", "2")]),
        ("{}", []),
    ],
)
def test_tk_23_a_json_object_of_strings_is_read_as_a_form(text: str, pairs: list[tuple[str, str]]) -> None:
    """TK-23: null means absent; doubles are kept, for the rule that refuses them."""
    assert bodies.strings(text) == pairs


@pytest.mark.parametrize(
    "text",
    ["", "[]", '"a"', "1", '[["a", "b"]]', '{"a": 1}', '{"a": {"b": "c"}}', '{"a": NaN}', '{"a": ["b"]}', "[" * 100_000]
    + ['{"a": ' + "1" * 10_000 + "}", json.dumps({f"f{number}": "1" for number in range(101)})],
    ids=lambda text: text[:12],
)
def test_ds_05_other_json_is_refused(text: str) -> None:
    """DS-05: nesting, numbers, floods and everything that is no object of strings."""
    with pytest.raises(ProtocolError):
        bodies.strings(text)


def test_in_03_a_request_without_a_token_is_told_apart_from_one_with_a_bad_one() -> None:
    """IN-03: the challenge for the first names no error (RFC 6750 3.1)."""
    with pytest.raises(Refused) as refused:
        bodies.access_token(make_mocked_request("GET", "/userinfo"), {})
    assert (refused.value.code, refused.value.status) == (bodies.NO_TOKEN, 401)


@pytest.mark.parametrize("text", ['{"state": "\\ud800"}', '{"\\udfff": "a"}', '{"a": "\\ud800\\ud800"}'])
def test_ds_05_half_a_character_is_no_text(text: str) -> None:
    """DS-05: JSON can spell a surrogate that stands alone; it could be put in no address and no page."""
    with pytest.raises(Shown):
        bodies.strings(text)
    assert bodies.strings('{"a": "\\ud83d\\ude00"}') == [("a", "\U0001f600")]

"""Parameters are read once, from one place."""

from __future__ import annotations

import pytest

from proxy.oidc import params
from proxy.oidc.errors import Shown


def test_a_form_becomes_a_mapping_without_empty_values() -> None:
    """Missing and empty are the same (RFC 6749 3.1)."""
    assert params.parse("a=1&b=&c=x+y%26") == {"a": "1", "c": "x y&"}


@pytest.mark.parametrize(
    "encoded", ["state=a&state=b", "state=a&state=", "state=&state=a", "state=a&stat%65=b"], ids=lambda t: f"cb-06-{t}"
)
def test_cb_06_a_doubled_parameter_is_refused(encoded: str) -> None:
    """CB-06: no parameter may come twice, an empty one neither."""
    with pytest.raises(Shown) as caught:
        params.parse(encoded)
    assert caught.value.reason == "duplicate_parameter"


@pytest.mark.parametrize("encoded", ["a=%ff", "&".join(f"n{i}=1" for i in range(101))], ids=["bad-utf-8", "too-many"])
def test_a_malformed_form_is_refused(encoded: str) -> None:
    """Bad UTF-8 and floods of fields are the sender's fault, not ours."""
    with pytest.raises(Shown) as caught:
        params.parse(encoded)
    assert caught.value.reason == "malformed"


def test_words_keep_their_order_and_come_once() -> None:
    """A space-delimited list (RFC 6749 3.3)."""
    assert params.words("openid  email openid") == ("openid", "email")


def test_printable_text_is_safe_and_short() -> None:
    """CB-11: no control characters, quotes or backslashes, and at most 200 characters."""
    assert params.printable('a"b\\c\r\n\x1b[31m\u202e') == "a?b?c???[31m?"
    assert len(params.printable("x" * 1_000_000)) == 200


def test_a_list_is_what_the_caller_says_is_one() -> None:
    """The rest comes once, a resource too where it is no list."""
    assert params.parse("strategy=a&strategy=b", lists=("strategy",)) == {"strategy": "a b"}
    with pytest.raises(Shown):
        params.parse("resource=a&resource=b", lists=("strategy",))

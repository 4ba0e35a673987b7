"""Metadata from options and a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli.client_options import given
from proxy.oidc.errors import Misconfigured

NOTHING = (None,) * 6


def test_options_win_over_the_file(tmp_path: Path) -> None:
    """What is not said is not there; false is said."""
    file = tmp_path / "more.json"
    file.write_text('{"client_name": "File", "tos_uri": null, "is_first_party": true}')
    assert given(None, *NOTHING) == {}
    found = given(file, "Option", ["https://a.example/cb"], None, None, None, False)
    assert found == {
        "client_name": "Option",
        "tos_uri": None,
        "is_first_party": False,
        "redirect_uris": ["https://a.example/cb"],
    }


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1, "a": 2}', '{"a": NaN}'])
def test_a_file_that_is_no_json_object_is_named(tmp_path: Path, text: str) -> None:
    """Read strictly, as from those who register themselves."""
    file = tmp_path / "more.json"
    file.write_text(text)
    with pytest.raises(Misconfigured, match=r"more\.json: --metadata: must be a JSON object"):
        given(file, *NOTHING)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the reason of the system."""
    with pytest.raises(Misconfigured, match="cannot be read"):
        given(tmp_path / "none.json", *NOTHING)

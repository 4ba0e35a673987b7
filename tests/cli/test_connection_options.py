"""What is said of a connection on the command line, as options."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli.connection_options import Given, merged, secret
from proxy.oidc.errors import Misconfigured


def test_options_come_from_a_file_and_words_on_top(tmp_path: Path) -> None:
    """NAME=VALUE in JSON or text; what has a name of its own wins."""
    file = tmp_path / "options.json"
    file.write_text('{"scope": "openid", "type": "back_channel", "icon_url": "https://a.example/i"}')
    given = Given(
        options=file,
        scope="openid email",
        option=["own_callback=true", "tenant_domain=a.example", "jwks_max_age=0", "x=a=b"],
    )
    assert given.as_options() == {
        "scope": "openid email",
        "type": "back_channel",
        "icon_url": "https://a.example/i",
        "own_callback": True,
        "tenant_domain": "a.example",
        "jwks_max_age": 0,
        "x": "a=b",
    }


def test_null_takes_an_option_away() -> None:
    """And leaves the others."""
    assert merged({"a": 1, "b": 2}, {"b": None, "c": 3}) == {"a": 1, "c": 3}


def test_a_secret_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment or a file; never taken as it stands."""
    monkeypatch.setenv("SOME_SECRET", "s1")
    (tmp_path / "s").write_text("s2\r\n")
    assert (secret("$SOME_SECRET"), secret(f"file:{tmp_path}/s")) == ("s1", "s2")
    with pytest.raises(Misconfigured):
        secret("s3")


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1, "a": 2}'])
def test_a_file_must_be_an_object(tmp_path: Path, text: str) -> None:
    """One that everybody reads the same way."""
    (tmp_path / "o.json").write_text(text)
    with pytest.raises(Misconfigured, match="must be a JSON object"):
        Given(options=tmp_path / "o.json").as_options()

"""File and environment become one tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.settings import load
from tests.settings.conftest import ENVIRON, Bench


@pytest.mark.parametrize(
    ("variable", "text", "place", "value"),
    [
        ("ISTHMUS_SERVER__PORT", "9443", "server.port", 9443),
        ("ISTHMUS_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1", "server.trusted_proxies", ("10.0.0.0/8", "::1")),
        ("ISTHMUS_SERVER__TRUSTED_PROXIES", '["10.0.0.0/8"]', "server.trusted_proxies", ("10.0.0.0/8",)),
        ("ISTHMUS_SERVER__TRUSTED_PROXIES", "", "server.trusted_proxies", ()),
        ("ISTHMUS_PLUGINS__TIME_LIMIT", "0.5", "plugins.time_limit", 0.5),
        ("ISTHMUS_REDIS__ALLOW_OPEN", "true", "redis.allow_open", True),
        ("ISTHMUS_TENANT__NAME", "123", "tenant.name", "123"),
        ("ISTHMUS_CONNECTIONS__CORP__DISPLAY_NAME", "Corp", "connections.corp.display_name", "Corp"),
        ("ISTHMUS_CONNECTIONS__CORP__OPTIONS__JWKS_MAX_AGE", "0", "connections.corp.options.jwks_max_age", 0),
    ],
)  # fmt: skip
def test_every_key_can_come_from_the_environment(
    bench: Bench, variable: str, text: str, place: str, value: Any
) -> None:
    """A variable wins over the file, whatever the kind of the value."""
    found: Any = bench.load({variable: text})
    for step in place.split("."):
        found = found[step] if isinstance(found, dict) else getattr(found, step)
    assert found == value


def test_whole_tables_come_as_json(bench: Bench) -> None:
    """Clients can be given without a line in the file; a secret from the environment may be literal."""
    clients = (
        f'[{{"client_id": "webapp", "client_secret": "{ENVIRON["APP"]}", "redirect_uris": ["https://a.example/"]}}]'
    )
    assert bench.load({"ISTHMUS_CLIENTS": clients}).clients["webapp"].redirect_uris == ("https://a.example/",)


def test_a_plugin_is_named_by_its_folded_name(bench: Bench) -> None:
    """Hyphens of a plugin's name are underscores in the variable."""
    settings = bench.load(
        {"ISTHMUS_PLUGINS__SETTINGS__ISTHMUS_GROUPS__CLAIM": "roles"}, at={"plugins.enabled": ["isthmus-groups"]}
    )
    assert settings.plugins.settings == {"isthmus-groups": {"claim": "roles"}}


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("ISTHMUS_SERVER__PRT", "1", "names no key"),
        ("ISTHMUS_NOWHERE__PORT", "1", "names no key"),
        ("ISTHMUS_CONNECTIONS__OTHER__DISPLAY_NAME", "x", "names no key"),
        ("ISTHMUS_SERVER__PORT", "many", "must be a whole number"),
        ("ISTHMUS_SERVER__PORT__X", "1", "names no key"),
        ("ISTHMUS_REDIS__ALLOW_OPEN", "perhaps", "must be true or false"),
        ("ISTHMUS_SERVER", "{", "must be given as JSON"),
        ("ISTHMUS_CONNECTIONS", "{}", "must be tables"),
    ],
)
def test_cf_03_a_wrong_variable_is_named(bench: Bench, variable: str, text: str, said: str) -> None:
    """CF-03: a variable with a typo, or a value of the wrong kind, stops the start with its name."""
    (line,) = [line for line in bench.mistakes({variable: text}) if said in line]
    assert variable in line or "connections" in line


def test_variables_that_are_no_settings_are_left_alone(bench: Bench) -> None:
    """What the file refers to, the file's own name and foreign variables are no mistakes."""
    environ = {"ISTHMUS_THE__SECRET": ENVIRON["OWN"], "ISTHMUS_CONFIG": "x", "ISTHMUS_SECRET": "y"}
    settings = bench.load(environ, at={"tenant.secrets": ["$ISTHMUS_THE__SECRET"]})
    assert settings.tenant.secrets[0].get_secret_value() == ENVIRON["OWN"].encode()


@pytest.mark.parametrize("folder", ["", "config"])
def test_paths_count_from_the_project_folder(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the file, or the one above ``config``; where the command is called makes no difference."""
    monkeypatch.chdir("/")
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / "plugins").mkdir()
    bench = Bench(tmp_path / folder)
    settings = bench.load(at={"plugins.folder": "plugins", "server.data_dir": "data"})
    assert settings.plugins.folder == tmp_path / "plugins"
    assert settings.server.data_dir == tmp_path / "data"
    assert bench.load().server.data_dir == tmp_path / "var"


@pytest.mark.parametrize("name", ["corp", "CORP", "Corp"])
def test_two_connections_of_one_name_stop_the_start(bench: Bench, name: str) -> None:
    """Names are unique, case aside."""
    options = {"discovery_url": "https://other.example/", "client_id": "x"}
    assert any(
        f"connections[{name}].name: is there twice" in line
        for line in bench.mistakes(at={"connections.1": {"name": name, "options": options}})
    )


def test_two_clients_of_one_id_stop_the_start(bench: Bench) -> None:
    """Ids are unique."""
    public = {"client_id": "webapp", "token_endpoint_auth_method": "none", "redirect_uris": ["https://b.example/"]}
    assert any("clients[webapp].client_id: is there twice" in line for line in bench.mistakes(at={"clients.1": public}))


def test_the_guides_spelling_of_scope_is_taken(bench: Bench) -> None:
    """``scopes`` means ``scope``; both at once is a mistake."""
    assert bench.load(at={"connections.0.options.scopes": "openid x"}).connections["corp"].options.scope == "openid x"
    both = {"connections.0.options.scopes": "openid x", "connections.0.options.scope": "openid y"}
    assert any("another spelling" in line for line in bench.mistakes(at=both))


def test_cf_14_a_file_that_everybody_may_write_is_refused(bench: Bench) -> None:
    """CF-14: who may write the configuration may log in as anybody."""
    bench.write({}).chmod(0o666)
    with pytest.raises(Exception, match="everybody may write"):
        load(bench.file, ENVIRON)

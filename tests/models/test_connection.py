"""A connection's keys, each with its rule."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.models import Client, Connection, ConnectionOptions
from proxy.models.connection import serves

BASE = {"client_id": "isthmus", "discovery_url": "https://idp.example/"}


def keys(refused: pytest.ExceptionInfo[ValidationError]) -> list[str]:
    """The keys that were refused."""
    return [".".join(map(str, error["loc"])) for error in refused.value.errors()]


def options(**changes: Any) -> ConnectionOptions:
    """Options that are right, with changes."""
    return ConnectionOptions.model_validate({**BASE, **changes})


@pytest.mark.parametrize("name", ["corp", "a", "A-1", "x" * 128])
def test_names_that_fit_in_a_path(name: str) -> None:
    """Letters, digits, single hyphens."""
    assert Connection(name=name, options=options()).label == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "a b", "a/b", "a.b", "a_b", "ä", "a\n", "x" * 129, ".."])
def test_names_that_do_not(name: str) -> None:
    """A name is part of addresses and of user ids."""
    with pytest.raises(ValidationError) as refused:
        Connection(name=name, options=options())
    assert keys(refused) == ["name"]


@pytest.mark.parametrize("text", ["a\u202eb", "x" * 129, "a\x07"])
def test_lg_01_a_display_name_is_plain_words(text: str) -> None:
    """LG-01: of a sensible length, without characters that turn a line around."""
    with pytest.raises(ValidationError) as refused:
        Connection(name="corp", display_name=text, options=options())
    assert keys(refused) == ["display_name"]


@pytest.mark.parametrize(
    ("client", "more", "good"),
    [
        pytest.param("webapp", {}, True, id="enabled"),
        pytest.param("other", {}, False, id="rp-21-not-enabled"),
        pytest.param("web", {}, False, id="rp-21-prefix"),
        pytest.param("tpc_x", {"is_first_party": False}, False, id="rp-21-registered"),
    ],
)
def test_whom_a_connection_serves(client: str, more: dict[str, Any], good: bool) -> None:
    """RP-21: the clients it is enabled for, exactly."""
    corp = Connection(name="corp", enabled_clients=("webapp",), options=options())
    assert serves(corp, Client(client_id=client, **more)) is good


def test_rp_21_a_connection_serves_nobody_by_default() -> None:
    """RP-21: without ``enabled_clients`` there is no client it serves, and none at all once it is gone."""
    webapp = Client(client_id="webapp")
    assert not serves(Connection(name="corp", options=options()), webapp) and not serves(None, webapp)


def test_a_domain_connection_is_open_to_clients_of_others() -> None:
    """``is_domain_connection``: clients that are not the operator's own come through it; the operator's by name."""
    corp = Connection(name="corp", is_domain_connection=True, options=options())
    assert serves(corp, Client(client_id="tpc_x", is_first_party=False))
    assert not serves(corp, Client(client_id="webapp"))


def test_a_domain_connection_is_open_to_every_client_that_is_not_in_the_file() -> None:
    """Those registered with an operator's token are its own, and come from outside all the same."""
    corp = Connection(name="corp", is_domain_connection=True, options=options())
    assert serves(corp, Client(client_id="tpc_x", is_first_party=True))
    assert not serves(Connection(name="corp", options=options()), Client(client_id="tpc_x", is_first_party=True))

"""What an application's request passes on: a closed list, from the checked request alone."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.bridge.passed_on import passed_on
from proxy.downstream.authorize import AuthorizeRequest
from proxy.models import ConnectionOptions, Wishes
from proxy.models.connection_options import ALIASES

ASKED = AuthorizeRequest(
    "webapp",
    "https://app.example/cb",
    prompt=("login", "consent"),
    max_age=0,
    login_hint="pushed@corp.example",
    audiences=("https://api.example/a", "https://api.example/b"),
    display="popup",
    ui_locales="de",
)
WISHES = Wishes(acr_values=("gold",), login_hint="ann@corp.example")
EXPECTED = {
    "acr_values": "gold",
    "audience": "https://api.example/a",
    "client_id": "webapp",
    "display": "popup",
    "login_hint": "ann@corp.example",
    "max_age": "0",
    "prompt": "login consent",
    "resource": "https://api.example/a",
    "response_mode": "query",
    "response_type": "code",
    "ui_locales": "de",
}


def options(params: dict[str, Any]) -> ConnectionOptions:
    return ConnectionOptions.model_validate(
        {"client_id": "i", "discovery_url": "https://idp.example", "upstream_params": params}
    )


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_rp_35_each_alias_stands_for_one_value(alias: str) -> None:
    """RP-35: the checked value under the name that the connection gives it; a hint of ours says nothing to a tenant."""
    found = passed_on(options({"x-up": {"alias": alias}}), ASKED, WISHES)
    assert found == ({"x-up": EXPECTED[alias]} if alias in EXPECTED else {})
    assert alias in EXPECTED or alias == "id_token_hint"


def test_rp_35_what_was_not_asked_is_not_sent() -> None:
    """RP-35: no empty parameter, no fixed value here, nothing without an alias; a pushed hint stays out."""
    bare = AuthorizeRequest("webapp", "https://app.example/cb", login_hint="pushed@corp.example")
    params = {"a": {"alias": "audience"}, "l": {"alias": "login_hint"}, "f": {"value": "v"}}
    assert passed_on(options(params), bare, Wishes()) == {}
    assert passed_on(options({}), ASKED, WISHES) == {}

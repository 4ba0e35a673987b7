"""isthmus-branding: the most special entry wins, field by field; settings it does not know are refused."""

from __future__ import annotations

from typing import Any

import pytest
from isthmus_branding import Branding

from proxy.models import Client, Connection, ConnectionOptions

BUTTONS = {
    "*": {"*": {"display_name": "Log in", "icon_url": "https://cdn.example/any.png"}, "corp": {"display_name": "Corp"}},
    "kiosk": {"*": {"icon_url": "https://cdn.example/kiosk.png"}, "corp": {"display_name": "Corp badge"}},
}


def _connection(name: str) -> Connection:
    return Connection(name=name, options=ConnectionOptions(client_id="rp", discovery_url="https://idp.example/"))


@pytest.mark.parametrize(
    ("client", "connection", "name", "icon"),
    [
        ("kiosk", "corp", "Corp badge", "kiosk"),
        ("kiosk", "other", "Log in", "kiosk"),
        ("webapp", "corp", "Corp", "any"),
        ("webapp", "other", "Log in", "any"),
    ],
)
async def test_the_most_special_entry_wins_field_by_field(client: str, connection: str, name: str, icon: str) -> None:
    """Client and connection, then client, then connection, then any."""
    button = await Branding({"buttons": BUTTONS}).isthmus_connection_button(
        _connection(connection), Client(client_id=client)
    )
    assert button == {"display_name": name, "icon_url": f"https://cdn.example/{icon}.png"}


@pytest.mark.parametrize("settings", [{}, {"buttons": {"other": {"corp": {"display_name": "X"}}}}])
async def test_a_button_without_an_entry_stays_as_it_is(settings: dict[str, Any]) -> None:
    """Nothing set means no opinion."""
    assert await Branding(settings).isthmus_connection_button(_connection("corp"), Client(client_id="webapp")) is None


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"button": {}}, "unknown key button:"),
        ({"buttons": []}, "buttons must be a table"),
        ({"buttons": {"a": "x"}}, "buttons.a must be a table"),
        ({"buttons": {"a": {"b": "x"}}}, "buttons.a.b must be a table"),
        ({"buttons": {"a": {"b": {"icon": "x"}}}}, "unknown key icon:"),
        ({"buttons": {"a": {"b": {"icon_url": ""}}}}, "icon_url must be text"),
    ],
)
def test_settings_it_does_not_understand_are_refused(settings: dict[str, Any], told: str) -> None:
    """The place of the mistake is named, at the start."""
    with pytest.raises(ValueError, match=told):
        Branding(settings)

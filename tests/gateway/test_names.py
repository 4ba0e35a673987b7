"""Which header names never reach an app, in whatever spelling; and that others do."""

from __future__ import annotations

import pytest

from proxy.gateway.assertion import HEADER
from proxy.gateway.identity import ACCESS_TOKEN, CLAIMS_TOKEN, CLAIMS_URL, PRESETS
from proxy.gateway.names import Names, configured, folded
from proxy.models.route import PRESETS as PRESET_NAMES
from proxy.models.route import Route
from proxy.settings.shape import Gateway
from tests.gateway.spellings import CONFIGURED, FORBIDDEN, HOP_BY_HOP, spellings

NAMES = Names(CONFIGURED)
GO_ON = (b"Accept", b"accept-encoding", b"User-Agent", b"X-Requested-With", b"X-CSRF-Token", b"Content-Type",
         b"Authorization", b"X-Api-Key", b"If-None-Match", b"Remote", b"X-Forward", b"X-Author", b"X-Teams", b"Proxy2",
         b"X-Real-IPs", b"Sec-WebSocket-Key", b"X-User-Theme", b"DNT", b"Priority", b"Traceparent")  # fmt: skip


@pytest.mark.parametrize("name", [*FORBIDDEN, *HOP_BY_HOP])
def test_gw_02_every_spelling_of_a_name_is_removed(name: str) -> None:
    """GW-02, GW-30: case, and every character that a name may have instead of a hyphen."""
    left = [spelled for spelled in spellings(name) if not NAMES.are_removed(spelled)]
    assert left == []


@pytest.mark.parametrize("name", GO_ON)
def test_gw_02_other_names_go_on(name: bytes) -> None:
    """The control: what only looks alike, and what browsers send, is let through."""
    assert not NAMES.are_removed(name)


@pytest.mark.parametrize(
    "code", sorted(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"))
)
def test_gw_02_a_name_of_other_characters_is_none(code: int) -> None:
    """GW-02: whatever it stands for, an app might fold it into something else."""
    assert NAMES.are_removed(b"X-Harmless" + bytes((code,)))
    assert NAMES.are_removed(b"X" + bytes((code,)) + b"Harmless")
    assert folded(b"X" + bytes((code,)) + b"A") == b"x-a"


@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_gw_01_whatever_a_preset_tells_is_removed_first(preset: str) -> None:
    """GW-01: on every route, whatever preset it has: the names of all of them, without configuration."""
    for name in PRESETS[preset]:
        assert Names().are_removed(name.encode())


@pytest.mark.parametrize("name", [HEADER, CLAIMS_URL, CLAIMS_TOKEN, ACCESS_TOKEN])
def test_gw_01_what_we_add_ourselves_is_removed_first(name: str) -> None:
    """GW-01: nobody but us signs, refers or hands over a token."""
    assert Names().are_removed(name.encode()) and Names().are_internal(name.encode())


def test_gw_01_the_configurations_own_names_are_those_of_all_routes() -> None:
    """GW-01: a name that one route tells is removed on every other, too."""
    routes = (
        Route(host="a.example", upstream=("http://127.0.0.1:1",), headers={"X-Team": "team"}),
        Route(host="b.example", upstream=("http://127.0.0.1:1",), headers="authelia"),
        Route(host="c.example", upstream=("http://127.0.0.1:1",)),
    )
    gateway = Gateway(routes=routes, headers={"X-Who": "user_id"})
    assert set(configured(gateway)) == {"X-Team", "X-Who"}


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_gw_14_no_header_makes_another_method_of_one(name: str) -> None:
    """GW-14: rules are by method, so the app gets the one that was decided on."""
    assert all(NAMES.are_removed(spelled) for spelled in spellings(name))


def test_gw_22_names_an_app_does_not_answer_with() -> None:
    """GW-22: what apps are told, what servers tell each other, and what is for one connection."""
    internal = (b"X-Isthmus-Assertion", b"Remote-User", b"X-Auth-Request-User", b"X-Accel-Redirect", b"X-Sendfile",
                b"Connection", b"Keep-Alive", b"Transfer-Encoding", b"Upgrade", b"Proxy-Authenticate", b"X-Team",
                b"x_accel_redirect", b"Alt-Svc", b"X-Request-Id", b"X-Forwarded-User")  # fmt: skip
    assert [name for name in internal if not NAMES.are_internal(name)] == []
    outside = (b"Content-Type", b"Set-Cookie", b"Location", b"ETag", b"X-Frame-Options", b"X_Odd", b"WWW-Authenticate",
               b"Trailer", b"Server")  # fmt: skip
    assert [name for name in outside if NAMES.are_internal(name)] == []

"""What pages of other sites may open and ask about: tables of Origin, Upgrade and preflights."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.gateway.elsewhere import is_preflight, lasts, refusal
from proxy.gateway.request import Asked
from proxy.models.route import Route

HERE, LISTED = "https://app.example", "https://friend.example"
ALLOWED = (HERE, LISTED)


def route(**changes: Any) -> Route:
    """One with WebSockets and preflights."""
    plain = {"host": "app.example", "upstream": "http://127.0.0.1:9004", "websocket": True, "cors_preflight": True}
    return Route.model_validate({**plain, **changes})


def asked(method: bytes = b"GET", **seen: Any) -> Asked:
    """A request."""
    upgrade, length = seen.pop("upgrade", b""), seen.pop("length", 0)
    headers = {name.replace("_", "-").encode(): value for name, value in seen.items()}
    return Asked(method, b"/", seen=headers, upgrade=upgrade, length=length)


ORIGINS = [
    (HERE, True), (LISTED, True), ("https://evil.example", False), ("null", False), ("http://app.example", False),
    ("https://app.example:444", False), ("https://sub.app.example", False), ("https://app.example.evil.example", False),
    ("HTTPS://APP.EXAMPLE", False), (f"{HERE}, {HERE}", False), (f"{HERE}/", False),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "fine"), [*ORIGINS, ("", False)])
def test_gw_18_a_websocket_is_opened_by_the_apps_own_pages(origin: str, fine: bool) -> None:
    """GW-18: or by those that the route names; without an Origin nobody knows whose page it is."""
    handshake = asked(upgrade=b"websocket", **({"origin": origin.encode()} if origin else {}))
    assert lasts(handshake)
    assert refusal(handshake, route(), ALLOWED) == ("" if fine else "origin")
    assert refusal(handshake, route(websocket=False), ALLOWED) == "websocket_off"


@pytest.mark.parametrize(("origin", "fine"), [*ORIGINS, ("", True)])
@pytest.mark.parametrize("accept", [b"text/event-stream", b"Text/Event-Stream, */*"])
def test_gw_18_so_is_a_stream_of_events(origin: str, fine: bool, accept: bytes) -> None:
    """GW-18: pages of the app itself ask without an Origin."""
    stream = asked(accept=accept, **({"origin": origin.encode()} if origin else {}))
    assert lasts(stream)
    assert refusal(stream, route(), ALLOWED) == ("" if fine else "origin")


def test_other_requests_are_not_looked_at() -> None:
    """What ends by itself is between the browser and the app."""
    assert not lasts(asked(origin=b"https://evil.example", accept=b"*/*"))


PREFLIGHT: dict[str, bytes] = {"origin": b"https://evil.example", "access_control_request_method": b"PUT"}


def test_gw_13_a_preflight_passes_where_the_route_says_so() -> None:
    """GW-13: and nowhere else."""
    assert is_preflight(asked(b"OPTIONS", **PREFLIGHT), route())
    assert not is_preflight(asked(b"OPTIONS", **PREFLIGHT), route(cors_preflight=False))


@pytest.mark.parametrize(
    "request_",
    [
        asked(b"GET", **PREFLIGHT),
        asked(b"options", **PREFLIGHT),
        asked(b"OPTIONS", length=1, **PREFLIGHT),
        asked(b"OPTIONS", length=None, **PREFLIGHT),
        asked(b"OPTIONS", upgrade=b"websocket", **PREFLIGHT),
        asked(b"OPTIONS", origin=b"https://evil.example"),
        asked(b"OPTIONS", access_control_request_method=b"PUT"),
        asked(b"OPTIONS"),
    ],
)
def test_gw_13_what_only_looks_like_a_preflight(request_: Asked) -> None:
    """GW-13: with a body, by another method, or without what makes it one."""
    assert not is_preflight(request_, route())

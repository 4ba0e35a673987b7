"""Who asks: pages and programs, by the headers that browsers and programs really send."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.gateway.asker import is_document, is_program, is_safe
from proxy.gateway.request import Asked

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def asked(method: bytes = b"GET", upgrade: bytes = b"", **headers: Any) -> Asked:
    """A request with these headers, ``_`` for ``-``."""
    seen = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Asked(method, b"/", seen=seen, upgrade=upgrade)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"accept": "*/*"},
        {"accept": CHROMIUM},
        {"accept": "application/xhtml+xml"},
        {"accept": "TEXT/HTML"},
        {"accept": CHROMIUM, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document", "sec_fetch_site": "none"},
        {"accept": CHROMIUM, "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
        {"accept": CHROMIUM, "x_requested_with": "com.example.webview"},
    ],
)
def test_users_31_a_page_is_redirected(headers: dict[str, str]) -> None:
    """users.md 31: navigations, and what does not say that it is none."""
    assert not is_program(asked(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {"x_requested_with": "XMLHttpRequest"},
        {"x_requested_with": "xmlhttprequest", "accept": CHROMIUM},
        {"sec_fetch_mode": "cors", "accept": "*/*"},
        {"sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
        {"sec_fetch_mode": "same-origin"},
        {"sec_fetch_mode": "navigate", "sec_fetch_dest": "embed"},
        {"sec_fetch_dest": "empty", "accept": CHROMIUM},
        {"sec_fetch_mode": ""},
        {"accept": "application/json"},
        {"accept": "image/webp"},
        {"accept": "text/event-stream"},
        {"accept": "text/event-stream, */*"},
        {"accept": ""},
    ],
)
def test_users_31_a_program_is_not(headers: dict[str, str]) -> None:
    """users.md 31: XMLHttpRequest, fetch, images, streams of events, and who wants no page."""
    assert is_program(asked(**headers))


def test_users_31_a_websocket_is_a_programs() -> None:
    """users.md 31: whatever else it says; a browser cannot follow a redirect there."""
    assert is_program(asked(upgrade=b"websocket", accept=CHROMIUM))


def test_only_reading_can_be_done_again() -> None:
    """A form is no page to be sent to a login and back, unless its route keeps it."""
    assert [is_safe(asked(method)) for method in (b"GET", b"HEAD", b"POST", b"DELETE", b"OPTIONS")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_scripts_run_in_documents_of_browsers_that_say_so() -> None:
    """Everybody else is sent straight on."""
    assert is_document(asked(sec_fetch_dest="document"))
    assert not is_document(asked(sec_fetch_dest="iframe"))
    assert not is_document(asked())

"""The gateway put together: whose requests are its own on a shared port, and what goes on beside them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.bridge.session import ENDED
from proxy.doorway import rendering
from proxy.store import Tell
from proxy.web.pages import SOURCES, Pages
from tests.downstream.world import ISSUER
from tests.gateway.house import FETCH, HOST, a_house
from tests.kit.waiting import eventually


@pytest.mark.parametrize(
    ("host", "target", "is_ours"),
    [
        (HOST, "/", True),
        (HOST, "/authorize", True),
        (HOST.upper(), "/", True),
        (f"{HOST}:443", "/", True),
        ("sso.example", "/", False),
        ("sso.example", "/authorize", False),
        ("sso.example", "/forward-auth", True),
        ("sso.example", "/forward-auth?answer=status", True),
        ("sso.example", "/forward-authx", False),
        ("10.0.0.1:9000", "/healthz", False),
    ],
)
def test_whose_a_request_is_on_a_shared_port(tmp_path: Path, host: str, target: str, is_ours: bool) -> None:
    """The hosts of apps are ours, and what servers ask at the issuer; the rest is the site's."""
    head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    assert a_house(tmp_path).doorway.proxy.is_ours(head) is is_ours


def test_pages_on_the_host_of_an_app_have_the_issuers_style() -> None:
    """Their policy lets it in, one script by its hash, and forms lead away where they must."""
    render = rendering(Pages(ISSUER, "Acme apps"), ISSUER)
    text, policy = render("gateway_back.html", {"id": "x", "target": "/"}, "gateway_back", False)
    assert f'href="{ISSUER}assets/' in text
    assert policy == (
        f"default-src 'none'; script-src {SOURCES['gateway_back']}; style-src https://sso.example; "
        "img-src https://sso.example; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    _, policy = render("gateway_form.html", {"action": "/", "fields": ()}, "gateway_form", True)
    assert "form-action" not in policy


def test_what_a_page_is_given_is_text() -> None:
    """Nothing of an address or a form becomes markup."""
    render = rendering(Pages(ISSUER, "Acme apps"), ISSUER)
    evil = '"><script>alert(1)</script></textarea>'
    pages: dict[str, dict[str, Any]] = {
        "gateway_back.html": {"id": evil, "target": evil},
        "gateway_login.html": {"id": evil, "target": evil, "url": evil},
        "gateway_form.html": {"action": evil, "fields": ((evil, evil),)},
        "gateway_forbidden.html": {"needed": evil, "again": evil, "reference": evil},
        "gateway_logged_out.html": {"again": evil},
        "gateway_problem.html": {"title": evil, "message": evil, "again": evil, "new_tab": True, "reference": evil},
    }
    for template, values in pages.items():
        assert "alert(1)<" not in render(template, values, "", False)[0]


async def test_p1_a_session_that_ends_elsewhere_is_gone_here(tmp_path: Path) -> None:
    """P1: as long as the doorway is open it hears of it, and holds what it read until then."""
    house = a_house(tmp_path)
    session = await house.begin()
    await house.log_in(session)
    async with house.doorway.open():
        held = house.doorway.held

        async def up() -> bool:
            return held._up_since is not None

        async def empty() -> bool:
            return len(held) == 0

        await eventually(up)
        cookie = next(value for name, value in house.jar.items() if "gateway" in name)
        now = asyncio.get_running_loop().time()
        assert held.keep(cookie, HOST, session, now) and len(held) == 1
        await house.memory.run(Tell(ENDED, session.sid))
        await eventually(empty)
        await house.end(session)
    assert (await house.reply(**FETCH)).status == 401

"""Pages: escaped, framed by nobody, working without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.web.pages import Pages, policy

PAGES = Pages("https://sso.example/", "Acme apps")
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "{{ 7*7 }}",
    "{% import os %}",
    "'><script>alert(1)</script>",
]


def login(**changes: Any) -> str:
    values: dict[str, Any] = {
        "client": "Web app",
        "buttons": [{"label": "Corp login", "icon_url": "", "href": "https://sso.example/login?tx=t&connection=corp"}],
        "tx": "t",
        "identifier_first": False,
        "unknown": False,
        "email": "",
    }
    return PAGES.render("login.html", {**values, **changes})


@pytest.mark.parametrize("text", HOSTILE)
def test_lg_01_lg_14_a_hostile_name_is_text(text: str) -> None:
    """LG-01, LG-14: tags of a display name are escaped, template syntax in it is inert."""
    page = login(client=text, buttons=[{"label": text, "icon_url": 'https://x" onerror="alert(1)', "href": "/login"}])
    assert "<img src=x" not in page and "<svg/onload" not in page and "<script" not in page
    assert 'src="https://x" onerror' not in page
    assert "49" not in page.replace("isthmus", "")


@pytest.mark.parametrize("text", HOSTILE)
def test_lg_02_reflected_values_are_escaped(text: str) -> None:
    """LG-02: what came in with the request comes out as text."""
    values = {"title": "No", "message": text, "detail": text, "again": "", "reference": text}
    for page in (login(email=text, tx=text, identifier_first=True), PAGES.render("error.html", values)):
        assert "<img src=x" not in page and "<svg/onload" not in page and "<script>alert" not in page


def test_the_policy_allows_nothing_inline() -> None:
    """LG-02, AZ-22: no unsafe-inline, no script, no frame; forms lead to us."""
    assert policy() == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def test_the_policy_names_where_a_form_and_a_picture_may_come_from() -> None:
    """A registered address after a form, and the icons of the buttons, are named by origin."""
    text = policy(form_targets=("https://app.example/out?x=1",), image_sources=("https://cdn.example",))
    assert "form-action 'self' https://app.example;" in text
    assert "img-src 'self' https://cdn.example;" in text


def test_an_app_with_a_scheme_of_its_own_is_named_by_it() -> None:
    """RFC 8252 7.1: a logout form may lead to ``com.example.app:/bye``; as an origin the browser would not know it."""
    text = policy(form_targets=("com.example.app:/bye", "com.example.app://host/bye"))
    assert "form-action 'self' com.example.app:;" in text


def test_no_page_has_inline_style_or_script() -> None:
    """What the policy would block is not there to begin with."""
    for page in (login(), PAGES.render("logged_out.html", {})):
        assert "style=" not in page and "<script" not in page and " on" + "click" not in page


def test_an_empty_login_page_says_what_to_do() -> None:
    """No button and no field: a sentence, not an empty box."""
    assert "Its operator has to enable a connection" in login(buttons=[])


def test_the_default_icon_stands_in() -> None:
    """A button without an icon gets ours; pictures are decoration to a screen reader."""
    assert 'connection.svg" alt=""' in login()


def test_assets_change_their_address_with_their_content() -> None:
    """SE-19: they may be cached for ever, since the address changes with them."""
    assert "https://sso.example/assets/" in login()
    assert set(PAGES.assets) == {"isthmus.css", "mark.svg", "connection.svg"}

"""Pages: escaped, framed by nobody, working without JavaScript."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from proxy.lab.page import Reader, submits_itself
from proxy.web.pages import SCRIPTS, SOURCES, Pages, policy

PAGES = Pages("https://sso.example/", "Acme apps")
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "{{ 7777*7777 }}",
    "{% import os %}",
    "'><script>alert(1)</script>",
]


def login(**changes: Any) -> str:
    values: dict[str, Any] = {
        "client": "Web app",
        "logo": "",
        "policy": "",
        "terms": "",
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
    assert str(7777 * 7777) not in page


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


def test_the_policy_names_where_a_picture_may_come_from() -> None:
    """The icons of the buttons are named by origin."""
    assert "img-src 'self' https://cdn.example;" in policy(image_sources=("https://cdn.example",))


def test_a_form_that_leads_away_may_be_sent_on_to_anywhere() -> None:
    """CSP Level 3 6.4.2: browsers hold every later redirect to ``form-action``, other sites' too; where a form leads to
    an application the directive is left out, and nothing else is loosened."""
    assert "form-action" not in policy(leads_away=True)
    assert policy(leads_away=True) == policy().replace("form-action 'self'; ", "")


def test_the_one_script_is_named_by_its_hash() -> None:
    """AZ-22: no unsafe-inline for the page that submits itself either."""
    text = policy(script="submit")
    assert f"script-src {SOURCES['submit']};" in text and "unsafe" not in text
    assert "script-src" not in policy()


def form_post(fields: dict[str, str], action: str = "https://app.example/cb?a=1&b=2") -> str:
    return PAGES.render("form_post.html", {"action": action, "fields": fields})


def read(page: str) -> Reader:
    """The page as a browser parses it."""
    reader = Reader("https://sso.example/authorize")
    reader.feed(page)
    return reader


@pytest.mark.parametrize(
    "text", [*HOSTILE, "'></form><form action=//evil.example>", "&quot;>&#39;", "s" * 2048, "é中 +%00"]
)
def test_az_11_what_is_posted_is_escaped_and_arrives_unchanged(text: str) -> None:
    """AZ-11: whatever ``state`` or an error text is, there is one form, to the checked address, with these values."""
    fields = {"state": text, "error_description": text, "iss": "https://sso.example/"}
    page = read(form_post(fields))
    (form,) = page.forms
    assert (form.action, form.method) == ("https://app.example/cb?a=1&b=2", "post")
    assert form.fields == list(fields.items())
    assert [(script.attributes, script.text) for script in page.scripts] == [({}, SCRIPTS["submit"])]


def test_az_11_the_form_works_without_a_script() -> None:
    """AZ-11: a button a person can press; it has no name, so nothing is posted with it and ``submit()`` is not
    shadowed."""
    (form,) = read(form_post({"code": "C"})).forms
    (button,) = form.buttons
    assert button.name == "Continue" and "name" not in button.attributes


def test_az_11_only_the_policy_of_a_page_that_submits_itself_lets_its_script_run() -> None:
    """AZ-11: the script runs by its hash alone; a single character more, or another page's policy, and it does not."""
    honest = form_post({"code": "C"})
    allowed = policy(leads_away=True, script="submit")
    assert submits_itself(read(honest), allowed) and not submits_itself(read(honest), policy(leads_away=True))
    assert not submits_itself(read(honest.replace(SCRIPTS["submit"], SCRIPTS["submit"] + ";")), allowed)
    assert not re.search(r"<[^>]* on[a-z]+=", honest)


def web_message(response: dict[str, str]) -> str:
    return PAGES.render("web_message.html", {"origin": "https://app.example", "response": response})


@pytest.mark.parametrize("text", [*HOSTILE, "&quot;>&#39;", "a\r\nb", "\0", "s" * 2048, "é中 \u2028</script>"])
def test_az_13_a_message_holds_exactly_what_was_given(text: str) -> None:
    """AZ-13: whatever ``state`` is, it reaches the application character for character, and is never markup; the
    script is the one that the policy allows."""
    page = web_message({"code": "C", "state": text})
    reader = Told()
    reader.feed(page)
    assert (reader.origin, json.loads(reader.response)) == ("https://app.example", {"code": "C", "state": text})
    (script,) = read(page).scripts
    assert (script.attributes, script.text) == ({}, SCRIPTS["web_message"])


class Told(HTMLParser):
    """Finds what the page has for its script."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if "data-response" in found:
            self.origin, self.response = found["data-origin"], found["data-response"] or ""


def test_az_22_a_message_may_be_framed_by_its_application_alone() -> None:
    """AZ-22: ``frame-ancestors`` names the one origin."""
    text = policy(script="web_message", framed_by=("https://app.example",))
    assert text.endswith("frame-ancestors https://app.example") and SOURCES["web_message"] in text


CLIENT: dict[str, str] = {
    "label": "Calendar",
    "client_uri": "https://app.example/about",
    "logo_uri": "https://app.example/logo.png",
    "policy_uri": "https://app.example/privacy",
    "tos_uri": "https://app.example/terms",
}


def consent(client: dict[str, str], **changes: Any) -> str:
    values: dict[str, Any] = {
        "action": "https://sso.example/login/consent",
        "fields": {"id": "i", "form_token": "t"},
        "client": client,
        "unverified": False,
        "things": ["See your email address"],
        "person": "Ada",
        "address": "ada@corp.example",
        "destination": "app.example",
        "other": "https://sso.example/authorize?prompt=select_account",
    }
    return PAGES.render("consent.html", {**values, **changes})


def test_az_24_the_consent_page_shows_all_that_a_person_can_check() -> None:
    """AZ-24: who asks, who is asked, for what, where it leads, its links; marked when nobody vouches for it."""
    page = consent(CLIENT)
    for text in ("Calendar", "Ada", "ada@corp.example", "See your email address", "app.example", "Not you?"):
        assert text in page
    for uri in (CLIENT["client_uri"], CLIENT["policy_uri"], CLIENT["tos_uri"], CLIENT["logo_uri"]):
        assert f'"{uri}"' in page
    assert "Unverified" not in page and "Unverified" in consent(CLIENT, unverified=True)
    bare = consent(dict.fromkeys(CLIENT, ""), person="", other="", destination="", things=[])
    assert '<img src=""' not in bare and "Not you?" not in bare and "Know that you are logged in" in bare


def test_az_23_the_consent_form_says_yes_or_no_and_names_nothing_else() -> None:
    """AZ-23: one form, by POST, to us; what it allows is not in it."""
    (form,) = read(consent(CLIENT)).forms
    assert (form.action, form.method) == ("https://sso.example/login/consent", "post")
    assert form.fields == [("id", "i"), ("form_token", "t")]
    assert [(b.name, b.attributes["name"], b.attributes["value"]) for b in form.buttons] == [
        ("Allow", "choice", "allow"),
        ("Deny", "choice", "deny"),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_lg_01_a_hostile_client_is_text_on_the_consent_page(text: str) -> None:
    """LG-01: names, scopes and people are escaped."""
    page = consent({**CLIENT, "label": text}, person=text, address=text, things=[text], destination=text)
    assert "<img src=x" not in page and "<svg/onload" not in page and "<script" not in page


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


def test_rg_03_the_login_page_shows_whose_it_is() -> None:
    """RG-03, oidcc-registration-logo-uri, -policy-uri, -tos-uri: picture and links of the client, which learn nothing
    of where the person came from; nothing where there are none."""
    links = {"logo": "https://app.example/l.png", "policy": "https://app.example/p", "terms": "https://app.example/t"}
    page = login(**links)
    assert '<img src="https://app.example/l.png" alt="" referrerpolicy="no-referrer">' in page
    assert '<a href="https://app.example/p" rel="noopener noreferrer">Privacy policy</a>' in page
    assert '<a href="https://app.example/t" rel="noopener noreferrer">Terms of service</a>' in page
    assert "By Web app" in page and "By Web app" not in login() and "noopener" not in login()


@pytest.mark.parametrize("text", HOSTILE)
def test_rg_03_a_hostile_link_is_text(text: str) -> None:
    """RG-03: what slipped through is escaped all the same."""
    page = login(logo=text, policy=text, terms=text)
    assert "<img src=x" not in page and "<svg/onload" not in page and "<script" not in page


def test_cb_07_the_page_for_a_fragment_has_one_form_and_one_script() -> None:
    """CB-07: it posts to us, holds nothing but the proof, clears the address, and says what it needs a script for."""
    page = PAGES.render("fragment.html", {"action": "/login/callback", "mark": "from_fragment", "proof": "p"})
    (form,), (script,) = read(page).forms, read(page).scripts
    assert (form.action, form.method) == ("https://sso.example/login/callback", "post")
    assert form.fields == [("from_fragment", "p")]
    assert (script.attributes, script.text) == ({}, SCRIPTS["fragment"])
    assert "history.replaceState" in script.text and "If this page stays, it needs JavaScript" in page

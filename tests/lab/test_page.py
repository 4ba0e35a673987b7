"""Reading a page: what a person may click, what fills a form, whether it sends itself."""

from __future__ import annotations

import base64
import hashlib

import pytest

from proxy.lab.page import Reader, directive, may_submit_to, reads_fragment, submits_itself

SEND = "document.forms[0].submit()"
HASH = "'sha256-" + base64.b64encode(hashlib.sha256(SEND.encode()).digest()).decode() + "'"
FORM = '<form method="POST" action="/go?x=1"><input type=hidden name=a value="1 &amp; 2">'


def read(html: str) -> Reader:
    """The page at an address of a test."""
    reader = Reader("https://a.example/dir/page")
    reader.feed(html)
    return reader


def test_links_and_buttons_go_by_their_names() -> None:
    """A name is the words inside, the picture's text, or aria-label; markup and blanks do not count."""
    page = read(
        '<title> T </title><a href="/x"><img alt="Logo" src=i> Log\n <b>in</b></a>'
        "<form><button aria-label=Send>x</button><input type=submit value=Go><button type=button>No</button></form>"
    )
    assert page.title == "T"
    assert [link.name for link in page.links] == ["Logo Log in"]
    assert [button.name for button in page.forms[0].buttons] == ["Send", "Go"]


def test_a_form_is_filled_as_the_page_says() -> None:
    """Hidden and text fields, ticked boxes, the chosen option; nothing unticked, nothing unnamed."""
    page = read(
        FORM + "<input name=t><input type=checkbox name=c checked><input type=checkbox name=d><input value=n>"
        "<select name=s><option value=1><option value=2 selected></select></form>"
    )
    form = page.forms[0]
    assert (form.action, form.method) == ("https://a.example/go?x=1", "post")
    assert form.fields == [("a", "1 & 2"), ("t", ""), ("c", "on"), ("s", "2")]


def test_the_text_is_what_a_person_reads() -> None:
    """Scripts, styles and the title are not part of it."""
    assert read("<title>T</title><style>p{}</style><p>one</p> <script>two()</script>three").text == "one three"


@pytest.mark.parametrize(
    ("page", "policy", "sends"),
    [
        (f"{FORM}</form><script>{SEND}</script>", "", True),
        (f"{FORM}</form><script>{SEND}</script>", "default-src 'none'", False),
        (f"{FORM}</form><script>{SEND}</script>", f"default-src 'none'; script-src {HASH}", True),
        (f"{FORM}</form><script>{SEND};</script>", f"script-src {HASH}", False),
        (f"{FORM}</form><script nonce=n>{SEND}</script>", "script-src 'nonce-n'", True),
        (f"{FORM}</form><script nonce=m>{SEND}</script>", "script-src 'nonce-n'", False),
        (f"<body onload='{SEND}'>{FORM}</form>", "", True),
        (f"<body onload='{SEND}'>{FORM}</form>", "script-src 'self'", False),
        (f"<script>{SEND}</script>", "", False),
        (f"{FORM}</form><script>other()</script>", "", False),
    ],
)
def test_a_page_sends_itself_if_its_policy_lets_it(page: str, policy: str, sends: bool) -> None:
    """An inline script runs if nothing forbids it, or its hash or nonce is allowed."""
    assert submits_itself(read(page), policy) is sends


@pytest.mark.parametrize(
    ("policy", "target", "may"),
    [
        ("default-src 'none'", "https://b.example", True),
        ("form-action 'self'", "https://a.example", True),
        ("form-action 'self'", "https://b.example", False),
        ("form-action 'self' https://b.example", "https://b.example", True),
        ("form-action 'none'", "https://a.example", False),
        ("form-action https:", "https://b.example", True),
    ],
)
def test_form_action_says_where_a_form_may_lead(policy: str, target: str, may: bool) -> None:
    """default-src does not cover it; 'self' is the page's own origin."""
    assert may_submit_to(directive(policy, "form-action"), "https://a.example", target) is may


@pytest.mark.parametrize(("policy", "reads"), [("", True), ("script-src 'none'", False)])
def test_a_script_that_may_run_reads_the_fragment(policy: str, reads: bool) -> None:
    """The page's own script takes what stands behind ``#``, unless its policy forbids the script."""
    page = read(f"{FORM}</form><script>use(location.hash); HTMLFormElement.prototype.submit.call(f)</script>")
    assert reads_fragment(page, policy) is submits_itself(page, policy) is reads
    assert not reads_fragment(read(f"{FORM}</form><script>{SEND}</script>"), "")


def test_frames_are_found() -> None:
    """Frames by their absolute address; one without an address is none."""
    assert read("<iframe src='/x?y=1'></iframe><iframe></iframe>").frames == ["https://a.example/x?y=1"]


def test_a_textarea_is_a_field_with_lines() -> None:
    """The first line break after the tag is none of its text; lines end as forms send them (HTML 4.10.22.4)."""
    page = Reader("http://app.example/")
    page.feed(
        "<form><textarea hidden name=text>\n one &lt;b&gt;\r\ntwo\n</textarea><textarea name=more></textarea></form>"
    )
    assert page.forms[0].fields == [("text", " one <b>\r\ntwo\r\n"), ("more", "")]

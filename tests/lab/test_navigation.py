"""From one navigation to the next, without a network."""

from __future__ import annotations

import pytest

from proxy.lab.navigation import Navigation, Page, Stuck, filled, headers_of, obey_form_action, obey_framing, redirected
from proxy.lab.page import Reader

A, B, A2 = "http://127.0.0.1:1/", "http://localhost:1/", "http://127.0.0.1:2/"


@pytest.mark.parametrize(
    ("initiator", "hops", "url", "relation", "cross"),
    [
        ("", (), A, "none", False),
        (A, (), A, "same-origin", False),
        (A, (), A2, "same-site", False),
        (B, (), A, "cross-site", True),
        (A, (B,), A, "cross-site", False),
    ],
)
def test_the_initiator_decides_about_cookies(
    initiator: str, hops: tuple[str, ...], url: str, relation: str, cross: bool
) -> None:
    """SameSite looks at who began and where it goes; Sec-Fetch-Site at every address on the way."""
    navigation = Navigation("GET", url, initiator=initiator, hops=hops)
    assert (navigation.relation, navigation.cross_site) == (relation, cross)


@pytest.mark.parametrize(
    ("status", "method", "body"), [(302, "GET", ""), (303, "GET", ""), (307, "POST", "a=b"), (308, "POST", "a=b")]
)
def test_a_redirect_after_a_post(status: int, method: str, body: str) -> None:
    """302 and 303 go on as GET without the form, 307 and 308 send it again; who began it stays the same."""
    after = redirected(Navigation("POST", A + "x", "a=b", B), status, "/y#part")
    assert (after.method, after.body, after.url, after.initiator) == (method, body, A + "y", B)


@pytest.mark.parametrize(("policy", "origin"), [("", "http://localhost:1"), ("no-referrer", "null")])
def test_no_referrer_makes_a_form_anonymous(policy: str, origin: str) -> None:
    """A page without referrer posts with Origin null, even to itself (Fetch 3.2)."""
    reader = Reader(B)
    reader.feed('<form method=post action="http://127.0.0.1:1/"><input name=a value=b></form>')
    page = Page(B, 200, {"Referrer-Policy": policy}, "", reader)
    navigation = filled(page, reader.forms[0], None, {"a": "c", "d": "e"})
    assert navigation.body == "a=c&d=e"
    assert headers_of(navigation, "en")["Origin"] == origin


def test_form_action_binds_redirects_too() -> None:
    """The policy of the page goes along with the form to wherever it is sent on."""
    navigation = Navigation("POST", A, "", A, form_action=("'self'",))
    obey_form_action(navigation)
    with pytest.raises(Stuck):
        obey_form_action(redirected(navigation, 303, B))


def test_a_fragment_goes_along_redirects() -> None:
    """RFC 9110 10.2.2: it stays unless the next address has one of its own, and no server sees it."""
    first = redirected(Navigation("GET", A), 302, f"{B}x#one")
    assert (first.url, first.fragment) == (f"{B}x", "one")
    assert redirected(first, 302, "/y").fragment == "one"
    assert redirected(first, 302, "/y#two").fragment == "two"


@pytest.mark.parametrize(
    ("outer", "inner", "good"),
    [
        ("", "", True),
        ("frame-src http://b.example:2", "frame-ancestors http://a.example:1", True),
        ("frame-src 'none'", "", False),
        ("default-src 'none'", "", False),
        ("", "frame-ancestors 'none'", False),
        ("", "frame-ancestors 'self'", False),
    ],
)
def test_both_pages_must_agree_to_a_frame(outer: str, inner: str, good: bool) -> None:
    """The page says whom it frames, the other by whom it lets itself be framed."""
    parent = Page("http://a.example:1/", 200, {"Content-Security-Policy": outer}, "", Reader(A))
    framed = Page("http://b.example:2/", 200, {"Content-Security-Policy": inner}, "", Reader(B))
    if good:
        obey_framing(parent, framed.url, framed)
    else:
        with pytest.raises(Stuck):
            obey_framing(parent, framed.url, framed)

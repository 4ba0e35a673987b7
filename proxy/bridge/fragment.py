"""Answers in a fragment: a browser keeps what stands behind ``#`` to itself, so a page of ours reads it and posts it on
(OAuth 2.0 Multiple Response Types 2.1).

The page's form holds a proof that it is ours, made of a secret in the browser's cookie: no tenant's form can be taken
for it, and an answer by form is never one by fragment.
"""

from __future__ import annotations

import hmac

from proxy.downstream.answers import IN_A_POPUP
from proxy.features import Answer, Request
from proxy.store import digest

MARK = "from_fragment"
"""The field of the page's form that holds the proof."""


def page(request: Request) -> Answer:
    """The page that posts the fragment back to the address it came to."""
    values = {"action": request.path, "mark": MARK, "proof": _proof(request.browsers[0])}
    return Answer(page="fragment.html", values=values, script="fragment", leads_away=True, headers=IN_A_POPUP)


def mode_of(request: Request) -> str:
    """How the answer came: query, form_post or fragment."""
    if request.method != "POST":
        return "query" if request.method == "GET" else ""
    given = request.params.get(MARK, "").encode("utf-8", "surrogatepass")
    ours = any(hmac.compare_digest(given, _proof(browser).encode()) for browser in request.browsers)
    return "fragment" if ours else "form_post"


def _proof(browser: str) -> str:
    return digest(f"fragment {browser}")

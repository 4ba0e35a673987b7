"""What moves a browser: a navigation, the page it ends on, and the rules from one to the next. Pure.

Redirects by Fetch 4.4, ``Sec-Fetch-*`` and ``Origin`` as Chromium sends them, ``form-action`` along redirects (CSP3
6.4.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urldefrag, urlencode, urljoin

from proxy.lab.cookies import is_secure, origin, site
from proxy.lab.page import Control, Form, Reader, directive, may_submit_to

REDIRECTS = (301, 302, 303, 307, 308)


class Stuck(Exception):
    """The person cannot go on: a blocked form, a redirect loop, no such link or button."""


@dataclass(frozen=True)
class Navigation:
    """A top-level navigation about to happen. ``initiator`` is the page that began it, empty for a typed address;
    ``fragment`` is what stands behind ``#``, which no server gets; ``framed``: a frame of that page, not the tab."""

    method: str
    url: str
    body: str = ""
    initiator: str = ""
    hops: tuple[str, ...] = ()
    form_action: tuple[str, ...] | None = None
    quiet: bool = False
    fragment: str = ""
    framed: bool = False

    @property
    def cross_site(self) -> bool:
        """Whether another site began it: the initiator counts, as in Chromium, not the redirects on the way."""
        return bool(self.initiator) and site(self.initiator) != site(self.url)

    @property
    def relation(self) -> str:
        """Sec-Fetch-Site: the furthest of all addresses on the way."""
        if not self.initiator:
            return "none"
        ways = (*self.hops, self.url)
        if all(origin(self.initiator) == origin(url) for url in ways):
            return "same-origin"
        return "same-site" if all(site(self.initiator) == site(url) for url in ways) else "cross-site"


@dataclass
class Page:
    """What an address answered: status, headers, and what a person reads and may click."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: str
    reader: Reader
    history: tuple[str, ...] = ()
    fragment: str = ""

    @property
    def text(self) -> str:
        """The words on the page (the whole body where it is not HTML)."""
        return self.reader.text

    @property
    def title(self) -> str:
        """The page's title."""
        return self.reader.title

    @property
    def forms(self) -> list[Form]:
        """Its forms."""
        return self.reader.forms

    @property
    def names(self) -> list[str]:
        """What can be clicked."""
        return [c.name for c in self.reader.links] + [b.name for form in self.forms for b in form.buttons]

    @property
    def policy(self) -> str:
        """Its Content-Security-Policy."""
        return self.headers.get("Content-Security-Policy", "")


def filled(page: Page, form: Form, button: Control | None, fields: Mapping[str, str]) -> Navigation:
    """The navigation that sends ``form`` of ``page`` off (HTML 4.10.21.3)."""
    known = {name for name, _ in form.fields}
    filled = [(name, fields.get(name, value)) for name, value in form.fields]
    filled += [(name, value) for name, value in fields.items() if name not in known]
    at = button.attributes if button else {}
    if at.get("name"):
        filled.append((at["name"], at.get("value", "")))
    action = urljoin(page.url, at["formaction"]) if at.get("formaction") else form.action
    sources = directive(page.policy, "form-action")
    policy = None if sources is None else tuple(sources)
    quiet = page.headers.get("Referrer-Policy", "") == "no-referrer"
    if form.method == "post":
        return Navigation("POST", action, urlencode(filled), page.url, form_action=policy, quiet=quiet)
    target = f"{action.partition('?')[0]}?{urlencode(filled)}"
    return Navigation("GET", target, "", page.url, form_action=policy, quiet=quiet)


def headers_of(navigation: Navigation, language: str) -> dict[str, str]:
    """The request headers of a navigation, but cookies."""
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": language}
    if is_secure(navigation.url):
        dest = "iframe" if navigation.framed else "document"
        headers |= {"Sec-Fetch-Site": navigation.relation, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": dest}
    if navigation.method == "POST":
        # Fetch 3.2: no-referrer makes even a same-origin form post anonymous
        headers["Origin"] = "null" if navigation.quiet or not navigation.initiator else origin(navigation.initiator)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return headers


def redirected(navigation: Navigation, status: int, location: str) -> Navigation:
    """Fetch 4.4: 303 always, 301 and 302 after a POST, go on as GET; an initiator stays who it was, and a fragment
    goes along unless there is a new one."""
    target, fragment = urldefrag(urljoin(navigation.url, location))
    keep = status in (307, 308)
    return Navigation(
        navigation.method if keep else "GET", target, navigation.body if keep else "", navigation.initiator,
        (*navigation.hops, navigation.url), navigation.form_action, navigation.quiet, fragment or navigation.fragment,
        navigation.framed,
    )  # fmt: skip


def obey_form_action(navigation: Navigation) -> None:
    """Raises ``Stuck`` where the page that the form stood on does not let it lead (CSP3 6.4.2)."""
    sources = None if navigation.form_action is None else list(navigation.form_action)
    if not may_submit_to(sources, origin(navigation.initiator or navigation.url), origin(navigation.url)):
        raise Stuck(f"form-action {sources} blocks the way to {navigation.url.partition('?')[0]}")


def obey_framing(parent: Page, url: str, framed: Page | None = None) -> None:
    """Raises ``Stuck`` where ``parent`` may not frame ``url``, or the page that came does not let itself be framed by
    it (CSP3 6.1.6, 6.4.2)."""
    here, there = origin(parent.url), origin(framed.url if framed else url)
    if not may_submit_to(directive(parent.policy, "frame-src", "default-src"), here, there):
        raise Stuck(f"frame-src of {here} blocks {there}")
    if framed and not may_submit_to(directive(framed.policy, "frame-ancestors"), there, here):
        raise Stuck(f"frame-ancestors of {there} blocks {here}")

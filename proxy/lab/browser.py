"""A strict little browser: enough of one to walk through a login as a person would, without style or script engine.

It keeps cookies by RFC 6265bis (``cookies``), follows redirects (RFC 9110 15.4, Fetch 4.4), tells ``Sec-Fetch-*`` and
``Origin`` as Chromium does, obeys ``form-action`` along redirects (CSP3 6.4.2), and sends self-submitting forms off if
the page's policy lets their script run. Links and buttons are clicked by the name a person would say.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urldefrag, urlencode, urljoin

import aiohttp
import yarl

from proxy.lab.cookies import Jar, is_secure, origin, site
from proxy.lab.page import Control, Form, Reader, directive, may_submit_to, submits_itself

MOST_HOPS = 30
REDIRECTS = (301, 302, 303, 307, 308)


class Stuck(Exception):
    """The person cannot go on: a blocked form, a redirect loop, no such link or button."""


@dataclass(frozen=True)
class Navigation:
    """A top-level navigation about to happen. ``initiator`` is the page that began it, empty for a typed address."""

    method: str
    url: str
    body: str = ""
    initiator: str = ""
    hops: tuple[str, ...] = ()
    form_action: tuple[str, ...] | None = None
    quiet: bool = False

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


@dataclass
class Browser:
    """One person's browser: a jar of cookies and any number of tabs.

    ``trust`` is the TLS context for https. ``script`` False: nothing submits itself. ``stop`` is asked before each
    navigation; True leaves it ``pending`` in the tab. ``clock`` tells the time for the cookies.
    """

    trust: ssl.SSLContext | None = None
    script: bool = True
    stop: Callable[[Navigation], bool] = lambda _: False
    clock: Callable[[], float] = time.time
    language: str = "en"
    jar: Jar = field(default_factory=Jar)

    async def __aenter__(self) -> Browser:
        connector = aiohttp.TCPConnector(ssl=self.trust or True, force_close=True, limit=0)
        self.http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.close()

    async def open(self, url: str) -> Tab:
        """A new tab at a typed address."""
        tab = Tab(self)
        await tab.go(url)
        return tab


@dataclass
class Tab:
    """One tab: the page it shows, and the navigation that was stopped, if any."""

    browser: Browser
    shown: list[Page] = field(default_factory=list)
    pending: Navigation | None = None
    last: Navigation | None = None

    @property
    def page(self) -> Page:
        """What it shows now."""
        return self.shown[-1] if self.shown else Page("about:blank", 0, {}, "", Reader("about:blank"))

    async def go(self, url: str) -> Page:
        """Type an address."""
        return await self.navigate(Navigation("GET", url))

    async def reload(self) -> Page:
        """Repeat the navigation that brought this page, form included."""
        if self.last is None:
            raise Stuck("nothing to reload")
        return await self.navigate(self.last)

    async def resume(self) -> Page:
        """Let the stopped navigation happen."""
        if self.pending is None:
            raise Stuck("nothing was stopped")
        return await self.navigate(self.pending, ask=False)

    async def click(self, name: str) -> Page:
        """Follow the link, or press the button, that is called ``name`` (or has it in its name, if only one has)."""
        for control in _called(name, self.page.reader.links):
            return await self.follow(control.attributes["href"])
        for form in self.page.forms:
            for button in _called(name, form.buttons):
                return await self.submit(form, button)
        raise Stuck(f"nothing called {name!r} on {self.page.url}: {self.page.names}")

    async def follow(self, href: str) -> Page:
        """Follow a link of this page."""
        target = urldefrag(urljoin(self.page.url, href)).url
        return await self.navigate(Navigation("GET", target, initiator=self.page.url))

    async def submit(self, form: Form | None = None, button: Control | None = None, **fields: str) -> Page:
        """Send a form of this page (the first), with ``fields`` filled in, by pressing ``button`` if given."""
        return await self.navigate(_filled(self.page, form or self.page.forms[0], button, fields))

    async def back(self) -> Page:
        """Show the page before this one as it was, without asking for it again."""
        self.shown.pop()
        return self.page

    async def navigate(self, navigation: Navigation, *, ask: bool = True) -> Page:
        """Go there, through every redirect and self-submitting form."""
        self.pending = None
        for _ in range(MOST_HOPS):
            if ask and self.browser.stop(navigation):
                self.pending = navigation
                return self.page
            following, ask = await self._step(navigation), True
            if following is None and self.browser.script and submits_itself(self.page.reader, self.page.policy):
                following = _filled(self.page, self.page.forms[0], None, {})
            if following is None:
                return self.page
            navigation = following
        raise Stuck(f"more than {MOST_HOPS} redirects, the last to {navigation.url}")

    async def _step(self, navigation: Navigation) -> Navigation | None:
        """One exchange: shows the page, or answers the navigation that a redirect asks for."""
        _obey_form_action(navigation)
        jar, now = self.browser.jar, self.browser.clock()
        headers = _headers(navigation, self.browser.language)
        safe = navigation.method == "GET"
        if cookies := jar.header(navigation.url, now, cross_site=navigation.cross_site, safe=safe):
            headers["Cookie"] = cookies
        async with self.browser.http.request(
            navigation.method, yarl.URL(navigation.url, encoded=True), headers=headers,
            data=navigation.body.encode() if not safe else None, allow_redirects=False,
        ) as answer:  # fmt: skip
            for header in answer.headers.getall("Set-Cookie", ()):
                jar.store(navigation.url, header, now)
            if answer.status in REDIRECTS and "Location" in answer.headers:
                return _redirected(navigation, answer.status, answer.headers["Location"])
            self._show(navigation, answer, await answer.text(errors="replace"))
        return None

    def _show(self, navigation: Navigation, answer: aiohttp.ClientResponse, body: str) -> None:
        reader = Reader(navigation.url)
        if answer.content_type in ("text/html", "application/xhtml+xml"):
            reader.feed(body)
        else:
            reader.words.append(body)
        way = (*navigation.hops, navigation.url)
        self.shown.append(Page(navigation.url, answer.status, answer.headers.copy(), body, reader, way))
        self.last = navigation


def _called(name: str, controls: list[Control]) -> list[Control]:
    exact = [control for control in controls if control.name == name]
    close = [control for control in controls if name in control.name]
    return exact or (close if len(close) == 1 else [])


def _filled(page: Page, form: Form, button: Control | None, fields: Mapping[str, str]) -> Navigation:
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


def _headers(navigation: Navigation, language: str) -> dict[str, str]:
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": language}
    if is_secure(navigation.url):
        headers |= {"Sec-Fetch-Site": navigation.relation, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    if navigation.method == "POST":
        # Fetch 3.2: no-referrer makes even a same-origin form post anonymous
        headers["Origin"] = "null" if navigation.quiet or not navigation.initiator else origin(navigation.initiator)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return headers


def _redirected(navigation: Navigation, status: int, location: str) -> Navigation:
    """Fetch 4.4: 303 always, 301 and 302 after a POST, go on as GET; an initiator stays who it was."""
    target = urldefrag(urljoin(navigation.url, location)).url
    keep = status in (307, 308)
    return Navigation(
        navigation.method if keep else "GET", target, navigation.body if keep else "", navigation.initiator,
        (*navigation.hops, navigation.url), navigation.form_action, navigation.quiet,
    )  # fmt: skip


def _obey_form_action(navigation: Navigation) -> None:
    sources = None if navigation.form_action is None else list(navigation.form_action)
    if not may_submit_to(sources, origin(navigation.initiator or navigation.url), origin(navigation.url)):
        raise Stuck(f"form-action {sources} blocks the way to {navigation.url.partition('?')[0]}")

"""A strict little browser: enough of one to walk through a login as a person would, without style or script engine.

It keeps cookies by RFC 6265bis (``cookies``), follows redirects (RFC 9110 15.4, Fetch 4.4), tells ``Sec-Fetch-*`` and
``Origin`` as Chromium does, obeys ``form-action`` along redirects (CSP3 6.4.2), and sends self-submitting forms off if
the page's policy lets their script run, with what is in the fragment if the script reads it.
Links and buttons are clicked by the name a person would say, frames are loaded when asked for.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qsl, urldefrag, urljoin

import aiohttp
import yarl

from proxy.lab.cookies import Jar
from proxy.lab.navigation import (
    REDIRECTS,
    Navigation,
    Page,
    Stuck,
    filled,
    headers_of,
    obey_form_action,
    obey_framing,
    redirected,
)
from proxy.lab.page import Control, Form, Reader, reads_fragment, submits_itself

MOST_HOPS = 30


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

    async def frames(self) -> list[Page]:
        """Load the frames of this page; what each shows. Raises ``Stuck`` where a policy blocks one."""
        shown = []
        for url in self.page.reader.frames:
            obey_framing(self.page, url)
            inner = Tab(self.browser)
            shown.append(await inner.navigate(Navigation("GET", url, initiator=self.page.url, framed=True)))
            obey_framing(self.page, url, shown[-1])
        return shown

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
        return await self.navigate(filled(self.page, form or self.page.forms[0], button, fields))

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
                following = filled(self.page, self.page.forms[0], None, self._from_fragment())
            if following is None:
                return self.page
            navigation = following
        raise Stuck(f"more than {MOST_HOPS} redirects, the last to {navigation.url}")

    def _from_fragment(self) -> dict[str, str]:
        """The fields that a script of the page reads from its address."""
        reads = reads_fragment(self.page.reader, self.page.policy)
        return dict(parse_qsl(self.page.fragment, keep_blank_values=True)) if reads else {}

    async def _step(self, navigation: Navigation) -> Navigation | None:
        """One exchange: shows the page, or answers the navigation that a redirect asks for."""
        obey_form_action(navigation)
        jar, now = self.browser.jar, self.browser.clock()
        headers = headers_of(navigation, self.browser.language)
        safe = navigation.method == "GET"
        alone = safe and not navigation.framed  # a frame is not the tab: Lax cookies stay out of another site's
        if cookies := jar.header(navigation.url, now, cross_site=navigation.cross_site, safe=alone):
            headers["Cookie"] = cookies
        async with self.browser.http.request(
            navigation.method, yarl.URL(navigation.url, encoded=True), headers=headers,
            data=navigation.body.encode() if not safe else None, allow_redirects=False,
        ) as answer:  # fmt: skip
            for header in answer.headers.getall("Set-Cookie", ()):
                jar.store(navigation.url, header, now)
            if answer.status in REDIRECTS and "Location" in answer.headers:
                return redirected(navigation, answer.status, answer.headers["Location"])
            self._show(navigation, answer, await answer.text(errors="replace"))
        return None

    def _show(self, navigation: Navigation, answer: aiohttp.ClientResponse, body: str) -> None:
        reader = Reader(navigation.url)
        if answer.content_type in ("text/html", "application/xhtml+xml"):
            reader.feed(body)
        else:
            reader.words.append(body)
        way = (*navigation.hops, navigation.url)
        headers = answer.headers.copy()
        self.shown.append(Page(navigation.url, answer.status, headers, body, reader, way, navigation.fragment))
        self.last = navigation


def _called(name: str, controls: list[Control]) -> list[Control]:
    exact = [control for control in controls if control.name == name]
    close = [control for control in controls if name in control.name]
    return exact or (close if len(close) == 1 else [])

"""A page as a browser without style sees it: title, text, links, forms, and whether it submits itself.

Pure: HTML in, values out.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

Attributes = dict[str, str]
SUBMITS = re.compile(r"\.(submit|requestSubmit|click)(\.call)?\(")
READS_FRAGMENT = re.compile(r"\blocation\.hash\b")
VOID_NAMES = ("script", "style", "template")


@dataclass
class Control:
    """A link or a button: what a person would call it, and its attributes."""

    attributes: Attributes
    name: str = ""


@dataclass
class Form:
    """A form: where it goes, the fields filled so far, its buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[Control] = field(default_factory=list)


@dataclass
class Script:
    """A script of the page: its attributes and its text, if inline."""

    attributes: Attributes
    text: str = ""


class Reader(HTMLParser):
    """Reads one page. ``forms``, ``links``, ``frames``, ``title`` and ``text`` are there once it was fed."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.url, self.title, self.onload = url, "", ""
        self.forms: list[Form] = []
        self.links: list[Control] = []
        self.scripts: list[Script] = []
        self.frames: list[str] = []
        self.words: list[str] = []
        self._form: Form | None = None
        self._open: list[Control] = []
        self._select = ""
        self._inside = ""

    @property
    def text(self) -> str:
        """The words a person sees."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what matters of an opening tag."""
        found = {name: value or "" for name, value in attrs}
        if tag in (*VOID_NAMES, "title"):
            self._inside = tag
        match tag:
            case "script":
                self.scripts.append(Script(found))
            case "body":
                self.onload = found.get("onload", "")
            case "form":
                action = urljoin(self.url, found.get("action", "")) if found.get("action") else self.url
                self._form = Form(action, found.get("method", "get").lower())
                self.forms.append(self._form)
            case "a" if "href" in found:
                self.links.append(self._control(found))
            case "iframe" if found.get("src"):
                self.frames.append(urljoin(self.url, found["src"]))
            case "button":
                self._button(self._control(found))
            case "input":
                self._input(found)
            case "textarea" if self._form and "name" in found:
                self._inside = "textarea"
                self._form.fields.append((found["name"], ""))
            case "option" if self._form and "selected" in found:
                self._form.fields.append((self._select, found.get("value", "")))
            case "select":
                self._select = found.get("name", "")
            case "img" if self._open and found.get("alt"):
                self._open[-1].name += f" {found['alt']} "

    def handle_endtag(self, tag: str) -> None:
        """Close what was open."""
        if tag == "textarea" == self._inside and self._form:
            name, text = self._form.fields.pop()
            lines = text.removeprefix("\n").replace("\r\n", "\n")  # HTML 13.2.6.4.7, 4.10.22.4
            self._form.fields.append((name, lines.replace("\n", "\r\n")))
        if tag == self._inside:
            self._inside = ""
        if tag in ("a", "button") and self._open:
            control = self._open.pop()
            control.name = control.attributes.get("aria-label") or " ".join(control.name.split())
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        """Text: of the page, the title, a script, or the name of a link or button."""
        if self._inside == "script":
            self.scripts[-1].text += data
        elif self._inside == "textarea":
            self._type(data)
        elif self._inside == "title":
            self.title += data.strip()
        elif not self._inside:
            self.words.append(data)
            if self._open:
                self._open[-1].name += data

    def _control(self, found: Attributes) -> Control:
        control = Control(found)
        self._open.append(control)
        return control

    def _button(self, control: Control) -> None:
        if self._form and control.attributes.get("type", "submit") == "submit":
            self._form.buttons.append(control)

    def _type(self, data: str) -> None:
        if self._form:
            name, text = self._form.fields.pop()
            self._form.fields.append((name, text + data))

    def _input(self, found: Attributes) -> None:
        kind = found.get("type", "text").lower()
        if not self._form:
            return
        if kind in ("submit", "image"):
            self._form.buttons.append(Control(found, found.get("aria-label") or found.get("value", "Submit")))
        elif "name" in found and (kind not in ("checkbox", "radio") or "checked" in found):
            self._form.fields.append((found["name"], found.get("value", "on" if kind == "checkbox" else "")))


def directive(policy: str, name: str, fallback: str = "") -> list[str] | None:
    """The sources of one directive of a Content-Security-Policy, or None where it says nothing about it."""
    found = {words[0].lower(): words[1:] for part in policy.split(";") if (words := part.split())}
    return found.get(name, found.get(fallback))


def submits_itself(page: Reader, policy: str) -> bool:
    """Whether an inline script (or the body's onload) sends the first form off, and the policy lets it run (CSP3 6.7).

    External scripts are not read.
    """
    if not page.forms:
        return False
    sources = directive(policy, "script-src", "default-src")
    if SUBMITS.search(page.onload):
        return sources is None or "'unsafe-inline'" in sources
    return any(SUBMITS.search(script.text) and _may_run(script, sources) for script in page.scripts)


def reads_fragment(page: Reader, policy: str) -> bool:
    """Whether an inline script that may run takes what stands behind ``#`` of the page's address."""
    sources = directive(policy, "script-src", "default-src")
    return any(READS_FRAGMENT.search(script.text) and _may_run(script, sources) for script in page.scripts)


def _may_run(script: Script, sources: list[str] | None) -> bool:
    if sources is None or "'unsafe-inline'" in sources:
        return True
    hashed = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    nonce = script.attributes.get("nonce")
    return f"'sha256-{hashed}'" in sources or bool(nonce) and f"'nonce-{nonce}'" in sources


def may_submit_to(sources: list[str] | None, page_origin: str, target_origin: str) -> bool:
    """Whether ``form-action`` lets a form (and every redirect after it) lead to ``target_origin`` (CSP3 6.4.2)."""
    if sources is None or "*" in sources:
        return True
    scheme = target_origin.partition(":")[0] + ":"
    return target_origin in sources or scheme in sources or "'self'" in sources and target_origin == page_origin

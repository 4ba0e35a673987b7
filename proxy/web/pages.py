"""Pages: rendered on the server, working without JavaScript, under a strict content security policy (CSP Level 3).

Data is never compiled as a template: templates are files of ours, values are escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

HERE = Path(__file__).parent
NOBODY = "'none'"
ASSETS = {"isthmus.css": "text/css", "mark.svg": "image/svg+xml", "connection.svg": "image/svg+xml"}


SCRIPTS: Mapping[str, str] = {file.stem: file.read_text().strip() for file in sorted((HERE / "scripts").glob("*.js"))}
"""Every script of ours, by name: a page has one at most, written into it and allowed by its hash. Data reaches it in
the page's elements, never in its text."""
SOURCES: Mapping[str, str] = {
    name: f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
    for name, text in SCRIPTS.items()
}


def policy(
    *,
    image_sources: Sequence[str] = (),
    leads_away: bool = False,
    script: str = "",
    framed_by: Sequence[str] = (),
    frame_sources: Sequence[str] = (),
    home: str = "'self'",
) -> str:
    """The content security policy of a page: our own style, our own pictures and those named, and no script but the
    one named. ``framed_by`` are the origins that may show it in a frame, ``frame_sources`` what its own frames show;
    ``home`` is where style and pictures come from, for a page on the host of an app.

    Browsers hold every redirect that follows a form to ``form-action``, the redirects of other sites too. Where a form
    ``leads_away``, to an application that may send the browser on to wherever it likes, the directive would break the
    login; such a page has one form, and its address was checked.
    """
    images = " ".join((home, *image_sources))
    scripts = f"script-src {SOURCES[script]}; " if script else ""
    frames = f"frame-src {' '.join(frame_sources)}; " if frame_sources else ""
    forms = "" if leads_away else "form-action 'self'; "
    return (
        f"default-src 'none'; {scripts}style-src {home}; img-src {images}; {frames}{forms}"
        f"base-uri 'none'; frame-ancestors {' '.join(framed_by) or NOBODY}"
    )


class Pages:
    """Renders the templates for one tenant."""

    def __init__(self, issuer: str, tenant: str) -> None:
        loader = jinja2.FileSystemLoader(HERE / "templates")
        self._templates = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, auto_reload=False
        )
        self.assets = {name: (HERE / "static" / name).read_bytes() for name in ASSETS}
        version = hashlib.sha256(b"".join(self.assets.values())).hexdigest()[:10]
        self._common = {"issuer": issuer, "tenant": tenant, "assets": f"{issuer}assets/{version}/", "scripts": SCRIPTS}

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The page as HTML."""
        return self._templates.get_template(template).render({**self._common, **values})

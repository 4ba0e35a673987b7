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
ASSETS = {"isthmus.css": "text/css", "mark.svg": "image/svg+xml", "connection.svg": "image/svg+xml"}


SUBMIT = "document.forms[0].submit()"
"""The one script of ours: it sends the form of a page that a person need not see. Without it there is a button."""
SUBMIT_SOURCE = "'sha256-" + base64.b64encode(hashlib.sha256(SUBMIT.encode()).digest()).decode("ascii") + "'"


def policy(*, image_sources: Sequence[str] = (), leads_away: bool = False, submits_itself: bool = False) -> str:
    """The content security policy of a page: our own style, our own pictures and those named. The only script is the
    one of ``submits_itself``.

    Browsers hold every redirect that follows a form to ``form-action``, the redirects of other sites too. Where a form
    ``leads_away``, to an application that may send the browser on to wherever it likes, the directive would break the
    login; such a page has one form, and its address was checked.
    """
    images = " ".join(("'self'", *image_sources))
    script = f"script-src {SUBMIT_SOURCE}; " if submits_itself else ""
    forms = "" if leads_away else "form-action 'self'; "
    return (
        f"default-src 'none'; {script}style-src 'self'; img-src {images}; {forms}"
        "base-uri 'none'; frame-ancestors 'none'"
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
        self._common = {"issuer": issuer, "tenant": tenant, "assets": f"{issuer}assets/{version}/", "submit": SUBMIT}

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The page as HTML."""
        return self._templates.get_template(template).render({**self._common, **values})

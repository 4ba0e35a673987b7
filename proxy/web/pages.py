"""Pages: rendered on the server, working without JavaScript, under a strict content security policy (CSP Level 3).

Data is never compiled as a template: templates are files of ours, values are escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2

from proxy.oidc.urls import origin

HERE = Path(__file__).parent
ASSETS = {"isthmus.css": "text/css", "mark.svg": "image/svg+xml", "connection.svg": "image/svg+xml"}


SUBMIT = "document.forms[0].submit()"
"""The one script of ours: it sends the form of a page that a person need not see. Without it there is a button."""
SUBMIT_SOURCE = "'sha256-" + base64.b64encode(hashlib.sha256(SUBMIT.encode()).digest()).decode("ascii") + "'"


def policy(
    *, form_targets: Sequence[str] = (), image_sources: Sequence[str] = (), submits_itself: bool = False
) -> str:
    """The content security policy of a page: our own style and pictures, forms to us, and what is named. The only
    script is the one of ``submits_itself``.

    A browser holds every redirect after a form to ``form-action``, so the addresses a form may lead to are listed.
    """
    forms = " ".join(("'self'", *dict.fromkeys(map(source, form_targets))))
    images = " ".join(("'self'", *image_sources))
    script = f"script-src {SUBMIT_SOURCE}; " if submits_itself else ""
    return (
        f"default-src 'none'; {script}style-src 'self'; img-src {images}; form-action {forms}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def source(url: str) -> str:
    """``url`` as a source of a policy: its origin, or its scheme if that is an app's own (CSP Level 3 2.3.1)."""
    scheme = urlsplit(url).scheme
    return origin(url) if scheme in ("https", "http") else f"{scheme}:"


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

"""Forms that decide something: only our own page's, of this session and about this very thing, count (ASVS 4.2.2)."""

from __future__ import annotations

import hashlib
import hmac

from proxy.features import Request
from proxy.oidc.errors import Shown
from proxy.oidc.urls import origin


def form_token(key: bytes, *about: str) -> str:
    """What the page writes into its form: only we can make it, and only for what it is ``about``."""
    text = " ".join(about).encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def check_form(request: Request, token: str, issuer: str) -> None:
    """The form brings its ``token`` and comes from a page of ours. Raises ``Shown`` (403)."""
    given = request.params.get("form_token", "")
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode()):
        raise Shown("access_denied", "this form belongs to another session", reason="form_token", status=403)
    # Pages without a referrer post with the origin "null" (Fetch 3.1); so says ours.
    elsewhere = request.headers.get("Origin", "null") not in ("null", origin(issuer))
    if elsewhere or request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Shown("access_denied", "this form was sent by another site", reason="cross_site", status=403)

"""A form that was being sent when it turned out that nobody is logged in: what may be kept of it over a login (GW-26).

It is sent again by a page of ours that the browser fills in from HTML, so only a body is kept that a browser would
write just like that (HTML 4.10.22, URL 5.2): what arrives then is what was sent, byte for byte, or nothing was kept.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, quote_plus

from proxy.gateway.request import Asked
from proxy.models.route import Route

KIND: Final = b"application/x-www-form-urlencoded"
MOST: Final = 64 * 1024
"""Bytes of a form that is kept."""
MOST_FIELDS: Final = 1000
Fields = tuple[tuple[str, str], ...]


def may_be_kept(asked: Asked, route: Route, origin: str) -> bool:
    """Whether a request is a form of a page of this very app, at ``origin``, on a route that wants forms to be kept."""
    seen = asked.seen
    kind = seen.get(b"content-type", b"").partition(b";")[0].strip().lower()
    same_site = seen.get(b"sec-fetch-site") == b"same-origin"
    same_origin = seen.get(b"origin", b"").decode("latin-1") == origin
    short = asked.length is None or asked.length <= MOST
    return route.keep_forms and asked.method == b"POST" and kind == KIND and same_site and same_origin and short


def fields_of(body: bytes) -> Fields | None:
    """The fields of a form, in order; None if a page of ours could not send the same again."""
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        return None
    fields = tuple(pairs)
    return fields if _written(fields) == text and all(name and _stays(name + value) for name, value in fields) else None


def _written(fields: Fields) -> str:
    return "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in fields)


def _escaped(text: str) -> str:
    """As browsers write it (URL 5.2)."""
    return quote_plus(text, safe="*").replace("~", "%7E")


def _stays(text: str) -> bool:
    """Whether HTML leaves a text as it is: its lines end as those of a form do, and it has no NUL."""
    return "\0" not in text and not {"\r", "\n"} & set(text.replace("\r\n", ""))

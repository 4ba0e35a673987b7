"""Every answer is dressed, whoever made it."""

from __future__ import annotations

import pytest
from aiohttp import web

from tests.kit.serving_site import Answered, answered, knocking


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="<p>hello</p>", content_type="text/html")


async def broken(_: web.Request) -> web.Response:
    raise RuntimeError("no")


async def reader(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


def is_dressed(answer: Answered) -> bool:
    """Invariant 3 of the catalogue, and nothing about what we run on."""
    return (
        "frame-ancestors 'none'" in answer.header("Content-Security-Policy")
        and answer.header("X-Content-Type-Options") == "nosniff"
        and answer.header("Referrer-Policy") == "no-referrer"
        and answer.header("Cache-Control") == "no-store"
        and "server" not in answer.headers
    )


@pytest.mark.parametrize(
    ("handler", "target", "method", "body", "status"),
    [
        (hello, "/", "GET", b"", 200),
        (hello, "/nowhere", "GET", b"", 404),
        (hello, "/", "PUT", b"", 405),
        (hello, "/", "TRACE", b"", 405),
        (reader, "/", "POST", b"x" * (1024 * 1024 + 1), 413),
        (broken, "/", "GET", b"", 500),
    ],
)
async def test_lg_10_every_answer_carries_them(
    handler: object, target: str, method: str, body: bytes, status: int
) -> None:
    """Pages, errors of the router, refusals and crashes all carry the safe headers (LG-10)."""
    async with knocking(handler) as site:
        answer = await site.ask(target, method, body, {"Accept": "text/html"})
    assert answer.status == status
    assert is_dressed(answer)


@pytest.mark.parametrize(
    "data",
    [
        b"<script>MARKER\r\n\r\n",
        b"GET /MARKER\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: MARKER\r\n\r\n",
        b"GET / HTTP/1.1\r\nMARKER\x01: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-MARKER: none\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nMARKER",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nMARKER",
    ],
)
async def test_lg_10_what_is_no_http_is_not_repeated(data: bytes) -> None:
    """The parser's own refusals carry the safe headers and not a byte of what was sent (LG-10)."""
    async with knocking(hello) as site:
        raw = await site.raw(data)
    answer = answered(raw)
    assert answer.status in (400, 421)
    assert b"MARKER" not in raw
    assert is_dressed(answer)


async def test_a_page_keeps_its_own_policy() -> None:
    """Defaults fill what is missing and replace nothing."""

    async def page(_: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "max-age=5"}
        return web.Response(text="x", headers=headers)

    async with knocking(page) as site:
        answer = await site.ask()
    assert answer.headers["content-security-policy"] == ["default-src 'self'"]
    assert answer.headers["cache-control"] == ["max-age=5"]


@pytest.mark.parametrize(
    ("policy", "framed"),
    [
        ("", "DENY"),
        ("default-src 'none'; frame-ancestors 'none'", "DENY"),
        ("default-src 'none'; frame-ancestors https://app.example", ""),
    ],
)
async def test_az_22_only_what_names_its_frames_may_be_framed(policy: str, framed: str) -> None:
    """AZ-22: the older header says the same as the policy, and is gone where the policy names who may."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="x", headers={"Content-Security-Policy": policy} if policy else {})

    async with knocking(page) as site:
        assert (await site.ask()).header("X-Frame-Options") == framed


@pytest.mark.parametrize(
    ("kind", "own", "said"),
    [
        ("text/html", "", "same-origin"),
        ("text/html", "unsafe-none", "unsafe-none"),
        ("application/json", "", ""),
        (None, "", ""),
    ],
)
async def test_a_page_parts_from_the_window_that_opened_it_and_a_redirect_does_not(
    kind: str | None, own: str, said: str
) -> None:
    """HTML 7.1.3: the header on a redirect, or on a page of the login, would cut a popup off from its application."""

    async def answer(_: web.Request) -> web.Response:
        headers = {"Cross-Origin-Opener-Policy": own} if own else {}
        if kind is None:
            return web.Response(status=303, headers={"Location": "https://app.example/"})
        return web.Response(body=b"x", content_type=kind, headers=headers)

    async with knocking(answer) as site:
        assert (await site.ask()).header("Cross-Origin-Opener-Policy") == said

"""Our own answers as bytes."""

from __future__ import annotations

from proxy.gateway.replies import phrase, render
from proxy.gateway.verdict import Reply


def test_every_answer_of_ours_is_kept_by_nobody() -> None:
    """GW-27: no-store, and what else each of them says; a header that is given wins."""
    raw = render(Reply(403, (("Content-Type", "text/plain"),), b"no"), "id", https=True, close=True, to_head=False)
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\n")
    for line in (b"Cache-Control: no-store", b"X-Content-Type-Options: nosniff",
                 b"Referrer-Policy: no-referrer",
                 b"Strict-Transport-Security: max-age=31536000", b"Connection: close",
                 b"Content-Length: 2"):  # fmt: skip
        assert line in head
    assert body == b"no"
    own = render(Reply(200, (("Cache-Control", "max-age=5"),)), "id", https=False, close=False, to_head=False)
    assert own.count(b"Cache-Control") == 1 and b"Strict-Transport" not in own


def test_to_head_the_length_is_told_and_the_body_is_not_sent() -> None:
    """RFC 9110 9.3.2."""
    raw = render(Reply(200, (), b"body"), "id", https=False, close=False, to_head=True)
    assert b"Content-Length: 4" in raw and raw.endswith(b"\r\n\r\n")


def test_what_a_status_is_called() -> None:
    """Those that nobody registered, too."""
    assert (phrase(404), phrase(599)) == ("Not Found", "Status")

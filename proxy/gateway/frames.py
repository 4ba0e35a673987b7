"""Where WebSocket frames begin and end (RFC 6455 5.2), in bytes that go through as they came.

Payloads are never looked at, and neither are masks, extensions (RSV), opcodes of data or the order of fragments: that
is between the browser and the app. What we need is to know the places between two frames, where a frame of ours can be
put in, and to refuse what is too large or could be read in two ways: a length in more bytes than it needs, a control
frame that is long or in fragments (5.5), a mask where none may be or none where one must (5.1).
"""

from __future__ import annotations

GOING_AWAY, PROTOCOL, POLICY, TOO_BIG, FAILED, LATER = 1001, 1002, 1008, 1009, 1011, 1013
"""Status codes of Close (7.4.1; 1013 by IANA's registry)."""
_FIN, _CONTROL, _CLOSE, _PING, _MASK = 0x80, 0x08, 0x08, 0x09, 0x80
MOST_REASON = 123


class Frames:
    """One direction. ``limit``: most bytes of a payload; ``masked``: whether it comes from a browser.

    ``between``: what was let through ends with a frame. ``closing``: a Close frame came, nothing follows it. ``fault``:
    the status code for a frame that was not let through, and nothing after it is.
    """

    __slots__ = ("_extra", "_head", "_left", "_limit", "_mask", "closing", "fault")

    def __init__(self, limit: int, *, masked: bool) -> None:
        self._limit, self._mask, self._extra = limit, _MASK if masked else 0, 4 if masked else 0
        self._left = 0
        self._head = b""
        self.closing = False
        self.fault = 0

    @property
    def between(self) -> bool:
        """Whether a frame of ours can be put in now."""
        return self._left == 0

    def feed(self, data: bytes) -> bytes:
        """What may go on of ``data`` and of what was held back before: the beginning of a header is held back until the
        frame's length is known."""
        size = len(data)
        if size <= self._left:  # inside a frame: most of a large one
            self._left -= size
            return data
        if self.closing or self.fault:
            data, self._left = data[: self._left], 0
            return data
        if self._head:
            data, self._head = self._head + data, b""
        end = self._walk(data)
        return data if end == len(data) else data[:end]

    def finish(self, data: bytes) -> bytes:
        """What of ``data`` belongs to the frame that is half let through; what follows it is gone."""
        data = data[: self._left]
        self._left -= len(data)
        return data

    def _walk(self, data: bytes) -> int:
        """From frame to frame; answers how many bytes may go on, and remembers what is missing at the end."""
        size, at = len(data), self._left
        while at < size and not self.closing:
            length = self._frame(data, at, size)
            if not length:
                self._left = 0
                return at
            at += length
        self._left = max(0, at - size)
        return min(at, size)

    def _frame(self, data: bytes, at: int, size: int) -> int:
        """The length of the frame that begins at ``at``, all of it; 0 if it is not known yet, or there is a fault."""
        if size - at < 2:
            self._head = data[at:]
            return 0
        first, second = data[at], data[at + 1]
        length, head = second & 0x7F, 2
        if first & _CONTROL:
            if length > 125 or not first & _FIN:
                return self._refuse(PROTOCOL)
            self.closing = first & 0x0F == _CLOSE
        elif length > 125:
            head = 4 if length == 126 else 10
            if size - at < head:
                self._head = data[at:]
                return 0
            length = int.from_bytes(data[at + 2 : at + head], "big")
            if length < (126 if head == 4 else 65_536) or length >> 63:
                return self._refuse(PROTOCOL)
        if second & _MASK != self._mask:
            self.closing = False
            return self._refuse(PROTOCOL)
        if length > self._limit:
            return self._refuse(TOO_BIG)
        return head + self._extra + length

    def _refuse(self, code: int) -> int:
        self.fault = code
        return 0


def close_frame(code: int, reason: str, mask: bytes = b"") -> bytes:
    """A Close frame. With a ``mask`` of four random bytes it is one that a browser might send."""
    return _control(_CLOSE, code.to_bytes(2, "big") + reason.encode()[:MOST_REASON], mask)


def ping_frame() -> bytes:
    """A Ping without a payload, to a browser."""
    return _control(_PING, b"", b"")


def _control(opcode: int, payload: bytes, mask: bytes) -> bytes:
    head = bytes((_FIN | opcode, len(payload) | (_MASK if mask else 0)))
    if not mask:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))

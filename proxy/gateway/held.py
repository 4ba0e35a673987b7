"""Sessions in this process: what a cookie led to on a host, for a few seconds, until a message says otherwise.

This is what most requests are decided by, so ``get`` is one look and one comparison. Everything else is done when
something is kept or dropped: while messages of other nodes cannot be heard nothing is held, and what was read from the
store before a session's end, and arrives after the message of it, is not kept (P1: a decision rests on what the store
said at most five seconds ago, and on nothing that is known to have changed).
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.gateway.lately import Lately, loop_time
from proxy.models import Session

FRESH = 5.0
"""Seconds for which an answer of the store is used."""
MOST = 20_000
"""Cookies that are held; the oldest go."""
Place = tuple[str, str]


class Held:
    """Sessions by cookie and host. ``clock`` is the loop's time; ``most`` how many are held."""

    def __init__(self, clock: Callable[[], float] = loop_time, most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._entries: dict[Place, tuple[float, Session]] = {}
        self._of: dict[str, set[Place]] = {}
        self._changed = Lately(clock)
        self._up_since: float | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, cookie: str, host: str, loop_time: float) -> Session | None:
        """The session of ``cookie`` on ``host``; None if it is not held, or not fresh."""
        entry = self._entries.get((cookie, host))
        return entry[1] if entry is not None and loop_time < entry[0] else None

    def keep(self, cookie: str, host: str, session: Session, loop_time: float, lasts: float = FRESH) -> bool:
        """The store said at ``loop_time`` (when it was asked) that ``cookie`` leads to ``session``, which may last for
        so many seconds yet. Answers whether it is held: not if it may have changed since."""
        if self._up_since is None or loop_time < self._up_since or session.sid in self._changed:
            return False
        place = (cookie, host)
        self._forget(place)  # the newest stands last
        self._entries[place] = (loop_time + min(lasts, FRESH), session)
        self._of.setdefault(session.sid, set()).add(place)
        self._tidy()
        return True

    def drop(self, sid: str) -> None:
        """The session ended or was changed: whatever was read of it is of no use."""
        self._changed.note(sid)
        for place in self._of.pop(sid, ()):
            del self._entries[place]

    def link(self, up: bool) -> None:
        """Whether messages can be heard. While they cannot, nothing is held."""
        self._entries.clear()
        self._of.clear()
        self._up_since = self._clock() if up else None

    def _tidy(self) -> None:
        """Let go of what is not fresh, as far as it stands in front, and of what is too much."""
        now = self._clock()
        while len(self._entries) > self._most or next(iter(self._entries.values()))[0] <= now:
            self._forget(next(iter(self._entries)))
            if not self._entries:
                return

    def _forget(self, place: Place) -> None:
        entry = self._entries.pop(place, None)
        if entry is None:
            return
        places = self._of[entry[1].sid]
        places.discard(place)
        if not places:
            del self._of[entry[1].sid]

"""The exchanges under way, by the session they go in: when a session ends, they are cut, on every node.

A message from the node where the session ended comes first (``Store.listen``). Beside it every exchange that lasts is
looked at again now and then, and soon when messages cannot be heard: what cannot be confirmed is cut, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

Cut = Callable[[str], None]
"""Ends one exchange; told the reason, a word of a fixed set (``session_ended``, ``unconfirmed``, ``stopping``)."""


class Streams:
    """Who has what open."""

    def __init__(self) -> None:
        self._of: dict[str, set[Cut]] = {}

    def add(self, sid: str, cut: Cut) -> None:
        """An exchange of the session begins."""
        there = self._of.get(sid)
        if there is None:
            self._of[sid] = {cut}
        else:
            there.add(cut)

    def discard(self, sid: str, cut: Cut) -> None:
        """It is over."""
        there = self._of.get(sid)
        if there is not None:
            there.discard(cut)
            if not there:
                del self._of[sid]

    def end(self, sid: str, reason: str) -> int:
        """Cut what the session has open; answers how many."""
        there = self._of.pop(sid, set())
        for cut in there:
            cut(reason)
        return len(there)

    def sids(self) -> Iterator[str]:
        """The sessions that have something open."""
        return iter(tuple(self._of))

"""What other nodes say about sessions, and what this one does at once: forget, cut, look again.

While nobody can be heard nothing is held, and what is open is looked at every second (``rechecking``).
"""

from __future__ import annotations

import asyncio
from typing import Final

from proxy.bridge.session import CHANGED, ENDED
from proxy.gateway.held import Held
from proxy.gateway.rechecking import Rechecking
from proxy.gateway.streams import Streams
from proxy.store import Store
from proxy.telemetry import logs, metrics

AGAIN: Final = 1.0
"""Seconds until listening begins anew when it failed in a way that nobody foresaw."""


class Listening:
    """Hears for this process."""

    def __init__(self, store: Store, held: Held, streams: Streams, rechecking: Rechecking) -> None:
        self._store, self._held, self._streams, self._rechecking = store, held, streams, rechecking

    async def run(self) -> None:
        """Listen until cancelled."""
        metrics.LINK.set(0)
        while True:
            try:
                await self._store.listen((ENDED, CHANGED), self._heard, self._link)
            except Exception as error:  # noqa: BLE001  # whatever it is, sessions of others must be heard of again
                logs.event("listening_failed", exc_info=error)
            self._link(False)
            await asyncio.sleep(AGAIN)

    def _heard(self, topic: str, sid: str) -> None:
        self._held.drop(sid)
        if topic == ENDED:
            self._streams.end(sid, "session_ended")
        else:
            self._rechecking.changed(sid)

    def _link(self, up: bool) -> None:
        self._held.link(up)
        self._rechecking.link(up)
        metrics.LINK.set(up)
        if up:
            logs.seldom("other_nodes_heard", level="info")
        else:
            metrics.LINK_LOST.inc()
            logs.seldom("other_nodes_not_heard")

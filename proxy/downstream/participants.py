"""Who took part in a session and wants to hear of its end (Back-Channel Logout 2.1, Front-Channel Logout 3).

Noted with the answer that made a client part of the session, in the same round trip, and only for a client with a
logout address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.features import Feature, Participant, Response
from proxy.models import Client, Session
from proxy.store import Key, Put, key

MOST = 1000
"""Clients of one session that are remembered; the oldest make room."""


def participants_of(sid: str) -> Key:
    """The index of a session's participants."""
    return key("participants", "all", group=sid)


def participant_key(sid: str, client_id: str) -> Key:
    """Where it is noted that a client takes part in a session."""
    return key("participant", client_id, group=sid)


def from_value(value: Mapping[str, Any]) -> Participant | None:
    """A participant back from its record; None for one of a shape that we do not know: the logout goes on without."""
    try:
        return Participant(**value)
    except TypeError:
        return None


@dataclass(frozen=True)
class Participants(Feature):
    """Notes who takes part."""

    def accompany(self, asked: Any, client: Client, session: Session, now: float) -> Response:
        """What notes it, for a client that wants to hear."""
        called, page = bool(client.backchannel_logout_uri), client.frontchannel_logout_uri
        if not called and not page:
            return {}, ()
        value = {"client_id": client.client_id, "is_called": called, "page": page}
        seconds = max(1, int(session.expires_at - now))
        where = participant_key(session.sid, client.client_id)
        return {}, (Put(where, value, seconds, (participants_of(session.sid),), MOST),)

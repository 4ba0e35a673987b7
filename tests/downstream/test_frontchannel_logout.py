"""The pages that the browser loads when a session ends."""

from __future__ import annotations

from proxy.downstream.frontchannel_logout import MOST_FRAMES, FrontChannelLogout
from proxy.features import Ended, Farewell, Participant
from tests.downstream.world import ISSUER, NOW

FRONT = FrontChannelLogout(ISSUER)


def test_each_page_gets_issuer_and_session_and_nothing_else() -> None:
    """Front-Channel Logout 3: ``iss`` and ``sid``, a query of the client's kept; who has no page is left out."""
    who = (Participant("a", page="https://a.example/out?x=1"), Participant("b", is_called=True))
    told = FRONT.farewell(Ended("sid-1", "ada", who), NOW)
    assert told == Farewell(frames=("https://a.example/out?x=1&iss=https%3A%2F%2Fsso.example%2F&sid=sid-1",))


def test_ds_06_frames_are_bounded() -> None:
    """DS-06: a thousand clients make no page that a browser cannot load."""
    who = tuple(Participant(str(n), page=f"https://a{n}.example/") for n in range(1000))
    assert len(FRONT.farewell(Ended("s", "ada", who), NOW).frames) == MOST_FRAMES


def test_discovery_says_both() -> None:
    """certification.md 4.9: session support, too."""
    assert FRONT.metadata() == {"frontchannel_logout_supported": True, "frontchannel_logout_session_supported": True}

"""Tell clients of the end of a session through the browser (OpenID Connect Front-Channel Logout 1.0).

Our page loads the ``frontchannel_logout_uri`` of every client that took part, each in a frame, and goes on from there
(``leaving``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.features import Ended, Farewell, Feature
from proxy.oidc.urls import with_params

MOST_FRAMES = 50
"""Pages that one farewell loads: a browser does not wait for more, and the policy that names them must fit a header."""


@dataclass(frozen=True)
class FrontChannelLogout(Feature):
    """The frames of a farewell."""

    issuer: str

    def metadata(self) -> Mapping[str, Any]:
        return {"frontchannel_logout_supported": True, "frontchannel_logout_session_supported": True}

    def farewell(self, ended: Ended, now: float) -> Farewell:
        """Each page with ``iss`` and ``sid`` and nothing else of ours (3)."""
        told = {"iss": self.issuer, "sid": ended.sid}
        pages = tuple(with_params(one.page, told) for one in ended.participants if one.page)
        return Farewell(frames=pages[-MOST_FRAMES:])

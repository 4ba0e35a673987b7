"""The end of a login at a tenant of the lab: who must hear of it, and where the browser goes.

RP-Initiated Logout 1.0, Back-Channel Logout 1.0, Front-Channel Logout 1.0, Session Management 1.0.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from proxy.lab.clients import unproved
from proxy.lab.core import Core
from proxy.lab.rooms import Login, Notice
from proxy.oidc.urls import origin, with_params

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_LIFE = 120


def logout_token(core: Core, client_id: str, login: Login) -> str:
    """A logout token (Back-Channel Logout 2.4), as the fault has it."""
    claims: dict[str, Any] = {
        "iss": core.issuer,
        "aud": client_id,
        "iat": core.now,
        "exp": core.now + TOKEN_LIFE,
        "jti": secrets.token_urlsafe(16),
        "events": {EVENT: {}},
        "sub": login.person.sub,
        "sid": login.sid,
    }
    return core.sign(claims, "logout")


async def tell(core: Core, login: Login) -> None:
    """Tell every client of the login over the back channel, one after the other; what they said is kept."""
    for client_id, redirect_uri in login.visits.items():
        client = core.clients.get(client_id)
        back = client.hears_of_logouts_at(redirect_uri)[0] if client else ""
        if back:
            form = core.fault.notice({"logout_token": logout_token(core, client_id, login)})
            status, headers, _ = await core.fetch("POST", back, form)
            core.memory.notices.append(Notice(client_id, status, headers))


def frames(core: Core, login: Login) -> list[str]:
    """The addresses to load in frames (Front-Channel Logout 2)."""
    told = {"iss": core.issuer, "sid": login.sid}
    known = ((core.clients.get(name), uri) for name, uri in login.visits.items())
    found = (client.hears_of_logouts_at(uri)[1] for client, uri in known if client)
    return [with_params(address, told) for address in found if address]


def way_back(core: Core, given: Mapping[str, str]) -> str:
    """Where the browser goes after a logout: a registered address of the client that the hint or its name tells, with
    the state; empty for none (RP-Initiated Logout 2, 3)."""
    hint = given.get("id_token_hint", "")
    claims = unproved(hint) if hint in core.memory.issued else core.keys.signed(hint)
    client = core.clients.get(given.get("client_id", "") or str(claims.get("aud", "")))
    target = given.get("post_logout_redirect_uri", "")
    if client is None or not target or not client.returns_to(target):
        return ""
    return with_params(target, core.fault.farewell({"state": given["state"]} if "state" in given else {}))


def session_state(client_id: str, redirect_uri: str, browser_state: str) -> str:
    """What a client watches a session with (Session Management 2, 3.2)."""
    salt = secrets.token_urlsafe(8)
    text = f"{client_id} {origin(redirect_uri)} {browser_state} {salt}"
    return f"{hashlib.sha256(text.encode()).hexdigest()}.{salt}"

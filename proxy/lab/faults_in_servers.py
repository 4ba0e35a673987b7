"""Faults of a tenant as a server: its discovery document, its answers, its speed, its clock; and of its logout notices.

OpenID Connect Discovery 1.0 4.3, RFC 9207, RFC 9110 15.4, Back-Channel Logout 1.0 2.4 and 2.6.
"""

from __future__ import annotations

import asyncio
import gzip
from functools import cache
from typing import Any

from aiohttp import web

from proxy.lab.fault import Around, Fault, Handler, Header, Where, appending, replacing, setting
from proxy.lab.logout import EVENT
from proxy.oidc.errors import Refused

SLOW = 30.0
"""Seconds: longer than anybody waits."""
BOMB = 32 * 1024 * 1024
TOO_LARGE = 200 * 1024
SCRIPT = "<script>alert('from the tenant')</script><a href=\"https://evil.example/\">log in here</a>"


def slow(seconds: float = SLOW) -> Around:
    """An endpoint that takes its time."""

    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await handler(request)

    return answer


async def _redirecting(request: web.Request, handler: Handler) -> web.StreamResponse:
    """To the same endpoint, with a mark that lets it answer: whoever follows is given tokens."""
    if "moved" in request.query:
        return await handler(request)
    return web.Response(status=307, headers={"Location": f"{request.path}?moved=1"})


@cache
def _packed() -> bytes:
    return gzip.compress(b'{"issuer":"' + b" " * BOMB + b'"}')


async def _bomb(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A small answer that unpacks to a large one."""
    return web.Response(body=_packed(), headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})


async def _unknown_client(request: web.Request, handler: Handler) -> web.StreamResponse:
    raise Refused("invalid_client", "this tenant knows nobody", status=401)


def _with_script(answer: dict[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {name: answer[name] for name in ("state", "iss") if name in answer}
    return {**kept, "error": "access_denied", "error_description": SCRIPT}


def _incomplete(document: dict[str, Any]) -> dict[str, Any]:
    wanted = ("issuer", "authorization_endpoint", "response_types_supported")
    return {name: document[name] for name in wanted}


def _other_issuer(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "issuer": f"{document['issuer']}INVALID"}


def _unsigned(header: Header, where: Where) -> Header:
    return {**header, "alg": "none"} if where == "logout" else header


def _other_algorithm(header: Header, where: Where) -> Header:
    """Well signed, by a published key, but not with the algorithm that was agreed on."""
    return {**header, "alg": "ES256"} if where == "logout" else header


def _with_more(form: dict[str, str]) -> dict[str, str]:
    return {**form, "lab": "a field that nobody asked for"}


def _logout(name: str, does: str, *, refused: bool = True, **changes: Any) -> Fault:
    """A tenant whose logins work, and whose logout tokens do what they should not."""
    says = "The login works; the notice is refused with 400, and the session here lives on."
    return Fault(
        f"logout-{name}", f"Its logout token {does}.", says if refused else "The session here ends.", **changes
    )


def _claim(**values: Any) -> Any:
    return setting("logout", **values)


SERVERS: tuple[Fault, ...] = (
    Fault("issuer-mismatch", "The discovery document names another issuer: INVALID is behind it.",
          "Refused before anything is asked: the document speaks for somebody else. `isthmus check` says so.",
          "metadata_issuer_mismatch", document=_other_issuer),
    Fault("incomplete", "The discovery document lacks token_endpoint and jwks_uri.",
          "Refused before anything is asked; `isthmus check` names what is missing.", "metadata_incomplete",
          document=_incomplete),
    Fault("huge", "The discovery document is larger than 128 KB.", "Refused: the answer is not read to its end.",
          "too_large", document=replacing(padding=" " * TOO_LARGE)),
    Fault("bomb", "The discovery document comes compressed, small, and unpacks to 32 MB.",
          "Refused: a compressed answer was not asked for.", "broken", around={"discovery": _bomb}),
    Fault("slow-userinfo", f"userinfo takes {SLOW:.0f} seconds.", "Refused in a few seconds: no answer in time.",
          "timeout", options={"attribute_map": {"mapping_mode": "bind_all", "userinfo_scope": "profile email"}},
          around={"userinfo": slow()}),
    Fault("slow-token", f"The token endpoint takes {SLOW:.0f} seconds.",
          "Refused in a few seconds: no answer in time.", "timeout", around={"token": slow()}),
    Fault("redirecting-token", "The token endpoint answers 307, to an address that would give tokens.",
          "Refused: credentials are sent to the address that was agreed on, and nowhere else.", "token_status",
          around={"token": _redirecting}),
    Fault("invalid-client", "The token endpoint knows nobody: invalid_client.",
          "Refused; the log says that the tenant does not take our credentials.", "token_refused",
          around={"token": _unknown_client}),
    Fault("clock-ahead", "The tenant's clock is ten minutes ahead.",
          "Refused: the clock of the login service is ahead of ours.", "clock_ahead", ahead=600),
    Fault("clock-behind", "The tenant's clock is twenty minutes behind.",
          "Refused: the ID token has expired before it came.", "expired", ahead=-1200),
    Fault("script-in-error", "It refuses every login, with a script and a link in error_description.",
          "Refused; the words are shown as words, without effect.", "upstream_access_denied", answer=_with_script),
    Fault("no-response-iss", "Its answers carry no iss, and it never said they would.", "The login works.",
          document=replacing(authorization_response_iss_parameter_supported=None), answer=replacing(iss=None)),
    Fault("broken-promise", "It says that its answers carry iss (RFC 9207), and they do not.",
          "Refused: the answer comes from somebody else.", "iss_mismatch", answer=replacing(iss=None)),
    Fault("other-response-iss", "iss of its answers is not its own: a mix-up attack.",
          "Refused: the answer comes from somebody else.", "iss_mismatch",
          answer=replacing(iss="https://evil.example/")),
    Fault("logout-other-state", "After a logout it comes back with another state.",
          "The login works, and so does the logout; the state is ignored.", farewell=replacing(state="other")),
    Fault("logout-no-state", "After a logout it comes back without the state.",
          "The login works, and so does the logout; the state is ignored.", farewell=replacing(state=None)),
)  # fmt: skip


LOGOUTS: tuple[Fault, ...] = (
    _logout("more", "has claims that nobody knows, and the form a field more", refused=False,
            claims=_claim(lab="ignored", aud_hint=["x"]), notice=_with_more),
    _logout("alg-none", "is not signed: alg none", header=_unsigned),
    _logout("no-events", "has no events", claims=_claim(events=None)),
    _logout("nonce", "has a nonce, as an ID token has", claims=_claim(nonce="n-0S6")),
    _logout("wrong-aud", "is for somebody else", claims=appending("aud", "logout")),
    _logout("wrong-iss", "comes from somebody else", claims=appending("iss", "logout")),
    _logout("wrong-event", "is about another event", claims=_claim(events={f"{EVENT}-not": {}})),
    _logout("other-alg", "is signed with ES256, when RS256 was agreed on", header=_other_algorithm),
)  # fmt: skip

"""How an answer of the authorization endpoint travels back: in the query, in the fragment, by a form, or by a message.

OAuth 2.0 Multiple Response Type Encoding Practices (query, fragment), OAuth 2.0 Form Post Response Mode, and the web
message that Auth0's SDK for pages waits for. An error travels the way the answer would have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

from proxy.downstream.authorize_rules import FORM_POST, FRAGMENT, LONGEST, QUERY, WEB_MESSAGE
from proxy.features import Answer
from proxy.oidc.errors import Refused
from proxy.oidc.params import printable
from proxy.oidc.urls import origin, with_params

IN_A_POPUP: Mapping[str, str] = {"Cross-Origin-Opener-Policy": "unsafe-none"}
"""The headers of a page on the way of a login: an application may show it in a window that it opened, and loses touch
with that window as soon as a single page in it asks to be alone."""


def send(redirect_uri: str, mode: str, fields: Mapping[str, str], browser_state: str = "") -> Answer:
    """The fields on their way to a redirect URI that was checked, with the state that the browser keeps."""
    if mode in (FORM_POST, WEB_MESSAGE):
        page = _form(redirect_uri, fields) if mode == FORM_POST else _message(origin(redirect_uri), fields)
        return replace(page, browser_state=browser_state)
    if mode == FRAGMENT:
        url = f"{redirect_uri}#{urlencode(fields, quote_via=quote)}"
        return Answer(redirect=url, browser_state=browser_state)
    return Answer(redirect=with_params(redirect_uri, fields), browser_state=browser_state)


def _form(action: str, fields: Mapping[str, str]) -> Answer:
    """A page whose form goes there by itself."""
    values = {"action": action, "fields": fields}
    return Answer(page="form_post.html", values=values, leads_away=True, script="submit", headers=IN_A_POPUP)


def _message(target: str, fields: Mapping[str, str]) -> Answer:
    """A page that says the fields to the window around it, or to the one that opened it: if, and only if, that window
    shows the ``target`` origin."""
    values = {"origin": target, "response": fields}
    return Answer(page="web_message.html", values=values, script="web_message", framed_by=(target,), headers=IN_A_POPUP)


def send_error(redirect_uri: str, mode: str, state: str, error: Refused, issuer: str) -> Answer:
    """An error on its way (RFC 6749 4.1.2.1, RFC 9207 2). An oversized ``state`` stays behind.

    An address without a fragment inherits that of the request (RFC 9110 10.2.2), which a stranger may have written; so
    an error in the query ends in an empty one.
    """
    echoed = {"state": state} if state and len(state) <= LONGEST else {}
    told = {"error": error.code, "error_description": printable(error.description)}
    end = "#" if mode == QUERY else ""
    answer = send(redirect_uri, mode, {**told, **echoed, "iss": issuer})
    return Answer(redirect=answer.redirect + end) if end else answer

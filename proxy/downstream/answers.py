"""How an answer of the authorization endpoint travels back: in the query, in the fragment, or by a form.

OAuth 2.0 Multiple Response Type Encoding Practices (query, fragment) and OAuth 2.0 Form Post Response Mode. An error
travels the way the answer would have.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from proxy.downstream.authorize_rules import LONGEST
from proxy.features import Answer
from proxy.oidc.errors import Refused
from proxy.oidc.params import printable
from proxy.oidc.urls import with_params


def send(redirect_uri: str, mode: str, fields: Mapping[str, str]) -> Answer:
    """The fields on their way to a redirect URI that was checked."""
    if mode == "form_post":
        values = {"action": redirect_uri, "fields": fields}
        return Answer(page="form_post.html", values=values, leads_away=True, submits_itself=True)
    if mode == "fragment":
        return Answer(redirect=f"{redirect_uri}#{urlencode(fields, quote_via=quote)}")
    return Answer(redirect=with_params(redirect_uri, fields))


def send_error(redirect_uri: str, mode: str, state: str, error: Refused, issuer: str) -> Answer:
    """An error on its way (RFC 6749 4.1.2.1, RFC 9207 2). An oversized ``state`` stays behind."""
    echoed = {"state": state} if state and len(state) <= LONGEST else {}
    told = {"error": error.code, "error_description": printable(error.description)}
    return send(redirect_uri, mode, {**told, **echoed, "iss": issuer})

"""The authorization response of a tenant of the lab: code, tokens or an error, in the mode asked for.

OpenID Connect Core 3.1.2.5, 3.2.2.5, 3.3.2.5; Multiple Response Types; Form Post Response Mode; RFC 9207.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from proxy.lab import answers, grants, logout, pages, rules
from proxy.lab.core import Core
from proxy.lab.rooms import Grant, Login
from proxy.oidc.errors import Refused
from proxy.oidc.urls import with_params


def answered(core: Core, asked: rules.Asked, login: Login, watched: str) -> web.Response:
    """What a login brings. ``watched`` is the browser's state for session management."""
    client = asked.client.client_id
    login.visits[client] = asked.redirect_uri
    grant = Grant(
        asked.client, login, asked.scopes, core.now + grants.CODE_LIFE, asked.redirect_uri, asked.nonce, asked.challenge
    )
    fields = {"session_state": logout.session_state(client, asked.redirect_uri, watched)}
    if "code" in asked.parts:
        fields["code"] = secrets.token_urlsafe(32)
        core.memory.codes[fields["code"]] = grant
    if "token" in asked.parts:
        token = grants.access_token(core, grant)
        fields |= {"access_token": token, "token_type": "Bearer", "expires_in": str(grants.TOKEN_LIFE)}
    if "id_token" in asked.parts:
        beside = fields.get("access_token", ""), fields.get("code", "")
        fields["id_token"] = core.sign(rules.id_token(core.issuer, grant, core.now, *beside), "front")
    return _back(core, asked.redirect_uri, asked.response_mode, fields, asked.state)


def refused(core: Core, given: Mapping[str, str], error: Refused) -> web.Response:
    """What is wrong with a request, told to the client."""
    fields = {"error": error.code, "error_description": error.description}
    return _back(core, given["redirect_uri"], rules.response_mode(given), fields, given.get("state", ""))


def _back(core: Core, uri: str, mode: str, fields: Mapping[str, str], state: str) -> web.Response:
    full = core.fault.answer({**fields, **({"state": state} if state else {}), "iss": core.issuer})
    if mode == "form_post":
        return answers.page(pages.post_back(uri, full), pages.POST_HEADERS)
    return answers.found(f"{uri}#{urlencode(full)}" if mode == "fragment" else with_params(uri, full))

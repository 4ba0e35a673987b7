"""The client that the gateway is, as the provider knows it: a first party whose redirect URIs are the hosts of apps."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from pydantic import SecretStr

from proxy.gateway.logout import LOGGED_OUT
from proxy.gateway.own import CALLBACK
from proxy.gateway.routes import Routes
from proxy.gateway.tokens import CLIENT_ID
from proxy.models import Client
from proxy.models.client import ApiGrant
from proxy.settings import Settings


def own_client(settings: Settings) -> Mapping[str, Client]:
    """The client by its id; empty without routes.

    It redeems its codes in this process (``own``); at the token endpoint it cannot be anybody, since nobody knows its
    secret. Its addresses come from routes that were checked, however many there are.
    """
    if not settings.gateway.routes:
        return {}
    routes = Routes(settings)
    origins = tuple(map(routes.origin, routes.hosts))
    client = Client(
        client_id=CLIENT_ID, client_secret=SecretStr(secrets.token_urlsafe(32)), client_name=settings.tenant.name
    )
    apis = dict.fromkeys(route.audience for route in settings.gateway.routes if route.token == "ours")
    addresses = {
        "redirect_uris": tuple(f"{origin}{CALLBACK}" for origin in origins),
        "post_logout_redirect_uris": tuple(f"{origin}{LOGGED_OUT}" for origin in origins),
        "grants": tuple(ApiGrant(audience=api) for api in apis),  # the tokens that apps are given count as granted
    }
    return {CLIENT_ID: client.model_copy(update=addresses)}

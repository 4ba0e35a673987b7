"""Logins that somebody else begins (OpenID Connect Core 4): a portal links to us, we send the browser to the page of
the application where a login begins, with our name.

Only for the operator's own clients: a link of ours that led to wherever somebody registered would lend them our name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.downstream.clients import Clients
from proxy.features import Answer, Caller, Endpoint, Feature, Request
from proxy.models import Client
from proxy.oidc.errors import Shown
from proxy.oidc.urls import origin, with_params

LONGEST_HINT = 320
LONGEST_TARGET = 2048


@dataclass(frozen=True)
class ThirdPartyLogin(Feature):
    """``GET launch/{client_id}``, or ``launch?client_id=`` for an id that does not fit into a path."""

    issuer: str
    clients: Clients

    def endpoints(self) -> Sequence[Endpoint]:
        return (
            Endpoint("launch", ("GET",), Caller.BROWSER, self.launch),
            Endpoint("launch/{client_id}", ("GET",), Caller.BROWSER, self.launch),
        )

    async def launch(self, request: Request) -> Answer:
        """To the client's ``initiate_login_uri``. Raises ``Shown``, ``Unavailable``."""
        named = request.variables.get("client_id") or request.params.get("client_id", "")
        client = await self.clients.find(named, request.now)
        if client is None or not (client.is_first_party or named in self.clients.declared):
            raise Shown("invalid_client", "no application is registered with this client_id", reason="unknown_client")
        if not client.initiate_login_uri:
            raise Shown("invalid_request", "this application has no page where a login begins", reason="no_launch")
        told = {"iss": self.issuer, **hint(request.params), **target(request.params, client)}
        return Answer(redirect=with_params(client.initiate_login_uri, told))


def hint(params: Mapping[str, str]) -> Mapping[str, str]:
    """Who is meant, cut to what a name can be."""
    return {"login_hint": params["login_hint"][:LONGEST_HINT]} if "login_hint" in params else {}


def target(params: Mapping[str, str], client: Client) -> Mapping[str, str]:
    """Where the person wants to go in the application: an address of its own. Raises ``Shown`` for any other, so that
    no application is made to send people elsewhere (section 4)."""
    uri = params.get("target_link_uri", "")
    if not uri:
        return {}
    if not is_own(uri, client):
        text = "target_link_uri is not an address of this application"
        raise Shown("invalid_request", text, reason="target_link_uri")
    return {"target_link_uri": uri}


def is_own(uri: str, client: Client) -> bool:
    """Whether ``uri`` is an address of the client: at an origin of its redirect URIs."""
    own = {origin(known) for known in client.redirect_uris if known.startswith(("https://", "http://"))}
    return len(uri) <= LONGEST_TARGET and "\\" not in uri and any(_below(uri, one) for one in own)


def _below(uri: str, one: str) -> bool:
    """Whether ``uri`` is an address at the origin ``one``, as written: no other spelling of it, nobody's name in it."""
    return uri.isascii() and uri.isprintable() and (uri == one or uri.startswith((f"{one}/", f"{one}?")))

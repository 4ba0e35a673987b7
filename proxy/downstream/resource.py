"""Resource indicators at the token endpoint (RFC 8707 2.2): of the APIs that were granted, those one token is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from proxy.downstream.authorize import granted_scopes
from proxy.downstream.authorize_rules import audiences_of
from proxy.downstream.grant import Grant
from proxy.models import Client
from proxy.oidc.errors import Refused


def for_resources(grant: Grant, client: Client, params: Mapping[str, str]) -> Grant:
    """The grant as the next access token holds it: with the APIs asked for, and the scopes that mean something there.
    None asked for: the whole grant. Raises ``Refused`` (invalid_target)."""
    asked = audiences_of(params)
    if not asked:
        return grant
    if not set(asked) <= set(grant.audiences):
        raise Refused("invalid_target", "resource names an API that was not granted")
    audiences = tuple(one for one in grant.audiences if one in asked)
    return replace(grant, audiences=audiences, scopes=granted_scopes(grant.scopes, client, audiences))

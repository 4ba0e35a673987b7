"""How the person logged in: ``acr`` (OpenID Connect Core 2, 3.1.2.1, 5.5.1.1).

A tenant's own ``acr`` is passed on. Beside it stands one value that every login here can honestly claim: a tenant did
it. What a client asks for is voluntary, unless it is a value that the operator said tenants give, or the tenant gave
another: then "not met" is said aloud, and never passed over (RFC 9470 3).
"""

from __future__ import annotations

from collections.abc import Collection

FEDERATED = "urn:isthmus:acr:federated"
"""A login at an upstream tenant, no more said about how."""


def given(asked: Collection[str], had: str) -> str:
    """The ``acr`` of an ID token: what the tenant said, ``had``, if that was asked for or nothing else fits."""
    return FEDERATED if FEDERATED in asked and had not in asked else had


def met(asked: Collection[str], had: str, offered: Collection[str], *, essential: bool = False) -> bool:
    """Whether a login with ``had`` answers a request for ``asked``, where tenants give the ``offered`` ones."""
    if not asked or had in asked or FEDERATED in asked:
        return True
    return not (essential or had or set(asked) & set(offered))

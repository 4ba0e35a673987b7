"""Errors of the Management API in Auth0's words. The wrapper of the operator caller gives them their shape.

No text repeats a value that was sent: it may be a secret in the wrong place.
"""

from __future__ import annotations

from proxy.oidc.errors import Refused


def invalid_body(why: str) -> Refused:
    """400: what was sent breaks a rule."""
    return Refused("invalid_body", f"Payload validation error: {why}")


def invalid_query(why: str) -> Refused:
    """400: a parameter of the address breaks a rule."""
    return Refused("invalid_query_string", f"Query validation error: {why}")


def no_connection() -> Refused:
    """404: nobody has that id."""
    return Refused("inexistent_connection", "The connection does not exist", status=404)


def no_client() -> Refused:
    """404: an application that is to be enabled is unknown."""
    return Refused("inexistent_client", "The client does not exist", status=404)


def conflict(why: str) -> Refused:
    """409: something else stands in the way."""
    return Refused("connection_conflict", why, status=409)


def declared() -> Refused:
    """409: what the operator wrote in a file is changed there."""
    return conflict("This connection is declared in the configuration file and read-only here; change it in the file")


def changed_meanwhile() -> Refused:
    """412: the version that a change was made for is not the newest (RFC 9110 13.1.1)."""
    text = "The connection has been changed since it was read; read it again"
    return Refused("precondition_failed", text, status=412)


def too_many() -> Refused:
    """403: there are as many connections as there may be."""
    return Refused("too_many_entities", "You have reached the maximum limit of connections", status=403)

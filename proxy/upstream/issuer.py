"""Who may speak for a connection: its one issuer, or the listed tenants of a family that shares its keys.

A family's issuer is a template with ``{tenantid}`` in it, as Microsoft Entra ID has it. It is never a wildcard: the
template is filled with each id of ``tenant_ids``, and compared byte for byte (RFC 8725 3.8).
"""

from __future__ import annotations

from typing import Any

from proxy.models import ConnectionOptions
from proxy.models.connection_options import TENANT_ID
from proxy.upstream.metadata import expected_issuers


def speaks_for(issuer: Any, options: ConnectionOptions, known: str) -> bool:
    """Whether ``issuer`` may answer for the connection, whose metadata names ``known``."""
    if not isinstance(issuer, str):
        return False
    return bool(tenant_of(issuer, options)) if is_template(options) else issuer == known


def speakers(options: ConnectionOptions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The issuers that the options name, and the tenants that a template among them stands for."""
    return expected_issuers(options), options.tenant_ids


def may_speak(issuer: str, options: ConnectionOptions) -> bool:
    """Whether what ``issuer`` said before still counts, as far as the options say without asking anybody."""
    return bool(tenant_of(issuer, options)) if is_template(options) else issuer in expected_issuers(options)


def is_template(options: ConnectionOptions) -> bool:
    """Whether the connection stands for several tenants."""
    return TENANT_ID in options.issuer


def tenant_of(issuer: str, options: ConnectionOptions) -> str:
    """The listed id of the tenant that ``issuer`` is, or empty."""
    return next((id for id in options.tenant_ids if options.issuer.replace(TENANT_ID, id) == issuer), "")


def subject_of(sub: str, issuer: str, options: ConnectionOptions) -> str:
    """Who ``sub`` is among all people of the connection: two tenants of a family may use one name."""
    return f"{tenant_of(issuer, options)}.{sub}" if is_template(options) else sub

"""The values everything speaks of: connection and client (as configured), identity, profile, session, transaction.

All are frozen. Names are Auth0's for a connection, those of RFC 7591 for a client.
"""

from proxy.models.client import ApiGrant, Client
from proxy.models.connection import Connection
from proxy.models.connection_options import ConnectionOptions
from proxy.models.person import Button, Identity, Session, TenantTokens, Transaction, Wishes

__all__ = [
    "ApiGrant",
    "Button",
    "Client",
    "Connection",
    "ConnectionOptions",
    "Identity",
    "Session",
    "TenantTokens",
    "Transaction",
    "Wishes",
]

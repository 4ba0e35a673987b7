"""Who a person is to our apps: ``user_id``, which is also the ``sub`` of our tokens.

``oidc|<connection>|<upstream sub>``, as Auth0 has it for enterprise connections. Connection names hold no ``|``, so two
different people never share one. Where that would not be printable ASCII of at most 255 characters (OpenID Connect
Core 2), a stable hash takes the place of the upstream part.
"""

from __future__ import annotations

import hashlib

LONGEST = 255


def user_id(connection: str, subject: str) -> str:
    """The user id of a tenant's subject. Nothing a claim or a plugin says can change it."""
    plain = f"oidc|{connection}|{subject}"
    if len(plain) <= LONGEST and all("!" <= c <= "~" for c in plain):
        return plain
    return f"oidc|{connection}|sha256.{hashlib.sha256(subject.encode('utf-8', 'surrogatepass')).hexdigest()}"

"""Authorization requests pushed to the tenant before the browser leaves (RFC 9126): the address then holds a reference.

For connections with ``enable_pushed_authorization_requests``, and for tenants that take no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from proxy.models import Connection
from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpResponse
from proxy.oidc.strict_json import NotStrict, load_object
from proxy.upstream.back_channel import BackChannel
from proxy.upstream.metadata import Metadata
from proxy.upstream.patience import later

_REFERENCE = re.compile(r"[\x21-\x7e]{1,1024}")


def is_pushed(connection: Connection, metadata: Metadata) -> bool:
    """Whether the connection's requests are pushed."""
    return connection.options.enable_pushed_authorization_requests or metadata.requires_pushed


async def push(
    back_channel: BackChannel, connection: Connection, metadata: Metadata, params: Mapping[str, str], now: float
) -> Mapping[str, str]:
    """The parameters that stand for ``params`` (RFC 9126 4). Raises ``UpstreamError``, ``Unavailable``."""
    url = metadata.pushed_authorization_request_endpoint
    if not url:
        raise _broken("no_pushed_endpoint")
    uri = check_push(await back_channel.post(connection, metadata, url, params, now))
    return {"client_id": connection.options.client_id, "request_uri": uri}


def check_push(response: HttpResponse) -> str:
    """The ``request_uri`` (2.2). Raises ``UpstreamError``: 502, or 503 for a tenant that is busy."""
    if response.status in (429, 503):
        raise later()
    if response.status not in (200, 201):  # some say 200
        raise _broken("push_refused")
    try:
        uri = load_object(response.body).get("request_uri")
    except NotStrict:
        raise _broken("push_json") from None
    if not isinstance(uri, str) or not _REFERENCE.fullmatch(uri):
        raise _broken("push_without_reference")
    return uri


def _broken(reason: str) -> UpstreamError:
    return UpstreamError("server_error", "the login service did not take the request", reason=reason, status=502)

"""Forms we post to a tenant as its client: to its token endpoint, and to that for pushed requests.

Two secrets may be live while one is rolled over. Where the tenant does not know the one it is asked again with the
other; a code is not used up by that, since the client is looked at before the code (RFC 6749 3.2.1, 5.2). What worked
is tried first the next time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import urlencode

from proxy.models import Connection
from proxy.oidc.messages import HttpRequest, HttpResponse, Send
from proxy.upstream.client_auth import Credentials, audience_of, authentication, method_of
from proxy.upstream.connection_keys import ConnectionKeys, assertion_algorithm
from proxy.upstream.dpop import Proofs, oauth_error
from proxy.upstream.metadata import Metadata

log = logging.getLogger("isthmus.upstream")

SECONDS = 5.0


class BackChannel:
    """Posts forms to tenants, and sends what proofs go with."""

    def __init__(self, send: Send, keys: ConnectionKeys) -> None:
        self._keys = keys
        self._worked: dict[str, str] = {}
        self.proofs = Proofs(send, keys)

    async def post(
        self, connection: Connection, metadata: Metadata, url: str, form: Mapping[str, str], now: float
    ) -> HttpResponse:
        """The tenant's answer to ``form``. Raises ``UpstreamError``, ``Unavailable``."""
        known = await self._credentials(connection, metadata, now)
        first, *others = self._secrets(connection)
        response = await self._once(connection, known, first, url, form, now)
        if not others or not is_unknown_client(response):
            return response
        log.warning("client_secret_refused", extra={"connection": connection.name})
        response = await self._once(connection, known, others[0], url, form, now)
        if not is_unknown_client(response):
            self._worked[connection.name] = others[0]
        return response

    async def _credentials(self, connection: Connection, metadata: Metadata, now: float) -> Credentials:
        options, signer = connection.options, None
        method = method_of(options, metadata)
        if method == "private_key_jwt":
            signer = await self._keys.signer(connection, assertion_algorithm(options), now)
        return Credentials(options.client_id, method, audience_of(options, metadata), signer=signer)

    def _secrets(self, connection: Connection) -> list[str]:
        """Those that may be known to the tenant, the likeliest first; an empty one where none is used."""
        both = (connection.options.client_secret, connection.options.client_secret_previous)
        live = [one.get_secret_value() for one in both if one is not None] or [""]
        return live[::-1] if len(live) > 1 and self._worked.get(connection.name) == live[1] else live

    async def _once(
        self, connection: Connection, known: Credentials, secret: str, url: str, form: Mapping[str, str], now: float
    ) -> HttpResponse:
        known = Credentials(known.client_id, known.method, known.audience, secret, known.signer)

        def call() -> HttpRequest:
            headers, fields = authentication(known, now)
            return build_call(connection, url, {**form, **fields}, headers)

        return await self.proofs.send(call(), connection, now, anew=call)  # an assertion is good once


def build_call(connection: Connection, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> HttpRequest:
    """A form as a request (RFC 6749 3.2)."""
    usual = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    body = urlencode(form).encode("ascii")
    return HttpRequest("POST", url, headers={**usual, **headers}, body=body, seconds=SECONDS, group=connection.name)


def is_unknown_client(response: HttpResponse) -> bool:
    """Whether the tenant says that it does not know us so (RFC 6749 5.2)."""
    return response.status in (400, 401) and oauth_error(response) == "invalid_client"

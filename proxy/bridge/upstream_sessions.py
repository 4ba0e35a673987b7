"""Our sessions, by what a tenant calls its own: what its logout notices name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from proxy.bridge.session import from_value, sessions_of_upstream, sessions_of_user
from proxy.bridge.subject import user_id
from proxy.models import Connection, ConnectionOptions, Session
from proxy.store import Get, List, Store
from proxy.upstream.issuer import is_template, tenant_of
from proxy.upstream.metadata import expected_issuers


def could_be(issuer: str, options: ConnectionOptions) -> bool:
    """Whether ``issuer`` may turn out to be the connection's tenant, by the configuration alone."""
    return bool(tenant_of(issuer, options)) if is_template(options) else issuer in expected_issuers(options)


def of_issuer(issuer: str, connections: Mapping[str, Connection]) -> tuple[Connection, ...]:
    """The connections whose tenant ``issuer`` may be: several may share one."""
    return tuple(each for each in connections.values() if could_be(issuer, each.options))


async def sessions_named(
    store: Store, connections: Iterable[Connection], issuer: str, *, sid: str, subject: str = ""
) -> tuple[Session, ...]:
    """The sessions that began with this session of the tenant, or without a ``sid`` all of this subject; where both are
    given, both must fit. Nobody else's, whatever name another issuer uses (LO-11). Raises ``Unavailable``."""
    indexes = [
        sessions_of_upstream(issuer, each.name, sid) if sid else sessions_of_user(user_id(each.name, subject))
        for each in connections
    ]
    listed = dict.fromkeys(key for keys in await store.run(*map(List, indexes)) for key in keys) if indexes else {}
    records = await store.run(*map(Get, listed)) if listed else ()
    found = (from_value(record.value) for record in records if record)
    return tuple(
        each
        for each in found
        if each and each.issuer == issuer and subject in ("", each.subject) and sid in ("", each.upstream_sid)
    )

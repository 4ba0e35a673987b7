"""How a connection fares: what a visit to its tenant brought, judged by one pure function, ``examine``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.models import Connection
from proxy.models.connection_options import BACK, FAMILIES
from proxy.oidc.errors import UpstreamError
from proxy.upstream.health import DETAILS, ERROR, WARNING, Evidence, Finding, Health
from proxy.upstream.metadata import Incomplete, Metadata, check_metadata, moves
from proxy.upstream.needs import gaps
from proxy.upstream.published import digest, told

TOO_LARGE = "Discovery document exceeds the maximum allowed size of 128 KB"
SKEW_SECONDS = 10
CERTIFICATE_DAYS = 14
AT_USERINFO = frozenset(("profile", "email", "address", "phone"))
MOST_NAMED = 5


def examine(connection: Connection, evidence: Evidence) -> Health:
    """The judgement about a connection."""
    document = evidence.document
    if document is None:
        return Health((_absent(evidence.reason),))
    if not isinstance(document.get("issuer"), str):  # some other JSON: nothing of it is told
        return Health((_absent("no_issuer"),))
    metadata, faults = _judged(document, connection)
    if any(one.code == "issuer_mismatch" for one in faults):
        return Health(faults)
    lacks = tuple(Finding(ERROR, "missing", gap, _remedy(gap)) for gap in gaps(document, connection.options))
    keys = tuple(_of_keys(connection, evidence))
    warnings = tuple(_warnings(connection, evidence, metadata))
    return Health((*faults, *lacks, *keys, *warnings), metadata, told(document), digest(document))


def _absent(reason: str) -> Finding:
    if reason == "too_large":
        return Finding(ERROR, "document_too_large", TOO_LARGE, "give what is needed of it as options.oidc_metadata")
    return Finding(
        ERROR,
        "not_found",
        "no discovery document could be had",
        "check options.discovery_url (or issuer), and that this machine may call it",
        DETAILS.get(reason, reason),
    )


def _judged(document: Mapping[str, Any], connection: Connection) -> tuple[Metadata | None, tuple[Finding, ...]]:
    try:
        return check_metadata(document, connection), ()
    except Incomplete as error:
        return None, tuple(Finding(ERROR, "missing", name, _remedy(name)) for name in error.missing)
    except UpstreamError as error:
        return None, (_unusable(error.reason, document),)


def _unusable(reason: str, document: Mapping[str, Any]) -> Finding:
    if reason == "metadata_issuer_mismatch":
        remedy = "set options.issuer if that is right"
        return Finding(ERROR, "issuer_mismatch", "the document names another issuer", remedy, document["issuer"][:255])
    name = reason.removeprefix("bad_")
    remedy = f"it must be https, without a parameter that Isthmus sets; if the tenant is wrong, set options.{name}"
    return Finding(ERROR, "bad_endpoint", f"the document's {name} cannot be used", remedy)


def _remedy(name: str) -> str:
    if name.endswith("_endpoint") or name == "jwks_uri":
        return f"set options.{name} if the tenant has one that it does not publish"
    return "switch it on at the tenant, or choose other options"


def _of_keys(connection: Connection, evidence: Evidence) -> Iterator[Finding]:
    if evidence.keys_reason:
        detail = DETAILS.get(evidence.keys_reason, evidence.keys_reason)
        yield Finding(ERROR, "keys_unreadable", "the keys could not be had", "check jwks_uri", detail)
    elif evidence.keys is not None:
        wanted = connection.options.id_token_signed_response_algs
        if not any(evidence.keys.candidates(None, alg) for alg in wanted):
            others = [alg for alg in FAMILIES if evidence.keys.candidates(None, alg)]
            remedy = f"there are keys for {', '.join(others)}" if others else "there is no key that can be used at all"
            words = f"no key fits options.id_token_signed_response_algs ({', '.join(wanted)})"
            yield Finding(ERROR, "keys_unusable", words, remedy)


def _warnings(connection: Connection, evidence: Evidence, metadata: Metadata | None) -> Iterator[Finding]:
    if abs(evidence.skew) >= SKEW_SECONDS:
        way = "ahead of" if evidence.skew > 0 else "behind"
        words = f"the tenant's clock is {abs(evidence.skew)} seconds {way} ours"
        yield Finding(WARNING, "clock_skew", words, "set both clocks; tokens may be refused as too old or too new")
    if evidence.certificate_ends is not None:
        days = int((evidence.certificate_ends - evidence.now) // 86_400)
        if days < CERTIFICATE_DAYS:
            words = f"the tenant's certificate ends in {days} days"
            yield Finding(WARNING, "certificate_expires", words, "tell the tenant; after that nobody can log in")
    if metadata is not None:
        yield from _moved(evidence.believed, metadata)
        yield from _mix_up(connection, evidence.sharing, metadata)
    yield from _only_at_userinfo(connection)


def _moved(believed: Metadata | None, metadata: Metadata) -> Iterator[Finding]:
    """RFC 9700 4.4: what moved to another host is not believed until the operator says so."""
    if believed is not None and (names := moves(believed, metadata)):
        words = f"the tenant's document moved {', '.join(names)} to another host, which is not believed"
        yield Finding(WARNING, "metadata_moved", words, "if that is right, restart, or name the new address in options")


def shares_callback(connection: Connection) -> bool:
    """Whether its codes come back to the address of others."""
    return connection.options.type == BACK and not connection.options.own_callback


def _mix_up(connection: Connection, sharing: tuple[str, ...], metadata: Metadata) -> Iterator[Finding]:
    """Tenants that share the callback and cannot be told apart before the code is sent (RFC 9207, RFC 9700 4.4)."""
    if shares_callback(connection) and sharing and not metadata.names_itself:
        named = ", ".join(sharing[:MOST_NAMED]) + (" ..." if len(sharing) > MOST_NAMED else "")
        words = (
            f"the tenant does not name itself in its answers (RFC 9207), so one of {named} could be sent its codes"
            " (mix-up)"
        )
        yield Finding(WARNING, "mix_up", words, "set options.own_callback = true")


def _only_at_userinfo(connection: Connection) -> Iterator[Finding]:
    """With a code, the claims of these scopes are answered at userinfo (OpenID Connect Core 5.4)."""
    options = connection.options
    scopes = [scope for scope in options.scopes if scope in AT_USERINFO]
    if options.type == BACK and scopes and not options.reads_userinfo:
        words = f"{', '.join(scopes)} may be answered at userinfo only, which is not asked"
        remedy = (
            "make sure that the tenant puts these claims into the ID token, or read ${context.userinfo...} in "
            "options.attribute_map"
        )
        yield Finding(WARNING, "only_at_userinfo", words, remedy)

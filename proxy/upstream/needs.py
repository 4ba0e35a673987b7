"""What a connection's options need of a tenant, held against what its document lists.

The lists are those of OpenID Connect Discovery 1.0 3, RFC 8414 2, RFC 9126 5 and RFC 9449 5.1. What a document does not
list is no gap: most lists are optional, and many tenants can more than they say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.models import ConnectionOptions
from proxy.models.connection_options import BACK
from proxy.upstream.metadata import ENDPOINTS, strings

Document = Mapping[str, Any]


def gaps(document: Document, options: ConnectionOptions) -> tuple[str, ...]:
    """Everything beyond the channel's own endpoints that is missing, each by the name it has in the document."""
    return (*_endpoints(document, options), *_lists(document, options), *_refused(document, options))


def _endpoints(document: Document, options: ConnectionOptions) -> Iterator[str]:
    pushed = options.enable_pushed_authorization_requests or (
        document.get("require_pushed_authorization_requests") is True
    )
    needed = {"pushed_authorization_request_endpoint": pushed, "userinfo_endpoint": options.reads_userinfo}
    for name in ENDPOINTS:
        if needed.get(name) and not (getattr(options, name) or document.get(name)):
            yield name


def _lists(document: Document, options: ConnectionOptions) -> Iterator[str]:
    """Lists that hold none of the words that would do."""
    for name, wanted in (*_of_answers(options), *_of_the_back_channel(options), *_of_request_objects(options)):
        listed = set(map(_sorted, strings(document, name)))
        if listed and wanted and listed.isdisjoint(map(_sorted, wanted)):
            yield f"{name}: {' or '.join(wanted)}"


def _sorted(words: str) -> str:
    """A response type is a set of words, in any order."""
    return " ".join(sorted(words.split()))


Wanted = Iterator[tuple[str, tuple[str, ...]]]


def _of_answers(options: ConnectionOptions) -> Wanted:
    yield "response_types_supported", (options.kind,)
    yield "response_modes_supported", (options.mode,)
    yield "id_token_signing_alg_values_supported", options.id_token_signed_response_algs
    if options.reads_userinfo and options.userinfo_signed_response_alg:
        yield "userinfo_signing_alg_values_supported", (options.userinfo_signed_response_alg,)


def _of_the_back_channel(options: ConnectionOptions) -> Wanted:
    if options.type != BACK:
        return
    yield "token_endpoint_auth_methods_supported", _methods(options)
    if options.token_endpoint_auth_signing_alg:
        yield "token_endpoint_auth_signing_alg_values_supported", (options.token_endpoint_auth_signing_alg,)
    if options.dpop_signing_alg:
        yield "dpop_signing_alg_values_supported", (options.dpop_signing_alg,)
    if options.connection_settings.pkce == "S256":
        yield "code_challenge_methods_supported", ("S256",)


def _methods(options: ConnectionOptions) -> tuple[str, ...]:
    """The ways to authenticate that would do. A public client needs none of those listed, and few list "none"."""
    if options.token_endpoint_auth_method not in (None, "none"):
        return (str(options.token_endpoint_auth_method),)
    return ("client_secret_basic", "client_secret_post") if options.client_secret else ()


def _of_request_objects(options: ConnectionOptions) -> Wanted:
    if options.request_object:
        yield "request_object_signing_alg_values_supported", (options.request_object_signing_alg,)


def _refused(document: Document, options: ConnectionOptions) -> Iterator[str]:
    """What the document says no to."""
    by = {"value": "request_parameter_supported", "reference": "request_uri_parameter_supported"}
    if options.request_object and document.get(by[options.request_object]) is False:
        yield by[options.request_object]

"""What a tenant publishes about itself, and what of it the options override."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.models import ConnectionOptions
from proxy.upstream.metadata import ENDPOINTS

TOLD = (
    "issuer",
    *ENDPOINTS,
    "check_session_iframe",
    "registration_endpoint",
    "response_types_supported",
    "response_modes_supported",
    "scopes_supported",
    "id_token_signing_alg_values_supported",
    "userinfo_signing_alg_values_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "code_challenge_methods_supported",
    "dpop_signing_alg_values_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "request_object_signing_alg_values_supported",
    "require_pushed_authorization_requests",
    "authorization_response_iss_parameter_supported",
    "backchannel_logout_supported",
    "frontchannel_logout_supported",
)
"""What of a document is shown and compared; the rest is the tenant's own business."""
LONGEST, MOST = 2083, 100


@dataclass(frozen=True)
class Row:
    """One name: what the tenant publishes (None: nothing), what is used, and where that comes from."""

    name: str
    published: Any
    used: Any
    source: str


def told(document: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a document that is shown: words, switches and lists of words, none of them endless."""
    return {name: _short(document[name]) for name in TOLD if name in document and _is_plain(document[name])}


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 over the whole document, whatever the order of its names."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Per name what was said and what is said now; None stands for nothing."""
    names = [name for name in TOLD if old.get(name) != new.get(name)]
    return {name: {"old": old.get(name), "new": new.get(name)} for name in names}


def rows(options: ConnectionOptions, published: Mapping[str, Any], callback_url: str) -> tuple[Row, ...]:
    """What ``connections show --metadata`` prints. The last row is what to register at the tenant."""
    source = "oidc_metadata" if options.oidc_metadata else "published"
    found = []
    for name in TOLD:
        given = getattr(options, name, "") if name in ("issuer", *ENDPOINTS) else ""
        if given or name in published:
            here = f"options.{name}" if given else source
            found.append(Row(name, published.get(name), given or published[name], here))
    return (*found, Row("callback_url", None, callback_url, "register this at the tenant"))


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, str, list))


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [one[:LONGEST] for one in value[:MOST] if isinstance(one, str)]
    return value[:LONGEST] if isinstance(value, str) else value

"""The ``claims`` parameter: single claims asked for by name (OpenID Connect Core 5.5).

A claim is released only if the client might have asked for the scope that covers it; others are left out in silence,
as are values the person does not have. ``sub`` with a value says whom the client means, ``acr`` with values how they
must log in (5.5.1.1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.downstream.id_token import SCOPE_CLAIMS
from proxy.models import Client
from proxy.oidc.errors import Refused
from proxy.oidc.strict_json import NotStrict, load_object

if TYPE_CHECKING:
    from proxy.downstream.authorize import AuthorizeRequest

LONGEST = 8192
"""Most characters of the parameter."""
MOST = 100
PLACES = ("id_token", "userinfo")


@dataclass(frozen=True)
class Asked:
    """What a request asks for by name. ``names`` are claims by place, ``subject`` whom it means, or empty."""

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subject: str = ""
    acr_values: tuple[str, ...] = ()
    essential_acr: bool = False


NOTHING = Asked()


def check(text: str, client: Client) -> Asked:
    """The parameter as a typed value. Raises ``Refused``."""
    if not text:
        return NOTHING
    if len(text) > LONGEST:
        raise _bad(f"is longer than {LONGEST} characters")
    try:
        members = load_object(text.encode("utf-8", "surrogatepass"))
    except NotStrict:
        raise _bad("is not a JSON object") from None
    wanted = {place: _place(members, place) for place in PLACES}
    acr, sub = wanted["id_token"].get("acr"), wanted["id_token"].get("sub")
    return Asked(
        {place: _releasable(asked, client) for place, asked in wanted.items() if _releasable(asked, client)},
        _value(sub),
        _values(acr),
        bool(acr and acr.get("essential") is True and _values(acr)),
    )


def _place(members: Mapping[str, Any], place: str) -> Mapping[str, Mapping[str, Any] | None]:
    asked = members.get(place)
    if asked is None:
        return {}
    if not isinstance(asked, dict) or len(asked) > MOST:
        raise _bad(f"must have an object of at most {MOST} members at {place}")
    if not all(each is None or isinstance(each, dict) for each in asked.values()):
        raise _bad(f"must have null or an object for each claim at {place}")
    return asked


def _releasable(asked: Mapping[str, Any], client: Client) -> tuple[str, ...]:
    may = {name for scope in client.scopes for name in SCOPE_CLAIMS.get(scope, ())}
    return tuple(name for name in asked if name in may)


def _value(wish: Mapping[str, Any] | None) -> str:
    value = wish.get("value", "") if wish else ""
    if not isinstance(value, str):
        raise _bad("has a value that is no text")
    return value


def _values(wish: Mapping[str, Any] | None) -> tuple[str, ...]:
    if not wish:
        return ()
    values = wish.get("values", [wish["value"]] if "value" in wish else [])
    if not isinstance(values, list) or not all(isinstance(value, str) and _is_word(value) for value in values):
        raise _bad("has values that are no list of words")
    return tuple(values)


def _is_word(value: str) -> bool:
    """Whether it can stand in ``acr_values``, which is how it goes on to the tenant."""
    return value.isprintable() and " " not in value


def as_param(asked: AuthorizeRequest) -> str:
    """The parameter of a request that asks the same again, or empty."""
    wanted: dict[str, dict[str, Any]] = {place: dict.fromkeys(names) for place, names in asked.claims.items()}
    if asked.essential_acr:
        wanted.setdefault("id_token", {})["acr"] = {"essential": True, "values": list(asked.acr_values)}
    if asked.subject:
        wanted.setdefault("id_token", {})["sub"] = {"value": asked.subject}
    return json.dumps(wanted, separators=(",", ":")) if wanted else ""


def _bad(what: str) -> Refused:
    return Refused("invalid_request", f"claims {what}")

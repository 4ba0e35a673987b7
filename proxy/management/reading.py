"""What was sent, as a connection: the models and rules of the file, and those of the API on top.

Options that nobody knows are kept and told; unknown keys beside the options are refused, as Auth0 does. What only the
operator of the machine may say (private networks, trust anchors) is not taken, and a secret is the text it is: a
reference like ``$NAME`` or ``file:/path`` means nothing here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from proxy.management import refusals
from proxy.models import Connection, ConnectionOptions
from proxy.models.connection_options import BACK
from proxy.models.connection_rules import inconsistencies
from proxy.roster import SECRETS, Entry
from proxy.settings.problems import REMEDIES, dotted
from proxy.settings.rules import not_https
from proxy.settings.secrets import is_placeholder

Values = Mapping[str, Any]
FIXED: Final = ("name", "strategy")
FILE_ONLY: Final = ("allow_private", "trust")
AS_IT_IS: Final[Values] = {"authentication": {"active": True}, "connected_accounts": {"active": False}}
"""What Auth0 can switch and Isthmus cannot: taken with the value that describes how it is here."""
TOP: Final = frozenset(Connection.model_fields)
KNOWN: Final = frozenset(ConnectionOptions.model_fields)
WHERE_SECRETS_GO: Final = (
    "client_id",
    "discovery_url",
    "issuer",
    "oidc_metadata",
    "token_endpoint",
    "pushed_authorization_request_endpoint",
)
LONGEST_EXTRA: Final = 16 * 1024
OF_THE_GUIDE: Final = "IDP_CLIENT_SECRET"
"""The secret in Auth0's guide, whose requests are taken as they stand."""
WORDS: Final = {
    **REMEDIES,
    "tuple_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
}


@dataclass(frozen=True)
class Draft:
    """A connection that follows the rules, the options that nobody knows, and what the operator should hear."""

    connection: Connection
    extra: Values
    warnings: tuple[str, ...] = ()


def new(values: Values, issuer: str) -> Draft:
    """A connection to be made. Raises ``Refused`` (400)."""
    for name in (*FIXED, "options"):
        if name not in values:
            raise refusals.invalid_body(f"'Missing required property: {name}'")
    return _draft(_top(values, TOP), issuer)


def changed(entry: Entry, values: Values, issuer: str) -> Draft:
    """``entry`` with what was sent in place of what was there. ``options`` are replaced whole, but for the secrets, and
    the display name ends where it is not sent again, both as at Auth0. Raises ``Refused`` (400)."""
    given = _top(values, TOP - set(FIXED))
    if not values:
        raise refusals.invalid_body("'Too few properties defined (0), minimum 1'")
    before = stored(entry.connection)
    options = given.get("options")
    if isinstance(options, Mapping):
        given["options"] = _with_secrets(before["options"], options)
    elif options is None:
        given["options"] = {**before["options"], **(entry.extra or {})}
    before.pop("display_name", None)
    draft = _draft({**before, **given}, issuer)
    lost = _needs_secret(draft.connection) and entry.connection.options.client_secret is not None
    if lost and isinstance(options, Mapping) and options.get("client_secret", "") is not None:
        raise _at("options.client_secret", "is needed again: the address it is sent to, or client_id, changes")
    return draft


def stored(connection: Connection) -> dict[str, Any]:
    """Every value that is not the usual one, secrets too."""
    plain = connection.model_dump(mode="json", exclude_defaults=True)
    for name in SECRETS:
        if (secret := getattr(connection.options, name)) is not None:
            plain["options"][name] = secret.get_secret_value()
    return plain


def _top(values: Values, allowed: Iterable[str]) -> dict[str, Any]:
    """What stands beside the options, without what only describes how it is."""
    unknown = sorted(set(values) - set(allowed) - set(AS_IT_IS))
    if unknown:
        raise refusals.invalid_body(f"'Additional properties not allowed: {', '.join(unknown)[:200]}'")
    for name, only in AS_IT_IS.items():
        if name in values and values[name] not in (None, only):
            raise _at(name, f"can only be {json.dumps(only)} here")
    return {name: value for name, value in values.items() if name not in AS_IT_IS}


def _with_secrets(before: Values, options: Values) -> Values:
    """Options with the secrets of those before them, which nobody can read and send again. They stay only where they go
    to the same place as ever: whoever may change an address must not learn them by it (RFC 9700 4.4)."""
    moved = any(before.get(name) != options.get(name) for name in WHERE_SECRETS_GO)
    if moved or "client_secret" in options:
        return options
    return {**{name: before[name] for name in SECRETS if name in before}, **options}


def _draft(values: Values, issuer: str) -> Draft:
    options = values["options"]
    if not isinstance(options, Mapping):
        raise _at("options", "must be an object")
    options = _one_scope({name: value for name, value in options.items() if value is not None})
    extra = {name: value for name, value in options.items() if name not in KNOWN}
    known = {name: value for name, value in options.items() if name in KNOWN}
    _check_operators_own(known, extra)
    connection = _modelled({**values, "options": known})
    for name, remedy in (*inconsistencies(connection), *not_https(issuer, connection)):
        raise _at(f"options.{name}", remedy)
    return Draft(connection, extra, tuple(_warnings(connection, extra)))


def _one_scope(options: dict[str, Any]) -> dict[str, Any]:
    """``scopes`` is the guide's spelling of ``scope``."""
    if "scopes" not in options:
        return options
    asked = options.pop("scopes")
    if options.setdefault("scope", asked) != asked:
        raise _at("options.scopes", "says something else than scope; send one of the two")
    return options


def _check_operators_own(known: Values, extra: Values) -> None:
    for name in FILE_ONLY:
        if name in known:
            raise _at(f"options.{name}", "can be set in the configuration file alone")
    if len(json.dumps(extra)) > LONGEST_EXTRA:
        raise _at("options", f"holds more than {LONGEST_EXTRA} bytes of properties that are not known here")
    for name in SECRETS:
        text = known.get(name)
        if isinstance(text, str) and not _is_secret(text):
            raise _at(f"options.{name}", "is empty or a placeholder; send the tenant's")


def _is_secret(text: str) -> bool:
    if text == OF_THE_GUIDE or text.startswith("$"):
        return True
    return bool(text.strip()) and not is_placeholder(text)


def _modelled(values: Values) -> Connection:
    try:
        return Connection.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
    place = dotted(first["loc"])[:200]
    if first["type"] == "missing":
        raise refusals.invalid_body(f"'Missing required property: {first['loc'][-1]}' ({place})") from None
    if first["type"] == "extra_forbidden":
        named = str(first["loc"][-1])[:100]
        raise refusals.invalid_body(f"'Additional properties not allowed: {named}' ({place})") from None
    raise _at(place, WORDS.get(first["type"], "has a value of the wrong kind").format(**first.get("ctx", {}))) from None


def _warnings(connection: Connection, extra: Values) -> Iterable[str]:
    for name in extra:
        yield f"options.{name} is not known here; it is kept and does nothing"
    if _needs_secret(connection):
        yield "options.client_secret is missing; the tenant must take Isthmus as a public client"


def _needs_secret(connection: Connection) -> bool:
    options = connection.options
    silent = options.client_secret is None and options.token_endpoint_auth_method is None
    return options.type == BACK and silent


def _at(place: str, remedy: str) -> Exception:
    return refusals.invalid_body(f"'{place} {remedy}'")

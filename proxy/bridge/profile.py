"""What a tenant said of a person becomes the profile: the connection's ``attribute_map`` first, then the plugins.

Claims come from two places, the ID token and userinfo; where both have one, the ID token's counts. A template's
reference is the whole name of a claim, dots and slashes and all; nothing inside a claim is looked up. A template that
is one reference keeps the claim's type; in a mix every value becomes text. No template and no claim sets a name that is
ours to say, and one that says something about rights comes only where the operator mapped it by name.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.models import Client, Connection, Identity
from proxy.models.attribute_map import ACCESS_TOKEN, REFERENCE, RESERVED, RESTRICTED
from proxy.oidc.errors import UpstreamError
from proxy.plugins import Mapped, Plugins
from proxy.plugins import check as plugin_rules
from proxy.plugins.defaults import completed, fits, has_no_map
from proxy.plugins.values import Refusal, TooLarge, measure

log = logging.getLogger("isthmus.profile")
Sources = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Profiles:
    """Makes profiles. ``id_of`` is the id of a connection by its name."""

    plugins: Plugins
    id_of: Callable[[str], str]

    async def of(self, connection: Connection, client: Client, identity: Identity) -> Mapped:
        """The profile of a person who came through ``connection`` to ``client``. Raises ``PluginFailed``, and
        ``UpstreamError`` for one that is too large to keep."""
        mapped = attributes(connection, identity, self.id_of) if not has_no_map(connection) else None
        return await self.plugins.map_profile(connection, client, claims_of(identity), mapped)


def claims_of(identity: Identity) -> Mapping[str, Any]:
    """Everything the tenant said of the person. What says that an address is verified goes with the address it came
    with: it is not believed of another one (OIDC Core 5.1, 5.7)."""
    if not identity.userinfo:
        return identity.claims
    found = {**identity.userinfo, **identity.claims}
    for name in ("email", "phone_number"):
        verified = f"{name}_verified"
        sources = [one for one in (identity.claims, identity.userinfo) if name in one and one[name] == found[name]]
        said = next((one[verified] for one in sources if verified in one), None)
        found.pop(verified, None)
        if said is not None:
            found[verified] = said
    return found


def attributes(connection: Connection, identity: Identity, id_of: Callable[[str], str]) -> Mapping[str, Any]:
    """What the connection's ``attribute_map`` makes of the claims. Raises ``UpstreamError``."""
    claims = claims_of(identity)
    mapping = connection.options.attribute_map
    if mapping is None or mapping.mapping_mode == "bind_all":
        found: Iterable[tuple[str, Any]] = ((name, value) for name, value in claims.items() if name not in RESTRICTED)
    else:
        sources = _sources(connection, identity, id_of)
        found = ((name, value_of(template, sources)) for name, template in mapping.attributes.items())
    return completed(_held(connection, found), claims)


def _sources(connection: Connection, identity: Identity, id_of: Callable[[str], str]) -> Sources:
    token = {ACCESS_TOKEN: identity.tokens.access_token} if identity.tokens else {}
    return {
        "tokenset": {**identity.claims, **token},
        "userinfo": identity.userinfo,
        "connection": {"id": id_of(connection.name), "strategy": connection.strategy},
    }


def value_of(template: str, sources: Sources) -> Any:
    """What a template says; None where it is one reference to what is not there."""
    alone = REFERENCE.fullmatch(template)
    if alone:
        return sources[alone[1]].get(alone[2])
    return REFERENCE.sub(lambda found: _as_text(sources[found[1]].get(found[2])), template)


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _held(connection: Connection, found: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Those that a profile can hold. One that is absent, ours to say or of the wrong type is left out; more of them
    than a profile has room for is nobody's fault but the tenant's, and half a profile would be a wrong one."""
    held: dict[str, Any] = {}
    room = plugin_rules.MAX_PROFILE
    for name, value in found:
        if value is None or not _may_be_set(name) or not fits(name, value):
            continue
        try:
            room -= measure({name: value}, room)
        except TooLarge:
            text = "the login service says more about this person than can be kept"
            raise UpstreamError("access_denied", text, reason="profile_too_large") from None
        except Refusal as refusal:
            log.warning("attribute_left_out", extra={"connection": connection.name, "reason": str(refusal)})
            continue
        held[name] = value
    return held


def _may_be_set(name: str) -> bool:
    """Whether a name is neither ours to say nor unfit for a profile."""
    ours = name in RESERVED or name.startswith("_")
    return not ours and 0 < len(name) <= plugin_rules.MAX_NAME and name.isprintable()

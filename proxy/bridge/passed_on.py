"""What an application's request passes on to the tenant: the aliases of ``upstream_params``, a closed list.

Values come from the checked request alone, so nothing of it arrives that the authorization endpoint did not understand.
An ``id_token_hint`` stays here: a token of ours says nothing to a tenant.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.downstream.authorize import AuthorizeRequest
from proxy.models import ConnectionOptions, Wishes


def passed_on(options: ConnectionOptions, asked: AuthorizeRequest, wishes: Wishes) -> Mapping[str, str]:
    """Each upstream parameter with an alias that the application gave a value for."""
    aliases = {name: param.alias for name, param in options.upstream_params.items() if param.alias}
    given = _given(asked, wishes) if aliases else {}
    return {name: given[alias] for name, alias in aliases.items() if given.get(alias)}


def _given(asked: AuthorizeRequest, wishes: Wishes) -> Mapping[str, str]:
    """The values by alias. ``wishes`` know which login hint may travel; of several APIs the first is named, since each
    parameter goes up once."""
    api = asked.audiences[0] if asked.audiences else ""
    return {
        "acr_values": " ".join(wishes.acr_values),
        "audience": api,
        "client_id": asked.client_id,
        "display": asked.display,
        "login_hint": wishes.login_hint,
        "max_age": "" if asked.max_age is None else str(asked.max_age),
        "prompt": " ".join(asked.prompt),
        "resource": api,
        "response_mode": asked.response_mode,
        "response_type": asked.response_type,
        "ui_locales": asked.ui_locales,
    }

"""Whether what was granted still stands."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.downstream.consents import Consents
from proxy.downstream.grant import Grant
from proxy.downstream.standing import Standing
from proxy.models import Client
from proxy.oidc.errors import Unavailable
from proxy.store.memory import MemoryStore
from tests.downstream.world import API, CORP, NOW, WEBAPP, FailingStore

ADA = "oidc|corp|ada"
THIRD = WEBAPP.model_copy(update={"is_first_party": False})
SHOWN = ("scope openid", f"api {API}")


def grant(**changes: Any) -> Grant:
    """What Ada granted ``webapp``."""
    usual: dict[str, Any] = {"user_id": ADA, "connection": "corp", "audiences": (API,), "created_at": int(NOW)}
    whole = {"id": "g", "client_id": "webapp", "sid": "s", "scopes": ("openid",), "profile": {}, **usual, **changes}
    return Grant(auth_time=1, expires_at=9, **whole)


@pytest.mark.parametrize(
    ("held", "client", "allowed", "holds"),
    [
        (grant(), WEBAPP, (), True),
        (grant(), WEBAPP.model_copy(update={"grants": ()}), (), False),
        (grant(connection="gone"), WEBAPP, (), False),
        (grant(), WEBAPP.model_copy(update={"client_id": "stranger"}), (), False),
        (grant(user_id="", connection=""), WEBAPP, (), True),
        (grant(), THIRD, SHOWN, True),
        (grant(), THIRD, SHOWN[:1], False),
        (grant(), THIRD, (), False),
        (grant(created_at=int(NOW) - 1), THIRD, SHOWN, False),
    ],
    ids=["it", "no-api", "no-connection", "not-enabled", "nobody", "allowed", "allowed-less", "never", "earlier"],
)
async def test_tk_17_it_stands_while_all_of_it_is_allowed(
    held: Grant, client: Client, allowed: tuple[str, ...], holds: bool
) -> None:
    """TK-17, IN-09: APIs, connection and consent as they are now; a consent that is younger than the grant is another
    one."""
    consents = Consents(MemoryStore())
    if allowed:
        await consents.allow(ADA, "webapp", allowed, NOW)
    assert await Standing({"corp": CORP}, consents).holds(held, client) is holds


async def test_a_store_that_cannot_say_is_neither_yes_nor_no() -> None:
    """FT-01: Unavailable; and the operator's own clients need no look into the store."""
    silent = FailingStore(MemoryStore(), lambda op: True, Unavailable("store"))
    standing = Standing({"corp": CORP}, Consents(silent))
    with pytest.raises(Unavailable):
        await standing.holds(grant(), THIRD)
    assert await standing.holds(grant(), WEBAPP)

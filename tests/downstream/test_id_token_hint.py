"""What an ID token hint says, and what says nothing."""

from __future__ import annotations

import pytest

from proxy.downstream.id_token_hint import Hint, read_hint
from tests.downstream.world import API, ISSUER, World, a_session


async def test_a_hint_names_client_person_and_session(world: World) -> None:
    """RP-Initiated Logout 2: also when it has expired."""
    token = (await world.tokens())["id_token"]
    later = world.clock.now + 40_000
    for now in (world.clock.now, later):
        assert await read_hint(token, world.known, world.keys, ISSUER, now) == Hint(
            "webapp", "oidc|corp|ada", a_session().sid
        )


@pytest.mark.parametrize("kind", ["none", "empty", "junk", "access", "other-issuer"])
async def test_az_18_what_is_no_hint_of_ours_says_nothing(world: World, kind: str) -> None:
    """AZ-18, JO-10: forged, of another kind, or by somebody else."""
    good = (await world.tokens())["id_token"]
    hints = {
        "none": "eyJhbGciOiJub25lIn0." + good.split(".")[1] + ".",
        "empty": "",
        "junk": "a.b.c",
        "access": (await world.tokens(scope="openid", audience=API))["access_token"],
        "other-issuer": good,
    }
    issuer = "https://other.example/" if kind == "other-issuer" else ISSUER
    assert await read_hint(hints[kind], world.known, world.keys, issuer, world.clock.now) == Hint()


async def test_az_18_a_hint_for_another_person_is_not_answered_in_silence(world: World) -> None:
    """AZ-18, oidcc-id-token-hint: with the person's own hint the session answers; with another's it does not."""
    hint = (await world.tokens())["id_token"]
    assert "code" in await world.refusal(prompt="none", id_token_hint=hint)
    world.session = a_session(user_id="oidc|corp|bob")
    assert (await world.refusal(prompt="none", id_token_hint=hint))["error"] == "login_required"

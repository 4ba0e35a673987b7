"""A grant and its refresh tokens: names, proofs, lifetimes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.downstream.grant import (
    Grant,
    Lifetimes,
    Refresh,
    grant_key,
    grants_of_session,
    grants_of_user,
    lifetime,
    listed_under,
    new_id,
    new_secret,
    refresh_ends,
    revoke,
    rotate,
)
from proxy.store import Put, digest
from tests.downstream.world import NOW

DAY = 86_400


def a_grant(**changes: Any) -> Grant:
    plain = Grant(
        id=new_id(),
        client_id="webapp",
        user_id="oidc|corp|ada",
        subject="oidc|corp|ada",
        sid="s" * 22,
        connection="corp",
        scopes=("openid", "offline_access"),
        auth_time=int(NOW),
        created_at=int(NOW),
        expires_at=int(NOW) + 30 * DAY,
        profile={"name": "Ada"},
        offline=True,
        seed=new_secret(),
    )
    return replace(plain, **changes)


def parsed(token: str) -> Refresh:
    found = Refresh.parse(token)
    assert found is not None
    return found


def test_a_refresh_token_is_known_by_its_grant_alone() -> None:
    """The record holds the token's hash, and the proof fits the grant that gave it out."""
    first, token = rotate(a_grant(), NOW)
    shown = parsed(token)
    assert shown.grant_id == first.id and shown.hash == first.head == digest(token)
    assert shown.is_of(first) and not shown.is_of(a_grant(id=first.id))
    assert token not in str(first.as_value())


def test_rotation_keeps_the_family_and_the_one_before() -> None:
    """After a rotation the new token is the head, the old one the previous, and both are of the family."""
    first, one = rotate(a_grant(), NOW)
    second, two = rotate(first, NOW + 5)
    assert (second.head, second.previous, second.rotated_at) == (digest(two), first.head, int(NOW) + 5)
    assert (second.id, second.seed, second.expires_at) == (first.id, first.seed, first.expires_at)
    assert parsed(one).is_of(second) and parsed(two).is_of(second)


def edits(token: str) -> dict[str, str]:
    """Texts that are nearly a token."""
    grant_id, secret, proof = token.split(".")
    flipped = "A" if secret[5] != "A" else "B"
    return {
        "cut": token[:-1],
        "one-more": token + "A",
        "case": token.swapcase(),
        "padding": token + "=",
        "newline": token + "\n",
        "encoded": token.replace(".", "%2E"),
        "first-80": token[:80],
        "look-alike": token[:30] + "а" + token[31:],
        "secret-changed": f"{grant_id}.{secret[:5]}{flipped}{secret[6:]}.{proof}",
        "proof-changed": f"{grant_id}.{secret}.{'A' * 43}",
        "swapped": f"{grant_id}.{proof}.{secret}",
        "no-proof": f"{grant_id}.{secret}",
        "nothing": "",
        "dots": "..",
    }


@pytest.mark.parametrize("edit", edits("a.bbbbbbbb.c"))
def test_tk_22_an_edited_refresh_token_is_of_no_grant(edit: str) -> None:
    """TK-22: one token string, one meaning; every other text is no token of the family at all."""
    grant, token = rotate(a_grant(), NOW)
    shown = Refresh.parse(edits(token)[edit])
    assert shown is None or shown.grant_id != grant.id or not shown.is_of(grant)


def test_a_grant_survives_being_stored() -> None:
    """What was written is what is read; a tombstone is no grant."""
    grant, _ = rotate(a_grant(audiences=("https://api.example/",)), NOW)
    assert Grant.from_value({**grant.as_value(), "scopes": list(grant.scopes)}) == grant
    written = revoke(grant.id)
    assert isinstance(written, Put) and written.key == grant_key(grant.id)
    assert Grant.from_value(written.value) is None


def test_only_offline_grants_are_listed() -> None:
    """By session and by person. A grant that ends with its session needs no index: its tokens ask for the session."""
    assert listed_under(a_grant()) == (grants_of_session("s" * 22), grants_of_user(a_grant().user_id))
    assert listed_under(a_grant(offline=False)) == ()


@pytest.mark.parametrize(
    ("changes", "lifetimes", "seconds"),
    [
        pytest.param({"offline": False}, {}, DAY, id="no-refresh-token"),
        pytest.param({}, {}, 15 * DAY, id="idle"),
        pytest.param({"expires_at": int(NOW) + 2 * DAY}, {}, 2 * DAY, id="absolute"),
        pytest.param({"expires_at": int(NOW) + 60}, {}, DAY, id="access-token-outlives-the-refresh-token"),
        pytest.param({}, {"refresh_idle": 60}, DAY, id="access-token-outlives-idle"),
        pytest.param({"expires_at": int(NOW) - 60}, {"access_token": 300}, 300, id="never-negative"),
    ],
)
def test_a_record_lives_as_long_as_its_longest_token(
    changes: dict[str, Any], lifetimes: dict[str, int], seconds: int
) -> None:
    """No token that was promised a life loses it with the record it points to."""
    assert lifetime(a_grant(rotated_at=int(NOW), **changes), Lifetimes(**lifetimes), NOW) == seconds


def test_tk_18_the_last_refresh_token_ends_by_the_absolute_limit() -> None:
    """TK-18: idle counts from the last rotation, the absolute limit from the first."""
    limits = Lifetimes()
    assert refresh_ends(a_grant(rotated_at=int(NOW)), limits) == int(NOW) + 15 * DAY
    assert refresh_ends(a_grant(rotated_at=int(NOW) + 29 * DAY), limits) == int(NOW) + 30 * DAY


def test_our_signature_lives_as_long_as_the_longest_token_that_carries_it() -> None:
    """Keys stay published by what is configured, not by a number of ours."""
    assert Lifetimes(access_token=60, id_token=120).signed == 120
    assert Lifetimes(access_token=600, id_token=120).signed == 600


def test_tk_22_a_grant_without_refresh_tokens_knows_none() -> None:
    """TK-22: who knows the id of a grant (it stands in the ``jti`` of its JWTs) can make no token of it."""
    bare = a_grant(offline=False, seed="")
    _, made_up = rotate(bare, NOW)
    assert not parsed(made_up).is_of(bare)


@pytest.mark.parametrize("change", [{"scopes": None}, {"amr": 1}, {"claims": []}, {"a_field_of_later": 1}])
def test_a_grant_of_another_shape_is_none(change: dict[str, Any]) -> None:
    """What another version wrote is as good as absent: its tokens are not taken, and nothing breaks."""
    whole = a_grant().as_value()
    assert Grant.from_value({**whole, **change}) is None
    assert Grant.from_value({name: value for name, value in whole.items() if name != "sid"}) is None

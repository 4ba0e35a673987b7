"""A question to the person who is logged in: asked in one session, decided once."""

from __future__ import annotations

import pytest

from proxy.downstream.question import WAITS, Question
from proxy.oidc.errors import Shown
from proxy.store import Op, Put, Store
from tests.downstream.world import ISSUER, WEBAPP, World, a_session


def question(store: Store, kind: str = "consent") -> Question:
    """A kind of question."""
    return Question(kind, f"{ISSUER}ask", ISSUER, store, b"f" * 32)


async def ask(world: World) -> tuple[str, Op]:
    """A question that waits: its id."""
    assert world.session is not None
    pause, (write,) = question(world.store).ask(world.session, {"what": "it"})
    await world.store.run(write)
    return pause.redirect.partition("id=")[2], write


@pytest.fixture
async def world() -> World:
    """Ada is logged in."""
    return await World().begin(a_session())


async def test_az_23_what_was_asked_is_what_is_decided(world: World) -> None:
    """AZ-23: the page shows what the store has; the form brings the choice alone, and it counts once."""
    id, write = await ask(world)
    assert isinstance(write, Put) and write.ttl == WAITS
    shown = await question(world.store).asked(world.request({"id": id}))
    assert (shown.value, shown.choice) == ({"what": "it"}, "")
    page = question(world.store).page("consent.html", shown, WEBAPP, is_declared=True, things=[])
    form = {**page.values["fields"], "choice": "allow"}
    decided = await question(world.store).asked(world.request(form, "POST"))
    assert (decided.value, decided.choice) == ({"what": "it"}, "allow")
    with pytest.raises(Shown) as caught:
        await question(world.store).asked(world.request(form, "POST"))
    assert caught.value.reason == "consent_reuse"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"choice": "perhaps"}, "invalid_request"), ({"form_token": "x"}, "form_token"), ({"id": "other"}, "form_token")],
)
async def test_az_24_a_form_that_is_not_ours_decides_nothing(
    world: World, changes: dict[str, str], reason: str
) -> None:
    """AZ-24: neither another choice nor another token nor another id; the question waits on."""
    id, _ = await ask(world)
    shown = await question(world.store).asked(world.request({"id": id}))
    page = question(world.store).page("consent.html", shown, WEBAPP, is_declared=True)
    with pytest.raises(Shown) as caught:
        await question(world.store).asked(world.request({**page.values["fields"], "choice": "deny", **changes}, "POST"))
    assert reason in (caught.value.reason, caught.value.code)
    assert (await question(world.store).asked(world.request({"id": id}))).value == {"what": "it"}


async def test_a_question_is_of_one_kind(world: World) -> None:
    """The id of one question opens no other."""
    id, _ = await ask(world)
    with pytest.raises(Shown) as caught:
        await question(world.store, "device").asked(world.request({"id": id}))
    assert caught.value.reason == "no_device_request"

"""The keys of clients: by value, by address, kept, looked for anew, and never at the price of a flood."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.cell import PAUSE, SHORT_PAUSE
from proxy.downstream import client_keys
from proxy.downstream.client_keys import LIMIT, MAX_AGE, MOST_KEPT, ClientKeys
from proxy.models import Client
from proxy.models.client import REGISTERED
from proxy.oidc.errors import Unavailable
from proxy.oidc.jose import JoseError, Signer
from tests.downstream.world import Clock
from tests.kit.signing_client import Shelf, jwks, signed
from tests.kit.tenant import signer

ONE, TWO, EC = signer("one"), signer("two"), signer("p256", "ES256")
URL = "https://app.example/jwks"
ALGORITHMS, TYPES = ("RS256", "PS256", "ES256"), ("", "jwt")


def client(**metadata: Any) -> Client:
    return Client.model_validate({"client_id": "app", "token_endpoint_auth_method": "private_key_jwt", **metadata})


AWAY = client(jwks_uri=URL)


@dataclass
class Scene:
    shelf: Shelf = field(default_factory=Shelf)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.keys = ClientKeys(self.shelf.send, self.clock)

    async def verify(self, key: Signer, client: Client = AWAY, kid: str | None = None) -> str:
        """What comes of a token that ``key`` signed: "good", or the reason."""
        try:
            await self.keys.verify(client, signed(key, {"a": 1}, kid=kid), ALGORITHMS, TYPES)
        except JoseError as error:
            return error.reason
        return "good"

    @property
    def fetches(self) -> int:
        return len(self.shelf.asked)


@pytest.fixture
def scene() -> Scene:
    """A client's key lies at its address."""
    made = Scene()
    made.shelf.put(URL, jwks(ONE))
    return made


@pytest.mark.parametrize("key", [ONE, EC], ids=["RS256", "ES256"])
async def test_keys_by_value_verify_and_call_nobody(scene: Scene, key: Signer) -> None:
    """``jwks``: a key without a kid, as the conformance suite registers it, and a token without one."""
    by_value = client(jwks=jwks(ONE, EC, kid=None))
    assert await scene.verify(key, by_value) == "good"
    assert await scene.verify(TWO, by_value) == "bad_signature"
    assert scene.fetches == 0


@pytest.mark.parametrize("keys", [None, {}, {"keys": 1}, {"keys": []}, {"keys": [{"kty": "oct", "k": "AA"}]}])
async def test_a_client_without_usable_keys_has_signed_nothing(scene: Scene, keys: Any) -> None:
    """No key is no proof, whatever stands in the metadata."""
    assert await scene.verify(ONE, client(jwks=keys)) == "unknown_key"


async def test_two_fitting_keys_and_no_name_leave_no_choice(scene: Scene) -> None:
    """RFC 7515 6: a token without ``kid`` is taken only where one key fits."""
    assert await scene.verify(ONE, client(jwks=jwks(ONE, TWO))) == "ambiguous_key"
    assert await scene.verify(ONE, client(jwks=jwks(ONE, TWO)), kid="one") == "good"


async def test_keys_by_address_are_fetched_once_for_all(scene: Scene) -> None:
    """``jwks_uri``: one small, short GET under the client's own name, shared by all who wait, good for ten minutes."""
    assert await asyncio.gather(*(scene.verify(ONE, kid="one") for _ in range(20))) == ["good"] * 20
    scene.clock.now += MAX_AGE - 1
    assert await scene.verify(ONE) == "good"
    assert scene.fetches == 1
    asked = scene.shelf.asked[0]
    assert (asked.method, asked.url, asked.group, asked.limit) == ("GET", URL, "client:app", LIMIT)
    scene.clock.now += 1
    assert await scene.verify(ONE) == "good"
    assert scene.fetches == 2


@pytest.mark.parametrize("kid", ["two", None], ids=["oidcc-refresh-token-rp-key-rotation", "no-kid"])
async def test_a_changed_key_works_at_once(scene: Scene, kid: str | None) -> None:
    """oidcc-refresh-token-rp-key-rotation: a new key at ``jwks_uri`` is found when the first token needs it."""
    assert await scene.verify(ONE, kid="one") == "good"
    scene.shelf.put(URL, jwks(TWO))
    assert await scene.verify(TWO, kid=kid) == "good"
    assert await scene.verify(ONE, kid="one") == "unknown_key"
    assert scene.fetches == 3


@pytest.mark.parametrize("kid", ["made-up", None, "one"])
async def test_ds_07_a_flood_of_bad_signatures_costs_one_fetch_in_a_pause(scene: Scene, kid: str | None) -> None:
    """DS-07: a thousand forged tokens make us look for keys once; a token with a key we know never does."""
    assert await scene.verify(ONE, kid="one") == "good"
    told = await asyncio.gather(*(scene.verify(TWO, kid=kid) for _ in range(1000)))
    assert set(told) <= {"bad_signature", "unknown_key"}
    looked = 1 if kid != "one" else 0
    assert scene.fetches == 1 + looked
    scene.clock.now += PAUSE
    await scene.verify(TWO, kid=kid)
    assert scene.fetches == 1 + 2 * looked
    assert await scene.verify(ONE, kid="one") == "good"


async def test_keys_that_cannot_be_had_are_no_refusal(scene: Scene) -> None:
    """Nothing to judge with is 503, never "wrong"; the next try comes after a short pause and works."""
    page = scene.shelf.pages.pop(URL)
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            await scene.verify(ONE)
        assert caught.value.reason == "client_keys_unavailable"
    assert scene.fetches == 1
    scene.shelf.pages[URL] = page
    scene.clock.now += SHORT_PAUSE
    assert await scene.verify(ONE) == "good"


async def test_the_last_copy_judges_while_the_client_is_away(scene: Scene) -> None:
    """A kept key goes on working past its age; a name that may be new is 503 while nobody can look."""
    assert await scene.verify(ONE, kid="one") == "good"
    scene.shelf.pages.clear()
    scene.clock.now += MAX_AGE
    assert await scene.verify(ONE, kid="one") == "good"
    assert await scene.verify(TWO, kid="one") == "bad_signature"
    with pytest.raises(Unavailable):
        await scene.verify(TWO, kid="two")


@pytest.mark.parametrize(
    ("body", "status"),
    [("{}", 200), ("[]", 200), ("not json", 200), ('{"keys": [], "keys": []}', 200), ('{"keys": []}', 404)],
)
async def test_what_is_no_key_set_is_no_answer(scene: Scene, body: str, status: int) -> None:
    """A document that everybody would read another way, or an error page, is a failed fetch."""
    scene.shelf.put(URL, body, status=status)
    with pytest.raises(Unavailable):
        await scene.verify(ONE)


async def test_a_moved_address_is_asked_at_once(scene: Scene) -> None:
    """A client that changes ``jwks_uri`` is not judged by what lay at the old one."""
    assert await scene.verify(ONE) == "good"
    scene.shelf.put(f"{URL}/2", jwks(TWO))
    moved = client(jwks_uri=f"{URL}/2")
    assert (await scene.verify(TWO, moved), await scene.verify(ONE, moved)) == ("good", "bad_signature")


async def test_what_is_kept_is_bounded(scene: Scene) -> None:
    """However many clients sign, the sets of so many are kept, the latest used."""
    for number in range(MOST_KEPT + 5):
        assert await scene.verify(ONE, client(client_id=f"app-{number}", jwks_uri=URL)) == "good"
    assert len(scene.keys._places) == MOST_KEPT
    assert "app-0" not in scene.keys._places


async def test_another_clients_key_is_not_ours(scene: Scene) -> None:
    """JO-05: a kid finds keys of its own client alone."""
    scene.shelf.put("https://other.example/jwks", jwks(TWO))
    other = client(client_id="other", jwks_uri="https://other.example/jwks")
    assert await scene.verify(TWO, other, kid="two") == "good"
    assert await scene.verify(TWO, kid="two") == "unknown_key"


async def test_a_malformed_token_fetches_nothing(scene: Scene) -> None:
    """What is no token costs no call."""
    with pytest.raises(JoseError):
        await scene.keys.verify(AWAY, "a.b", ALGORITHMS, TYPES)
    assert scene.fetches == 0


async def test_rg_09_those_who_registered_themselves_make_room_first(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RG-09: however many they are, kept keys of the operator's clients stay, and judge while the client is away."""
    monkeypatch.setattr(client_keys, "MOST_KEPT", 2)
    assert await scene.verify(ONE) == "good"
    for number in range(5):
        assert await scene.verify(ONE, client(client_id=f"{REGISTERED}{number}", jwks_uri=URL)) == "good"
    scene.shelf.pages.clear()
    assert await scene.verify(ONE) == "good"
    assert list(scene.keys._places) == [f"{REGISTERED}4", "app"]

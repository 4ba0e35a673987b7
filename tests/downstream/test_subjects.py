"""Who a person is to a client."""

from __future__ import annotations

from dataclasses import replace

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey

from proxy.downstream import key_record
from proxy.downstream.consents import Consents
from proxy.downstream.id_token import IdTokens, Occasion
from proxy.downstream.introspection import Introspection
from proxy.downstream.key_record import Held
from proxy.downstream.keys import KeyRing, generate
from proxy.downstream.subjects import Subjects, profile_for, sector
from proxy.oidc.errors import Unavailable
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.sealing import Seal
from tests.downstream.test_grant import a_grant
from tests.downstream.world import API, CORP, ISSUER, NOW, SECRET, WEBAPP, World, a_session, payload, told
from tests.kit.valkey import Valkey

ADA = "oidc|corp|ada"
PAIRWISE = WEBAPP.model_copy(update={"subject_type": "pairwise"})
ELSEWHERE = PAIRWISE.model_copy(update={"client_id": "else", "redirect_uris": ("https://other.example/cb",)})
SAME_SECTOR = PAIRWISE.model_copy(update={"client_id": "sister"})


async def test_pairwise_subjects_differ_between_sectors_and_last() -> None:
    """OIDC Core 8.1: the same for ever within a sector, another outside, and no way back to the person."""
    store = MemoryStore()
    one, two = Subjects(store), Subjects(store)
    await one.load()
    await two.load()
    sub = one.of(PAIRWISE, ADA)
    assert sub == two.of(SAME_SECTOR, ADA) != one.of(ELSEWHERE, ADA)
    assert sub != one.of(PAIRWISE, "oidc|corp|bob") and "ada" not in sub and len(sub) == 43


def test_a_public_subject_is_the_user_id() -> None:
    """No salt is needed for it."""
    assert Subjects(MemoryStore()).of(WEBAPP, ADA) == ADA


def test_without_its_salt_nobody_gets_another_name() -> None:
    """A new salt would make strangers of everybody: 503 until the store has answered."""
    with pytest.raises(Unavailable):
        Subjects(MemoryStore()).of(PAIRWISE, ADA)


def test_the_sector() -> None:
    """OIDC Core 8.1: the host of the sector identifier, else that of the redirect URIs."""
    named = PAIRWISE.model_copy(update={"sector_identifier_uri": "https://sector.example/list"})
    assert (sector(named), sector(PAIRWISE)) == ("sector.example", "app.example")


def test_a_nameless_person_stays_so_to_pairwise_clients() -> None:
    """OIDC Core 8.1: the tenant's ``sub``, which stands in for a missing name, is told to public clients alone."""
    nameless, named = a_session(profile={"name": "ada", "zoneinfo": "UTC"}), a_session(profile={"name": "Ada"})
    assert profile_for(PAIRWISE, nameless) == {"zoneinfo": "UTC"} and profile_for(PAIRWISE, named) == {"name": "Ada"}
    assert profile_for(WEBAPP, nameless)["name"] == "ada"


PLACES = ("id_token", "front id_token", "userinfo", "introspection", "at+jwt", "at+jwt introspection")


async def names(world: World, client_id: str) -> dict[str, str]:
    """Who Ada is to a client, at every place that says it."""
    tokens = await world.tokens(client_id=client_id)
    api = await world.tokens(client_id=client_id, scope="openid read:things", audience=API)
    hybrid = await world.authorize(client_id=client_id, response_type="code id_token")
    _, front = told(hybrid)
    inspect = Introspection(world.access_tokens, world.known, world.connections, Consents(world.store))
    answers = [
        (await inspect.introspect(world.request({"token": token}, "POST", client=world.clients[client_id]))).json or {}
        for token in (tokens["access_token"], api["access_token"])
    ]
    said = (
        payload(tokens["id_token"])["sub"],
        payload(front["id_token"])["sub"],
        (await world.userinfo(tokens["access_token"]))["sub"],
        answers[0]["sub"],
        payload(api["access_token"])["sub"],
        answers[1]["sub"],
    )
    return dict(zip(PLACES, said, strict=True))


@pytest.fixture
async def pairwise() -> World:
    """Four clients: two of one sector, one of another, one that is public."""
    hybrid = {
        "grant_types": ("authorization_code", "refresh_token", "implicit"),
        "response_types": ("code", "code id_token"),
    }
    clients = [
        PAIRWISE,
        SAME_SECTOR,
        SAME_SECTOR.model_copy(update={"client_id": "named", "sector_identifier_uri": "https://sector.example/list"}),
        WEBAPP.model_copy(update={"client_id": "plain"}),
    ]
    corp = CORP.model_copy(update={"enabled_clients": tuple(c.client_id for c in clients)})
    known = {c.client_id: c.model_copy(update=hybrid) for c in clients}
    world = await World(clients=known, connections={"corp": corp}).begin(a_session())
    await world.subjects.load()
    return world


async def test_one_name_at_every_place(pairwise: World) -> None:
    """certification.md 4.0, OIDC Core 8.1: front and back, userinfo, introspection and JWTs say the same ``sub``."""
    to = {client_id: await names(pairwise, client_id) for client_id in pairwise.clients}
    for said in to.values():
        assert len(set(said.values())) == 1, said
    subs = {client_id: said["id_token"] for client_id, said in to.items()}
    assert subs["webapp"] == subs["sister"] and subs["plain"] == ADA
    assert len({subs["webapp"], subs["named"], ADA}) == 3


async def test_a_refresh_says_the_same_name(pairwise: World) -> None:
    """OIDC Core 12.2: ``sub`` stays."""
    tokens = await pairwise.tokens(scope="openid offline_access")
    again = await pairwise.refresh(tokens["refresh_token"])
    assert payload(again["id_token"])["sub"] == payload(tokens["id_token"])["sub"] != ADA


async def test_a_hint_with_a_pairwise_name_works(pairwise: World) -> None:
    """OIDC Core 3.1.2.1: an ID token of the client as ``id_token_hint`` means its person; one of another sector, no."""
    own = (await pairwise.tokens())["id_token"]
    assert "code" in await pairwise.refusal(prompt="none", id_token_hint=own)
    bob = await World(clients=pairwise.clients, connections=pairwise.connections, store=pairwise.store).begin(
        a_session(sid="bob-session-9876543210"[:22], user_id="oidc|corp|bob")
    )
    await bob.subjects.load()
    assert (await bob.refusal(prompt="none", id_token_hint=own))["error"] == "login_required"


async def test_logout_with_a_pairwise_name_works(pairwise: World) -> None:
    """RP-Initiated Logout 2: the hint of a pairwise client is of this session, so nobody is asked."""
    hint = (await pairwise.tokens())["id_token"]
    answer = await pairwise.logout.handle(pairwise.request({"id_token_hint": hint}))
    assert answer.page != "logout.html"


async def test_the_salt_outlives_the_secrets(server: Valkey) -> None:
    """OIDC Core 8.1: when the tenant's secrets are rolled over, and the old one is gone, everybody keeps their name."""
    server.command("FLUSHALL")
    old, new = b"the old secret, 32 bytes or more....", b"the new secret, 32 bytes or more...."

    async def name(*secrets: bytes) -> str:
        store = RedisStore(server.socket_path, Seal(list(secrets)))
        subjects = Subjects(store)
        await subjects.load()
        await store.close()
        return subjects.of(PAIRWISE, ADA)

    first = await name(old)
    assert [await name(*secrets) for secrets in ((old, new), (new, old), (new,))] == [first] * 3


# --- who signs, per client ---


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # by RFC 9864, for a name that few libraries know yet
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA", "HS256"])
async def test_an_id_token_in_the_clients_algorithm(alg: str) -> None:
    """OIDC Registration 2: verified by another library, with the published keys or with the client's secret."""
    world = await World().begin(a_session())
    client = WEBAPP.model_copy(update={"id_token_signed_response_alg": alg})
    ring = KeyRing(world.store, algorithms=tuple(dict.fromkeys(("RS256", alg.replace("HS256", "RS256")))))
    if alg not in ("RS256", "HS256"):
        held = Held((replace(generate(int(NOW), alg), signs_from=int(NOW)), generate(int(NOW), alg)))
        await key_record.add(world.store, {alg: held})
    await ring.load(world.clock.now)
    grant = a_grant(client_id="webapp", subject="ada")
    token = IdTokens(ISSUER, ring, 60).issue(grant, client, Occasion(("openid",), world.clock.now, "the-token"))
    published = KeySet.import_key_set(dict(ring.jwks(world.clock.now)))  # type: ignore[arg-type]
    found = jwt.decode(token, OctKey.import_key(SECRET) if alg == "HS256" else published, algorithms=[alg])
    assert (found.header["alg"], found.claims["sub"], found.claims["aud"]) == (alg, "ada", "webapp")
    assert "at_hash" in found.claims

"""Token exchange: the tenant's token for a token of ours, while all that it hangs on is alive."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from proxy.downstream.consents import Consents
from proxy.downstream.grant import Grant, revoke
from proxy.downstream.token_exchange import ACCESS_TOKEN, OF_THE_TENANT, REFRESH_TOKEN, TokenExchange, log_in_again
from proxy.models import Client, Connection, TenantTokens
from proxy.models.client import FEDERATED_TOKEN, TOKEN_EXCHANGE
from proxy.oidc.errors import Refused, Unavailable
from proxy.store import Get
from tests.downstream.test_authorization_code import refused
from tests.downstream.test_client_credentials import ROBOT
from tests.downstream.world import API, CORP, NOW, OTHER, SPA, WEBAPP, FailingStore, World, a_session

GIVEN = TenantTokens("the-tenants-token", "the-tenants-refresh-token", "openid calendar", int(NOW) + 3600)
GRANTS = (*WEBAPP.grant_types, TOKEN_EXCHANGE, FEDERATED_TOKEN)
EXCHANGES = WEBAPP.model_copy(update={"grant_types": GRANTS})
KEEPS = Connection.model_validate(
    {
        **CORP.model_dump(exclude_defaults=True),
        "options": {
            "type": "back_channel",
            "client_id": "isthmus",
            "discovery_url": "https://idp.example",
            "federated_connections_access_tokens": {"active": True},
        },
    }
)
OFFLINE = "openid profile offline_access"


@dataclass
class Kept:
    """What the bridge kept, in its place."""

    tokens: dict[tuple[str, str], TenantTokens] = field(default_factory=dict)

    says: Refused | None = None

    async def find(self, grant: Grant, now: float) -> TenantTokens | None:
        if self.says is not None:
            raise self.says
        return self.tokens.get((grant.user_id, grant.connection))


@dataclass
class Exchanging:
    """Ada is logged in, and her tenant's token is there."""

    world: World
    kept: Kept

    async def ask(self, token: str, kind: str = ACCESS_TOKEN, client: str = "webapp", **changes: str) -> dict[str, Any]:
        plain = {"grant_type": TOKEN_EXCHANGE, "connection": "corp", "subject_token": token, "subject_token_type": kind}
        return await self.world.exchange(client, **{**plain, **changes})

    async def reason(self, token: str, kind: str = ACCESS_TOKEN, code: str = "invalid_request", **changes: str) -> str:
        return await refused(self.ask(token, kind, **changes), code)


async def exchanging(client: Client = EXCHANGES, connection: Connection = KEEPS) -> Exchanging:
    others = {c.client_id: c.model_copy(update={"grant_types": GRANTS}) for c in (OTHER, SPA)}
    world = World(clients={client.client_id: client, **others}, connections={"corp": connection})
    kept = Kept({("oidc|corp|ada", "corp"): GIVEN})
    with_the_grant(await world.begin(a_session()), kept)
    return Exchanging(world, kept)


def with_the_grant(world: World, kept: Kept) -> None:
    feature = TokenExchange(world.store, world.access_tokens, world.lifetimes, world.connections, kept.find)
    world.token = replace(world.token, grant_types={**world.token.grant_types, **feature.grants()})


@pytest.fixture
async def case() -> Exchanging:
    return await exchanging()


@pytest.mark.parametrize("kind", [ACCESS_TOKEN, REFRESH_TOKEN])
@pytest.mark.parametrize("grant", [TOKEN_EXCHANGE, FEDERATED_TOKEN])
async def test_the_tenants_token_for_one_of_ours(case: Exchanging, grant: str, kind: str) -> None:
    """RFC 8693 2.2.1, and Auth0's grant of the same meaning: the token, what it is, how long it lives, its scope; the
    tenant's refresh token stays here, and ours is not used up."""
    tokens = await case.world.tokens(scope=OFFLINE)
    token = tokens["access_token" if kind == ACCESS_TOKEN else "refresh_token"]
    case.world.clock.now += 600
    for _ in range(2):
        assert await case.ask(token, kind, grant_type=grant) == {
            "access_token": "the-tenants-token",
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": 3000,
            "scope": "openid calendar",
        }
    assert "access_token" in await case.world.refresh(tokens["refresh_token"])


async def test_a_token_for_an_api_names_the_person_too(case: Exchanging) -> None:
    """An at+jwt of the client is as good as an opaque one."""
    token = (await case.world.tokens(scope="read:things", resource=API))["access_token"]
    assert (await case.ask(token))["access_token"] == "the-tenants-token"


async def test_auth0s_name_for_what_is_wanted(case: Exchanging) -> None:
    """What Auth0's SDKs ask for is what they are told they got; a hint beside it changes nothing."""
    token = (await case.world.tokens())["access_token"]
    answer = await case.ask(token, requested_token_type=OF_THE_TENANT, login_hint="ada", grant_type=FEDERATED_TOKEN)
    assert answer["issued_token_type"] == OF_THE_TENANT


async def test_what_the_tenant_did_not_say_is_not_said(case: Exchanging) -> None:
    """Without a life or a scope the answer has none."""
    case.kept.tokens["oidc|corp|ada", "corp"] = TenantTokens("opaque")
    answer = await case.ask((await case.world.tokens())["access_token"])
    assert set(answer) == {"access_token", "issued_token_type", "token_type"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"subject_token": ""}, "invalid_request", id="no-subject"),
        pytest.param({"subject_token_type": ""}, "invalid_request", id="no-type"),
        pytest.param({"connection": ""}, "invalid_request", id="no-connection"),
        pytest.param(
            {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request", id="id-token"
        ),
        pytest.param(
            {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request", id="another-type"
        ),
        pytest.param({"requested_token_type": REFRESH_TOKEN}, "invalid_request", id="wants-the-refresh-token"),
        pytest.param({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, "invalid_request", id="actor"),
        pytest.param({"connection": "other"}, "invalid_target", id="another-connection"),
        pytest.param({"connection": "CORP"}, "invalid_target", id="connection-in-another-case"),
        pytest.param({"audience": API}, "invalid_target", id="audience"),
        pytest.param({"resource": "https://graph.example/"}, "invalid_target", id="resource"),
    ],
)
async def test_what_cannot_be_asked(case: Exchanging, changes: dict[str, str], code: str) -> None:
    """RFC 8693 2.1, 2.2.2: what is missing or not offered is named."""
    await case.reason((await case.world.tokens())["access_token"], code=code, **changes)


async def test_tk_21_other_secrets_are_no_subject(case: Exchanging) -> None:
    """TK-21, RFC 8693 2.2.2: a code, an ID token, a session's name, each kind in the other's place."""
    tokens = await case.world.tokens(scope=OFFLINE)
    code = await case.world.new_code()
    for kind, own in ((ACCESS_TOKEN, "access_token"), (REFRESH_TOKEN, "refresh_token")):
        texts = {code, tokens["id_token"], a_session().sid, "x", "x" * 9000, *tokens.values()} - {tokens[own]}
        for text in texts:
            await case.reason(str(text), kind)
    assert "access_token" in await case.world.redeem(code)


async def test_tk_15_another_clients_token_is_no_subject(case: Exchanging) -> None:
    """TK-15: a client exchanges its own tokens alone, whoever shows them."""
    tokens = await case.world.tokens(scope=OFFLINE)
    for kind, own in ((ACCESS_TOKEN, "access_token"), (REFRESH_TOKEN, "refresh_token")):
        await case.reason(tokens[own], kind, client="other")
        assert (await case.ask(tokens[own], kind))["access_token"] == "the-tenants-token"


async def test_a_replaced_refresh_token_is_no_subject(case: Exchanging) -> None:
    """Only the newest of a family; showing an old one here ends nothing."""
    one = (await case.world.tokens(scope=OFFLINE))["refresh_token"]
    two = (await case.world.refresh(one))["refresh_token"]
    await case.reason(one, REFRESH_TOKEN)
    assert (await case.ask(two, REFRESH_TOKEN))["access_token"] == "the-tenants-token"
    case.world.clock.now += case.world.lifetimes.refresh_idle
    await case.reason(two, REFRESH_TOKEN)


async def test_a_token_of_no_person_is_no_subject(case: Exchanging) -> None:
    """A client's own token (RFC 6749 4.4) has no login behind it."""
    from tests.downstream.test_client_credentials import with_the_grant as with_client_credentials

    world = case.world
    grants = (*GRANTS, "client_credentials")
    world.clients["robot"] = ROBOT.model_copy(update={"grant_types": grants})
    token = (await with_client_credentials(world).exchange("robot", grant_type="client_credentials"))["access_token"]
    await case.reason(token, client="robot")


async def test_tk_17_it_hangs_on_the_session(case: Exchanging) -> None:
    """TK-17: after the logout nothing is handed on, though an offline refresh token lives on."""
    tokens = await case.world.tokens(scope=OFFLINE)
    await case.world.end(a_session(), (), case.world.clock.now)
    assert await case.reason(tokens["refresh_token"], REFRESH_TOKEN, "invalid_grant") == "session_ended"
    assert "access_token" in await case.world.refresh(tokens["refresh_token"])


async def test_tk_17_it_hangs_on_the_grant(case: Exchanging) -> None:
    """TK-17: a revoked family buys nothing, by any of its tokens."""
    tokens = await case.world.tokens(scope=OFFLINE)
    await case.world.store.run(revoke(tokens["refresh_token"].split(".")[0]))
    await case.reason(tokens["access_token"])
    await case.reason(tokens["refresh_token"], REFRESH_TOKEN)


@pytest.mark.parametrize("change", ["gone", "not-for-this-client", "keeps-no-tokens"])
async def test_tk_17_it_hangs_on_the_connection(case: Exchanging, change: str) -> None:
    """TK-17: a connection that is gone, closed to the client or keeps tokens no more: invalid_target, at once."""
    token = (await case.world.tokens())["access_token"]
    if change == "gone":
        del case.world.connections["corp"]
    elif change == "not-for-this-client":
        case.world.connections["corp"] = KEEPS.model_copy(update={"enabled_clients": ("other",)})
    else:
        case.world.connections["corp"] = CORP
    await case.reason(token, code="invalid_target")


@pytest.mark.parametrize("what", ["expired", "never-kept"])
async def test_without_a_good_token_the_person_must_log_in_again(case: Exchanging, what: str) -> None:
    """invalid_grant, and the description says what helps."""
    token = (await case.world.tokens())["access_token"]
    if what == "expired":
        case.kept.says = log_in_again("tenant_token_expired")
    else:
        case.kept.tokens.clear()
    with pytest.raises(Refused, match="must log in again") as caught:
        await case.ask(token)
    assert caught.value.code == "invalid_grant"


async def test_tk_19_only_with_the_grant_and_only_if_it_can_prove_who_it_is() -> None:
    """TK-19: an API that sees a client's access tokens could ask in the place of one without a secret."""
    without = await exchanging(WEBAPP)
    await without.reason((await without.world.tokens())["access_token"], code="unauthorized_client")
    case = await exchanging()
    token = (await case.world.tokens(client_id="spa"))["access_token"]
    await case.reason(token, code="unauthorized_client", client="spa")


async def test_tk_29_other_grants_parameters_are_not_read(case: Exchanging) -> None:
    """TK-29: a code beside it is not used up, nor does a subject token help a code."""
    code, token = await case.world.new_code(), (await case.world.tokens())["access_token"]
    await case.ask(token, code=code, refresh_token="x", username="ada")
    await refused(case.world.exchange(grant_type="authorization_code", code="x", subject_token=token))
    assert "access_token" in await case.world.redeem(code)


async def test_a_store_that_cannot_say_is_no_refusal(case: Exchanging) -> None:
    """503, never "no such token"."""
    tokens = await case.world.tokens(scope=OFFLINE)
    case.world.store = FailingStore(case.world.store, lambda op: isinstance(op, Get), Unavailable("store"))
    case.world.build()
    case.world.keys._signers = {}
    with_the_grant(case.world, case.kept)
    with pytest.raises(Unavailable):
        await case.ask(tokens["refresh_token"], REFRESH_TOKEN)


@pytest.mark.parametrize("what", ["consent", "api"])
async def test_tk_17_it_hangs_on_what_was_allowed(what: str) -> None:
    """TK-17: consent taken back, or an API taken away: no token of the tenant either, as at a refresh."""
    case = await exchanging(EXCHANGES.model_copy(update={"is_first_party": False}))
    world, consents = case.world, Consents(case.world.store)
    shown = ("scope openid", "scope profile", "scope offline_access", f"api {API}")
    await consents.allow("oidc|corp|ada", "webapp", shown, NOW)
    tokens = await world.tokens(scope=OFFLINE, audience=API)
    kinds = ((ACCESS_TOKEN, tokens["access_token"]), (REFRESH_TOKEN, tokens["refresh_token"]))
    for kind, token in kinds:
        assert (await case.ask(token, kind))["access_token"] == "the-tenants-token"
    if what == "consent":
        assert await consents.revoke("oidc|corp|ada", "webapp")
    else:
        world.clients["webapp"] = world.clients["webapp"].model_copy(update={"grants": ()})
    for kind, token in kinds:
        await case.reason(token, kind)

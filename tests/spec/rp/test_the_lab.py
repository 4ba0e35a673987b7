"""What the lab's page says that Isthmus answers is what it answers: every tenant of ``isthmus lab``, as its snippet has
the connection."""

from __future__ import annotations

import json
import tomllib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from proxy import app
from proxy.lab.browser import Browser
from proxy.lab.directory import FAULTS, Directory
from proxy.lab.faults_in_tokens import TENANT
from proxy.lab.listen import listen, port_of, serving
from proxy.lab.people import PEOPLE
from proxy.lab.snippet import SECRET, snippet
from proxy.lab.tenant import Tenant
from proxy.models import Connection
from proxy.oidc import jose
from proxy.roster import Entry
from tests.kit.lab_keys import in_turn
from tests.kit.plain_app import arrived, stop_at_the_app
from tests.spec.rp.conftest import CALLS_USERINFO, House, Run, Runs

pytestmark = pytest.mark.asyncio(loop_scope="session")
SLOW = ("slow-token", "slow-userinfo")
GOOD, BAD = (
    [name for name, one in FAULTS.items() if one.works is works and name not in SLOW] for works in (True, False)
)


def pasted(name: str) -> dict[str, object]:
    """What makes the connection of a run the snippet's: userinfo only where that says so."""
    return {"attribute_map": FAULTS[name].options.get("attribute_map")}


def variant_of(name: str) -> tuple[str, str]:
    """The response type of the snippet, and its mode by default."""
    kind = FAULTS[name].options.get("response_type", "code")
    return kind, "query" if kind == "code" else "form_post"


@pytest.mark.parametrize("name", BAD)
async def test_a_fault_that_stops_a_login_is_named(run: Runs, name: str) -> None:
    """The login comes to nothing, and the reason in the log is the one that the page promises."""
    async with run(FAULTS[name], variant_of(name), **pasted(name)) as made:
        await made.refused(FAULTS[name].reason)


@pytest.mark.parametrize("name", GOOD)
async def test_a_fault_that_stops_nothing_lets_people_in(run: Runs, name: str) -> None:
    """The login works in spite of it, the connection being as the snippet has it."""
    async with run(FAULTS[name], variant_of(name), **pasted(name)) as made:
        await made.logged_in()


async def profile_of(made: Run) -> dict[str, object]:
    """What userinfo of Isthmus says after a login."""
    return (await made.app.userinfo((await made.logged_in())["access_token"])).json


async def test_a_family_of_tenants_is_told_apart(run: Runs) -> None:
    """entra: the person is named by tenant and sub; with another list of tenants nobody comes in."""
    async with run(FAULTS["entra"]) as made:
        said = jose.peek((await made.logged_in())["id_token"])[1]
        assert said["sub"] == f"oidc|{made.name}|{TENANT}.{PEOPLE[0].sub}"
    async with run(FAULTS["entra"], tenant_ids=["another"]) as made:
        await made.refused("iss_mismatch")


async def test_nobody_has_an_email(run: Runs) -> None:
    """no-email: the profile has a name, and no address."""
    async with run(FAULTS["no-email"]) as made:
        told = await profile_of(made)
        assert told["name"] == PEOPLE[0].name and "email" not in told


async def test_200_groups_are_left_where_they_are(run: Runs) -> None:
    """many-groups: the address that the token names for them is never called, nothing of it reaches the application."""
    async with run(FAULTS["many-groups"]) as made:
        trip = made.app.begin(connection=made.name)
        tab = await made.browser.open(trip.url)
        await tab.click("Otto Group")
        told = (await made.app.redeem(trip, arrived(tab)["code"])).json
        assert not [name for name in made.called if name.startswith("/")]
        assert "_claim" not in json.dumps(jose.peek(told["id_token"])[1])


async def test_no_auth_time_matters_when_a_fresh_login_is_asked_for(run: Runs) -> None:
    """no-auth-time: with prompt=login the application hears login_required, for nobody says when the login was."""
    async with run(FAULTS["no-auth-time"]) as made:
        _, tab = await made.log_in(prompt="login")
        assert arrived(tab)["error"] == "login_required"


async def test_a_script_in_an_error_is_text(run: Runs) -> None:
    """script-in-error: what the tenant says is shown as words or not at all, and its link leads nowhere."""
    async with run(FAULTS["script-in-error"]) as made:
        _, tab = await made.log_in()
        assert "<script>alert" not in tab.page.body and not [x for x in tab.page.reader.links if "evil" in str(x)]


@pytest.mark.parametrize("name", ["userinfo-other-sub", "thin-id-token"])
async def test_userinfo_is_called_as_the_snippet_says(run: Runs, name: str) -> None:
    """The options of these tenants are what makes Isthmus call userinfo."""
    assert FAULTS[name].options == CALLS_USERINFO
    async with run(FAULTS[name], **pasted(name)) as made:
        await made.log_in()
        assert made.called.count("userinfo") == 1


WAYS = {
    "client_secret_basic": {"client_secret": SECRET},
    "client_secret_post": {"client_secret": SECRET},
    "client_secret_jwt": {"client_secret": SECRET},
    "private_key_jwt": {},
    "private_key_jwt with ES256": {"token_endpoint_auth_signing_alg": "ES256"},
}
BESIDE = {
    "nothing": {},
    "PAR": {"enable_pushed_authorization_requests": True},
    "a request object by value": {"request_object": "value"},
    "a request object by reference, pushed": {
        "request_object": "reference", "enable_pushed_authorization_requests": True,
    },
    "proofs": {"dpop_signing_alg": "ES256", **CALLS_USERINFO},
    "proofs with Ed25519": {"dpop_signing_alg": "Ed25519", **CALLS_USERINFO},
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def healthy() -> AsyncIterator[Tenant]:
    """The healthy tenant, as ``isthmus lab`` runs it."""
    sock = listen()
    lab = Directory(f"http://localhost:{port_of(sock)}/", [FAULTS["healthy"]], make_key=in_turn())
    async with serving(lab.app, sock):
        yield lab.tenants["healthy"]


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("method", WAYS)
async def test_the_lab_knows_every_isthmus_on_its_machine(
    house: House, healthy: Tenant, method: str, beside: str
) -> None:
    """The healthy tenant of ``isthmus lab`` takes every client authentication, pushed and signed requests and proofs of
    an Isthmus that was never registered, if the connection has the name of the snippet."""
    (table,) = tomllib.loads(snippet(FAULTS["healthy"], healthy.issuer))["connections"]
    del table["options"]["client_secret"]
    table["options"] |= {"token_endpoint_auth_method": method.split()[0], **WAYS[method], **BESIDE[beside]}
    roster = house.node.site[app.ROSTER]
    async with Browser() as browser:
        await roster.add(Entry("the lab", Connection.model_validate(table)))
        try:
            trip = house.app.begin(connection=table["name"])
            tab = await stop_at_the_app(browser).open(trip.url)
            await tab.click(PEOPLE[0].name)
            told = await house.app.redeem(trip, arrived(tab).get("code", ""))
        finally:
            await roster.remove(table["name"])
    assert told.status == 200, (tab.page.text, list(healthy.memory.calls)[-4:])

"""A run of one module: a tenant that plays the suite, a whole Isthmus, an application, a browser, and the log.

One Isthmus serves all runs; each run adds a tenant of its own and the connection to it. The tenant's key set is the
suite's: odd curves, keys for encryption, no ``alg``. Metadata and keys are fetched for each login, since each module
brings new ones under the same issuer.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from proxy import app
from proxy.lab import snippet
from proxy.lab.browser import Browser, Tab
from proxy.lab.directory import FAULTS, room
from proxy.lab.fault import Fault
from proxy.lab.listen import listen, port_of, serving
from proxy.lab.people import PEOPLE
from proxy.lab.rooms import Call, LabClient
from proxy.lab.tenant import Tenant
from proxy.models import Connection
from proxy.models.connection_rules import inconsistencies
from proxy.roster import Entry
from proxy.store.memory import MemoryStore
from proxy.telemetry import logs
from tests.kit.isthmus import CLIENT_SECRET, Node, connection, isthmus
from tests.kit.lab_keys import in_turn
from tests.kit.plain_app import CLIENT, PlainApp, Trip, arrived, stop_at_the_app
from tests.kit.waiting import eventually

MIRA = PEOPLE[0]
NEW_EACH_TIME = {"metadata_max_age": 0, "jwks_max_age": 0}
CALLS_USERINFO = {"attribute_map": {"mapping_mode": "bind_all", "userinfo_scope": "profile email"}}
CODE = (("code", "query"), ("code", "form_post"))
IMPLICIT = tuple((kind, mode) for kind in ("id_token", "id_token token") for mode in ("fragment", "form_post"))
HYBRIDS = ("code id_token", "code token", "code id_token token")
HYBRID = tuple((kind, mode) for kind in HYBRIDS for mode in ("fragment", "form_post"))
ALL = CODE + IMPLICIT + HYBRID
Variant = tuple[str, str]
OF_THE_RUN = ("type", "response_type", "discovery_url", "client_id", "client_secret")
THE_APP = "http://127.0.0.1:9/"
"""Where the application would be: the browser stops before it gets there."""
KNOWN = {
    **CLIENT,
    "initiate_login_uri": f"{THE_APP}start",
    "grant_types": [*CLIENT["grant_types"], "urn:ietf:params:oauth:grant-type:token-exchange"],
}


def variants(*chosen: Variant) -> pytest.MarkDecorator:
    """Run for each response type and mode."""
    return pytest.mark.parametrize("variant", chosen or ALL, ids=lambda variant: "+".join(variant).replace(" ", "-"))


def has(variant: Variant, part: str) -> bool:
    """Whether the response type brings that."""
    return part in variant[0].split()


@dataclass
class House:
    """What all runs share: Isthmus, the application, the log of Isthmus."""

    node: Node
    app: PlainApp
    log: io.StringIO


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Isthmus with no connection, and its one application."""
    log = io.StringIO()
    async with (
        isthmus(tmp_path_factory.mktemp("rp"), MemoryStore(), clients=[KNOWN]) as node,
        PlainApp(node.issuer) as application,
    ):
        yield House(node, application, log)


@dataclass
class Run:
    """Everything that runs."""

    tenant: Tenant
    node: Node
    app: PlainApp
    browser: Browser
    variant: Variant
    log: io.StringIO
    name: str
    since: int

    @property
    def called(self) -> list[str]:
        """The endpoints of the tenant that were called, in order; the person's own steps are left out."""
        return [name for name in self.tenant.called if name != "login"]

    def calls(self, name: str) -> list[Call]:
        """The calls of one endpoint."""
        return [call for call in self.tenant.memory.calls if call.name == name]

    async def log_in(self, **wishes: str) -> tuple[Trip, Tab]:
        """An application asks for a login, and the person logs in at the tenant if its form comes."""
        trip = self.app.begin(connection=self.name, **wishes)
        tab = await self.browser.open(trip.url)
        if tab.pending is None and MIRA.name in " ".join(tab.page.names):
            await tab.click(MIRA.name)
        return trip, tab

    async def logged_in(self, **wishes: str) -> dict[str, Any]:
        """A login that works; the tokens that the application gets. The order of calls is that of the protocol."""
        trip, tab = await self.log_in(**wishes)
        told = await self.app.redeem(trip, arrived(tab).get("code", ""))
        assert told.status == 200, (tab.page.status, tab.page.text[:300], self.reasons, told.text)
        assert not [name for name in self.called if name.startswith("/")], self.called
        return told.json

    async def refused(self, *reasons: str, **wishes: str) -> None:
        """A login that comes to nothing: no code for the application, a page or an error instead, and no session. The
        log says why."""
        _, tab = await self.log_in(**wishes)
        answer = arrived(tab)
        assert "code" not in answer and (answer.get("error") or tab.page.status >= 400), (answer, tab.page.text)
        await self.noted(*reasons)
        assert not [name for name in self.called if name.startswith("/")], self.called
        assert await self.nobody()

    async def leave(self) -> Tab:
        """The application sends the person to log out, at the tenant too; where the browser is then, still running
        through the pages of the tenant."""
        self.browser.stop = lambda navigation: navigation.url.startswith(THE_APP)
        url = f"{self.node.issuer}v2/logout?{urlencode({'client_id': 'webapp', 'returnTo': THE_APP, 'federated': ''})}"
        return await self.browser.open(url)

    async def nobody(self) -> bool:
        """Whether Isthmus knows nobody in this browser; asks without a step at the tenant."""
        before = list(self.tenant.memory.calls)
        trip = self.app.begin(connection=self.name, prompt="none")
        answer = arrived(await self.browser.open(trip.url))
        assert list(self.tenant.memory.calls) == before, self.called
        return answer.get("error") == "login_required"

    @property
    def reasons(self) -> list[str]:
        """Why the log says that something was refused."""
        lines = map(json.loads, self.log.getvalue()[self.since :].splitlines())
        return [line["reason"] for line in lines if "reason" in line]

    async def noted(self, *reasons: str) -> None:
        """One of the reasons stands in the log, which a thread of its own writes."""

        async def is_there() -> bool:
            return bool(set(self.reasons) & set(reasons))

        try:
            await eventually(is_there, within=1)
        except AssertionError:
            raise AssertionError(f"expected one of {reasons} in the log, got {self.reasons}") from None


Runs = Callable[..., AbstractAsyncContextManager[Run]]


def played(name: str) -> Fault:
    """A fault of the lab in the suite's surroundings."""
    fault, odd = FAULTS[name], FAULTS["odd-keys"]
    return replace(fault, keys=lambda jwks: fault.keys(odd.keys(jwks)))


@pytest.fixture
def run(house: House) -> Runs:
    """Makes a run: the ``fault`` that the tenant plays (its name, or itself), the ``variant``, how Isthmus is
    registered (``client``), and what else the connection's ``options`` are."""

    @asynccontextmanager
    async def make(
        fault: str | Fault = "healthy", variant: Variant = ("code", "query"), client: dict[str, str] | None = None,
        **options: Any,
    ) -> AsyncIterator[Run]:  # fmt: skip
        chosen = played(fault) if isinstance(fault, str) else fault
        sock, roster, logged = listen(), house.node.site[app.ROSTER], len(house.log.getvalue())
        issuer, name = f"http://localhost:{port_of(sock)}/", f"suite-{port_of(sock)}"
        tenant = Tenant(issuer, room=room(chosen), fault=chosen, make_key=in_turn())
        know(tenant, house.node, name, client or {})
        asked = {**asked_for(variant, chosen, issuer), **options}
        made = Connection.model_validate(connection(name, issuer, channel(variant), **asked))
        assert not list(inconsistencies(made))
        logs.configure("info", house.log)
        async with serving(tenant.app, sock), Browser() as browser:
            await roster.add(Entry(name, made))
            try:
                yield Run(tenant, house.node, house.app, stop_at_the_app(browser), variant, house.log, name, logged)
            finally:
                await roster.remove(name)
                logs.close()

    return make


def channel(variant: Variant) -> str:
    """The channel of a response type."""
    return "back_channel" if has(variant, "code") else "front_channel"


def asked_for(variant: Variant, fault: Fault, issuer: str) -> dict[str, Any]:
    """The options of the connection: the response type, userinfo where there is a token for it, and what the lab says
    that the fault needs."""
    userinfo = CALLS_USERINFO if variant[0] != "id_token" else {}
    own = {name: value for name, value in snippet.options(fault, issuer).items() if name not in OF_THE_RUN}
    return {"response_type": variant[0], "response_mode": variant[1], **NEW_EACH_TIME, **userinfo, **own}


def know(tenant: Tenant, node: Node, name: str, changes: dict[str, str]) -> None:
    """Register Isthmus at the tenant, as fault and module have it; ``{issuer}`` and ``{name}`` in an address are
    ours, and that of the connection."""
    places = {"issuer": node.issuer, "name": name}
    told = {key: value.format(**places) for key, value in changes.items()}
    client = LabClient(
        "isthmus", (node.callback,), CLIENT_SECRET, (f"{node.issuer}login/logged-out",),
        **{**tenant.fault.client, **told},
    )  # fmt: skip
    tenant.clients[client.client_id] = client

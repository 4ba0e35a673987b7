"""A world with the device flow: one client on a device, and Ada with a browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from proxy.downstream.consent import Consent
from proxy.downstream.consents import Consents
from proxy.downstream.device import DeviceCode
from proxy.downstream.device_codes import DeviceCodes
from proxy.downstream.device_page import Activation
from proxy.downstream.participants import Participants
from proxy.features import Answer
from proxy.models import Client, Session
from proxy.models.client import DEVICE_CODE
from proxy.store import Store
from proxy.web.throttle import Throttle
from tests.downstream.world import API, CORP, ISSUER, OTHER, SPA, WEBAPP, World, a_session

SECONDS = 900
TV = Client.model_validate(
    {
        "client_id": "tv",
        "client_name": "Living room TV",
        "grant_types": [DEVICE_CODE, "refresh_token"],
        "grants": [{"audience": API, "scopes": ["read:things"]}],
    }
)
CLI = TV.model_copy(update={"client_id": "cli", "client_name": "Command line"})


@dataclass
class Devices:
    """The world, and the two sides of the flow. ``tried`` counts codes asked for, by what they are counted by."""

    world: World
    device: DeviceCode
    page: Activation
    consents: Consents
    tried: list[tuple[str, ...]] = field(default_factory=list)

    # --- the device ---

    async def begin(self, client: str = "tv", scope: str = "openid profile", **params: str) -> Mapping[str, Any]:
        """A new pair of codes."""
        asks = self.world.request(
            {"scope": scope, **params}, "POST", client=self.world.clients[client], source="1.2.3.4"
        )
        answer = await self.device.begin(asks)
        assert answer.json is not None
        return answer.json

    async def ask(self, device_code: str, client: str = "tv", **params: str) -> dict[str, Any]:
        """The device asks for its tokens."""
        return await self.world.exchange(client, grant_type=DEVICE_CODE, device_code=device_code, **params)

    # --- the person ---

    async def type(self, user_code: str, source: str = "9.9.9.9", **params: str) -> Answer:
        """The person types the code."""
        request = replace(self.world.request({"user_code": user_code, **params}, "POST"), source=source)
        return await self.page.enter(request)

    async def arrive(self, user_code: str) -> str:
        """The id of the page that asks, for Ada, who is logged in."""
        return self.asked(await self.type(user_code))

    def asked(self, answer: Answer) -> str:
        """The id in the address of the page that asks."""
        assert answer.redirect.startswith(f"{ISSUER}activate/confirm?")
        return parse_qs(urlsplit(answer.redirect).query)["id"][0]

    async def show(self, id: str) -> Answer:
        """The page that asks."""
        return await self.page.confirm(self.world.request({"id": id}))

    async def decide(self, id: str, choice: str = "allow", *, headers: Any = None, **changes: str) -> Answer:
        """What the person chooses on it."""
        fields = (await self.show(id)).values["fields"]
        return await self.post({**fields, "choice": choice, **changes}, headers)

    async def post(self, params: Mapping[str, str], headers: Any = None) -> Answer:
        """A form, whoever made it."""
        return await self.page.confirm(replace(self.world.request(params, "POST"), headers=headers or {}))

    async def allow(self, user_code: str) -> Answer:
        """The whole of the person's part."""
        return await self.decide(await self.arrive(user_code))


async def devices(session: Session | None = None, *, store: Store | None = None, **clients: Client) -> Devices:
    """Ada is logged in; a TV and a command line know the flow, others do not."""
    known = {c.client_id: c for c in (TV, CLI, WEBAPP, OTHER, SPA)} | clients
    corp = CORP.model_copy(
        update={"enabled_clients": (*CORP.enabled_clients, "tv", "cli"), "is_domain_connection": True}
    )
    world = World(clients=known, connections={"corp": corp}, store=store)  # type: ignore[arg-type]  # made there if None
    codes, tried = DeviceCodes(world.store), []
    device = DeviceCode(ISSUER, codes, world.code, SECONDS, lambda source, now: tried.append(source))
    consents = Consents(world.store)
    guesses = Throttle(burst=10, seconds=6)
    page = Activation(ISSUER, codes, world.known, world.authorize_endpoint, b"f" * 32, guesses)
    consent = Consent(ISSUER, world.store, world.known, consents, world.authorize_endpoint, b"f" * 32)
    world.features = (*world.features, device, consent, page, Participants())
    world.token = replace(world.token, grant_types={**world.token.grant_types, **device.grants()})
    await world.begin(session or a_session())
    return Devices(world, device, page, consents, tried)

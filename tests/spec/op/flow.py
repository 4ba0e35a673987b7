"""Runs of modules, and the flow that most of them are: everything the suite checks on the way is checked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.kit.suite import Callback, Params, Suite, SuiteBrowser, Variant
from tests.spec.op import before, checks
from tests.spec.op.run import Run

CODE = Variant()


@dataclass
class Flow:
    """What a flow brought: the request, the answer, the tokens, the claims of both ID tokens and of userinfo."""

    sent: Params
    back: Callback
    tokens: Mapping[str, Any] = field(default_factory=dict)
    front: Mapping[str, Any] = field(default_factory=dict)
    rear: Mapping[str, Any] = field(default_factory=dict)
    userinfo: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id_token(self) -> str:
        """The last ID token."""
        return str(self.tokens.get("id_token") or self.back.params["id_token"])

    @property
    def claims(self) -> Mapping[str, Any]:
        """The claims of the last ID token."""
        return self.rear or self.front

    @property
    def access_token(self) -> str:
        """The last access token."""
        return str(self.tokens.get("access_token") or self.back.params["access_token"])


@dataclass
class Runs:
    """Makes runs. ``static`` are the clients of the file: name and secret."""

    suite: Suite
    static: Mapping[str, tuple[str, str]]

    @asynccontextmanager
    async def __call__(self, variant: Variant = CODE, *, client: bool = True, **metadata: Any) -> AsyncIterator[Run]:
        """A run that has read discovery and keys and has its client, unless without ``client``; at its end the client
        it registered is removed."""
        browser = SuiteBrowser(clock=self.suite.clock)
        browser.connector = self.suite.connector
        async with browser:
            run = Run(self.suite, variant, browser)
            await self.read(run)
            if client:
                await self.have(run, **metadata)
            yield run
            await remove(run)

    async def read(self, run: Run) -> None:
        """Discovery and key set, anew."""
        told = await self.suite.call("GET", f"{self.suite.issuer}.well-known/openid-configuration")
        before.check_metadata(told, self.suite.issuer)
        run.metadata = told.json
        told = await self.suite.call("GET", run.metadata["jwks_uri"])
        before.check_keys(told)
        run.keys = told.json["keys"]

    async def have(self, run: Run, **metadata: Any) -> None:
        """The run's client."""
        if run.variant.static:
            run.client = self.of_the_file(run.variant.auth)
            return
        run.client = before.check_registration(await run.register(**metadata))
        run.managed.append(run.client)

    def of_the_file(self, kind: str) -> Mapping[str, Any]:
        """A client of the file."""
        name, secret = self.static[kind]
        return {"client_id": name, "client_secret": secret}


async def remove(run: Run) -> None:
    """The suite cleans up: DELETE, and exactly 204."""
    for client in run.managed:
        bearer = {"Authorization": f"Bearer {client['registration_access_token']}"}
        assert (await run.suite.call("DELETE", client["registration_client_uri"], headers=bearer)).status == 204


async def login(run: Run, *, lean: bool = True, backwards: bool = False, post: bool = False, **changes: Any) -> Flow:
    """A whole flow: authorization request, tokens, userinfo."""
    sent = run.request(**changes)
    run.seen.clear()
    return await finish(run, sent, await run.visit(sent, backwards=backwards, post=post), lean=lean)


async def finish(run: Run, sent: Params, back: Callback | None, *, lean: bool = True, **redeem: str) -> Flow:
    """What follows the authorization request ``sent``."""
    flow = Flow(sent, checks.check_answer(run, sent, back))
    params = flow.back.params
    scopes = sent.get("scope", "").split(" ") if run.variant.response_type == "id_token" else ()
    if "id_token" in params:
        beside = {name: params[key] for name, key in (("at_hash", "access_token"), ("c_hash", "code")) if key in params}
        flow.front = checks.check_id_token(run, params["id_token"], sent.get("nonce"), **beside)
    if "code" in params:
        checks.check_entropy(params["code"])
        flow.tokens = checks.check_tokens(await run.redeem(params["code"], redirect_uri=sent["redirect_uri"], **redeem))
        tokens = flow.tokens
        hashes = {"at_hash": tokens["access_token"]} if "at_hash" in checks.unverified(tokens["id_token"]) else {}
        flow.rear = checks.check_id_token(run, tokens["id_token"], sent.get("nonce"), **hashes)
    if flow.front and flow.rear:
        assert (flow.front["sub"], flow.front["iss"]) == (flow.rear["sub"], flow.rear["iss"])
    for claims in filter(None, (flow.front, flow.rear)) if lean else ():
        checks.check_lean(claims, *scopes)
    for token in filter(None, (params.get("access_token"), flow.tokens.get("access_token"))):
        subject = flow.claims.get("sub") or ""
        flow.userinfo = checks.check_userinfo(run, await run.userinfo(str(token)), subject)
    return flow

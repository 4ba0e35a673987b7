"""``isthmus token``: on standard output the token and nothing else."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jwt
import pytest

from proxy.cli import token as command
from proxy.downstream.access_token import AccessTokens
from proxy.downstream.grant import Lifetimes
from proxy.downstream.keys import KeyRing
from proxy.oidc.errors import Refused
from proxy.store.memory import MemoryStore
from proxy.web.callers_operator import COMMAND
from tests.cli.conftest import Run, configure
from tests.kit.isthmus import borrow_keys, lend_keys
from tests.kit.memory_command import remembered

ISSUER = "http://127.0.0.1:9000/"


async def checked(store: MemoryStore, token: str, later: float = 0.0) -> tuple[str, tuple[str, ...]]:
    """What the API makes of a token."""
    keys = KeyRing(store)
    await keys.load(time.time())
    await borrow_keys(store)
    tokens = AccessTokens(ISSUER, store, keys, Lifetimes())
    bearer = await tokens.check(token, f"{ISSUER}api/v2/", time.time() + later)
    assert bearer.user_id == ""
    return bearer.client_id, bearer.scopes


@pytest.mark.parametrize(("words", "lifetime"), [((), 600), (("--seconds", "30"), 30)])
async def test_mg_18_a_token_is_good_for_the_api_and_ends(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], lifetime: int
) -> None:
    """MG-18: no credential is there by default; the operator makes one that ends, after ten minutes by default."""
    import asyncio

    store = MemoryStore()
    await lend_keys(store, ("RS256", "PS256"))
    remembered(monkeypatch, command, store)
    file = configure(tmp_path)
    scope = ("--scope", "read:connections create:connections read:connections")
    said = await asyncio.to_thread(run, "token", *scope, *words, "--config", file)
    assert said.status == 0 and said.out.count("\n") == 1
    token = said.out.strip()
    line = json.loads(said.err)  # MG-13: who may do what from now on, and not the token
    assert (line["event"], line["scopes"]) == ("token_issued", ["read:connections", "create:connections"])
    assert line["seconds"] == lifetime and token not in said.err
    assert await checked(store, token) == (COMMAND, ("read:connections", "create:connections"))
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"], claims["exp"] - claims["iat"]) == ("cli", f"{ISSUER}api/v2/", lifetime)
    with pytest.raises(Refused):
        await checked(store, token, later=lifetime + 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scope", ""], "token: --scope: must be words"),
        (["--scope", "openid"], "token: --scope: must be words"),
        (["--scope", "read:connections,create:connections"], "token: --scope: must be words"),
        (["--scope", "read:connections", "--seconds", "0"], "token: --seconds: must be from 1 to 86400"),
        (["--scope", "read:connections", "--seconds", "86401"], "token: --seconds"),
        ([], "scope"),
    ],
)
def test_bad_words_are_one_line(run: Run, tmp_path: Path, words: list[str], said: str) -> None:
    """Status 2, nothing on standard output."""
    answer = run("token", *words, "--config", configure(tmp_path))
    assert (answer.status, answer.out, len(answer.err.splitlines())) == (2, "", 1)
    assert said in answer.err

"""The token endpoint: refresh tokens, and tokens bound to a key. Codes are tried over HTTP in ``test_tenant``."""

from __future__ import annotations

import time
from typing import Any

import pytest

from proxy.lab.core import Core
from proxy.lab.fault import Fault, replacing
from proxy.lab.grants import exchange, thumbprint
from proxy.lab.people import PEOPLE
from proxy.lab.rooms import Grant, LabClient, Login
from proxy.oidc import jose
from proxy.oidc.dpop import token_hash
from proxy.oidc.errors import Refused
from tests.kit.lab_keys import in_turn
from tests.kit.tenant import jws, signer

ISSUER = "http://localhost:9/x/"
CLIENT = LabClient("rp", ("http://127.0.0.1:1/cb",), "secret")
SENT = {"client_id": "rp", "client_secret": "secret"}
KEY = signer("proof", "ES256")


def tenant(scopes: tuple[str, ...] = ("openid", "offline_access"), **changes: Any) -> Core:
    """A tenant that has just given the code ``c``."""
    core = Core(ISSUER, [CLIENT], make_key=in_turn(), **changes)
    login = Login(PEOPLE[0], core.now, "sid")
    core.memory.codes["c"] = Grant(CLIENT, login, scopes, core.now + 60, CLIENT.redirect_uris[0], "nonce")
    return core


async def redeem(core: Core, **headers: str) -> dict[str, Any]:
    """The code for tokens."""
    code = {"grant_type": "authorization_code", "code": "c", "redirect_uri": CLIENT.redirect_uris[0]}
    return await exchange(core, headers, {**SENT, **code})


async def refresh(core: Core, token: str) -> dict[str, Any]:
    """A refresh token for tokens."""
    return await exchange(core, {}, {**SENT, "grant_type": "refresh_token", "refresh_token": token})


async def test_a_refresh_token_comes_when_asked_for() -> None:
    """offline_access brings one, nothing else does (Core 11)."""
    assert "refresh_token" in await redeem(tenant())
    assert "refresh_token" not in await redeem(tenant(("openid",)))


async def test_a_refresh_token_works_once() -> None:
    """Each refresh brings the next token, and an ID token of the same login without a nonce (Core 12.2)."""
    core = tenant()
    first = await redeem(core)
    second = await refresh(core, first["refresh_token"])
    before, after = (jose.peek(told["id_token"])[1] for told in (first, second))
    assert second["refresh_token"] != first["refresh_token"]
    assert (after["sub"], after["auth_time"]) == (before["sub"], before["auth_time"])
    assert "nonce" in before and "nonce" not in after
    with pytest.raises(Refused):
        await refresh(core, first["refresh_token"])


async def test_a_code_used_twice_takes_its_token_back() -> None:
    """RFC 6749 4.1.2: the second use is refused, and the access token of the first is dead."""
    core = tenant()
    token = (await redeem(core))["access_token"]
    assert token in core.memory.tokens
    with pytest.raises(Refused):
        await redeem(core)
    assert token not in core.memory.tokens


async def test_the_fault_has_the_last_word() -> None:
    """A change to the token answer is what the client gets."""
    fault = Fault("x", "no type", "refused", tokens=replacing(token_type=None))
    assert "token_type" not in await redeem(tenant(fault=fault))


async def test_another_grant_is_unknown() -> None:
    """Codes and refresh tokens, nothing else."""
    with pytest.raises(Refused) as told:
        await exchange(tenant(), {}, {**SENT, "grant_type": "password"})
    assert told.value.code == "unsupported_grant_type"


def proof(url: str = f"{ISSUER}token", method: str = "POST", *, typ: str = "dpop+jwt", **changes: Any) -> str:
    """A DPoP proof (RFC 9449 4.2)."""
    public = {name: value for name, value in KEY.public_jwk.items() if name in ("kty", "crv", "x", "y")}
    usual = {"htm": method, "htu": url, "iat": int(time.time()), "jti": str(time.monotonic_ns())}
    return jws(KEY, {**usual, **changes}, {"typ": typ, "jwk": public, "kid": None})


async def test_a_proof_binds_the_tokens() -> None:
    """With a proof the answer is of type DPoP, and the key is that of the proof."""
    core = tenant()
    told = await redeem(core, DPoP=proof())
    assert told["token_type"] == "DPoP"
    assert core.memory.tokens[told["access_token"]].jkt == KEY.public.thumbprint


@pytest.mark.parametrize(
    "bad",
    [
        proof(f"{ISSUER}other"), proof(method="GET"), proof(typ="JWT"), proof(iat=1), "nonsense",
        proof(ath="of another token"),
    ],
)  # fmt: skip
async def test_a_bad_proof_is_refused(bad: str) -> None:
    """For another address, method, time or token, or none at all: invalid_dpop_proof."""
    with pytest.raises(Refused) as told:
        thumbprint(tenant(), bad, "POST", f"{ISSUER}token", "at")
    assert told.value.code == "invalid_dpop_proof"


async def test_a_proof_is_used_once() -> None:
    """The same proof again is refused."""
    core, once = tenant(), proof(ath=token_hash("at"))
    thumbprint(core, once, "POST", f"{ISSUER}token", "at")
    with pytest.raises(Refused):
        thumbprint(core, once, "POST", f"{ISSUER}token", "at")

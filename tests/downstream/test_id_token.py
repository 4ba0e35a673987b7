"""ID tokens: what they say, how they are signed, and what never gets in."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from proxy.downstream.id_token import IdTokens, Occasion, claims_for
from proxy.oidc import jose
from tests.downstream.test_grant import a_grant
from tests.downstream.world import ISSUER, NOW, WEBAPP, World, a_session, payload
from tests.kit.tenant import signer

KEY = signer("ours")
LEAN = WEBAPP.model_copy(update={"id_token_claims": "lean"})
BASE = {"iss", "sub", "aud", "iat", "exp", "auth_time", "sid", "at_hash"}


class Keys:
    """Stands for the ring: one key."""

    def signer(self, now: float, alg: str) -> jose.Signer:
        return KEY


def issued(profile: dict[str, Any], scopes: tuple[str, ...], client: Any = WEBAPP, nonce: str = "") -> dict[str, Any]:
    """The claims of an ID token."""
    what = Occasion(scopes, NOW, "an-access-token", nonce=nonce)
    tokens = IdTokens(ISSUER, Keys(), 600)  # type: ignore[arg-type]  # a stand-in with the one method that is asked
    return payload(tokens.issue(a_grant(profile=profile), client, what))


def test_what_an_id_token_says() -> None:
    """OIDC Core 2, 3.1.3.6: each claim, to the letter."""
    assert issued({}, ("openid",), nonce="n-1") == {
        "iss": ISSUER,
        "sub": "oidc|corp|ada",
        "aud": "webapp",
        "iat": int(NOW),
        "exp": int(NOW) + 600,
        "auth_time": int(NOW),
        "sid": "s" * 22,
        "at_hash": jose.half_hash("RS256", "an-access-token"),
        "nonce": "n-1",
    }


def test_no_nonce_asked_none_given() -> None:
    """OIDC Core 3.1.3.7 (11): a nonce that was not asked for is an error at the client."""
    assert set(issued({"nonce": "from-the-profile"}, ("openid",))) == BASE


async def test_it_is_signed_with_a_published_key(world: World) -> None:
    """oidcc-idtoken-signature: RS256, a ``kid``, and a foreign verifier accepts it with our JWKS."""
    token = (await world.tokens())["id_token"]
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "RS256" and header["typ"] == "JWT"
    (key,) = [k for k in jwt.PyJWKSet.from_dict(dict(world.keys.jwks(NOW))).keys if k.key_id == header["kid"]]
    jwt.decode(
        token, key, ["RS256"], audience="webapp", issuer=ISSUER, options={"verify_exp": False, "verify_iat": False}
    )


def test_claims_of_scopes_as_the_client_wants_them() -> None:
    """``id_token_claims``: "profile" puts the granted claims in, as Auth0 does; "lean" leaves them to userinfo."""
    profile = {"name": "Ada", "email": "ada@corp.example", "groups": ["staff"], "phone_number": "1"}
    assert set(issued(profile, ("openid", "profile", "email"))) == {*BASE, "name", "email", "groups"}
    assert set(issued(profile, ("openid", "profile", "email"), LEAN)) == BASE


def test_an_email_scope_brings_no_name() -> None:
    """oidcc-scope-email: no ``name`` beside ``email``, and with lean tokens no ``email`` either."""
    profile = {"name": "Ada", "email": "ada@corp.example"}
    assert set(issued(profile, ("openid", "email"))) == {*BASE, "email"}
    assert set(issued(profile, ("openid", "email"), LEAN)) == BASE


def test_rp_27_a_profile_overwrites_no_claim_of_ours() -> None:
    """RP-27: whatever a tenant or a plugin got into the profile, the token's own claims are ours."""
    hostile: dict[str, Any] = dict.fromkeys(BASE, "evil")
    assert issued(hostile, ("openid", "profile")) == issued({}, ("openid", "profile"))


@pytest.mark.parametrize(
    ("scopes", "claims"),
    [
        ((), {}),
        (("openid",), {}),
        (("email",), {"email": "a"}),
        (("profile",), {"name": "b", "groups": []}),
        (("unknown", "offline_access"), {}),
    ],
)
def test_which_claims_a_scope_releases(scopes: tuple[str, ...], claims: dict[str, Any]) -> None:
    """OIDC Core 5.4: by scope; what is no standard claim goes with profile."""
    assert claims_for(scopes, {"email": "a", "name": "b", "groups": [], "phone_number": "1"}) == claims


async def test_prompt_login_gives_a_later_auth_time(world: World) -> None:
    """oidcc-prompt-login, oidcc-max-age-1: the ID token of a newer session says its time."""
    first = payload((await world.tokens())["id_token"])
    world.session = a_session(auth_time=first["auth_time"] + 1)
    second = payload((await world.tokens(max_age="1000"))["id_token"])
    assert second["auth_time"] == first["auth_time"] + 1

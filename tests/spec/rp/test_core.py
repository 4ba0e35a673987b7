"""Basic, implicit and hybrid Relying Party, by query, fragment and form: the suite's modules for a login.

OpenID Connect Core 3.1, 3.2, 3.3; the suite plays the tenant, and sees what is called after its fault.
"""

from __future__ import annotations

import pytest

from tests.spec.rp.conftest import ALL, CODE, HYBRID, IMPLICIT, Run, Runs, Variant, has, variants

pytestmark = pytest.mark.asyncio(loop_scope="session")
WITH_CODE = (*CODE, *HYBRID)
WITH_FRONT_TOKEN = tuple(variant for variant in ALL if has(variant, "id_token"))
WITH_ACCESS_TOKEN = tuple(variant for variant in WITH_FRONT_TOKEN if has(variant, "token"))
WITH_CODE_AND_TOKEN = tuple(variant for variant in WITH_FRONT_TOKEN if has(variant, "code"))
WITH_USERINFO = tuple(variant for variant in ALL if variant[0] != "id_token")


def complete(run: Run) -> None:
    """Every endpoint that the response type needs was called, in the protocol's order, and no other."""
    called = list(dict.fromkeys(run.called))
    token = ["token"] if has(run.variant, "code") else []
    userinfo = ["userinfo"] if run.variant[0] != "id_token" else []
    keys_first = has(run.variant, "id_token")  # the token from the front is checked before its code is used
    between = ["jwks", *token] if keys_first else [*token, "jwks"]
    assert called == ["discovery", "authorize", *between, *userinfo]


def stopped(run: Run) -> None:
    """Nothing was called after the bad ID token: no token endpoint after one from the front, never userinfo."""
    front = has(run.variant, "id_token")
    assert run.called.count("token") == (0 if front or not has(run.variant, "code") else 1), run.called
    assert "userinfo" not in run.called


@variants()
async def test_oidcc_client_test(run: Runs, variant: Variant) -> None:
    """A good login ends with userinfo, or, for an ID token alone, with the key set; the request is as Core has it."""
    async with run("healthy", variant) as made:
        tokens = await made.logged_in()
        complete(made)
        (asked,) = made.calls("authorize")
        assert asked.params["response_type"] == variant[0] and "openid" in asked.params["scope"].split()
        assert asked.params["redirect_uri"] == made.node.callback and "#" not in made.node.callback
        assert not {"request", "request_uri"} & set(asked.params)
        assert asked.params.get("code_challenge_method") == ("S256" if has(variant, "code") else None)
        assert "id_token" in tokens


@variants()
async def test_oidcc_client_test_nonce_unless_code_flow(run: Runs, variant: Variant) -> None:
    """A nonce goes along wherever an ID token may come from the front: at most 43 characters, URL-safe, never twice."""
    async with run("healthy", variant) as made:
        await made.logged_in()
        await made.log_in(prompt="login")
        first, second = (call.params["nonce"] for call in made.calls("authorize"))
        assert first != second and len(first) <= 43 and first.replace("-", "").replace("_", "").isalnum()


@variants()
async def test_oidcc_client_test_invalid_iss(run: Runs, variant: Variant) -> None:
    """An ID token with another issuer stops the login."""
    async with run("wrong-iss", variant) as made:
        await made.refused("iss_mismatch")
        stopped(made)


@variants()
async def test_oidcc_client_test_missing_sub(run: Runs, variant: Variant) -> None:
    """An ID token without a subject stops the login."""
    async with run("no-sub", variant) as made:
        await made.refused("bad_sub")
        stopped(made)


@variants()
async def test_oidcc_client_test_invalid_aud(run: Runs, variant: Variant) -> None:
    """An ID token for another client stops the login."""
    async with run("wrong-aud", variant) as made:
        await made.refused("aud_mismatch")
        stopped(made)


@variants()
async def test_oidcc_client_test_missing_iat(run: Runs, variant: Variant) -> None:
    """An ID token without its time of issue stops the login."""
    async with run("no-iat", variant) as made:
        await made.refused("bad_iat")
        stopped(made)


@variants()
async def test_oidcc_client_test_nonce_invalid(run: Runs, variant: Variant) -> None:
    """An ID token with another nonce stops the login."""
    async with run("wrong-nonce", variant) as made:
        await made.refused("nonce_mismatch")
        stopped(made)


@variants(*CODE)
async def test_oidcc_client_test_nonce_invalid_unasked(run: Runs, variant: Variant) -> None:
    """oidcc-client-test-nonce-invalid: a nonce that nobody asked for stops the login too."""
    async with run("wrong-nonce", variant, send_back_channel_nonce=False) as made:
        await made.refused("nonce_mismatch")
        stopped(made)
        assert "nonce" not in made.calls("authorize")[0].params


@variants()
async def test_oidcc_client_test_invalid_sig_rs256(run: Runs, variant: Variant) -> None:
    """A signature that is not the token's own stops the login, in the code flow too."""
    async with run("bad-signature", variant) as made:
        await made.refused("bad_signature")
        stopped(made)


@variants(*CODE)
async def test_oidcc_client_test_idtoken_sig_none(run: Runs, variant: Variant) -> None:
    """An unsigned ID token stops the login (the suite allows either; Isthmus never takes ``none``)."""
    async with run("alg-none", variant) as made:
        await made.refused("wrong_algorithm")
        stopped(made)


@variants(("code", "query"), ("id_token", "fragment"), ("code id_token token", "form_post"))
async def test_oidcc_client_test_idtoken_sig_rs256(run: Runs, variant: Variant) -> None:
    """An ID token signed with RS256 is accepted."""
    async with run("healthy", variant) as made:
        await made.logged_in()
        complete(made)


@variants()
async def test_oidcc_client_test_kid_absent_single_jwks(run: Runs, variant: Variant) -> None:
    """A header without ``kid`` is no fault where one RSA key is published, beside keys of other types."""
    async with run("no-kid-one-key", variant) as made:
        await made.logged_in()
        complete(made)


@variants()
async def test_oidcc_client_test_kid_absent_multiple_jwks(run: Runs, variant: Variant) -> None:
    """A header without ``kid`` stops the login where two RSA keys are published (the suite allows either)."""
    async with run("no-kid-many-keys", variant) as made:
        await made.refused("ambiguous_key")
        stopped(made)


@variants(*WITH_ACCESS_TOKEN)
async def test_oidcc_client_test_invalid_athash(run: Runs, variant: Variant) -> None:
    """``at_hash`` of another access token stops the login."""
    async with run("wrong-at-hash", variant) as made:
        await made.refused("at_hash_mismatch")
        stopped(made)


@variants(*WITH_ACCESS_TOKEN)
async def test_oidcc_client_test_missing_athash(run: Runs, variant: Variant) -> None:
    """An ID token from the front beside an access token must hold ``at_hash``."""
    async with run("no-at-hash", variant) as made:
        await made.refused("at_hash_mismatch")
        stopped(made)


@variants(*WITH_CODE_AND_TOKEN)
async def test_oidcc_client_test_invalid_chash(run: Runs, variant: Variant) -> None:
    """``c_hash`` of another code stops the login."""
    async with run("wrong-c-hash", variant) as made:
        await made.refused("c_hash_mismatch")
        stopped(made)


@variants(*WITH_CODE_AND_TOKEN)
async def test_oidcc_client_test_missing_chash(run: Runs, variant: Variant) -> None:
    """An ID token from the front beside a code must hold ``c_hash``."""
    async with run("no-c-hash", variant) as made:
        await made.refused("c_hash_mismatch")
        stopped(made)


@variants(*WITH_USERINFO)
async def test_oidcc_client_test_userinfo_invalid_sub(run: Runs, variant: Variant) -> None:
    """userinfo about somebody else is called and not believed: the login fails, and the log says why."""
    async with run("userinfo-other-sub", variant) as made:
        await made.refused("userinfo_sub_mismatch")
        assert made.called.count("userinfo") == 1


@variants(*WITH_USERINFO)
async def test_oidcc_client_test_scope_userinfo_claims(run: Runs, variant: Variant) -> None:
    """More than ``openid`` is asked for, userinfo is called with the token in its header, and what it says arrives."""
    async with run("thin-id-token", variant) as made:
        told = await made.logged_in()
        assert {"profile", "email"} <= set(made.calls("authorize")[0].params["scope"].split())
        (call,) = made.calls("userinfo")
        assert call.headers["Authorization"].startswith("Bearer ") and "access_token" not in call.params
        assert (await made.app.userinfo(told["access_token"])).json["email"] == "mira@corp.example"


@variants(*WITH_CODE)
async def test_oidcc_client_test_client_secret_basic(run: Runs, variant: Variant) -> None:
    """The token endpoint is called once, with Basic, the redirect URI repeated, and no secret in the form."""
    async with run("healthy", variant) as made:
        await made.logged_in()
        (call,) = made.calls("token")
        assert call.headers["Authorization"].startswith("Basic ") and "client_secret" not in call.params
        assert call.params["redirect_uri"] == made.calls("authorize")[0].params["redirect_uri"]


@variants(*[variant for variant in ALL if variant[1] == "form_post"])
async def test_oidcc_client_test_form_post_error(run: Runs, variant: Variant) -> None:
    """``prompt=none`` and ``max_age=0`` go along, and the login_required that is posted back reaches the person or the
    application; nothing else is called."""
    quiet = {"prompt": {"value": "none"}, "max_age": {"value": "0"}}
    async with run("healthy", variant, upstream_params=quiet) as made:
        await made.refused("upstream_login_required")
        (asked,) = made.calls("authorize")
        assert (asked.params["prompt"], asked.params["max_age"]) == ("none", "0")
        assert set(made.called) == {"discovery", "authorize"}


@pytest.mark.parametrize("name", ["alg-swapped", "rotation-at-signing"])
@variants(*IMPLICIT, *HYBRID)
async def test_idtoken_sig_over_the_front(run: Runs, name: str, variant: Variant) -> None:
    """A token signed with the public key for a secret stops the login; one by a key of this moment does not."""
    async with run(name, variant) as made:
        if name == "alg-swapped":
            await made.refused("wrong_algorithm")
            stopped(made)
        else:
            await made.logged_in()

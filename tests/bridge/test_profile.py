"""The profile: what an ``attribute_map`` makes of claims, and what no tenant can bring into it."""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxy import plugins
from proxy.bridge.profile import Profiles, claims_of
from proxy.models import Client, Connection, Identity, TenantTokens
from proxy.models.attribute_map import RESERVED, RESTRICTED
from proxy.oidc.errors import UpstreamError
from proxy.plugins import Mapped
from proxy.plugins import check as plugin_rules

WEBAPP = Client.model_validate({"client_id": "webapp", "redirect_uris": ["https://app.example/cb"]})
CLAIMS: Mapping[str, Any] = {
    "sub": "ada",
    "email": "ada@corp.example",
    "email_verified": True,
    "given_name": "Ada",
    "age": 36,
    "cleared": False,
    "roles": ["staff", "admin"],
    "https://corp.example/roles": ["r1"],
    "corp.unit": "Engines",
    "home": {"city": "London"},
    "nothing": None,
}
USERINFO: Mapping[str, Any] = {"sub": "ada", "email": "old@corp.example", "locale": "en-GB", "groups": ["g"]}


def connection(**mapping: Any) -> Connection:
    options = {"client_id": "isthmus", "issuer": "https://idp.example", "attribute_map": mapping or None}
    return Connection.model_validate({"name": "corp", "options": options})


async def made(of: Connection, claims: Mapping[str, Any] = CLAIMS, **more: Any) -> Mapped:
    loaded = plugins.load(SimpleNamespace(enabled=(), folder=None, on_error="fail", settings={}, time_limit=2.0))
    identity = Identity("corp", "https://idp.example", "ada", claims, **more)
    return await Profiles(loaded, lambda name: f"con_{name}").of(of, WEBAPP, identity)


async def profile(of: Connection, claims: Mapping[str, Any] = CLAIMS, **more: Any) -> Mapping[str, Any]:
    return (await made(of, claims, **more)).profile


async def mapped(template: str, claims: Mapping[str, Any] = CLAIMS, **more: Any) -> Any:
    """What one template says; None where the attribute is absent."""
    found = await profile(connection(mapping_mode="use_map", attributes={"x": template}), claims, **more)
    return found.get("x")


async def test_without_a_map_only_the_standard_claims_come() -> None:
    """As it is without the option: nothing that is no standard claim, from either place."""
    known = {"name": "ada@corp.example", "nickname": "ada", "email": "ada@corp.example", "given_name": "Ada"}
    found = await made(connection(), userinfo=USERINFO)
    assert found.profile == {**known, "email_verified": True, "locale": "en-GB"}
    assert set(found.sources.values()) == {"isthmus"}
    assert await profile(connection(mapping_mode="basic_profile"), userinfo=USERINFO) == found.profile


async def test_bind_all_takes_every_claim_and_the_id_token_wins() -> None:
    """All that is not restricted, with its type; userinfo fills in what the ID token does not say."""
    found = await made(connection(mapping_mode="bind_all"), userinfo=USERINFO)
    known = {"name": "ada@corp.example", "nickname": "ada", "locale": "en-GB"}
    taken = {name: value for name, value in CLAIMS.items() if name not in ("sub", "roles", "nothing")}
    assert found.profile == {**taken, **known}
    assert set(found.sources.values()) == {"isthmus"}


NAMES = sorted(RESTRICTED | RESERVED | {"_internal", "__proto__", "", "x" * 257, "a\nb"})


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20] or "empty")
async def test_rp_27_a_claim_with_a_name_of_ours_is_not_bound(name: str) -> None:
    """RP-27: what means something in our tokens, gives rights, or cannot be a name stays out of ``bind_all``."""
    found = await profile(connection(mapping_mode="bind_all"), {**CLAIMS, name: "admin"}, userinfo={name: "admin"})
    assert name not in found and "admin" not in found.values()


async def test_rp_27_rights_come_only_where_they_are_mapped_by_name() -> None:
    """RP-27: the operator may say that roles of the tenant are roles here; names of tokens even they may not."""
    attributes = {"roles": "${context.tokenset.roles}", "groups": "${context.userinfo.groups}"}
    found = await profile(connection(mapping_mode="use_map", attributes=attributes), userinfo=USERINFO)
    assert found["roles"] == ["staff", "admin"] and found["groups"] == ["g"]
    for name in (*RESERVED, "_internal"):
        with pytest.raises(ValueError, match="Isthmus' own"):
            connection(mapping_mode="use_map", attributes={name: "high"})


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${context.tokenset.email}", "ada@corp.example"),
        ("${context.userinfo.email}", "old@corp.example"),
        ("${context.tokenset.roles}", ["staff", "admin"]),
        ("${context.tokenset.age}", 36),
        ("${context.tokenset.cleared}", False),
        ("${context.tokenset.home}", {"city": "London"}),
        ("${context.tokenset.https://corp.example/roles}", ["r1"]),
        ("${context.tokenset.corp.unit}", "Engines"),
        ("${context.tokenset.home.city}", None),
        ("${context.tokenset.missing}", None),
        ("${context.tokenset.nothing}", None),
        ("${context.userinfo.missing}", None),
        ("${context.connection.id}", "con_corp"),
        ("${context.connection.strategy}", "oidc"),
        ("${context.tokenset.access_token}", "at-1"),
        ("a literal $ { }", "a literal $ { }"),
        ("", ""),
        ("user_email|${context.tokenset.email}", "user_email|ada@corp.example"),
        ("${context.tokenset.age}/${context.tokenset.cleared}", "36/false"),
        ("-${context.tokenset.missing}${context.tokenset.nothing}-", "--"),
        ("r=${context.tokenset.roles}", 'r=["staff","admin"]'),
        ("context.tokenset.email", "context.tokenset.email"),
    ],
)
async def test_what_a_template_says(template: str, value: Any) -> None:
    """One reference keeps the type, a mix is text, a literal is itself; what is missing is absent, in a mix empty."""
    assert await mapped(template, userinfo=USERINFO, tokens=TenantTokens("at-1", "rt-1")) == value


async def test_a_value_that_looks_like_a_template_is_a_value() -> None:
    """PL-10: what a tenant says is never read as a template, alone or in a mix."""
    claims = {**CLAIMS, "trick": "${context.tokenset.email}"}
    assert await mapped("${context.tokenset.trick}", claims) == "${context.tokenset.email}"
    assert await mapped("<${context.tokenset.trick}>", claims) == "<${context.tokenset.email}>"


async def test_use_map_brings_what_is_named_and_nothing_else() -> None:
    """Name and nickname are never missing while there is something to make them of."""
    attributes = {"email": "${context.userinfo.email}", "unit": "${context.tokenset.corp.unit}"}
    found = await made(connection(mapping_mode="use_map", attributes=attributes), userinfo=USERINFO)
    names = {"name": "old@corp.example", "nickname": "old"}
    assert found.profile == {"email": "old@corp.example", "email_verified": False, "unit": "Engines", **names}


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("email", "${context.tokenset.roles}"),
        ("picture", "${context.tokenset.age}"),
        ("address", "${context.tokenset.email}"),
        ("given_name", ""),
        ("updated_at", "${context.tokenset.email}"),
    ],
)
async def test_a_standard_claim_keeps_the_standards_type(name: str, template: str) -> None:
    """An application's library must not fail over what was mapped to it (OIDC Core 5.1): it is absent instead."""
    found = await profile(connection(mapping_mode="use_map", attributes={name: template}))
    assert name not in found


@pytest.mark.parametrize("said", ["true", "false", 1, 0, [], None])
@pytest.mark.parametrize("mode", ["bind_all", "use_map", "basic_profile"])
async def test_rp_15_only_json_true_is_verified_however_it_is_mapped(mode: str, said: Any) -> None:
    """RP-15: in every mode, and a template that makes text of it verifies nothing either."""
    attributes = {"email": "${context.tokenset.email}", "email_verified": "${context.tokenset.email_verified}"}
    of = connection(mapping_mode=mode, attributes=attributes)
    assert (await profile(of, {**CLAIMS, "email_verified": said}))["email_verified"] is False
    assert (await profile(of))["email_verified"] is True
    mixed = connection(mapping_mode="use_map", attributes={**attributes, "email_verified": "true"})
    assert (await profile(mixed))["email_verified"] is False


@pytest.mark.parametrize("name", ["email", "phone_number"])
def test_rp_15_verified_is_said_of_the_address_beside_it(name: str) -> None:
    """RP-15: that userinfo's address was verified says nothing of another one in the ID token."""
    own, other = {name: "a"}, {"sub": "ada", name: "b", f"{name}_verified": True}
    joined = claims_of(Identity("corp", "i", "ada", own, userinfo=other))
    assert joined == {"sub": "ada", name: "a"}
    same = claims_of(Identity("corp", "i", "ada", own, userinfo={**other, name: "a"}))
    assert same[f"{name}_verified"] is True
    alone = claims_of(Identity("corp", "i", "ada", {}, userinfo=other))
    assert alone[f"{name}_verified"] is True
    unsaid = claims_of(Identity("corp", "i", "ada", {f"{name}_verified": True}, userinfo={name: "b"}))
    assert unsaid == {name: "b"}
    denied = claims_of(
        Identity("corp", "i", "ada", {f"{name}_verified": True}, userinfo={**other, f"{name}_verified": False})
    )
    assert denied[f"{name}_verified"] is False


@pytest.mark.parametrize(
    "of",
    [
        connection(mapping_mode="bind_all"),
        connection(mapping_mode="use_map", attributes={"x": "${context.tokenset.much}"}),
        connection(mapping_mode="use_map", attributes={"x": "${context.tokenset.half}" * 20}),
        connection(mapping_mode="use_map", attributes={str(n): "${context.tokenset.half}" for n in range(4)}),
    ],
    ids=["bind-all", "one", "mix", "together"],
)
async def test_a_profile_that_is_too_large_is_refused_with_its_reason(of: Connection) -> None:
    """Half a profile would be a wrong one; the login ends with a page, and the log says why."""
    claims = {**CLAIMS, "much": "x" * plugin_rules.MAX_PROFILE, "half": "x" * (plugin_rules.MAX_PROFILE // 3)}
    with pytest.raises(UpstreamError) as refused:
        await profile(of, claims)
    assert refused.value.reason == "profile_too_large"


async def test_what_no_profile_can_hold_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """A claim that is nested too deeply, or a number beyond 64 bits, costs nobody the login."""
    deep: Any = "x"
    for _ in range(20):
        deep = [deep]
    with caplog.at_level(logging.WARNING, "isthmus.profile"):
        found = await profile(connection(mapping_mode="bind_all"), {**CLAIMS, "deep": deep, "big": 2**70})
    assert not {"deep", "big"} & set(found) and found["email"] == "ada@corp.example"
    assert [record.message for record in caplog.records] == ["attribute_left_out"] * 2


async def test_rp_14_rp_17_no_claim_says_who_a_person_is() -> None:
    """RP-14, RP-17: identities, user ids and subjects cannot be mapped, so that nobody can be joined to another."""
    for name in ("user_id", "identities", "sub", "app_metadata"):
        with pytest.raises(ValueError, match="attributes"):
            connection(mapping_mode="use_map", attributes={name: "oidc|corp|victim"})


GUIDE = (Path(__file__).parents[2] / "docs/people.md").read_text(encoding="utf-8")


async def test_the_examples_of_the_guide_work() -> None:
    """docs/people.md: each is a connection's option as it stands, and the map says what the page says."""
    tables = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)]
    bound, named = (table["connections"]["options"]["attribute_map"] for table in tables)
    assert connection(**bound).options.scopes == ("openid", "profile", "email", "groups")
    found = await profile(connection(**named), {**CLAIMS, "name": "Ada L"}, userinfo={"department": "Engines"})
    assert found == {
        "name": "Ada L",
        "nickname": "ada",
        "email": "ada@corp.example",
        "email_verified": True,
        "login": "user_email|ada@corp.example",
        "roles": ["r1"],
        "department": "Engines",
        "tenant": "con_corp",
        "source": "corp directory",
    }

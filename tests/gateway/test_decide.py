"""The decision: every kind of rule, each alone and in its order, and what is not a match."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.gateway.decide import Decision, Step, decide, email_domain, has_one, methods_of
from proxy.models import Connection, ConnectionOptions
from proxy.models.route import Route
from tests.downstream.world import a_session

TEMPLATE = "https://login.example/{tenantid}/v2.0"


def connection(issuer: str = "https://idp.example", enabled: tuple[str, ...] = ("gateway",)) -> Connection:
    """The connection that Ada came through."""
    options = ConnectionOptions(client_id="rp", issuer=issuer, tenant_ids=("acme",) if "{" in issuer else ())
    return Connection(name="corp", enabled_clients=enabled, options=options)


def route(allow: dict[str, Any] | None = None, **changes: Any) -> Route:
    """A route with rules."""
    table = {"host": "app.example", "upstream": "http://127.0.0.1:1", "allow": allow or {}, **changes}
    return Route.model_validate(table)


def said(
    allow: dict[str, Any], profile: dict[str, Any] | None = None, *, verdict: bool | None = None,
    corp: Connection | None = None, **session: Any,
) -> str:  # fmt: skip
    """What is decided about Ada: the step, and the rule that decided."""
    person = a_session(profile=profile or {}, **session)
    connections = {"corp": corp or connection()}
    found = decide(route(allow), "GET", "/", person, connections, "groups", verdict)
    return f"{found.step.name} {found.reason}"


CORP = {"email": "ada@corp.example"}
SURE = {**CORP, "email_verified": True}


@pytest.mark.parametrize(
    ("allow", "profile", "expected"),
    [
        ({}, {}, "PASS allowed"),
        ({"users": ["oidc|corp|ada"]}, {}, "PASS allowed"),
        ({"users": ["oidc|corp|bob", "oidc|corp|ada"]}, {}, "PASS allowed"),
        ({"users": ["oidc|corp|Ada"]}, {}, "FORBID user"),
        ({"users": ["oidc|corp|ad"]}, {}, "FORBID user"),
        ({"users": ["oidc|corp|.*"]}, {}, "FORBID user"),
        ({"email_domains": ["corp.example"]}, CORP, "PASS allowed"),
        ({"email_domains": ["corp.example"]}, SURE, "PASS allowed"),
        ({"email_domains": ["corp.example"]}, {"email": "ada@CORP.Example"}, "PASS allowed"),
        ({"email_domains": ["corp.example"]}, {**CORP, "email_verified": False}, "FORBID email_domain"),
        ({"email_domains": ["corp.example"]}, {**CORP, "email_verified": "true"}, "FORBID email_domain"),
        ({"email_domains": ["corp.example"]}, {**CORP, "email_verified": 1}, "FORBID email_domain"),
        ({"email_domains": ["corp.example"]}, {}, "FORBID email_domain"),
        ({"email_domains": ["corp.example"]}, {"email": ["ada@corp.example"]}, "FORBID email_domain"),
        ({"email_domains": ["corp.example"]}, {"email": "corp.example"}, "FORBID email_domain"),
        ({"email_domains": ["corp.example"]}, {"email": "ada@evil.example@corp.example"}, "FORBID email_domain"),
        ({"email_domains": ["corp.example"]}, {"email": "ada@xcorp.example"}, "FORBID email_domain"),
        ({"email_domains": ["corp.example"]}, {"email": "ada@sub.corp.example"}, "FORBID email_domain"),
        ({"email_domains": ["corp.example"]}, {"email": "ada@corp.example.evil.example"}, "FORBID email_domain"),
        ({"email_domains": ["corp.example"]}, {"email": "ada@corp.example "}, "FORBID email_domain"),
        ({"groups": ["ops"]}, {"groups": ["dev", "ops"]}, "PASS allowed"),
        ({"groups": ["ops"]}, {"groups": ("ops",)}, "PASS allowed"),
        ({"groups": ["ops"]}, {"groups": "ops"}, "PASS allowed"),
        ({"groups": ["ops", "dev"]}, {"groups": ["dev"]}, "PASS allowed"),
        ({"groups": ["ops"]}, {"groups": []}, "FORBID group"),
        ({"groups": ["ops"]}, {}, "FORBID group"),
        ({"groups": ["ops"]}, {"groups": None}, "FORBID group"),
        ({"groups": ["ops"]}, {"groups": "devops"}, "FORBID group"),
        ({"groups": ["ops"]}, {"groups": ["Ops", "ops "]}, "FORBID group"),
        ({"groups": ["ops"]}, {"groups": {"ops": True}}, "FORBID group"),
        ({"groups": ["ops"]}, {"groups": [["ops"]]}, "FORBID group"),
        ({"groups": ["ops"]}, {"roles": ["ops"]}, "FORBID group"),
        ({"claims": {"level": 3}}, {"level": 3}, "PASS allowed"),
        ({"claims": {"level": [3, 4]}}, {"level": 4}, "PASS allowed"),
        ({"claims": {"level": 3}}, {"level": [2, 3]}, "PASS allowed"),
        ({"claims": {"level": 3, "dept": "x"}}, {"level": 3, "dept": "x"}, "PASS allowed"),
        ({"claims": {"level": 3, "dept": "x"}}, {"level": 3}, "FORBID claim"),
        ({"claims": {"level": 1}}, {"level": True}, "FORBID claim"),
        ({"claims": {"level": 1}}, {"level": "1"}, "FORBID claim"),
        ({"claims": {"level": 1}}, {"level": 1.0}, "FORBID claim"),
        ({"claims": {"staff": True}}, {"staff": True}, "PASS allowed"),
        ({"claims": {"staff": True}}, {"staff": 1}, "FORBID claim"),
        ({"claims": {"staff": True}}, {"staff": "true"}, "FORBID claim"),
        ({"claims": {"staff": False}}, {}, "FORBID claim"),
        ({"claims": {"dept": "eng"}}, {"dept": "engineering"}, "FORBID claim"),
        ({"claims": {"dept": ".*"}}, {"dept": "eng"}, "FORBID claim"),
        ({"connections": ["corp"]}, {}, "PASS allowed"),
        ({"connections": ["other"]}, {}, "FORBID connection"),
        ({"groups": ["ops"], "email_domains": ["corp.example"]}, {**CORP, "groups": ["ops"]}, "PASS allowed"),
        ({"groups": ["ops"], "email_domains": ["corp.example"]}, CORP, "FORBID group"),
        ({"groups": ["ops"], "email_domains": ["corp.example"]}, {"groups": ["ops"]}, "FORBID email_domain"),
        ({"groups": [], "email_domains": [], "users": [], "claims": {}}, {}, "PASS allowed"),
    ],
)
def test_mg_19_rules_compare_and_never_match(allow: dict[str, Any], profile: dict[str, Any], expected: str) -> None:
    """MG-19: every kind that is given must hold, and of a kind one value; types count, and there is no pattern."""
    assert said(allow, profile) == expected


@pytest.mark.parametrize(
    ("profile", "expected"),
    [(SURE, "corp.example"), (CORP, ""), ({**CORP, "email_verified": None}, ""), ({**CORP, "email_verified": 1}, "")],
)
def test_an_address_of_a_family_of_tenants_must_be_verified(profile: dict[str, Any], expected: str) -> None:
    """Anybody may have a tenant there, and say of any address that it is theirs."""
    assert email_domain(profile, connection(TEMPLATE)) == expected


def test_groups_are_where_the_configuration_says() -> None:
    """``gateway.groups_claim``."""
    person = a_session(profile={"roles": ["ops"], "groups": ["dev"]})
    found = decide(route({"groups": ["ops"]}), "GET", "/", person, {"corp": connection()}, "roles")
    assert found.step is Step.PASS


@pytest.mark.parametrize("corp", [None, connection(enabled=()), connection(enabled=("webapp",))])
def test_a_connection_that_is_gone_or_not_for_us_lets_nobody_in(corp: Connection | None) -> None:
    """Whatever the session says: the connection was removed, or is no longer enabled for the gateway."""
    found = decide(route(), "GET", "/", a_session(), {"corp": corp} if corp else {}, "groups")
    assert found == Decision(Step.FORBID, "connection")


def test_acr_that_is_not_met_asks_for_another_login() -> None:
    """And comes last: who lacks a group need not log in again to hear so."""
    allow = {"acr": ["mfa", "hw"]}
    assert said(allow, acr="mfa") == "PASS allowed"
    assert said(allow, acr="") == said(allow, acr="MFA") == "STEP_UP acr"
    assert said(allow, acr="hw") == "PASS allowed"
    assert said({**allow, "groups": ["ops"]}, acr="pwd") == "FORBID group"


@pytest.mark.parametrize(
    ("verdict", "expected"), [(None, "ASK_PLUGIN plugin"), (True, "PASS allowed"), (False, "FORBID plugin")]
)
def test_pl_01_a_plugin_must_say_yes(verdict: bool | None, expected: str) -> None:
    """PL-01: nothing but its yes is one, and it is asked only when all else holds."""
    assert said({"plugin": True}, verdict=verdict) == expected
    assert said({"plugin": True, "groups": ["ops"]}, verdict=True) == "FORBID group"
    assert said({"plugin": True}, verdict=1) == "FORBID plugin"  # type: ignore[arg-type]
    assert said({}, verdict=False) == "PASS allowed"


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("/healthz", Step.PUBLIC),
        ("/healthz/x", Step.PUBLIC),
        ("/healthzx", Step.LOG_IN),
        ("/Healthz", Step.LOG_IN),
        ("/", Step.LOG_IN),
        ("/x/healthz", Step.LOG_IN),
        ("/static", Step.LOG_IN),
        ("/static/", Step.PUBLIC),
        ("/.well-known/acme-challenge/x", Step.PUBLIC),
        ("/.well-known/acme-challengers", Step.LOG_IN),
    ],
)
def test_gw_11_public_paths_end_with_a_segment(path: str, step: Step) -> None:
    """GW-11, GW-13: prefixes at segment boundaries, on the canonical path; nothing else of a request opens a door."""
    paths = ["/healthz", "/static/", "/.well-known/acme-challenge"]
    assert decide(route(public_paths=paths), "GET", path, None, {}, "groups").step is step


def test_public_means_everybody() -> None:
    """Whoever it is, and whatever the rules say of them."""
    found = route({"groups": ["ops"]}, public_paths=["/open"])
    assert decide(found, "POST", "/open", a_session(profile={}), {}, "groups").step is Step.PUBLIC


@pytest.mark.parametrize(
    ("methods", "method", "taken"),
    [
        ([], "GET", True),
        ([], "PROPFIND", True),
        ([], "TRACE", False),
        ([], "CONNECT", False),
        ([], "get", False),
        ([], "BREW", False),
        (["GET"], "GET", True),
        (["GET"], "HEAD", True),
        (["GET"], "POST", False),
        (["GET"], "OPTIONS", False),
        (["GET"], "get", False),
        (["POST"], "GET", False),
        (["POST"], "HEAD", False),
        (["HEAD"], "GET", False),
    ],
)
def test_gw_14_methods_are_exact(methods: list[str], method: str, taken: bool) -> None:
    """GW-14, GW-11: those of the list, HEAD where GET is; public paths too. Nobody gets TRACE or CONNECT."""
    for path in ("/", "/open"):
        found = decide(route(methods=methods, public_paths=["/open"]), method, path, None, {}, "groups")
        assert (found.step is not Step.METHOD) is taken


def test_gw_15_nobody_is_let_in_without_a_session() -> None:
    """GW-15: the decision begins as no."""
    assert decide(route(), "GET", "/", None, {"corp": connection()}, "groups") == Decision(Step.LOG_IN, "no_session")
    assert decide(route({"plugin": True}), "GET", "/", None, {}, "groups", True).step is Step.LOG_IN


def test_nothing_is_equal_to_nothing() -> None:
    """An attribute that is not there meets no wish, not even an odd one."""
    assert not any(has_one(None, wish) for wish in ("", 0, False, ()))


def test_the_methods_of_a_route_can_be_told() -> None:
    """RFC 9110 15.5.6: with the answer to another one."""
    assert methods_of(route(methods=["POST", "GET"])) == ("GET", "HEAD", "POST")
    assert "TRACE" not in methods_of(route()) and "PROPFIND" in methods_of(route())

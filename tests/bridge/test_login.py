"""Which connection an address belongs to, and what goes up to the tenant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.bridge.login import by_domain, wishes_of
from proxy.downstream.authorize import AuthorizeRequest
from proxy.models import Connection
from tests.bridge.test_session import NOW, a_session

CORP = Connection.model_validate(
    {
        "name": "corp",
        "options": {"client_id": "i", "discovery_url": "https://idp.example", "domain_aliases": ["corp.example"]},
    }
)


@pytest.mark.parametrize("email", ["a@corp.example", "a@CORP.example", "first.last+tag@corp.example"])
def test_an_address_leads_to_the_connection_of_its_domain(email: str) -> None:
    """Home realm discovery by the whole domain, in any case of letters."""
    assert by_domain(email, (CORP,)) is CORP


@pytest.mark.parametrize(
    "email",
    [
        "a@evil.example@corp.example",
        "a@corp.example.",
        "a@xcorp.example",
        "a@sub.corp.example",
        '"a@corp.example"@evil.example',
        "a@corp.example\n",
        "a@corp.example ",
        "@corp.example",
        "corp.example",
        "",
        "a@",
        "a@" + "x" * 300,
        "a@.corp.example",
        "a@corp\uff0eexample",
        "a@corp\u3002example",
        "a@corp\u2024example",
    ],
)
def test_rp_18_odd_addresses_belong_to_nobody(email: str) -> None:
    """RP-18: exactly one @, the whole domain, nothing around it."""
    assert by_domain(email, (CORP,)) is None


def test_lg_07_a_slow_pattern_is_refused_by_its_length() -> None:
    """LG-07: 100,000 characters are not even parsed."""
    assert by_domain("a@" + "a." * 50_000, (CORP,)) is None


ASKED = AuthorizeRequest("webapp", "https://app.example/cb")
OLD = a_session(auth_time=int(NOW) - 100)


@pytest.mark.parametrize(
    ("changes", "session", "fresh", "prompt", "max_age"),
    [
        ({}, None, False, (), None),
        ({"prompt": ("login",)}, None, True, ("login",), None),
        ({"prompt": ("login", "consent")}, OLD, True, ("login",), None),
        ({"prompt": ("select_account",)}, OLD, False, ("select_account",), None),
        ({"max_age": 0}, None, True, (), 0),
        ({"max_age": 60}, OLD, True, (), 60),
        ({"max_age": 60}, None, False, (), 60),
        ({"max_age": 200}, replace(OLD, dated=False), False, (), 200),
    ],
)
def test_rp_29_what_the_client_asks_goes_up(
    changes: dict[str, object], session: object, fresh: bool, prompt: tuple[str, ...], max_age: int | None
) -> None:
    """RP-29: prompt=login, max_age=0 and a session that is too old ask for a login newer than the trip."""
    wishes = wishes_of(replace(ASKED, **changes), session, NOW)  # type: ignore[arg-type]  # the table's columns
    assert (wishes.fresh, wishes.prompt, wishes.max_age) == (fresh, prompt, max_age)


def test_rg_21_a_pushed_hint_stays_out_of_addresses_and_pages() -> None:
    """RG-21: it goes neither to the tenant's address nor into the field of the login page; a plain one does."""
    hinted = replace(ASKED, login_hint="ada@corp.example")
    assert wishes_of(hinted, None, NOW).login_hint == "ada@corp.example"
    assert wishes_of(replace(hinted, pushed="urn:x"), None, NOW).login_hint == ""

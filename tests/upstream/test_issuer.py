"""Who may speak for a connection: one issuer, or the listed tenants of a family."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.upstream.issuer import is_template, may_speak, speakers, speaks_for, subject_of, tenant_of
from tests.upstream.conftest import ISSUER, connection

ONE = connection().options
TEMPLATE = "https://login.idp.example/{tenantid}/v2.0"
FAMILY = connection(issuer=TEMPLATE, tenant_ids=["acme", "umbrella.east"]).options


@pytest.mark.parametrize("issuer", [f"{ISSUER}/", ISSUER.upper(), "", None, 5, [ISSUER], f"{ISSUER}.evil.example"])
def test_rp_02_one_issuer_is_compared_byte_for_byte(issuer: Any) -> None:
    """RP-02: nothing that is near, and nothing that is no text."""
    assert speaks_for(ISSUER, ONE, ISSUER)
    assert not speaks_for(issuer, ONE, ISSUER)


def test_rp_03_of_a_family_the_listed_ones() -> None:
    """RP-03: the template filled with a listed id; the template as it stands is nobody."""
    assert is_template(FAMILY) and not is_template(ONE)
    assert tenant_of("https://login.idp.example/umbrella.east/v2.0", FAMILY) == "umbrella.east"
    for issuer in (
        TEMPLATE,
        "https://login.idp.example/evil/v2.0",
        "https://login.idp.example/acme/umbrella.east/v2.0",
    ):
        assert not speaks_for(issuer, FAMILY, TEMPLATE)


def test_rp_19_one_name_in_two_tenants_is_two_people() -> None:
    """RP-19: the tenant's id goes before the subject; with one issuer the subject stands alone."""
    of = [subject_of("1001", f"https://login.idp.example/{id}/v2.0", FAMILY) for id in FAMILY.tenant_ids]
    assert of == ["acme.1001", "umbrella.east.1001"]
    assert subject_of("1001", ISSUER, ONE) == "1001"


def test_rp_21_what_was_said_before_counts_as_long_as_the_options_name_who_said_it() -> None:
    """RP-21: nobody is asked; the base of a discovery address with and without its slash, or a listed tenant."""
    assert may_speak(ISSUER, ONE) and may_speak(f"{ISSUER}/", ONE) and not may_speak("https://new.example", ONE)
    acme = "https://login.idp.example/acme/v2.0"
    assert may_speak(acme, FAMILY) and not may_speak(TEMPLATE, FAMILY)
    fewer = connection(issuer=TEMPLATE, tenant_ids=["umbrella.east"]).options
    assert not may_speak(acme, fewer) and speakers(fewer) != speakers(FAMILY)
    assert speakers(connection(scope="openid").options) == speakers(ONE)

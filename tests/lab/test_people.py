"""The people of the lab have everything a tenant could say about them."""

from __future__ import annotations

import pytest

from proxy.lab.people import PEOPLE, SCOPE_CLAIMS, Person, somebody

STANDARD = {
    "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
    "website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number",
    "phone_number_verified", "address", "updated_at",
}  # fmt: skip


@pytest.mark.parametrize("who", PEOPLE, ids=lambda who: who.sub)
def test_people_have_every_standard_claim(who: Person) -> None:
    """Everybody has all claims of Core 5.1, and the scopes together release them all."""
    assert set(who.claims) >= STANDARD
    assert set(who.released(tuple(SCOPE_CLAIMS))) == STANDARD | {"groups", "roles"}
    assert set(who.released(("openid", "email"))) == {"email", "email_verified"}


@pytest.mark.parametrize(("name", "sub"), [("Ada B.", "guest-ada.b"), ("李", "guest-somebody"), ("É", "guest-e")])
def test_anybody_may_type_a_name(name: str, sub: str) -> None:
    """A typed name makes a person with a printable subject and an address that is not verified."""
    made = somebody(name)
    assert (made.sub, made.name, made.claims["email_verified"]) == (sub, name, False)

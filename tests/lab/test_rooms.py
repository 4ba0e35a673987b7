"""What a client of a tenant may do follows from how it is registered."""

from __future__ import annotations

import pytest

from proxy.lab.rooms import HEALTHY, LabClient

HERE = "http://127.0.0.1:9000/"
EXACT = LabClient("rp", (f"{HERE}login/callback",), "secret", (HERE,), backchannel_logout_uri=f"{HERE}hear")
ANY = LabClient("isthmus", client_secret="secret", loopback=True)


def test_people_are_found_by_their_subject() -> None:
    """A room knows its people, and nobody else."""
    assert HEALTHY.find("mira") is HEALTHY.people[0]
    assert HEALTHY.find("nobody") is None


@pytest.mark.parametrize(
    ("client", "uri", "good"),
    [
        (EXACT, f"{HERE}login/callback", True),
        (EXACT, f"{HERE}login/callback/", False),
        (ANY, "http://localhost:1234/login/callback/corp", True),
        (ANY, "http://192.0.2.1/login/callback", False),
    ],
)
def test_addresses_are_exact_or_on_this_machine(client: LabClient, uri: str, good: bool) -> None:
    """A registered address counts byte for byte; a client of this machine may be anywhere on it, and nowhere else."""
    assert client.takes_answers_at(uri) is good
    assert client.returns_to(uri) is (good and client is ANY)


def test_logout_addresses_follow_from_the_callback() -> None:
    """An Isthmus on this machine hears of logouts beside its callback; any other client where it registered."""
    ours = ANY.hears_of_logouts_at(f"{HERE}login/callback/corp")
    assert ours == (f"{HERE}login/backchannel-logout", f"{HERE}login/frontchannel-logout")
    assert EXACT.hears_of_logouts_at(f"{HERE}login/callback") == (f"{HERE}hear", "")


def test_keys_are_beside_the_callback_too() -> None:
    """An Isthmus on this machine publishes the keys of a connection beside its callback; others where they said."""
    assert ANY.keys_at(f"{HERE}login/callback", "lab-x") == f"{HERE}login/keys/lab-x"
    assert LabClient("rp", jwks_uri=f"{HERE}keys").keys_at(f"{HERE}login/callback", "x") == f"{HERE}keys"


def test_who_has_nothing_to_prove_itself_with_is_public() -> None:
    """A secret or keys make a client confidential."""
    assert LabClient("spa").public
    assert not EXACT.public
    assert not LabClient("rp", jwks_uri=f"{HERE}keys").public

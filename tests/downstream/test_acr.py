"""How the person logged in, and whether that is what was asked for."""

from __future__ import annotations

import pytest

from proxy.downstream.acr import FEDERATED, given, met


@pytest.mark.parametrize(
    ("asked", "had", "offered", "good"),
    [
        ((), "", (), True),
        (("mfa",), "mfa", (), True),
        ((FEDERATED,), "", (), True),
        (("mfa", FEDERATED), "pwd", ("mfa",), True),
        (("1", "2"), "", (), True),
        (("mfa",), "", ("mfa",), False),
        (("mfa",), "pwd", (), False),
        (("mfa",), "pwd", ("mfa", "pwd"), False),
    ],
)
def test_rp_29_a_lower_acr_is_not_passed_over(
    asked: tuple[str, ...], had: str, offered: tuple[str, ...], good: bool
) -> None:
    """RP-29: what tenants can give is given or refused; a wish that nobody knows is a wish (OIDC Core 3.1.2.1)."""
    assert met(asked, had, offered) is good


def test_an_essential_acr_is_no_wish() -> None:
    """OIDC Core 5.5.1.1: asked for as essential, it must be met."""
    assert met(("1",), "", ()) and not met(("1",), "", (), essential=True)


@pytest.mark.parametrize(
    ("asked", "had", "says"),
    [((), "", ""), ((), "pwd", "pwd"), ((FEDERATED,), "", FEDERATED), ((FEDERATED, "pwd"), "pwd", "pwd")],
)
def test_what_the_id_token_says(asked: tuple[str, ...], had: str, says: str) -> None:
    """oidcc-ensure-request-with-acr-values-succeeds: ``acr`` is one of those asked for; a tenant's own is passed on."""
    assert given(asked, had) == says

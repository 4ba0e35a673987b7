"""Forms that decide something: whose count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.downstream.forms import check_form, form_token
from proxy.oidc.errors import Shown
from tests.downstream.world import ISSUER, World

KEY = b"f" * 32
TOKEN = form_token(KEY, "consent", "sid", "id")


def test_a_token_is_for_one_thing() -> None:
    """The same words give the same token; another key, another word or another place for it gives another."""
    others = {
        form_token(b"g" * 32, "consent", "sid", "id"),
        form_token(KEY, "device", "sid", "id"),
        form_token(KEY, "consent", "sid", "other"),
        form_token(KEY, "consent", "id", "sid"),
        form_token(KEY, "consent", "sid", "\udc80"),
    }
    assert form_token(KEY, "consent", "sid", "id") == TOKEN and len(others) == 5 and TOKEN not in others


@pytest.mark.parametrize(
    ("given", "headers", "reason"),
    [
        (TOKEN, {}, ""),
        (TOKEN, {"Origin": "https://sso.example", "Sec-Fetch-Site": "same-origin"}, ""),
        (TOKEN, {"Origin": "null", "Sec-Fetch-Site": "same-origin"}, ""),
        (None, {}, "form_token"),
        (TOKEN[:-1], {}, "form_token"),
        ("é\udc80", {}, "form_token"),
        (TOKEN, {"Origin": "https://evil.example"}, "cross_site"),
        (TOKEN, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, "cross_site"),
        (TOKEN, {"Sec-Fetch-Site": "same-site"}, "cross_site"),
    ],
)
def test_only_our_own_form_counts(given: str | None, headers: dict[str, str], reason: str) -> None:
    """AZ-23: the right token, from a page of ours; anything else is a page of 403."""
    request = World().request({} if given is None else {"form_token": given}, "POST")
    request = replace(request, headers=headers)
    if not reason:
        check_form(request, TOKEN, ISSUER)
        return
    with pytest.raises(Shown) as caught:
        check_form(request, TOKEN, ISSUER)
    assert (caught.value.status, caught.value.reason) == (403, reason)

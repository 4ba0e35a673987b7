"""Our cookies in answers of the site, and families of them in its requests."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from proxy.web.cookies import delete, family_of_request, set_cookie

NAME = "__Host-sid"


@pytest.mark.parametrize("same_site", ["Lax", "None"])
def test_lo_07_deletion_repeats_the_attributes(same_site: str) -> None:
    """A deletion carries Secure, HttpOnly, Path and SameSite and no Domain, as the cookie did (LO-07)."""
    begun, ended = web.Response(), web.Response()
    set_cookie(begun, NAME, "v", max_age=60, same_site=same_site)  # type: ignore[arg-type]
    delete(ended, NAME, same_site=same_site)  # type: ignore[arg-type]
    for response in (begun, ended):
        text = response.headers["Set-Cookie"]
        assert {"Secure", "HttpOnly", "Path=/", f"SameSite={same_site}"} <= set(text.split("; "))
        assert text.startswith(f"{NAME}=") and "Domain" not in text
    assert "Max-Age=0" in ended.headers["Set-Cookie"]


def test_ds_13_a_family_is_read_in_one_pass_and_tossed_ones_stay_out() -> None:
    """DS-13, SE-07: each pair is split once; a name with two values is nobody's, whatever comes after."""
    header = b"p-a=1; p-b=2; p-b=3; p-b=2; p-c; p-d=; q-e=5; p-a=1"
    request = make_mocked_request("GET", "/", headers={"Cookie": header.decode()})
    assert family_of_request(request, "p-") == {"a": "1"}

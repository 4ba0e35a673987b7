"""Authorization responses: what a response type brings, and the way a mode takes it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from proxy.lab import responses, rules
from proxy.lab.core import Core
from proxy.lab.page import Reader
from proxy.lab.people import PEOPLE
from proxy.lab.rooms import LabClient, Login
from proxy.oidc import jose
from proxy.oidc.errors import Refused
from tests.kit.lab_keys import in_turn

CALLBACK = "http://127.0.0.1:1/cb"
CLIENT = LabClient("rp", (CALLBACK,), "secret")
PARTS = {"code": "code", "token": "access_token", "id_token": "id_token"}


def answer(kind: str, mode: str = "", fault: str = "") -> dict[str, str]:
    """What came back, and under ``mode`` how."""
    core = Core("http://localhost:9/x/", [CLIENT], make_key=in_turn())
    given = {"redirect_uri": CALLBACK, "response_type": kind, "scope": "openid", "nonce": "n", "state": "s"}
    given |= {"response_mode": mode} if mode else {}
    if fault:
        made = responses.refused(core, given, Refused(fault, "no"))
    else:
        made = responses.answered(
            core, rules.check_request(given, CLIENT), Login(PEOPLE[0], core.now, "sid"), "watched"
        )
    url = urlsplit(made.headers.get("Location", ""))
    if url.query or url.fragment:
        found = {name: values[0] for name, values in parse_qs(url.query or url.fragment).items()}
        return {**found, "mode": "query" if url.query else "fragment"}
    reader = Reader(CALLBACK)
    reader.feed(made.text or "")
    return {**dict(reader.forms[0].fields), "mode": "form_post"}


@pytest.mark.parametrize("kind", rules.RESPONSE_TYPES)
def test_a_response_type_brings_its_parts(kind: str) -> None:
    """Each part that was asked for and no other; the ID token is bound to what comes beside it."""
    told = answer(kind)
    assert {name for name, field in PARTS.items() if field in told} == set(kind.split())
    assert (told["state"], told["iss"]) == ("s", "http://localhost:9/x/") and "." in told["session_state"]
    if "id_token" in told:
        claims = jose.peek(told["id_token"])[1]
        assert ("at_hash" in claims, "c_hash" in claims) == ("token" in kind.split(), "code" in kind.split())


@pytest.mark.parametrize(
    ("kind", "asked", "mode"),
    [
        ("code", "", "query"), ("code", "fragment", "fragment"), ("code", "form_post", "form_post"),
        ("id_token", "", "fragment"), ("id_token", "form_post", "form_post"), ("code token", "", "fragment"),
    ],
)  # fmt: skip
def test_a_mode_is_the_way_back(kind: str, asked: str, mode: str) -> None:
    """The mode asked for, or the type's own; an error takes the same way."""
    assert answer(kind, asked)["mode"] == mode
    told = answer(kind, asked, fault="login_required")
    assert (told["mode"], told["error"], told["state"]) == (mode, "login_required", "s")

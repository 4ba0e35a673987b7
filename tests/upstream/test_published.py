"""What a tenant publishes, shown and compared."""

from __future__ import annotations

from proxy.upstream.published import Row, differences, digest, rows, told
from tests.upstream.conftest import DOCUMENT, ISSUER, connection


def test_a_document_is_told_in_known_names_and_bounded_words() -> None:
    """Names that we do not know, objects and numbers are left out; nothing is endless."""
    long = {"issuer": "x" * 9000, "scopes_supported": ["openid", 5, None] + ["y"] * 500, "jwks_uri": {"a": 1}}
    found = told({**long, "surprise": "value", "token_endpoint": 7})
    assert (list(found), len(found["issuer"]), len(found["scopes_supported"])) == (
        ["issuer", "scopes_supported"],
        2083,
        98,
    )
    assert "surprise" not in found


def test_the_digest_is_of_the_whole_document() -> None:
    """The order of names is nothing, an unknown name is something."""
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 2, "c": 3})


def test_differences_are_old_and_new_by_name() -> None:
    """What came, what went, what is another; what stayed is not told."""
    old = {"issuer": ISSUER, "token_endpoint": "a", "userinfo_endpoint": "u"}
    new = {"issuer": ISSUER, "token_endpoint": "b", "jwks_uri": "j"}
    assert differences(old, new) == {
        "token_endpoint": {"old": "a", "new": "b"},
        "jwks_uri": {"old": None, "new": "j"},
        "userinfo_endpoint": {"old": "u", "new": None},
    }


def test_rows_say_what_is_published_what_is_used_and_why() -> None:
    """An option stands over the document, and can stand alone; the callback URL is what to register."""
    one = connection(token_endpoint="https://t.example/t", userinfo_endpoint="https://t.example/u")
    found = {row.name: row for row in rows(one.options, DOCUMENT, "https://sso.example/login/callback")}
    assert found["token_endpoint"] == Row(
        "token_endpoint", f"{ISSUER}/token", "https://t.example/t", "options.token_endpoint"
    )
    assert found["userinfo_endpoint"].published is None
    assert found["jwks_uri"] == Row("jwks_uri", f"{ISSUER}/jwks", f"{ISSUER}/jwks", "published")
    assert list(found)[-1] == "callback_url"
    assert found["callback_url"].used == "https://sso.example/login/callback"


def test_rows_of_metadata_given_whole() -> None:
    """It is the configuration's, not the tenant's."""
    found = rows(connection(oidc_metadata=DOCUMENT).options, DOCUMENT, "https://sso.example/login/callback")
    assert found[0].source == "oidc_metadata"

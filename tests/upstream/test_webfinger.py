"""From a person's address to the issuer that answers for them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from proxy.oidc.errors import UpstreamError
from proxy.oidc.messages import HttpResponse
from proxy.upstream.webfinger import REL, Asked, build_request, check_response, is_account, normalise


@pytest.mark.parametrize(
    ("identifier", "resource", "host"),
    [
        ("ada@corp.example", "acct:ada@corp.example", "corp.example"),
        ("acct:ada@corp.example", "acct:ada@corp.example", "corp.example"),
        ("ACCT:ada@corp.example", "acct:ada@corp.example", "corp.example"),
        (" ada@corp.example ", "acct:ada@corp.example", "corp.example"),
        ("ada@corp.example:8443", "acct:ada@corp.example:8443", "corp.example:8443"),
        ("acct:juliet%40capulet.example@shop.example", "acct:juliet%40capulet.example@shop.example", "shop.example"),
        ("ada@home@corp.example", "acct:ada@home@corp.example", "corp.example"),
        ("corp.example", "https://corp.example", "corp.example"),
        ("corp.example:8080", "https://corp.example:8080", "corp.example:8080"),
        ("corp.example/ada", "https://corp.example/ada", "corp.example"),
        ("corp.example?user=ada@x", "https://corp.example?user=ada@x", "corp.example"),
        ("https://corp.example/ada#me", "https://corp.example/ada", "corp.example"),
        ("HTTPS://corp.example/ada", "https://corp.example/ada", "corp.example"),
        ("https://corp.example:8443/", "https://corp.example:8443/", "corp.example:8443"),
    ],
)
def test_an_identifier_is_normalised(identifier: str, resource: str, host: str) -> None:
    """Discovery 2.1.2: userinfo and host alone are an account, anything else without a scheme is https; a
    fragment goes."""
    assert normalise(identifier) == Asked(resource, host)


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        " ",
        "@corp.example",
        "=ada",
        "+ada",
        "$ada",
        "!ada",
        "xri://ada",
        "acct:ada",
        "acct:@corp.example",
        "acct:ada@",
    ]
    + ["ada@corp.example/x", "acct:ada@corp.example/x", "acct:ada@corp.example?x", "mailto://a@b", "ftp://corp.example"]
    + [
        "https://",
        "https://ada@corp.example/",
        "https://corp.example:x/",
        "a b@corp.example",
        "ada@b\u00fccher.example",
    ]
    + ["ada@corp.example\r\nHost: x", "ada@[::1", "https://corp.example:0/", "ada@cor|p.example", "x" * 2049],
)
def test_what_names_no_host_is_refused(identifier: str) -> None:
    """One that cannot be asked about; nothing is guessed."""
    with pytest.raises(ValueError, match="must be|names no|is an XRI|has no name"):
        normalise(identifier)


@pytest.mark.parametrize(
    ("identifier", "person"),
    [("ada@corp.example", True), ("acct:ada@corp.example", True), ("https://x/@ada", False), ("corp.example", False)],
)
def test_a_person_is_told_from_a_place(identifier: str, person: bool) -> None:
    """Of a place it can be asked directly whether it is an issuer."""
    assert is_account(identifier) is person


@pytest.mark.parametrize(("host", "scheme"), [("corp.example", "https"), ("127.0.0.1:9000", "http")])
def test_the_question(host: str, scheme: str) -> None:
    """RFC 7033 4.1: resource and relation, encoded; in the clear on loopback alone."""
    request = build_request(Asked(f"acct:ada&x@{host}", host), "corp")
    parts = urlsplit(request.url)
    assert (parts.scheme, parts.netloc, parts.path) == (scheme, host, "/.well-known/webfinger")
    assert dict(parse_qsl(parts.query)) == {"resource": f"acct:ada&x@{host}", "rel": REL}
    assert (request.method, request.group) == ("GET", "corp")


def answer(links: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status, {}, json.dumps({"subject": "acct:ada@corp.example", "links": links}).encode())


LINK = {"rel": REL, "href": "https://idp.example/"}


@pytest.mark.parametrize(
    "links",
    [
        [LINK],
        [{"rel": "avatar", "href": "https://x/"}, LINK],
        [7, {"rel": REL}, LINK],
        [{"rel": REL, "href": "ftp:x"}, LINK],
    ],
)
def test_the_issuer_is_the_link_with_the_relation(links: list[Any]) -> None:
    """RFC 7033 4.4: other links, and what is no link, are passed over; the address stays as it is."""
    assert check_response(answer(links)) == "https://idp.example/"


@pytest.mark.parametrize(
    "response",
    [
        answer([LINK], 404),
        answer([LINK], 302),
        answer([]),
        answer(LINK),
        answer([{"rel": REL, "href": "http://idp.example/"}]),
        answer([{"rel": REL, "href": "https://idp.example/?x=1"}]),
        answer([{"rel": REL, "href": "https://idp.example/#x"}]),
        answer([{"rel": REL, "href": "https://a@idp.example/"}]),
        answer([{"rel": REL, "href": 7}]),
        HttpResponse(200, {}, b"<html>"),
    ],
)
def test_an_answer_without_an_issuer_is_refused(response: HttpResponse) -> None:
    """No redirect, no other relation, nothing in the clear."""
    with pytest.raises(UpstreamError):
        check_response(response)

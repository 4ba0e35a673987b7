"""Requests and responses never show what they carry."""

from __future__ import annotations

from proxy.oidc.messages import HttpRequest, HttpResponse


def test_the_representation_of_a_message_holds_no_secret() -> None:
    """Query, headers and bodies stay out of what a log or a traceback may print."""
    request = HttpRequest(
        "POST", "https://a.example/t?code=SECRET", headers={"Authorization": "SECRET"}, body=b"SECRET"
    )
    response = HttpResponse(200, {"x": "SECRET"}, b"SECRET")
    assert repr(request) == "HttpRequest(POST https://a.example/t)"
    assert repr(response) == "HttpResponse(200, 6 bytes)"

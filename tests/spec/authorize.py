"""The authorization endpoint (RFC 6749 4.1, OpenID Connect Core 3.1.2, RFC 9700): requests and what they get."""

from __future__ import annotations

from typing import Any

# Registered: https://app.example/cb. Compared byte by byte (RFC 9700 2.1, 4.1.3), so none of these is it.
NOT_REGISTERED: dict[str, str] = {
    "az-01-slash": "https://app.example/cb/",
    "az-01-dots": "https://app.example/cb/../x",
    "az-01-encoded-dots": "https://app.example/cb%2f..%2fx",
    "az-01-path-parameter": "https://app.example/cb;/../x",
    "az-01-dots-parameter": "https://app.example/cb..;/x",
    "az-01-case": "https://app.example/CB",
    "az-01-port": "https://app.example:8443/cb",
    "az-01-default-port": "https://app.example:443/cb",
    "az-01-scheme": "http://app.example/cb",
    "az-01-query": "https://app.example/cb?x=1",
    "az-01-empty-query": "https://app.example/cb?",
    "az-01-fragment": "https://app.example/cb#f",
    "az-01-trailing-space": "https://app.example/cb ",
    "az-01-tab": "https://app.example/\tcb",
    "az-01-newline": "https://app.example/cb\n",
    "az-01-root-dot": "https://app.example./cb",
    "az-01-host-case": "https://APP.example/cb",
    "az-01-prefix": "https://app.example/c",
    "az-02-userinfo": "https://app.example@evil.example/cb",
    "az-02-backslash": "https://app.example\\@evil.example",
    "az-02-two-ats": "https://a@b@evil.example",
    "az-02-suffix": "https://app.example.evil.example/cb",
    "az-02-full-width-dot": "https://app。example/cb",
    "az-02-fragment": "https://evil.example#@app.example/cb",
    "az-05-code": "https://app.example/cb?code=ATTACKER",
    "az-05-state": "https://app.example/cb?state=ATTACKER",
    "az-05-iss": "https://app.example/cb?iss=https://evil.example",
    "az-05-response": "https://app.example/cb?response=x",
    "oidcc-redirect-uri-query-mismatch": "https://app.example/cb2?foo=bar",
    "oidcc-redirect-uri-query-added": "https://app.example/cb2?bar=foo&foo=bar",
}

# Registered: http://127.0.0.1/cb. Only the port may differ (RFC 8252 7.3).
LOOPBACK: dict[str, tuple[str, bool]] = {
    "az-03-other-port": ("http://127.0.0.1:5000/cb", True),
    "az-03-as-registered": ("http://127.0.0.1/cb", True),
    "az-03-highest-port": ("http://127.0.0.1:65535/cb", True),
    "az-03-no-such-port": ("http://127.0.0.1:65536/cb", False),
    "az-03-long-port": ("http://127.0.0.1:000080/cb", False),
    "az-03-arabic-digits": ("http://127.0.0.1:٣٣/cb", False),
    "az-03-empty-port": ("http://127.0.0.1:/cb", False),
    "az-03-name": ("http://localhost:5000/cb", False),
    "az-03-suffix": ("http://127.0.0.1.evil.example/cb", False),
    "az-03-query": ("http://127.0.0.1:5000/cb?x=1", False),
    "az-03-path": ("http://127.0.0.1:5000/cb/x", False),
    "az-03-fragment": ("http://127.0.0.1:5000/cb#x", False),
    "az-03-scheme": ("https://127.0.0.1/cb", False),
    "az-03-userinfo": ("http://127.0.0.1:80@evil.example/cb", False),
    "az-03-integer": ("http://2130706433/cb", False),
    "az-03-other-loopback": ("http://127.0.0.2:5000/cb", False),
    "az-03-ipv6": ("http://[::1]:5000/cb", False),
    "az-03-newline": ("http://127.0.0.1:5000/cb\n", False),
}

# What differs from an honest request, the error the client hears, the section. None takes the parameter out.
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "az-10-token": ({"response_type": "token"}, "unsupported_response_type", "RFC 9700 2.1.2"),
    "az-10-none": ({"response_type": "none"}, "unauthorized_client", "OAuth Multiple Response Types 4"),
    "az-10-twice": ({"response_type": "code code"}, "unsupported_response_type", "RFC 6749 3.1.1"),
    "az-10-case": ({"response_type": "CODE"}, "unsupported_response_type", "RFC 6749 3.1.1"),
    "az-10-blank": ({"response_type": " code"}, "unsupported_response_type", "RFC 6749 3.1.1"),
    "az-10-missing": ({"response_type": None}, "invalid_request", "RFC 6749 3.1.1"),
    "az-10-fragment": ({"response_mode": "fragment"}, "invalid_request", "OAuth Multiple Response Types 2.1"),
    "az-10-jwt-mode": ({"response_mode": "query.jwt"}, "invalid_request", "OAuth Multiple Response Types 2.1"),
    "az-13-long-state": ({"state": "s" * 2049}, "invalid_request", "RFC 6749 4.1.1"),
    "az-13-very-long-state": ({"state": "s" * 100_000}, "invalid_request", "RFC 6749 4.1.1"),
    "az-13-long-nonce": ({"nonce": "n" * 2049}, "invalid_request", "OIDC Core 3.1.2.1"),
    "az-14-quote": ({"scope": 'openid "x'}, "invalid_scope", "RFC 6749 3.3"),
    "az-14-backslash": ({"scope": "openid \\x"}, "invalid_scope", "RFC 6749 3.3"),
    "az-14-two-blanks": ({"scope": "openid  email"}, "invalid_scope", "RFC 6749 3.3"),
    "az-14-newline": ({"scope": "openid\nemail"}, "invalid_scope", "RFC 6749 3.3"),
    "az-14-not-ascii": ({"scope": "openid émail"}, "invalid_scope", "RFC 6749 3.3"),
    "az-14-ten-thousand": ({"scope": " ".join(f"s{n}" for n in range(10_000))}, "invalid_request", "RFC 6749 3.3"),
    "az-15-none-and-login": ({"prompt": "none login"}, "invalid_request", "OIDC Core 3.1.2.1"),
    "az-15-upper-case": ({"prompt": "NONE"}, "invalid_request", "OIDC Core 3.1.2.1"),
    "az-15-unknown-prompt": ({"prompt": "login dance"}, "invalid_request", "OIDC Core 3.1.2.1"),
    "az-19-request": ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported", "OIDC Core 3.1.2.6"),
    "az-19-request-uri": ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported", "OIDC Core 3.1.2.6"),
    "az-19-metadata-service": ({"request_uri": "http://169.254.169.254/"}, "request_uri_not_supported", "OIDC Core 6"),
    "az-30-foreign-audience": ({"audience": "https://sso.example/api/v2/"}, "invalid_target", "RFC 8707 2"),
    "az-30-foreign-resource": ({"resource": "https://other-api.example/"}, "invalid_target", "RFC 8707 2"),
    "az-30-fragment": ({"resource": "https://api.example/#x"}, "invalid_target", "RFC 8707 2"),
    "az-30-prefix": ({"audience": "https://api.example"}, "invalid_target", "RFC 8707 2"),
    "az-30-two": (
        {"audience": "https://api.example/", "resource": "https://other-api.example/"}, "invalid_target", "RFC 8707 2"
    ),
    "max-age-negative": ({"max_age": "-1"}, "invalid_request", "OIDC Core 3.1.2.1"),
    "max-age-word": ({"max_age": "soon"}, "invalid_request", "OIDC Core 3.1.2.1"),
    "max-age-arabic": ({"max_age": "٣"}, "invalid_request", "OIDC Core 3.1.2.1"),
    "max-age-underscore": ({"max_age": "1_0"}, "invalid_request", "OIDC Core 3.1.2.1"),
    "max-age-huge": ({"max_age": "9" * 5000}, "invalid_request", "OIDC Core 3.1.2.1"),
    "pkce-plain": ({"code_challenge_method": "plain"}, "invalid_request", "RFC 9700 2.1.1"),
    "pkce-default-plain": ({"code_challenge_method": None}, "invalid_request", "RFC 7636 4.3"),
    "pkce-method-alone": ({"code_challenge": None}, "invalid_request", "RFC 7636 4.3"),
    "pkce-short": ({"code_challenge": "c" * 42}, "invalid_request", "RFC 7636 4.2"),
    "pkce-padded": ({"code_challenge": "c" * 43 + "="}, "invalid_request", "RFC 7636 4.2"),
    "az-13-long-acr-values": ({"acr_values": "a" * 2049}, "invalid_request", "OIDC Core 3.1.2.1"),
    "az-13-long-ui-locales": ({"ui_locales": "a" * 2049}, "invalid_request", "OIDC Core 3.1.2.1"),
    "az-21-no-json": ({"claims": "{"}, "invalid_request", "OIDC Core 5.5"),
    "az-21-list": ({"claims": "[]"}, "invalid_request", "OIDC Core 5.5"),
    "az-21-number": ({"claims": '{"userinfo": {"name": 1}}'}, "invalid_request", "OIDC Core 5.5"),
    "az-21-place-no-object": ({"claims": '{"userinfo": 1}'}, "invalid_request", "OIDC Core 5.5"),
    "az-21-twice": ({"claims": '{"userinfo": {"name": null, "name": null}}'}, "invalid_request", "OIDC Core 5.5"),
    "az-21-braces": ({"claims": "{" * 20_000}, "invalid_request", "OIDC Core 5.5"),
    "az-21-megabyte": ({"claims": '{"a":"' + "a" * 1_000_000 + '"}'}, "invalid_request", "OIDC Core 5.5"),
    "az-30-fifty": (
        {"resource": " ".join(f"https://api.example/{n}" for n in range(50))}, "invalid_target", "RFC 8707 2"
    ),
    "dpop-jkt-short": ({"dpop_jkt": "x"}, "invalid_request", "RFC 9449 10"),
    "unknown-connection-and-none": ({"connection": "x", "prompt": "none"}, "login_required", "OIDC Core 3.1.2.6"),
}  # fmt: skip

# The same for an honest request of response_type=id_token by a client that may. They are told in the fragment.
REFUSED_IMPLICIT: dict[str, tuple[dict[str, Any], str, str]] = {
    "az-10-query": ({"response_mode": "query"}, "invalid_request", "OAuth Multiple Response Types 3"),
    "az-10-mode-case": ({"response_mode": "FORM_POST"}, "invalid_request", "OAuth Multiple Response Types 2.1"),
    "az-10-token-too": ({"response_type": "id_token token"}, "unauthorized_client", "RFC 9700 2.1.2"),
    "az-10-hybrid": ({"response_type": "token code id_token"}, "unauthorized_client", "RFC 7591 2"),
    "az-10-not-registered": ({"client_id": "webapp"}, "unauthorized_client", "RFC 7591 2"),
    "oidcc-ensure-request-without-nonce-fails": ({"nonce": None}, "invalid_request", "OIDC Core 3.2.2.1"),
    "without-openid": ({"scope": "profile email"}, "invalid_scope", "OIDC Core 3.2.2.1"),
    "openid-in-part": ({"scope": "openidx"}, "invalid_scope", "OIDC Core 3.2.2.1"),
    "without-scope": ({"scope": None}, "invalid_scope", "OIDC Core 3.2.2.1"),
    "az-13-long-state-implicit": ({"state": "s" * 2049}, "invalid_request", "RFC 6749 4.1.1"),
    "az-13-long-nonce-implicit": ({"nonce": "n" * 2049}, "invalid_request", "OIDC Core 3.2.2.1"),
    "az-15-none-and-login-implicit": ({"prompt": "none login"}, "invalid_request", "OIDC Core 3.1.2.1"),
    "az-19-request-implicit": ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported", "OIDC Core 3.1.2.6"),
}  # fmt: skip

# What must not fail, and changes nothing of the answer: a code for the same person. Named after the certification's
# module where there is one.
ACCEPTED: dict[str, dict[str, Any]] = {
    "oidcc-ensure-request-with-unknown-parameter-succeeds": {"extra": "foobar"},
    "oidcc-ensure-request-with-acr-values-succeeds": {"acr_values": "1 2"},
    "oidcc-display-page": {"display": "page"},
    "oidcc-display-popup": {"display": "popup"},
    "oidcc-ui-locales": {"ui_locales": "se"},
    "oidcc-claims-locales": {"claims_locales": "se"},
    "oidcc-login-hint": {"login_hint": "buffy@sso.example"},
    "oidcc-claims-essential": {"claims": '{"userinfo":{"name":{"essential":true}}}'},
    "oidcc-max-age-10000": {"max_age": "10000"},
    "oidcc-prompt-none-logged-in": {"prompt": "none"},
    "az-18-nonsense-hint": {"id_token_hint": "x.y.z"},
    "az-21-empty": {"claims": "{}"},
    "az-21-unknown-place": {"claims": '{"elsewhere":{"name":null}}'},
    "az-31-path": {"ui_locales": "../../etc/passwd"},
    "az-31-script": {"ui_locales": "<script>", "claims_locales": "<script>"},
    "az-31-display": {"display": "../x"},
    "az-31-hint": {"login_hint": '"><svg onload=alert(1)>'},
    "az-31-long-hint": {"login_hint": "x" * 10_000},
    "auth0-telemetry": {"auth0Client": "eyJuYW1lIjoiYXV0aDAtc3BhLWpzIn0=", "screen_hint": "signup"},
}

# response_type is missing: what else is sent, and how the error travels (oidcc-response-type-missing).
MISSING_TYPE: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, "query"),
    "form-post": ({"response_mode": "form_post"}, "form_post"),
    "query": ({"response_mode": "query"}, "query"),
    "no-such-mode": ({"response_mode": "pigeon"}, "query"),
    "mode-of-others": ({"response_mode": "web_message"}, "query"),
}

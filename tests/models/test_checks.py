"""Rules for single values."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy.models import checks

HOSTILE = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,<script>",
    "vbscript:x",
    "file:///etc/passwd",
    "about:blank",
    "blob:https://app.example/x",
    "https://x@app.example/",
    "https://app.example@evil.example/",
    "https://app.example\\@evil.example/",
    "https://*/cb",
    "https://*.example/cb",
    "https://app.example/*",
    "https://app.example/cb#f",
    "https://app.example/cb#",
    "http://app.example/cb",
    "http://127.0.0.1.evil.example/cb",
    "http://localhost.evil.example/",
    "https://app.example/cb\r\nSet-Cookie:x=y",
    "https://app.example/c b",
    "https://app.example/\u0000",
    "https://\u0430pp.example/",
    "//app.example/cb",
    "/cb",
    "cb",
    "https:app.example/cb",
    "https:///cb",
    "https://",
    "https://[::1",
    "https://[::1];script-src-elem/",
    f"https://{'a.' * 126}aa/",
    "https://[::1]x;frame-ancestors/",
    "https://[::1%25;x]/",
    "https://[v1.a;b]/",
    "https://app.example:99999/",
    "https://app..example/",
    "https://0x7f000001/",
    "https://2130706433/",
    "https://127.1/",
    'https://app.example/"onload="x',
    "https://app.example/<script>",
    "",
]


@pytest.mark.parametrize("uri", HOSTILE)
def test_rg_02_hostile_destinations_are_refused(uri: str) -> None:
    """RG-02: script schemes in any spelling, user names, wildcards, fragments, http off loopback, odd hosts."""
    with pytest.raises(ValueError, match="must|holds|has a"):
        checks.redirect_uri(uri)


@pytest.mark.parametrize(
    "query", ["code=x", "state=", "iss", "response=j", "error=e", "a=b&code=x", "%63ode=x", "CODE=x", "access_token=t"]
)
def test_az_05_no_destination_carries_an_answer(query: str) -> None:
    """AZ-05: a query parameter that our answer carries too would be read first by some apps."""
    with pytest.raises(ValueError, match="query parameter"):
        checks.redirect_uri(f"https://app.example/cb?{query}")


@pytest.mark.parametrize(
    "uri", ["app:/cb", "myapp://cb", "myapp://cb#f", "http://app.example/cb", "com.:/x", "com.example.app:"]
)
def test_az_33_schemes_of_ones_own_have_a_dot(uri: str) -> None:
    """AZ-33: a scheme without a dot can be claimed by anybody's app (RFC 8252 7.1)."""
    with pytest.raises(ValueError, match="must"):
        checks.redirect_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/cb",
        "https://app.example",
        "https://app.example:8443/cb?tenant=a&decoder=1",
        "https://APP.example/CB",
        "http://127.0.0.1:9002/callback",
        "http://localhost/cb",
        "http://[::1]:1/cb",
        "com.example.app:/callback",
        "https://xn--bcher-kva.example/",
    ],
)
def test_destinations_stay_as_they_are(uri: str) -> None:
    """What is right is not changed by a byte (RFC 9700 2.1)."""
    assert checks.redirect_uri(uri) == uri


@pytest.mark.parametrize("url", [uri for uri in HOSTILE if "*" not in uri])
def test_lg_01_addresses_and_icons_are_https(url: str) -> None:
    """LG-01: no script and no other scheme becomes an icon or an endpoint."""
    with pytest.raises(ValueError, match="must|has a"):
        checks.address(url)


@pytest.mark.parametrize("text", ["a\u202eb", "a\u2066b", "a\nb", "a\x00", "\x1b[31m", "a\u2028b", "\u200fa", "\ud800"])
def test_lg_01_words_hold_no_control_or_direction_characters(text: str) -> None:
    """LG-01: such characters disguise what a page or a log says."""
    with pytest.raises(ValueError, match="control or text direction"):
        checks.words(text)


def test_words_of_every_language_are_taken() -> None:
    """Markup too: it is escaped where it is shown."""
    for text in ("Größe", "株式会社", "שלום", "<img src=x>", "{{7*7}}", "👩\u200d💻", ""):
        assert checks.words(text) == text


NOBODYS = ("com", "*.example", "*", "co.uk", "com.au", "corp..example", ".example", "-a.example", "a b.example")
NO_DOMAINS = ("1.2.3.4", "bü.example", "a.example.", "")


@pytest.mark.parametrize("name", [*NOBODYS, *NO_DOMAINS])
def test_rp_34_no_connection_owns_a_public_suffix(name: str) -> None:
    """RP-34: no wildcard, no bare suffix, no address: a tenant would catch other people's logins."""
    with pytest.raises(ValueError, match="must be|public suffix"):
        checks.domain(name)


def test_domains_are_compared_in_lower_case() -> None:
    """Domains have no case."""
    assert checks.domain("Corp.EXAMPLE") == "corp.example"
    assert checks.domain("corp.co.uk") == "corp.co.uk"


@pytest.mark.parametrize("check", [checks.network, checks.callable_network])
@pytest.mark.parametrize("cidr", ["", "x", "10.0.0.1/8", "0.0.0.0/0", "::/0", "10.0.0.0/33"])
def test_networks_are_exact(check: Callable[[str], str], cidr: str) -> None:
    """Host bits, nonsense and everybody are refused."""
    with pytest.raises(ValueError, match="must"):
        check(cidr)


def test_cf_03_lists_hold_no_empty_strings() -> None:
    """CF-03: an empty entry is a mistake, an empty list is none at all."""
    assert checks.not_empty(()) == ()
    for entry in ("", "  "):
        with pytest.raises(ValueError, match="empty string"):
            checks.not_empty(("a", entry))


@pytest.mark.parametrize("identifier", ["", "a b", "ä", "a\n"])
def test_identifiers_are_visible_ascii(identifier: str) -> None:
    """RFC 6749 appendix A.1."""
    with pytest.raises(ValueError, match="printable ASCII"):
        checks.printable(identifier)

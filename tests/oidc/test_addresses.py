"""Which addresses may be called: tables of what is refused, as text and as numbers."""

from __future__ import annotations

import pytest

from proxy.oidc.addresses import LOOPBACK, Blocked, Guard, check_server, check_url, networks

LOCAL, PUBLIC = "http://127.0.0.1:9000/", "https://sso.example/"


SPECIAL = [
    "127.0.0.1",
    "127.255.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "0.1.2.3",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2001::1",
    "2002:7f00:1::",
    "2001:db8::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::254",
]


@pytest.mark.parametrize("address", SPECIAL, ids=[f"ss-01-{a}" for a in SPECIAL])
def test_ss_01_addresses_that_are_not_public_are_refused(address: str) -> None:
    """SS-01, SS-02: every special-use address, and every address that holds another."""
    with pytest.raises(Blocked):
        Guard().check(address, 443)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "93.184.216.34"])
def test_ss_07_public_addresses_on_443_alone(address: str) -> None:
    """SS-07: no other port of a public address."""
    Guard().check(address, 443)
    for port in (0, 22, 80, 6379, 8443):
        with pytest.raises(Blocked):
            Guard().check(address, port)


NEVER = [
    "169.254.169.254",
    "fe80::1",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "::ffff:169.254.169.254",
    "0.0.0.0",
    "64:ff9b::a9fe:a9fe",
]


@pytest.mark.parametrize("address", NEVER, ids=[f"ss-06-{a}" for a in NEVER])
def test_ss_06_metadata_services_are_never_called(address: str) -> None:
    """SS-06: even if an operator lists everything."""
    everything = Guard((*networks("0.0.0.0/0", "::/0"),))
    with pytest.raises(Blocked):
        everything.check(address, 80)
    everything.check("10.1.2.3", 8443)


def test_ss_14_listed_networks_only() -> None:
    """SS-14: what is listed may be called on any port; loopback only if it is listed too."""
    guard = Guard(networks("10.0.0.0/8"))
    guard.check("10.0.0.1", 8443)
    for address in ("192.168.0.1", "127.0.0.1", "11.0.0.1"):
        with pytest.raises(Blocked):
            guard.check(address, 8443)


BAD_URLS = [
    "file:///etc/passwd",
    "gopher://idp.example/",
    "ftp://idp.example/",
    "data:,x",
    "http+unix://x/",
    "https:idp.example",
    "//idp.example/",
    "",
    "https://",
    "https://u:p@idp.example/",
    "https://idp.example@evil.example/",
    "https://idp.example\\@evil/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://[::1%25lo]/",
    "https://[::1%lo]/",
    "https://localhost./",
    "https://idp.example./",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https://127\u30020\u30020\u30021/",
    "https://idp..example/",
    "https://.idp.example/",
    "https://idp.example:99999999/",
    "https://idp.example/#f",
    "https://idp.example/a b",
    "https://idp.example/\r\nX: y",
    "\thttps://idp.example/",
    "https://idp.example\t/",
    "https://[1.2.3.4]/",
    "https://[::1/",
    "https://256.1.1.1/",
    "https://1.2.3/",
    "http://idp.example/",
    "http://10.0.0.1/",
    "https://sso.example/api/v2/",
]


@pytest.mark.parametrize("url", BAD_URLS, ids=[f"ss-02-{u!r}"[:40] for u in BAD_URLS])
def test_ss_02_ss_07_ss_10_one_spelling_one_scheme_and_not_ourselves(url: str) -> None:
    """SS-02, SS-07, SS-10: refused as text, before anything is looked up."""
    with pytest.raises(Blocked):
        check_url(url, PUBLIC)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://localhost:1/x?y", "http://[::1]:1/"])
def test_ss_07_http_needs_loopback_on_both_ends(url: str) -> None:
    """SS-07: with an issuer on loopback, and never without."""
    check_url(url, LOCAL)
    with pytest.raises(Blocked):
        check_url(url, PUBLIC)


@pytest.mark.parametrize(
    "url",
    [
        "https://idp.example",
        "https://idp.example/",
        "https://idp.example:8443/a?b=c",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://xn--bcher-kva.example/a/%2e%2e/b",
    ],
)
def test_plain_addresses_pass_as_text(url: str) -> None:
    """What a tenant's address looks like."""
    check_url(url, PUBLIC)


def test_loopback_is_what_it_says() -> None:
    """The networks that an issuer on loopback opens."""
    assert [str(network) for network in LOOPBACK] == ["127.0.0.0/8", "::1/128"]


@pytest.mark.parametrize("host", ["app.internal", "app_1", "localhost", "127.0.0.1", "10.0.0.1", "[::1]", "[fd12::1]"])
def test_a_server_of_the_operators_own_may_be_anywhere(host: str) -> None:
    """Inside or outside, named as everybody names it."""
    check_server(host)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
        "0.0.0.0", "metadata.google.internal", "Metadata", "instance-data", "0xa9fea9fe", "2852039166",
        "127.1", "a b", "", "[::1",
    ],
)  # fmt: skip
def test_ss_06_but_no_metadata_service(host: str) -> None:
    """SS-06, SS-02: in no spelling."""
    with pytest.raises(Blocked):
        check_server(host)

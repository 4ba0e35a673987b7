"""What a tenant says of itself is true."""

from __future__ import annotations

from proxy.lab import metadata, rules
from proxy.lab.tenant import Tenant

ISSUER = "http://localhost:9/x/"


def test_every_endpoint_it_names_is_there() -> None:
    """Each address of the document is one that the tenant answers at."""
    said = metadata.discovery(ISSUER)
    paths = {route.path for route in Tenant(ISSUER).routes()}
    assert all(said[name].removeprefix("http://localhost:9") in paths for name in metadata.PATHS)


def test_types_and_modes_are_those_of_the_rules() -> None:
    """Nothing is promised that the rules refuse."""
    said = metadata.discovery(ISSUER)
    assert said["response_types_supported"] == list(rules.RESPONSE_TYPES)
    assert said["response_modes_supported"] == list(rules.RESPONSE_MODES)


def test_webfinger_links_to_the_issuer() -> None:
    """Discovery 2.1."""
    (link,) = metadata.webfinger("acct:x@host", ISSUER)["links"]
    assert link == {"rel": "http://openid.net/specs/connect/1.0/issuer", "href": ISSUER}

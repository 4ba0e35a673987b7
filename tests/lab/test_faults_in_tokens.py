"""Each fault in a token is the one it says, and nothing else is wrong with it."""

from __future__ import annotations

import pytest

from proxy.lab import metadata
from proxy.lab.core import Core
from proxy.lab.directory import FAULTS, room
from proxy.lab.rooms import Grant, LabClient, Login
from proxy.lab.rules import id_token
from proxy.oidc import jose
from proxy.oidc.keys import parse_jwks
from tests.kit.lab_keys import in_turn

ISSUER = "http://localhost:9/x/"
CLIENT = LabClient("isthmus", client_secret="secret", loopback=True)
NOW = 1_000_000


def issued(name: str, person: str = "mira", where: str = "token") -> tuple[Core, str]:
    """A tenant with that fault, and an ID token of it."""
    core = Core(ISSUER, [CLIENT], room(FAULTS[name]), lambda: NOW, fault=FAULTS[name], make_key=in_turn())
    somebody = core.room.find(person)
    assert somebody
    grant = Grant(CLIENT, Login(somebody, NOW, "s"), ("openid", "email", "groups"), NOW + 60, nonce="n")
    return core, core.sign(id_token(ISSUER, grant, NOW, "at", "code"), where)


GOOD = jose.peek(issued("healthy")[1])[1]


@pytest.mark.parametrize(
    ("name", "claim", "value"),
    [
        ("wrong-iss", "iss", f"{ISSUER}1"),
        ("wrong-aud", "aud", "isthmus1"),
        ("no-sub", "sub", None),
        ("no-iat", "iat", None),
        ("wrong-nonce", "nonce", "n1"),
        ("wrong-at-hash", "at_hash", f"{GOOD['at_hash']}1"),
        ("no-at-hash", "at_hash", None),
        ("wrong-c-hash", "c_hash", f"{GOOD['c_hash']}1"),
        ("no-c-hash", "c_hash", None),
        ("no-auth-time", "auth_time", None),
    ],
)
def test_one_claim_is_wrong(name: str, claim: str, value: str | None) -> None:
    """The claim is as the fault says, all others are those of a healthy tenant, and the signature is good."""
    core, token = issued(name)
    said = core.keys.signed(token)
    assert said.get(claim) == value
    assert {k: v for k, v in said.items() if k != claim} == {k: v for k, v in GOOD.items() if k != claim}


@pytest.mark.parametrize("name", ["refresh-other-iss", "refresh-other-sub"])
def test_a_fault_of_the_refresh_waits_for_it(name: str) -> None:
    """The first ID token is good; that of a refresh is not."""
    assert jose.peek(issued(name)[1])[1] == GOOD
    assert jose.peek(issued(name, where="refresh")[1])[1] != GOOD


@pytest.mark.parametrize(("name", "alg"), [("alg-none", "none"), ("alg-swapped", "HS256"), ("bad-signature", "RS256")])
def test_the_signature_is_worth_nothing(name: str, alg: str) -> None:
    """The claims are good, the algorithm is as told, and no published key proves it."""
    core, token = issued(name)
    header, claims = jose.peek(token)
    assert (header["alg"], claims) == (alg, GOOD)
    with pytest.raises(jose.JoseError):
        jose.verify(token, parse_jwks({"keys": core.keys.published()}), ("RS256",), ("jwt",))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("no-kid-one-key", ""), ("no-kid-many-keys", "ambiguous_key"), ("odd-keys", ""), ("rotation-at-signing", "")],
)
def test_key_sets(name: str, reason: str) -> None:
    """Isthmus finds the right key in the set where there is one right key, and says so where there is none."""
    core, token = issued(name)
    keys = parse_jwks({"keys": core.fault.keys(core.keys.published())})
    try:
        found = jose.verify(token, keys, ("RS256",), ("jwt",)).claims
        assert not reason and found == GOOD
    except jose.JoseError as error:
        assert error.reason == reason


def test_each_login_has_a_new_key() -> None:
    """Rotation: the name that was published before the login is gone after it."""
    core, _ = issued("rotation")
    before = {jwk["kid"] for jwk in core.keys.published() if jwk["kty"] == "RSA"}
    core.fault.at_login(core.keys)
    assert not before & {jwk["kid"] for jwk in core.keys.published()}


def test_a_thin_token_names_the_person_alone() -> None:
    """No claim about the person but ``sub``; userinfo is whole."""
    core, token = issued("thin-id-token")
    assert set(jose.peek(token)[1]) <= set(metadata.OF_TOKENS)
    assert core.fault.userinfo({"email": "x"}) == {"email": "x"}


def test_too_many_groups_lie_elsewhere() -> None:
    """200 groups become a claim source (Core 5.6.2); two stay where they are."""
    claims = jose.peek(issued("many-groups", "otto")[1])[1]
    assert "groups" not in claims and claims["_claim_sources"]["src1"]["endpoint"].startswith(ISSUER)
    assert jose.peek(issued("many-groups")[1])[1]["groups"] == ["engineering", "on-call"]


def test_nobody_has_an_address() -> None:
    """no-email: neither email nor whether it is verified."""
    assert not {"email", "email_verified"} & set(jose.peek(issued("no-email")[1])[1])


def test_userinfo_of_another() -> None:
    """userinfo-other-sub: another subject, the rest is left."""
    said = FAULTS["userinfo-other-sub"].userinfo({"sub": "mira", "email": "x"})
    assert said["sub"] != "mira" and said["email"] == "x"


def test_a_family_of_tenants() -> None:
    """entra: the document's issuer is a template, the token's is filled with its tenant, which ``tid`` names."""
    core, token = issued("entra")
    claims = jose.peek(token)[1]
    template = core.fault.document(metadata.discovery(ISSUER))["issuer"]
    assert "{tenantid}" in template and claims["iss"] == template.replace("{tenantid}", claims["tid"])

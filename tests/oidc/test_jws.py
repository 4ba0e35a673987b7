"""The form of a token, at every door: by a known key, by a shared secret, by the key that the token brings itself."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.oidc import jose, jws
from proxy.oidc.jose import JoseError
from proxy.oidc.keys import parse_jwks
from tests.kit.tenant import b64, signer
from tests.kit.tenant import jws as signed

ONE, EC = signer("one"), signer("p256", "ES256")
KEYS = parse_jwks({"keys": [dict(ONE.public_jwk)]})
JWK = {name: EC.public_jwk[name] for name in ("kty", "crv", "x", "y")}
SECRET = "a-client-secret-of-forty-characters-0123"
CLAIMS = {"sub": "1001"}
TYPES = ("", "jwt")
Header = Mapping[str, Any] | bytes


@dataclass(frozen=True)
class Door:
    """One way to have a token verified: how a good one is signed, with a usual header, and who reads it."""

    alg: str
    usual: Mapping[str, Any]
    sign: Callable[[bytes, bytes], str]
    read: Callable[[str, Collection[str]], jose.Verified]

    def make(self, claims: Any = CLAIMS, header: Header | None = None) -> str:
        """A well signed token; ``header`` adds to the usual one (None removes) or, as bytes, replaces it."""
        if not isinstance(header, bytes):
            whole = {"alg": self.alg, **self.usual, **(header or {})}
            header = json.dumps({name: value for name, value in whole.items() if value is not None}).encode()
        return self.sign(header, claims if isinstance(claims, bytes) else json.dumps(claims).encode())

    def reason(self, token: str, types: Collection[str] = TYPES) -> str:
        """Why it is refused."""
        with pytest.raises(JoseError) as caught:
            self.read(token, types)
        return caught.value.reason


def _mac(header: bytes, payload: bytes) -> str:
    body = f"{b64(header)}.{b64(payload)}"
    return f"{body}.{b64(hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).digest())}"


DOORS = {
    "verify": Door(
        "RS256",
        {"kid": "one", "typ": "JWT"},
        lambda header, payload: signed(ONE, payload, header),
        lambda token, types: jose.verify(token, KEYS, ("RS256",), types),
    ),
    "verify_mac": Door(
        "HS256", {"typ": "JWT"}, _mac, lambda token, types: jose.verify_mac(token, SECRET, ("HS256",), types)
    ),
    "verify_with_jwk": Door(
        "ES256",
        {"typ": "JWT", "jwk": JWK},
        lambda header, payload: signed(EC, payload, header),
        lambda token, types: jose.verify_with_jwk(token, ("ES256",), types)[0],
    ),
}
door = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


@door
def test_a_good_token_passes(door: Door) -> None:
    """Header and claims come out as they went in, whatever strange but harmless things are in the header."""
    verified = door.read(door.make(header={"jku": "https://evil.example", "x5u": "https://evil.example"}), TYPES)
    assert (verified.claims, verified.alg) == (CLAIMS, door.alg)
    assert door.read(door.make(header={"typ": None}), TYPES).claims == CLAIMS


@door
@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "", None, 5, ["RS256"], {}], ids=str)
def test_jo_01_no_algorithm_is_none(door: Door, alg: Any) -> None:
    """JO-01: none in every spelling, missing, or no string: refused, with or without a signature."""
    token = door.make(header={"alg": alg})
    assert door.reason(token) == door.reason(token.rpartition(".")[0] + ".") == "wrong_algorithm"


@door
def test_jo_01_the_signature_must_be_this_tokens(door: Door) -> None:
    """JO-01: empty, cut short, or another token's."""
    body = door.make().rpartition(".")[0]
    for wrong in ("", b64(b"\1" * 31), door.make({"sub": "1002"}).rpartition(".")[2]):
        assert door.reason(f"{body}.{wrong}") == "bad_signature"


@pytest.mark.parametrize(("made", "at"), [(a, b) for a in DOORS for b in DOORS if a != b], ids=str)
def test_jo_02_a_token_of_one_family_passes_no_other_door(made: str, at: str) -> None:
    """JO-02: what a key signed is nothing to a secret, and the other way round, whatever the token brings along."""
    token = DOORS[made].make(header={"kid": "one", "jwk": JWK})
    assert DOORS[at].reason(token) == "wrong_algorithm"


@door
@pytest.mark.parametrize("kid", [5, {}, [], True, "k" * 257, ""], ids=lambda k: f"jo-05-{str(k)[:8]}")
def test_jo_05_a_hostile_kid_is_refused(door: Door, kid: Any) -> None:
    """JO-05: no string, empty, or over 256 characters, even where the name of the key does not count."""
    assert door.reason(door.make(header={"kid": kid})) == "bad_kid"


@door
@pytest.mark.parametrize(
    "extra",
    [{"crit": ["x"]}, {"crit": []}, {"crit": "x"}, {"b64": False}, {"b64": True}, {"crit": ["b64"], "b64": True}],
    ids=lambda e: f"jo-09-{e}",
)
def test_jo_09_critical_headers_are_refused(door: Door, extra: dict[str, Any]) -> None:
    """JO-09: we understand no extension, so none may be critical."""
    assert door.reason(door.make(header=extra)) == "critical_header"


@door
@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", ["JWT"], 5, ""], ids=str)
def test_jo_10_a_token_of_another_kind_is_refused(door: Door, typ: Any) -> None:
    """JO-10: by its type, before a claim is read. An empty one counts as none."""
    expected = "wrong_type"
    assert door.reason(door.make(header={"typ": typ}), ("jwt",)) == expected


ODD = {
    "duplicate-sub": b'{"sub":"a","sub":"b"}',
    "nan": b'{"exp":NaN}',
    "infinity": b'{"exp":-Infinity}',
    "5000-digits": b'{"exp":' + b"9" * 5000 + b"}",
    "nested": b"[" * 3000 + b"]" * 3000,
    "bom": b"\xef\xbb\xbf{}",
    "utf-16": '{"a":1}'.encode("utf-16"),
    "surrogate": b'{"sub":"\\udc00"}',
    "list": b"[]",
    "empty": b"",
}


@door
@pytest.mark.parametrize("odd", ODD.values(), ids=[f"jo-11-{name}" for name in ODD])
def test_jo_11_odd_json_is_refused_even_if_signed(door: Door, odd: bytes) -> None:
    """JO-11: in the payload, in the header, and by ``peek`` too."""
    in_payload, in_header = door.make(odd), door.make(header=odd)
    assert door.reason(in_payload) == "malformed"
    assert door.reason(in_header) in ("malformed", "wrong_algorithm")
    with pytest.raises(JoseError):
        jose.peek(in_payload)


@door
def test_jo_13_size_and_dots_are_checked_first(door: Door) -> None:
    """JO-13: at most 16 KB and exactly two dots, before anything is decoded."""
    good = door.make()
    long = door.make({"pad": "x" * jws.MOST_CHARACTERS})
    for token in ("", "x", "a.b", f"{good}.e30", "." * 1_000_000, "a" * 1_000_000, '{"signatures":[]}', long):
        assert door.reason(token) == "malformed"
        with pytest.raises(JoseError, match="malformed"):
            jose.peek(token)


def _spare_bits(token: str) -> str:
    """The same signature bytes, with unused bits set in the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) | 1]


OTHER_TEXTS: dict[str, Callable[[str], str]] = {
    "pad": lambda good: good + "=",
    "pads": lambda good: good + "==",
    "blank": lambda good: good + " ",
    "lead": lambda good: " " + good,
    "newline": lambda good: good + "\n",
    "spare-bits": _spare_bits,
    "pad-in-header": lambda good: good.replace(".", "=.", 1),
    "folded": lambda good: good[:20] + "\n" + good[20:],
    "plain-64": lambda good: good[:-4] + "++//",
    "non-ascii": lambda good: good + "\u00e9",
    "surrogate": lambda good: good + "\ud800",
}


@door
@pytest.mark.parametrize("change", OTHER_TEXTS.values(), ids=[f"jo-17-{name}" for name in OTHER_TEXTS])
def test_jo_17_one_token_has_one_text(door: Door, change: Callable[[str], str]) -> None:
    """JO-17: padding, blanks and unused bits make another text of the same token: refused."""
    good = door.make()
    assert change(good) != good
    assert door.reason(change(good)) == "malformed"


PIECES = st.sampled_from(
    [piece for one in DOORS.values() for piece in one.make().split(".")]
    + [".", "..", "=", "e30", b64(b'{"alg":"HS256"}'), b64(b'{"alg":"ES256","jwk":{}}')]
) | st.text(max_size=30)


@given(st.lists(PIECES, max_size=7).map("".join) | st.text())
def test_any_text_ends_as_claims_or_as_a_jose_error(token: str) -> None:
    """No text raises anything else at any door, and none but a good token is believed."""
    for one in DOORS.values():
        with contextlib.suppress(JoseError):
            assert one.read(token, TYPES).claims == CLAIMS


HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "jku", "jwk"]),
    st.none() | st.integers() | st.text() | st.sampled_from(["RS256", "HS256", "ES256", "one", "JWT", JWK]),
)


@given(HEADERS, st.binary(max_size=60))
def test_any_signed_header_and_payload_ends_as_claims_or_as_a_jose_error(
    header: dict[str, Any], payload: bytes
) -> None:
    """Even with a good signature, only a good header and a JSON object pass."""
    for one in DOORS.values():
        with contextlib.suppress(JoseError):
            verified = one.read(one.make(payload, json.dumps(header).encode()), TYPES)
            assert (verified.alg, type(verified.claims)) == (one.alg, dict)

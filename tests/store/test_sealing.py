"""Sealing: unreadable without a secret, bound to its place, and secrets can be rolled over."""

from __future__ import annotations

import pytest

from proxy.store.sealing import CannotOpen, Seal

OLD, NEW, STRANGE = b"o" * 32, b"n" * 32, b"s" * 32


@pytest.mark.parametrize("plain", [b"", b"x", b"\x00" * 70_000])
def test_opens_what_it_sealed(plain: bytes) -> None:
    """What was sealed opens again, and does not show."""
    seal = Seal([OLD])
    sealed = seal.seal("code", plain)
    assert seal.open("code", sealed) == plain
    assert sealed != seal.seal("code", plain)
    assert len(plain) < 8 or plain not in sealed


def test_roll_over_old_secrets_still_open() -> None:
    """The first secret seals, every one opens; when the old one is taken away, what it sealed is refused."""
    by_old = Seal([OLD]).seal("code", b"x")
    both = Seal([NEW, OLD])
    by_new = both.seal("code", b"x")
    assert both.open("code", by_old) == b"x"
    assert Seal([NEW]).open("code", by_new) == b"x"
    assert both.id == Seal([NEW, STRANGE]).id
    with pytest.raises(CannotOpen):
        Seal([NEW]).open("code", by_old)


@pytest.mark.parametrize("harm", ["other kind", "other secret", "changed", "short", "empty"])
def test_refuses_what_it_did_not_seal(harm: str) -> None:
    """A value sealed for another kind, by another secret, or changed does not open."""
    sealed = Seal([OLD]).seal("code", b"x")
    seal, kind, value = {
        "other kind": (Seal([OLD]), "session", sealed),
        "other secret": (Seal([STRANGE]), "code", sealed),
        "changed": (Seal([OLD]), "code", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        "short": (Seal([OLD]), "code", sealed[:10]),
        "empty": (Seal([OLD]), "code", b""),
    }[harm]
    with pytest.raises(CannotOpen):
        seal.open(kind, value)


def test_derived_keys_differ() -> None:
    """Each purpose and each secret has its own key; the same ones always give the same."""
    keys = [Seal([OLD]).derive("csrf"), Seal([OLD]).derive("cookie"), Seal([NEW, OLD]).derive("csrf")]
    assert len(set(keys)) == 3
    assert all(len(k) == 32 for k in keys)
    assert Seal([OLD, NEW]).derive("csrf") == keys[0]


@pytest.mark.parametrize("secrets", [[], [b""], [OLD, b""]])
def test_needs_a_secret(secrets: list[bytes]) -> None:
    """Without a secret, or with an empty one, there is no sealing."""
    with pytest.raises(ValueError, match="secret"):
        Seal(secrets)

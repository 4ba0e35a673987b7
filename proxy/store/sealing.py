"""Sealing: what the store holds is unreadable without the tenant's secrets (AES-256-GCM, NIST SP 800-38D).

Every secret gives its own key by HKDF (RFC 5869). A sealed value begins with the short id of its key, so several
secrets are live at once: the first one seals, all of them open. That is how a secret is rolled over: put the new one
in front, and take the old one away when what it sealed has ended.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ID, NONCE = 4, 12
HEAD = ID + NONCE


class CannotOpen(Exception):
    """The value was sealed with a secret we do not have, for another place, or it was changed."""


def _expand(secret: bytes, purpose: str, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=f"isthmus {purpose}".encode()).derive(secret)


class Seal:
    """Seals with the first of ``secrets`` and opens with any of them. Raises ``ValueError`` without a secret."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets or not all(secrets):
            raise ValueError("sealing needs a secret")
        self._first = secrets[0]
        self._keys = {_expand(s, "seal id", ID): AESGCM(_expand(s, "seal key", 32)) for s in secrets}
        self._id = _expand(self._first, "seal id", ID)
        self._key = self._keys[self._id]

    @property
    def id(self) -> bytes:
        """The short id of the key that seals now; says nothing about the secret."""
        return self._id

    def seal(self, kind: str, plain: bytes) -> bytes:
        """``plain`` sealed. ``kind`` says what it is or where it belongs: it opens under the same one only."""
        nonce = os.urandom(NONCE)
        return self._id + nonce + self._key.encrypt(nonce, plain, kind.encode())

    def open(self, kind: str, sealed: bytes) -> bytes:
        """What was sealed under ``kind``. Raises ``CannotOpen``."""
        key = self._keys.get(sealed[:ID])
        if key is None:
            raise CannotOpen("sealed with a secret that is not configured")
        try:
            return key.decrypt(sealed[ID:HEAD], sealed[HEAD:], kind.encode())
        except (InvalidTag, ValueError):
            # ValueError: shorter than a nonce and a tag.
            raise CannotOpen("not what was sealed here") from None

    def derive(self, purpose: str) -> bytes:
        """Another 32-byte key from the first secret, unrelated to the sealing keys (RFC 5869 3.2)."""
        return _expand(self._first, f"derive {purpose}", 32)

"""Proof Key for Code Exchange (RFC 7636). S256 only: plain proves nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

WELL_FORMED_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # section 4.1
WELL_FORMED_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # section 4.2, S256


def new_verifier() -> str:
    """A fresh code verifier of 64 characters (section 4.1)."""
    return secrets.token_urlsafe(48)


def challenge(verifier: str) -> str:
    """The S256 challenge of a verifier (section 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def matches(verifier: str, expected: str) -> bool:
    """Whether ``verifier`` is well formed and belongs to the challenge (section 4.6)."""
    return bool(WELL_FORMED_VERIFIER.fullmatch(verifier)) and hmac.compare_digest(challenge(verifier), expected)

"""The form of a JWS with JSON claims (RFC 7515 3.1, RFC 7519): read strictly, before cryptography sees a byte.

One token has one text: canonical base64url and JSON that everybody reads the same way. Nothing read here is proved.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.oidc.keys import MOST_KID
from proxy.oidc.strict_json import NotStrict, load_object

MOST_CHARACTERS = 16 * 1024
_encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class JoseError(Exception):
    """The token is not one that this party signed for this use. ``reason`` is a short word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Unproved:
    """A well formed token that anybody may have made."""

    header: Mapping[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes

    @property
    def kid(self) -> str | None:
        """The name of the key that is said to have signed."""
        return self.header.get("kid")

    @property
    def claims(self) -> dict[str, Any]:
        """The claims. Raises ``JoseError`` if the payload is not strict JSON."""
        return _object(self.payload)

    def algorithm(self, allowed: Collection[str], known: Collection[str]) -> str:
        """The ``alg``, one that is ``allowed`` and ``known``. Raises ``JoseError``."""
        alg = self.header.get("alg")
        if not isinstance(alg, str) or alg not in allowed or alg not in known:
            raise JoseError("wrong_algorithm")
        return alg

    def check_type(self, types: Collection[str]) -> None:
        """The ``typ`` is one of ``types``: lower case, without ``application/``, "" for none. Raises ``JoseError``."""
        typ = self.header.get("typ", "")
        if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in types:
            raise JoseError("wrong_type")


def read(token: str) -> Unproved:
    """The parts of ``token``. Raises ``JoseError`` for what is too long, not canonical or asks for an extension."""
    if len(token) > MOST_CHARACTERS or token.count(".") != 2:
        raise JoseError("malformed")
    head, body, signature = token.split(".")
    header = _object(_decode(head))
    if "crit" in header or "b64" in header:  # RFC 7515 4.1.11: we understand no extension
        raise JoseError("critical_header")
    kid = header.get("kid", "")
    if not isinstance(kid, str) or len(kid) > MOST_KID or ("kid" in header and not kid):
        raise JoseError("bad_kid")
    return Unproved(header, _decode(body), f"{head}.{body}".encode("ascii"), _decode(signature))


def encode(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def encode_json(value: Mapping[str, Any]) -> str:
    """``value`` as a part of a token. Raises ``ValueError`` for what is not JSON."""
    return encode(_encode_json(value).encode("utf-8"))


def _decode(part: str) -> bytes:
    """Base64url in its one canonical form: no padding, no blanks, unused bits zero (RFC 7515 2)."""
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise JoseError("malformed") from None
    if encode(raw) != part:
        raise JoseError("malformed")
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    try:
        return load_object(raw)
    except NotStrict:
        raise JoseError("malformed") from None

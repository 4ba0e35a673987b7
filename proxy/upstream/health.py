"""How a connection fares, as values: what a visit brought, what was found, and the judgement.

A finding's ``words`` may be told to anybody who manages connections. What exactly happened at an address (refused,
silent, forbidden, a page that is no document) is its ``detail``, for the operator at the machine alone: over HTTP the
answers to "is there something at this address?" must all be the same (server-side request forgery as an oracle).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from proxy.oidc.keys import KeySet
from proxy.upstream.metadata import Metadata

GREEN, RED, INCOMPLETE, UNUSABLE = "green", "red", "incomplete", "unusable"
"""Found; document or keys not found; found, but without what the channel needs; found, but wrong in another way."""
ERROR: Literal["error"] = "error"
WARNING: Literal["warning"] = "warning"
DETAILS: Mapping[str, str] = {
    "not_found": "the address answers, but not with a document",
    "bad_json": "what is found there is not a JSON object",
    "no_issuer": "what is found there names no issuer",
    "bad_jwks": "what is found there is not a JSON Web Key Set",
    "blocked": "the address may not be called (https on port 443; see allow_private)",
    "unreachable": "nobody answers there",
    "untrusted": "its certificate is not to be trusted (see trust)",
    "timeout": "no answer in time",
    "broken": "the answer is broken",
    "too_large": "larger than 128 KB",
    "busy": "too many calls to this tenant at this moment",
    "retry_after": "the tenant asked to be left alone for a while",
}
"""What happened, by the reason in the log."""


@dataclass(frozen=True)
class Finding:
    """One thing that the operator should know: ``error`` stands in the way of logins, ``warning`` does not."""

    level: Literal["error", "warning"]
    code: str
    words: str
    remedy: str = ""
    detail: str = ""

    def as_json(self) -> dict[str, str]:
        """What may be told over HTTP and kept."""
        return {"level": self.level, "code": self.code, "message": self.words, "remedy": self.remedy}


@dataclass(frozen=True)
class Evidence:
    """What a visit brought. ``document`` or the ``reason`` there is none, ``keys`` or ``keys_reason`` (both empty: not
    asked for). ``skew``: seconds that the tenant's clock is ahead. ``believed``: the metadata that logins use at
    present. ``sharing``: other connections on the same callback."""

    now: float
    document: Mapping[str, Any] | None = None
    reason: str = ""
    keys: KeySet | None = None
    keys_reason: str = ""
    skew: int = 0
    certificate_ends: int | None = None
    believed: Metadata | None = None
    sharing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Health:
    """The judgement. ``metadata`` is set when the document can be used, ``published`` when it is this tenant's."""

    findings: tuple[Finding, ...] = ()
    metadata: Metadata | None = None
    published: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What stands in the way of logins."""
        return tuple(one for one in self.findings if one.level == ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What does not."""
        return tuple(one for one in self.findings if one.level == WARNING)

    @property
    def state(self) -> str:
        """One word for all of it."""
        codes = {one.code for one in self.errors}
        if "not_found" in codes:
            return RED
        if "missing" in codes:
            return INCOMPLETE
        if "keys_unreadable" in codes:  # an address that cannot be reached is red, whichever it is
            return RED
        return UNUSABLE if codes else GREEN

    @property
    def missing(self) -> tuple[str, ...]:
        """What the channel needs and the tenant lacks."""
        return tuple(one.words for one in self.errors if one.code == "missing")

    @property
    def detail(self) -> str:
        """The first error that is no lack, in words for anybody."""
        return next((one.words for one in self.errors if one.code != "missing"), "")

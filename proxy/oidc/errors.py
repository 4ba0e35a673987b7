"""Errors that say whose fault it is; the type decides who hears what.

Shown          tell the person: the client or its redirect URI cannot be trusted (RFC 6749 4.1.2.1)
Refused        tell the client: by redirect, or as JSON at an endpoint it calls itself
UpstreamError  the tenant said no, or said something that is not OpenID Connect
Unavailable    we could not look: 503, never "not found"
Misconfigured  the operator's mistake: stops the start, never a request
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class ProtocolError(Exception):
    """A request that OAuth or OpenID Connect does not allow.

    ``code`` is the registered error code (RFC 6749 4.1.2.1, 5.2), ``description`` one printable ASCII line without
    quotes or backslashes (RFC 6749 appendix A.8), ``reason`` the short word for the log, ``status`` the HTTP status
    where no redirect carries the error, ``again`` an address of ours where a person can start again, if there is one,
    ``about`` what the log should name (client, connection), ``headers`` what the answer says besides.
    """

    again = ""

    def __init__(
        self,
        code: str,
        description: str,
        *,
        reason: str = "",
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.reason = reason or code
        self.status = status
        self.headers = headers or {}
        self.about: dict[str, str] = {}


class Shown(ProtocolError):
    """Tell the person. The client or its redirect URI cannot be trusted."""


class Refused(ProtocolError):
    """Tell the client. Its request was readable but not acceptable."""


class UpstreamError(ProtocolError):
    """The tenant said no, or said something that is not OpenID Connect.

    ``status`` is what our page answers: 400 for a bad answer in the browser, 502 for a bad answer of the tenant's
    server, 503 and 504 for one that is busy or silent.
    """


class Unavailable(Exception):
    """Something we must ask did not answer (store, signer): 503 with Retry-After, never a "no". ``reason`` is the short
    word for the log; ``undone`` is a sentence about what was asked for and has not happened."""

    undone = ""

    def __init__(self, what: str, *, retry_after: int = 1, reason: str = "store_unavailable") -> None:
        super().__init__(what)
        self.what = what
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True)
class Problem:
    """One mistake of the operator: where it stands (file), which key, and what to do about it."""

    where: str
    key: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.remedy}"


class Misconfigured(Exception):
    """Our operator's fault. Stops the start, never a request. Carries every problem found, not the first."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems

"""What ``isthmus connections`` may be told of a connection: the usual options by name, any other as NAME=VALUE."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from proxy.oidc.errors import Misconfigured, Problem

Name = Annotated[str, Parameter(help="The connection's name or id, as the list shows them.")]
Register = Annotated[
    bool,
    Parameter(
        negative="", help="Register at the tenant, too (RFC 7591), found by --issuer: a URL or a person's address."
    ),
]
Token = Annotated[
    str | None,
    Parameter(help='The initial access token of the tenant: "$NAME", "file:/path", or "-" (standard input).'),
]
SECRETS = ("client_secret", "client_secret_previous")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Given:
    """What was said on the command line."""

    type: Annotated[str | None, Parameter(help="front_channel or back_channel.")] = None
    discovery_url: Annotated[str | None, Parameter(help="Base or full URL of the tenant.")] = None
    issuer: Annotated[str | None, Parameter(help="The tenant's issuer, where discovery_url does not say it.")] = None
    client_id: Annotated[str | None, Parameter(help="Who Isthmus is at the tenant.")] = None
    client_secret: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True, help='"$NAME" (a variable), "file:/path", or "-" to read it from standard input.'
        ),
    ] = None
    scope: Annotated[str | None, Parameter(help="What to ask for; must hold openid.")] = None
    display_name: Annotated[str | None, Parameter(help="The button's words.")] = None
    enable: Annotated[
        list[str] | None,
        Parameter(name=("--enable", "--client"), negative="", help="An application that may use it; may be repeated."),
    ] = None
    option: Annotated[
        list[str] | None,
        Parameter(negative="", help="Any other option, NAME=VALUE, the value in JSON or text; null removes it."),
    ] = None
    options: Annotated[Path | None, Parameter(help="A JSON file with options, in the API's names.")] = None

    def as_options(self) -> dict[str, Any]:
        """The options: those of the file, then NAME=VALUE, then those with a name of their own. Raises
        ``Misconfigured``."""
        named = {
            name: value
            for name in ("type", "discovery_url", "issuer", "client_id", "scope")
            if (value := getattr(self, name)) is not None
        }
        if self.client_secret is not None:
            named["client_secret"] = secret(self.client_secret)
        from_file = _read(self.options) if self.options else {}
        return {**from_file, **dict(map(_pair, self.option or ())), **named}


def secret(reference: str, place: str = "--client-secret") -> str:
    """The secret that ``reference`` leads to: it never stands on the command line, where all can read it. Raises
    ``Misconfigured``."""
    if found := re.fullmatch(r"\$([A-Z_][A-Z0-9_]*)", reference):
        if found[1] not in os.environ:
            raise _wrong(place, f"the environment has no variable {found[1]}; set it")
        return os.environ[found[1]]
    if reference.startswith("file:"):
        try:
            return Path(reference.removeprefix("file:")).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise _wrong(place, "the file cannot be read as text") from None
    if reference == "-":
        return sys.stdin.readline().rstrip("\r\n")
    raise _wrong(place, 'must be "$NAME", "file:/path" or "-"; a secret is no word of a command')


def merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options with what was given in place of what was there; null takes one away."""
    return {name: value for name, value in {**before, **given}.items() if value is not None}


def _pair(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise _wrong("--option", "must be NAME=VALUE")
    if name in SECRETS and value != "null":
        raise _wrong("--option", f"{name} does not belong on a command line; see --client-secret and --options")
    from proxy.oidc.strict_json import NotStrict, load

    try:
        return name, load(value.encode())
    except (NotStrict, UnicodeEncodeError):
        return name, value


def _read(file: Path) -> dict[str, Any]:
    from proxy.oidc.strict_json import NotStrict, load_object

    try:
        return load_object(file.read_bytes())
    except OSError as error:
        raise _wrong("--options", f"{file} cannot be read ({error.strerror})") from None
    except NotStrict as error:
        raise _wrong("--options", f"{file} must be a JSON object: {error}") from None


def _wrong(key: str, remedy: str) -> Misconfigured:
    return Misconfigured(Problem("connections", key, remedy))

"""What ``isthmus clients`` may be told of a client: the usual metadata as options, the rest in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from proxy.oidc.errors import Misconfigured, Problem

Id = Annotated[str, Parameter(help="The client's id, as the list shows it.")]
Name = Annotated[str | None, Parameter(name="--name", help="What pages call it.")]
Redirects = Annotated[
    list[str] | None, Parameter(name="--redirect-uri", negative="", help="Where logins end; may be repeated.")
]
Method = Annotated[
    str | None, Parameter(name="--method", help="How it authenticates: client_secret_basic, none, private_key_jwt ...")
]
Grants = Annotated[list[str] | None, Parameter(name="--grant-type", negative="", help="May be repeated.")]
Responses = Annotated[list[str] | None, Parameter(name="--response-type", negative="", help="May be repeated.")]
FirstParty = Annotated[
    bool | None, Parameter(name="--first-party", negative="--third-party", help="Whether it needs no consent page.")
]
Metadata = Annotated[Path | None, Parameter(name="--metadata", help="A JSON file with more (RFC 7591 names).")]


def given(
    file: Path | None,
    name: str | None,
    redirect_uri: list[str] | None,
    method: str | None,
    grant_type: list[str] | None,
    response_type: list[str] | None,
    first_party: bool | None,
) -> dict[str, Any]:
    """The metadata of ``file``, the options on top. Raises ``Misconfigured`` for a file that is no JSON object."""
    options = {
        "client_name": name,
        "redirect_uris": redirect_uri,
        "token_endpoint_auth_method": method,
        "grant_types": grant_type,
        "response_types": response_type,
        "is_first_party": first_party,
    }
    from_file = _read(file) if file else {}
    return {**from_file, **{key: value for key, value in options.items() if value is not None}}


def _read(file: Path) -> dict[str, Any]:
    from proxy.oidc.strict_json import NotStrict, load_object

    try:
        return load_object(file.read_bytes())
    except OSError as error:
        raise Misconfigured(Problem(str(file), "--metadata", f"cannot be read ({error.strerror})")) from None
    except NotStrict as error:
        raise Misconfigured(Problem(str(file), "--metadata", f"must be a JSON object: {error}")) from None

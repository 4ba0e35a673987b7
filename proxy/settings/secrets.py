"""Secrets: references to their values, which values are too weak, and the one that is made here when there is none.

In the file a secret is always a reference: ``$NAME`` for a variable of the environment (capitals), ``file:/path`` for a
file. No message repeats a secret, nor a reference that may be one misspelt.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from proxy.oidc.errors import Misconfigured, Problem
from proxy.oidc.urls import is_loopback
from proxy.settings.problems import Fault
from proxy.settings.shape import Settings
from proxy.settings.sources import REFERENCE, Place, Tree

OWN_BYTES, CLIENT_CHARACTERS = 32, 32
PLACEHOLDERS = frozenset(
    (
        "change",
        "changeit",
        "changeme",
        "clientsecret",
        "corpsecret",
        "dummy",
        "example",
        "examplesecret",
        "idpclientsecret",
        "insertsecrethere",
        "placeholder",
        "replaceme",
        "secrethere",
        "todo",
        "xxx",
        "yourclientsecret",
        "yoursecret",
        "yoursecrethere",
    )
)
_LITERAL = 'must not stand in the file; write "$NAME" (a variable in capitals) or "file:/path"'
_MAKE = "make one with: openssl rand -base64 48"


def resolve(tree: Tree, environ: Mapping[str, str]) -> list[str]:
    """Put the values in place of the references in ``tree``, and note the weak ones. Answers warnings."""
    warnings: list[str] = []
    for table, name, place in list(_places(tree.values)):
        value = table[name]
        if isinstance(value, str):
            found = _look_up(tree, place, value, environ, warnings)
            table[name] = _stand_in(place) if found is None else found
            if found is not None:
                _judge(tree, place, found, warnings)
    return warnings


def _stand_in(place: Place) -> str:
    """What takes the place of a secret that cannot be had, while the rest is checked."""
    return "unix:///missing" if place[0] == "redis" else secrets.token_urlsafe(48)


def _places(values: dict[str, Any]) -> Iterator[tuple[Any, Any, Place]]:
    """Every secret: the table or list it lies in, its key there, its place in the tree."""
    tenant, redis = values.get("tenant"), values.get("redis")
    if isinstance(tenant, dict) and isinstance(tenant.get("secrets"), list):
        yield from ((tenant["secrets"], n, ("tenant", "secrets", n)) for n in range(len(tenant["secrets"])))
    if isinstance(redis, dict) and "url" in redis:
        yield redis, "url", ("redis", "url")
    for id, client in values["clients"].items():
        for name in ("client_secret", "client_secret_previous"):
            if isinstance(client, dict) and name in client:
                yield client, name, ("clients", id, name)
    for name, connection in values["connections"].items():
        options = connection.get("options") if isinstance(connection, dict) else None
        if isinstance(options, dict) and "client_secret" in options:
            yield options, "client_secret", ("connections", name, "options", "client_secret")


def _look_up(tree: Tree, place: Place, value: str, environ: Mapping[str, str], warnings: list[str]) -> str | None:
    """The secret that ``value`` refers to; None (and a problem) if it cannot be had."""
    if match := REFERENCE.fullmatch(value):
        if match[1] not in environ:
            tree.add(place, f"the environment has no variable {match[1]}; set it")
        return environ.get(match[1])
    if value.startswith("file:"):
        return _from_file(tree, place, Path(value.removeprefix("file:")), warnings)
    if tree.variable(place) is None and _is_secret(place, value):
        tree.add(place, _LITERAL)
        return None
    return value


def _is_secret(place: Place, value: str) -> bool:
    """Whether a literal here would be a secret: in an address of Redis only the password is."""
    if place[0] != "redis":
        return True
    try:
        return urlsplit(value).password is not None
    except ValueError:
        return False


def _from_file(tree: Tree, place: Place, path: Path, warnings: list[str]) -> str | None:
    try:
        mode = path.stat().st_mode
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        tree.add(place, f"the file {path} cannot be read ({error.strerror})")
    except UnicodeDecodeError:
        tree.add(place, f"the file {path} is not UTF-8 text; {_MAKE}")
    else:
        if mode & stat.S_IWOTH:
            tree.add(place, f"everybody may write the file {path}; chmod 600 it")
        elif mode & stat.S_IROTH:
            warnings.append(f"{path}: everybody may read this secret; chmod 600 it")
        return text.removesuffix("\n").removesuffix("\r")
    return None


def _judge(tree: Tree, place: Place, value: str, warnings: list[str]) -> None:
    """Note what is wrong with the secret at ``place``."""
    if place[0] == "redis":
        return
    if not value.strip() or is_placeholder(value):
        tree.add(
            place, "is empty or a placeholder" + ("; set the tenant's" if place[0] == "connections" else f"; {_MAKE}")
        )
    elif place[0] == "tenant" and (len(value.encode()) < OWN_BYTES or is_regular(value)):
        tree.add(place, f"must be random, of at least {OWN_BYTES} bytes; {_MAKE}")
    elif place[0] == "clients" and len(value) < CLIENT_CHARACTERS:
        remedy = f"must have at least {CLIENT_CHARACTERS} characters; {_MAKE}"
        if _on_loopback(tree):
            warnings.append(str(tree.problem(Fault(place, remedy))))
        else:
            tree.add(place, remedy)


def _on_loopback(tree: Tree) -> bool:
    tenant = tree.values.get("tenant")
    issuer = tenant.get("issuer") if isinstance(tenant, dict) else None
    return isinstance(issuer, str) and is_loopback(issuer)


def is_placeholder(value: str) -> bool:
    """Whether the value only marks where a secret belongs: ``changeme``, ``<secret>``, ``xxxxxxxx``."""
    stripped = value.strip()
    bracketed = re.fullmatch(r"<.*>|\{.*\}|\[.*\]|\$.*|%.*%", stripped) is not None
    words = re.sub(r"[^a-z]", "", stripped.lower())
    return bracketed or words in PLACEHOLDERS or len(set(stripped)) == 1


def is_regular(value: str) -> bool:
    """Whether the value is too regular for a key: few different characters, a repeated part, or words of examples."""
    repeated = value in (value + value)[1:-1]
    lowered = value.lower()
    words = any(word in lowered for word in ("changeme", "change-me", "change_me", "placeholder", "example"))
    return repeated or words or len(set(value)) < 8


def own_secrets(settings: Settings) -> tuple[bytes, ...]:
    """What Isthmus encrypts with, the first for writing: ``tenant.secrets``, else the one under ``data_dir``.

    That one is made at the first start, mode 0600. Raises Misconfigured when others can read it or it is too short.
    """
    if settings.tenant.secrets:
        return tuple(secret.get_secret_value() for secret in settings.tenant.secrets)
    path = settings.server.data_dir / "secret"
    try:
        if not path.exists():
            _make(path)
        mode, value = path.stat().st_mode, path.read_bytes().removesuffix(b"\n")
    except OSError as error:
        raise Misconfigured(Problem(str(path), "secret", f"cannot be kept here ({error.strerror})")) from None
    if mode & 0o077:
        raise Misconfigured(Problem(str(path), "secret", "others may read or write it; chmod 600 it"))
    if len(value) < OWN_BYTES:
        raise Misconfigured(Problem(str(path), "secret", "is too short; remove the file if nothing must be kept"))
    return (value,)


def _make(path: Path) -> None:
    """A new secret at ``path``, whole or not at all; if another process was first, its secret stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".secret-{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_urlsafe(48).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()

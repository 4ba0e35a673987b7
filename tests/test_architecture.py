"""The house's rules, read from the source itself: who imports whom, who does I/O, what stands nowhere."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import proxy

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path.relative_to(ROOT) for path in (ROOT / "proxy").rglob("*.py"))
TESTS = ROOT / "tests"

LAYERS = {
    "oidc": 0,
    "cell": 1, "roster": 1, "features": 1, "models": 1, "hooks": 1, "plugins": 1, "settings": 1, "store": 1, "wire": 1,
    "telemetry": 1, "http": 1,
    "upstream": 2, "downstream": 2,
    "bridge": 3,
    "web": 4, "lab": 4, "management": 4, "gateway": 4,
    "parts": 5,
    "doorway": 6,
    "app": 7,
    "cli": 8,
    "__main__": 9,
}  # fmt: skip
"""Arrows go down only. An import counts under ``TYPE_CHECKING`` too: a type is knowledge like any other."""

COMMON_GROUND = 1
IO_LIBRARIES = {"aiohttp", "aiohttp_session", "redis", "socket"}
IO_FILES = ("proxy/app.py", "proxy/cli/", "proxy/lab/", "proxy/web/", "proxy/wire.py", "proxy/store/redis.py",
            "proxy/store/redis_listen.py", "proxy/store/embedded.py")  # fmt: skip
"""The only files that may do I/O. A new file is pure without anyone remembering to say so."""

JWT_LIBRARIES = {"jwt", "joserfc"}
JWT_FILES = (Path("proxy/oidc/jose.py"), Path("proxy/oidc/keys.py"))

TESTED_ELSEWHERE = {
    "proxy/web/client_address.py": "tests/web/test_gate.py",  # where it comes from
    "proxy/gateway/request.py": "tests/gateway/test_sorting.py",  # what is filled there
    "proxy/gateway/verdict.py": "tests/gateway/test_gatekeeper.py",  # what is said there
    "proxy/parts.py": "tests/test_app.py",  # what is made there is seen at work there
    "proxy/hooks.py": "tests/plugins/test_chain.py",  # a page of signatures; calling them is the chain's matter
}
"""Files whose test has another name, each with that test."""

ALONE = """
import importlib, os, sys, traceback
import aiohttp.web, aiohttp_session, cryptography.fernet, cyclopts, jinja2, jwt, prometheus_client, structlog
import redis.asyncio
from pydantic import BaseModel, SecretStr, TypeAdapter, field_validator, model_validator
type("Warm", (BaseModel,), {"__annotations__": {"field": SecretStr}})  # what is not ours is loaded once

def alone(name):
    child = os.fork()
    if child:
        return child
    try:
        importlib.import_module(name)
    except BaseException:
        traceback.print_exc()
        print(f"{name} cannot be imported alone", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)

bad, names = 0, sys.argv[1:]
for pair in zip(names[::2], names[1::2] + [names[-1]]):
    for child in [alone(name) for name in pair]:
        bad |= os.waitpid(child, 0)[1]
sys.exit(1 if bad else 0)
"""


@cache
def tree(source: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse((ROOT / source).read_text(encoding="utf-8"))


def module(source: Path) -> str:
    """Its dotted name."""
    parts = source.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: Path) -> Iterator[str]:
    """Every dotted name the file imports, wherever in the file the import stands."""
    package = source.parent.parts
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    """Which part of the house a dotted name of ours belongs to; empty for the package itself."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


@cache
def calls(source: Path) -> tuple[tuple[str, ast.Call], ...]:
    """Every call in the file: its text before the parenthesis, and the node."""
    found = (node for node in ast.walk(tree(source)) if isinstance(node, ast.Call))
    return tuple((ast.unparse(node.func), node) for node in found)


def every_file(rule: str) -> pytest.MarkDecorator:
    """Run a test for each source file."""
    return pytest.mark.parametrize(rule, SOURCES, ids=str)


@every_file("source")
def test_arrows_go_down_only(source: Path) -> None:
    """A file imports from layers below its own; neighbours on a line do not know each other, common ground apart."""
    here = room(module(source))
    if not here:
        return
    assert here in LAYERS, f"{here} has no place in the layers"
    for name in imports(source):
        there = room(name)
        if not name.startswith("proxy.") or there == here or there not in LAYERS:
            continue
        down = LAYERS[there] < LAYERS[here]
        shared = LAYERS[there] == LAYERS[here] == COMMON_GROUND
        assert down or shared, f"{source} imports {name}: {here} may not know {there}"


def test_the_package_itself_knows_the_hooks_alone() -> None:
    """Plugin authors import ``proxy``; that costs them one small module and no library but pluggy."""
    assert {name for name in imports(Path("proxy/__init__.py")) if name.startswith("proxy")} == {"proxy.hooks.hookimpl"}


@every_file("source")
def test_files_are_pure_unless_listed(source: Path) -> None:
    """Only the closed list of files talks to a network."""
    used = {name.split(".")[0] for name in imports(source)} & IO_LIBRARIES
    assert not used or str(source).startswith(IO_FILES), f"{source} is pure by rule and imports {sorted(used)}"


@pytest.mark.timeout(180)
def test_each_module_can_be_imported_alone() -> None:
    """No module counts on another having been imported before it."""
    names = [module(source) for source in SOURCES if source.name != "__main__.py"]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *names], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@every_file("source")
def test_every_file_has_its_test(source: Path) -> None:
    """The tree of tests/ is the tree of proxy/: it is always known where a test goes."""
    if source.name.startswith("__"):
        return
    mirror = Path("tests", *source.parts[1:-1], f"test_{source.name}")
    expected = Path(TESTED_ELSEWHERE.get(str(source), mirror))
    assert (ROOT / expected).exists(), f"{source} has no {expected}"


def test_the_exceptions_are_needed() -> None:
    """An exception whose file is gone, or has its own test by now, is struck from the list."""
    for source in map(Path, TESTED_ELSEWHERE):
        assert (ROOT / source).exists()
        assert not (TESTS / Path(*source.parts[1:-1]) / f"test_{source.name}").exists()


@every_file("source")
def test_cf_10_no_check_is_an_assert(source: Path) -> None:
    """CF-10: ``python -O`` drops asserts, so product code has none."""
    found = [node.lineno for node in ast.walk(tree(source)) if isinstance(node, ast.Assert)]
    assert not found, f"{source} asserts in lines {found}"


@every_file("source")
def test_cf_11_no_weak_randomness(source: Path) -> None:
    """CF-11: what nobody may guess comes from ``secrets``; ``random`` and time-based UUIDs are nowhere."""
    assert not {name for name in imports(source) if name.split(".")[0] == "random"}, f"{source} imports random"
    assert not [text for text, _ in calls(source) if text.split(".")[-1] in {"uuid1", "getnode"}]


@every_file("source")
def test_cf_11_no_naive_time(source: Path) -> None:
    """CF-11: a date always says its zone."""
    for text, node in calls(source):
        name = text.split(".")[-1]
        assert name not in {"utcnow", "utcfromtimestamp"}, f"{source}:{node.lineno} {text}"
        if text in {"datetime.now", "datetime.datetime.now"}:
            assert node.args or node.keywords, f"{source}:{node.lineno} now() without a zone"
        if text in {"datetime.fromtimestamp", "datetime.datetime.fromtimestamp"}:
            assert len(node.args) > 1 or node.keywords, f"{source}:{node.lineno} fromtimestamp() without a zone"


@every_file("source")
def test_jo_15_one_file_verifies_signatures(source: Path) -> None:
    """JO-15: ``oidc/jose.py`` verifies, ``oidc/keys.py`` lends it the algorithms; nobody else knows a JWT library.

    The lab plays strangers, a tenant and an app, and so reads tokens with PyJWT as strangers do.
    """
    if source in JWT_FILES or room(module(source)) == "lab":
        return
    assert not {name for name in imports(source) if name.split(".")[0] in JWT_LIBRARIES}


@every_file("source")
def test_jo_15_verification_is_never_switched_off(source: Path) -> None:
    """JO-15: no option of a JWT library that skips the signature, in whatever spelling."""
    named = {node.value for node in ast.walk(tree(source)) if isinstance(node, ast.Constant)}
    keywords = {word.arg for _, call in calls(source) for word in call.keywords}
    assert "verify_signature" not in named | keywords


@every_file("source")
def test_no_fault_is_swallowed_in_silence(source: Path) -> None:
    """JO-15: a handler for every exception that does nothing would turn a failed check into a passed one."""
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type).endswith("Exception")):
            assert not all(isinstance(line, ast.Pass) for line in node.body), f"{source}:{node.lineno}"


@every_file("source")
def test_every_file_says_what_it_is(source: Path) -> None:
    """Each module begins with a docstring."""
    assert ast.get_docstring(tree(source)), f"{source} does not say what it is"


def test_the_proxy_we_test_is_ours() -> None:
    """Another distribution imports as ``proxy`` too; the one in use is this tree's."""
    assert Path(str(proxy.__file__)).resolve() == ROOT / "proxy" / "__init__.py"

"""What a newcomer meets first is true: pinned versions, make targets, the README's commands, links in the docs."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PINS = ("requirements/constraints.txt", "requirements/runtime.txt")
PLACES = ("*.md", "docs/**/*.md", "plugins/*.md", "plugins/*/*.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def read(name: str) -> str:
    """A file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def pinned(name: str) -> dict[str, set[str]]:
    """Every distribution a pin file names, with its versions (one for each kind of machine)."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"(?m)^([a-z0-9._-]+)==([^ ;\\]+)", read(name)):
        found.setdefault(package, set()).add(version)
    return found


def wanted(requirement: str) -> str:
    """The distribution's name in a requirement, normalised."""
    bare = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", bare).lower()


@pytest.mark.parametrize("name", PINS)
def test_pins_name_no_address(name: str) -> None:
    """A pin file names versions and hashes, never a place to get them from."""
    assert "://" not in read(name)
    assert not re.search(r"(?m)^\s*(-i|-f|--(index-url|extra-index-url|find-links|trusted-host))\b", read(name))


@pytest.mark.parametrize("name", PINS)
def test_every_pin_has_a_hash(name: str) -> None:
    """What is installed is what was pinned, byte for byte."""
    entries = re.split(r"(?m)^(?=[a-z0-9])", read(name))[1:]
    assert entries
    assert not [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry]


def test_all_that_is_declared_is_pinned() -> None:
    """A dependency cannot be added without its pin."""
    extras = PROJECT["project"]["optional-dependencies"]
    runtime = {wanted(one) for one in PROJECT["project"]["dependencies"]}
    everything = runtime | {wanted(one) for names in extras.values() for one in names}
    assert runtime <= set(pinned("requirements/runtime.txt"))
    assert everything <= set(pinned("requirements/constraints.txt"))


def test_the_demo_runs_on_what_the_tests_ran_on() -> None:
    """Both pin files agree on every version they share."""
    everything = pinned("requirements/constraints.txt")
    for package, versions in pinned("requirements/runtime.txt").items():
        assert versions <= everything[package], package


def test_the_package_lock_names_no_registry() -> None:
    """The lock file of the browser tests pins by hash; where from is the machine's business."""
    packages = json.loads(read("package-lock.json"))["packages"]
    assert packages["node_modules/oidc-provider"]["integrity"].startswith("sha512-")
    assert not [name for name, entry in packages.items() if "resolved" in entry]


def test_make_lists_what_can_be_done() -> None:
    """``make`` alone names every target that the README and CONTRIBUTING name."""
    listed = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    told = set(re.findall(r"(?m)(?:^|`)make ([a-z0-9]+)", read("README.md") + read("CONTRIBUTING.md")))
    assert {"demo", "test", "check"} <= told
    assert not [name for name in told if not re.search(rf"(?m)^ *make {name} ", listed)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A relative link in a page names a file that is there."""
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_configuration_is_accepted(tmp_path: Path) -> None:
    """The configuration in the README is one that ``isthmus check`` would read without complaint."""
    from proxy import settings

    blocks = re.findall(r"```toml\n(.*?)```", read("README.md"), flags=re.DOTALL)
    assert len(blocks) == 1
    path = tmp_path / "isthmus.toml"
    path.write_text(blocks[0], encoding="utf-8")
    secrets = {name: "a-secret-of-this-test-0123456789-" + name for name in re.findall(r'"\$([A-Z_]+)"', blocks[0])}
    loaded = settings.load(path, secrets)
    assert list(loaded.connections) == ["corp"]


def test_the_version_is_said_once() -> None:
    """Package, distribution and changelog speak of the same version."""
    import proxy

    assert PROJECT["project"]["version"] == proxy.__version__
    assert re.search(rf"(?m)^## {re.escape(proxy.__version__)}\b", read("CHANGELOG.md"))


def test_the_picture_is_the_same_everywhere() -> None:
    """Two shores and a bridge: the README and the docs show the drawing that opens the package."""
    line = "upstream tenant  ◀────  upstream   ║   bridge   ║   downstream  ────▶  apps"
    assert line in read("README.md")
    assert line in read("docs/architecture.md")


def test_a_test_cannot_leave_this_machine() -> None:
    """The tests' own guard works: a connection to another machine is refused before it is made."""
    with socket.socket() as link, pytest.raises(RuntimeError, match="loopback only"):
        link.connect(("192.0.2.1", 9))

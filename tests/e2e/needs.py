"""Says what ``make e2e`` needs and is missing here, and how to get it. Exit 1 when anything is: nothing skips silently.

python tests/e2e/needs.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODE = "20.19 or 22.12, or newer"
"""Since then a package of the old kind may load one of the new kind, as express-openid-connect does."""
SERVERS = {"nginx": "nginx-light", "caddy": "caddy", "haproxy": "haproxy", "php": "php-cli"}
"""Programs, each with Debian's package."""
MODULES = ("playwright", "axe_playwright_python", "authlib", "auth0")


def chromium_path() -> str:
    """Where the browser is, or empty."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""


def chromium() -> str:
    """Nothing, or why there is no browser."""
    path = chromium_path()
    if path and Path(path).exists():
        return ""
    return "Chromium: apt-get install chromium, or name it in CHROMIUM"


def node() -> str:
    """Nothing, or why Node cannot be used."""
    path = shutil.which("node")
    if not path:
        return f"Node {NODE}, with npm: apt-get install nodejs npm"
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    major, minor = map(int, version.removeprefix("v").split(".")[:2])
    if (major == 20 and minor >= 19) or (major, minor) >= (22, 12):
        return ""
    return f"Node {NODE}: {path} is {version}"


def servers() -> str:
    """Nothing, or which servers that stand in front of apps, and which languages of apps, are not here."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"  # where Debian keeps servers
    lacking = {program: package for program, package in SERVERS.items() if shutil.which(program, path=path) is None}
    return f"{', '.join(lacking)}: apt-get install {' '.join(lacking.values())}" if lacking else ""


def packages() -> str:
    """Nothing, or which npm packages are not here in the version that package.json pins."""
    pinned = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    lacking = [name for name, version in pinned.items() if installed(name) != version]
    return f"npm packages: npm ci ({', '.join(lacking)})" if lacking else ""


def installed(name: str) -> str:
    """The version of an npm package that is here, or empty."""
    file = ROOT / "node_modules" / name / "package.json"
    return str(json.loads(file.read_text())["version"]) if file.exists() else ""


def modules() -> str:
    """Nothing, or which Python packages are not here."""
    lacking = [name for name in MODULES if find_spec(name) is None]
    return f"Python packages: make install ({', '.join(lacking)})" if lacking else ""


def missing() -> list[str]:
    """What is missing, a line each, in the order in which to get it."""
    return [what for what in (modules(), chromium(), node(), packages(), servers()) if what]


def main() -> int:
    """Print what is missing; the exit status."""
    lines = missing()
    for line in lines:
        print(f"make e2e needs {line}", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

"""Says what ``make e2e`` needs and is missing here, and how to get it. Exit 1 when anything is: nothing skips silently.

python tests/e2e/needs.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST_NODE = 20


def chromium() -> str:
    """Nothing, or why there is no browser."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path and Path(path).exists():
        return ""
    return "Chromium: apt-get install chromium, or name it in CHROMIUM"


def node() -> str:
    """Nothing, or why Node cannot be used."""
    path = shutil.which("node")
    if not path:
        return f"Node {OLDEST_NODE} or newer, with npm: apt-get install nodejs npm"
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        return f"Node {OLDEST_NODE} or newer: {path} is {version}"
    return ""


def packages() -> str:
    """Nothing, or why the npm packages are not here."""
    if (ROOT / "node_modules" / "oidc-provider" / "package.json").exists():
        return ""
    return "npm packages: npm ci"


def missing() -> list[str]:
    """What is missing, a line each, in the order in which to get it."""
    return [what for what in (chromium(), node(), packages()) if what]


def main() -> int:
    """Print what is missing; the exit status."""
    lines = missing()
    for line in lines:
        print(f"make e2e needs {line}", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

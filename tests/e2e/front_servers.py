"""Real servers in front of an app, each with the configuration that ``isthmus gateway-config`` prints for it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from unittest.mock import patch

from proxy.cli import main
from tests.kit.isthmus import OWN_SECRET
from tests.kit.waiting import eventually

NGINX = """\
{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/isthmus.conf;
}}
"""


def program(name: str) -> str:
    """Where it is: Debian keeps servers where people who are not root do not look."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or name


def printed(folder: Path, server: str, config: Path, isthmus: str, *options: str) -> None:
    """The files for a server, in ``folder``."""
    asked = ("gateway-config", server, "--isthmus", isthmus, "--output", str(folder), "--config", str(config), *options)
    with patch.dict(os.environ, OWN_SECRET=OWN_SECRET):
        assert main(asked) == 0
    for file in folder.iterdir():  # how long Isthmus may take to answer a question: no test waits for that
        file.write_text(file.read_text().replace(" 15s", " 2s").replace("15000", "2000"))


def nginx(folder: Path) -> list[list[str]]:
    """The command that checks its configuration, and the one that runs it."""
    user = "" if os.geteuid() else "user root;\n"  # else nobody, who may not read what a test of root's writes
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user))
    conf = folder / "isthmus.conf"
    conf.write_text(conf.read_text().replace("/dev/shm/isthmus-nginx", str(folder / "cache")))
    run = [program("nginx"), "-e", str(folder / "nginx.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return [[*run, "-t"], run]


def caddy(folder: Path) -> list[list[str]]:
    """The same for Caddy."""
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + file.read_text())
    return [[program("caddy"), verb, "--config", str(file), "--adapter", "caddyfile"] for verb in ("validate", "run")]


def haproxy(folder: Path) -> list[list[str]]:
    """The same for HAProxy."""
    file = folder / "haproxy.cfg"
    file.write_text(file.read_text().replace("/etc/haproxy/isthmus.lua", str(folder / "isthmus.lua")))
    return [[program("haproxy"), option, "-f", str(file)] for option in ("-c", "-db")]


MAKERS = {"nginx": nginx, "caddy": caddy, "haproxy": haproxy}


def checked(server: str, folder: Path, config: Path, isthmus: str, *options: str) -> list[str]:
    """The command that runs the server with a configuration that it finds right."""
    folder.mkdir()
    printed(folder, server, config, isthmus, *options)
    check, run = MAKERS[server](folder)
    said = subprocess.run(check, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    return run


@asynccontextmanager
async def front(
    server: str, folder: Path, port: int, config: Path, isthmus: str, *options: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The server, running at ``port``: its configuration is printed, checked by the server itself, and used."""
    run = checked(server, folder, config, isthmus, *options)
    environ = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "said.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*run, stdout=log, stderr=log, env=environ)
        try:
            await eventually(lambda: listens(port))
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def listens(port: int) -> bool:
    """Whether somebody does."""
    try:
        _, out = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    out.close()
    return True


async def raw(port: int, request: bytes, *, until: bytes = b"") -> bytes:
    """What is answered to these bytes: all until the other side closes, or until ``until`` came."""
    near, out = await asyncio.open_connection("127.0.0.1", port)
    out.write(request)
    answer = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(10):
            while chunk := await near.read(65_536):
                answer += chunk
                if until and until in answer:
                    break
    out.close()
    return answer

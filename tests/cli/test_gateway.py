"""``isthmus gateway explain``: who may reach what, in words, by the decision itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.bridge.session import sessions_of_user
from proxy.cli import gateway
from proxy.models import Identity
from proxy.store import Drop, Store
from tests.bridge.test_arrival import World
from tests.cli.conftest import Run, configure
from tests.kit.memory_command import remembered

ADA, BOB = "oidc|corp|ada", "oidc|corp|bob"
TAIL = """
[[gateway.routes]]
host = "wiki.localhost"
upstream = "http://127.0.0.1:1"
public_paths = ["/healthz"]
methods = ["GET", "POST"]
allow = { email_domains = ["corp.example"] }
[[gateway.routes]]
name = "admin"
host = "wiki.localhost"
path_prefix = "/admin"
upstream = "http://127.0.0.1:1"
allow = { groups = ["admins"], users = ["oidc|corp|ada"], claims = { staff = true } }
[[gateway.routes]]
name = "asks"
host = "asks.localhost"
upstream = "http://127.0.0.1:1"
allow = { plugin = true }
[plugins]
enabled = ["only_ada"]
folder = "."
"""
PLUGIN = """
from proxy import hookimpl

@hookimpl
async def isthmus_gateway_access(path, profile):
    return profile.get("name") == "Ada" and path == "/"
"""
CLAIMS: dict[str, dict[str, Any]] = {
    "ada": {"name": "Ada", "email": "ada@corp.example", "groups": ["ops"], "staff": True},
    "bob": {"name": "Bob", "email": "bob@elsewhere.example", "email_verified": True},
    "cy": {"name": "Cy", "email": "bob@elsewhere.example"},
}


@pytest.fixture
def store() -> Store:
    """Ada and Bob came through corp, and somebody with Bob's address."""

    async def came() -> Store:
        world = World()
        for sub, claims in CLAIMS.items():
            world.tenant.says = Identity("corp", "https://idp.example", sub, claims)
            await world.login()
        return world.store

    return asyncio.run(came())


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> Path:
    """A configuration with three routes, on that store."""
    remembered(monkeypatch, gateway, store)
    (tmp_path / "only_ada.py").write_text(PLUGIN)
    written = configure(tmp_path, tail=TAIL)
    written.write_text(written.read_text().replace('["webapp"]', '["webapp", "gateway"]'))
    return written


def test_every_route_with_its_rules(run: Run, file: Path) -> None:
    """Who may reach what, nobody in particular meant."""
    said = run("gateway", "explain", "--config", file)
    assert said.status == 0, said.err
    head, wiki, admin, asks = said.out.splitlines()
    assert head.split() == ["ROUTE", "ADDRESS", "PUBLIC", "METHODS", "WHO"]
    cells = ("wiki.localhost/", "http://wiki.localhost:9000/", "/healthz", "GET POST", "email is of corp.example")
    assert wiki.split() == " ".join(cells).split()
    assert "user is oidc|corp|ada; group admins; staff is true" in admin
    assert asks.endswith("a plugin says yes")
    told = json.loads(run("gateway", "explain", "--json", "--config", file).out)
    assert [row["route"] for row in told["routes"]] == ["wiki.localhost/", "admin", "asks"] and told["user"] is None


def test_every_route_for_a_person(run: Run, file: Path) -> None:
    """With the rule that decided."""
    told = json.loads(run("gateway", "explain", "--user", ADA, "--json", "--config", file).out)
    assert [(row["route"], row["allowed"]) for row in told["routes"]] == [
        ("wiki.localhost/", True),
        ("admin", False),
        ("asks", True),
    ]
    told = run("gateway", "explain", "--user", BOB, "--config", file).out.splitlines()
    assert [line.split()[2:4] for line in told[1:]] == [["no", "email_domain:"], ["no", "user:"], ["no", "plugin:"]]
    assert "theirs is of elsewhere.example" in told[1]


@pytest.mark.parametrize(
    ("user", "url", "more", "status", "reason"),
    [
        (ADA, "http://wiki.localhost:9000/page?x=/admin", (), 0, "allowed"),
        (BOB, "http://wiki.localhost:9000/page", (), 1, "email_domain"),
        (ADA, "http://wiki.localhost:9000/%61dmin", (), 1, "group"),
        (BOB, "http://wiki.localhost:9000/healthz", (), 0, "public"),
        ("", "http://wiki.localhost:9000/healthz/x#here", (), 0, "public"),
        ("", "http://wiki.localhost:9000", (), 1, "no_session"),
        (ADA, "http://wiki.localhost:9000/", ("--method", "DELETE"), 1, "method"),
        (ADA, "http://wiki.localhost:9000/", ("--method", "HEAD"), 0, "allowed"),
        (ADA, "http://WIKI.localhost:9000/", (), 0, "allowed"),
        (ADA, "http://other.localhost:9000/", (), 1, "no_route"),
        (ADA, "http://wiki.localhost:9000/a//b", (), 1, "ambiguous_target"),
        (ADA, "http://wiki.localhost:9000/a/../admin", (), 1, "target"),
        (ADA, "http://wiki.localhost:9000/.isthmus/callback", (), 1, "own"),
        (ADA, "http://wiki..localhost.:9000/", (), 1, "host"),
        (ADA, "http://wiki.localhost:9000/é", (), 0, "allowed"),
        (ADA, "http://asks.localhost:9000/", (), 0, "allowed"),
        (ADA, "http://asks.localhost:9000/else", (), 1, "plugin"),
        ("ada@CORP.example", "http://wiki.localhost:9000/", (), 0, "allowed"),
    ],
)
def test_one_request(
    run: Run, file: Path, user: str, url: str, more: tuple[str, ...], status: int, reason: str
) -> None:
    """The status says whether it gets through; the canonical path and the rule that decided are told."""
    who = ("--user", user) if user else ()
    said = run("gateway", "explain", *who, "--url", url, *more, "--json", "--config", file)
    assert said.status == status, said.err
    told = json.loads(said.out)
    assert (told["allowed"], told["reason"]) == (status == 0, reason) and told["words"]
    assert run("gateway", "explain", *who, "--url", url, *more, "--config", file).status == status


def test_the_words_are_for_people(run: Run, file: Path) -> None:
    """Path as the rules see it, and why."""
    said = run("gateway", "explain", "--user", ADA, "--url", "http://wiki.localhost:9000/%61dmin/x?y", "--config", file)
    assert dict(line.split(None, 1) for line in said.out.splitlines()) == {
        "USER": ADA, "METHOD": "GET", "ROUTE": "admin", "PATH": "/admin/x", "REASON": "group",
        "VERDICT": "no: allow.groups wants admins; they are in ops",
    }  # fmt: skip


def test_without_a_session_the_last_login_counts(run: Run, file: Path, store: Store) -> None:
    """Who is logged out is known by their record."""

    async def gone() -> None:
        await store.run(*map(Drop, await store.list(sessions_of_user(ADA))))

    asyncio.run(gone())
    assert (
        run("gateway", "explain", "--user", ADA, "--url", "http://wiki.localhost:9000/", "--config", file).status == 0
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--user", "oidc|corp|eve"), "nobody of that name"),
        (("--user", "eve@corp.example"), "nobody of that name"),
        (("--user", "bob@elsewhere.example"), "several people"),
        (("--url", "https://wiki.localhost:9000/"), "must begin with http://"),
        (("--url", "wiki.localhost/"), "must begin with http://"),
        (("--url", "http://"), "must begin with http://"),
        (("--url", "http://[/"), "must begin with http://"),
        (("--url", "http://u@wiki.localhost/"), "must begin with http://"),
    ],
)
def test_bad_input_is_one_line(run: Run, file: Path, arguments: tuple[str, ...], said: str) -> None:
    """Status 2, and what to do."""
    answer = run("gateway", "explain", *arguments, "--config", file)
    assert answer.status == 2 and said in answer.err and len(answer.err.splitlines()) == 1


def test_without_routes_there_is_nothing_to_explain(run: Run, tmp_path: Path) -> None:
    """Status 2."""
    answer = run("gateway", "explain", "--config", configure(tmp_path))
    assert answer.status == 2 and "[[gateway.routes]]" in answer.err

"""Many tenants on one address, each for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from proxy.lab.browser import Browser
from proxy.lab.directory import FAULTS, Directory
from proxy.lab.listen import listen, port_of, serving
from tests.kit.lab_keys import in_turn


@pytest.fixture
async def lab() -> AsyncIterator[Directory]:
    """The whole lab."""
    sock = listen()
    directory = Directory(f"http://localhost:{port_of(sock)}/", make_key=in_turn())
    async with serving(directory.app, sock):
        yield directory


async def get(url: str, **headers: str) -> aiohttp.ClientResponse:
    """One request, its body read."""
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        await answer.read()
        return answer


async def test_the_page_says_what_each_does(lab: Directory) -> None:
    """Every tenant with its issuer, what it does, what Isthmus says, and a connection to paste."""
    async with Browser() as browser:
        page = (await browser.open(lab.base)).page
    for name, fault in FAULTS.items():
        assert f"{lab.base}{name}/" in page.text and fault.says.split("`")[0].strip() in page.text
        assert f'name = "lab-{name}"' in page.text
    assert "default-src 'none'" in page.policy and len(page.reader.links) == len(FAULTS)


@pytest.mark.parametrize(("path", "accept"), [("tenants.json", "*/*"), ("", "application/json")])
async def test_programs_get_a_list(lab: Directory, path: str, accept: str) -> None:
    """The same for programs, at an address of its own or for who asks for JSON."""
    found = await (await get(f"{lab.base}{path}", Accept=accept)).json()
    assert [tenant["name"] for tenant in found["tenants"]] == list(FAULTS)
    assert set(found["tenants"][0]) == {"name", "issuer", "does", "isthmus", "reason", "connection"}


async def test_each_tenant_is_one_of_its_own(lab: Directory) -> None:
    """Discovery below its own path; keys, people and calls of one are not those of another."""
    found = await (await get(f"{lab.base}no-sub/.well-known/openid-configuration")).json()
    assert found["issuer"] == f"{lab.base}no-sub/" and found["token_endpoint"] == f"{lab.base}no-sub/token"
    one, other = lab.tenants["no-sub"], lab.tenants["no-iat"]
    assert one.keys.kid != other.keys.kid and one.called == ["discovery"] and other.called == []
    assert lab.tenants["many-groups"].room.people != one.room.people


async def test_what_is_not_there_is_written_down(lab: Directory) -> None:
    """A path below a tenant that it does not serve: 404, and in its list of calls."""
    assert (await get(f"{lab.base}healthy/.well-known/other")).status == 404
    assert lab.tenants["healthy"].called == ["/healthy/.well-known/other"]


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("acct:mira.no-sub@localhost", "no-sub"), ("http://localhost/no-iat/joe", "no-iat"),
        ("acct:mira@localhost", "healthy"), ("", "healthy"),
    ],
)  # fmt: skip
async def test_webfinger_finds_a_tenant(lab: Directory, resource: str, name: str) -> None:
    """An account names its tenant behind a dot, an address by its path."""
    answer = await get(f"{lab.base}.well-known/webfinger?resource={resource}")
    assert answer.content_type == "application/jrd+json"
    assert (await answer.json())["links"][0]["href"] == f"{lab.base}{name}/"


def test_the_manual_names_every_tenant() -> None:
    """docs/lab.md has a line for each, with the reason that its login is refused for."""
    lines = (Path(__file__).resolve().parents[2] / "docs" / "lab.md").read_text(encoding="utf-8").splitlines()
    told = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
    assert list(told) == list(FAULTS)
    for name, fault in FAULTS.items():
        assert told[name].endswith(f"| `{fault.reason}` |" if fault.reason else "| works |")

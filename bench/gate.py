"""The gateway's loads: an app's pages through a reverse proxy, and a server's questions by forward-auth."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.flood import flood, request
from bench.load import through
from bench.pages import BIG, SMALL
from bench.thin import COOKIE
from bench.web import Client

PAGE, PEOPLE, MEBIBYTE, ASKED = "page", "page, many people", "page of 1 MiB", "forward-auth"
GATE_LOADS = {PAGE: 20, PEOPLE: 20, MEBIBYTE: 2, ASKED: 20}
"""Each with how many requests it makes for an operation of the others: they are that much cheaper."""
MOST_PEOPLE = 100
Run = Callable[[int], Awaitable[None]]
"""So many operations."""


@dataclass(frozen=True)
class Gate:
    """A gateway in front of ``bench.pages``, the host of its issuer, and the process to watch. ``login``: people must
    log in first."""

    netloc: str
    issuer: str
    pid: int
    login: bool = True


async def people(web: Client, gate: Gate, count: int) -> list[str]:
    """The Cookie headers of so many people."""
    if not gate.login:
        return [COOKIE] * count
    return [await through(web, f"http://{gate.netloc}/small") for _ in range(count)]


def run(gate: Gate, load: str, cookies: list[str], at_once: int) -> Run:
    """The load ``load``; all but one of ``people`` are for the load with many."""
    host, headers, size = gate.netloc, {}, SMALL
    if load == ASKED:
        host, size = gate.issuer, 0
        headers = {"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "http", "X-Forwarded-Host": gate.netloc,
                   "X-Forwarded-Uri": "/small", "X-Forwarded-For": "127.0.0.1"}  # fmt: skip
    target = {MEBIBYTE: "/big", ASKED: "/forward-auth"}.get(load, "/small")
    size = BIG if load == MEBIBYTE else size
    some = cookies if load == PEOPLE else cookies[:1]
    requests = [request(target, host, {**headers, "Cookie": cookie}) for cookie in some]
    return lambda times: flood(host, requests, size, times, at_once)

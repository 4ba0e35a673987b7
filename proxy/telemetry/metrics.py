"""Prometheus metrics. Labels come from fixed sets: route patterns, methods, statuses, words of ours; never a path, an
id or anything a stranger can choose.

With more than one worker the library keeps its counts in files, so that any worker answers for all. It decides that
when it is first imported, by an environment variable: so nothing imports this module before ``serve`` has set it.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
UNMATCHED: Final = "unmatched"
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)

REGISTRY: Final = CollectorRegistry()
REQUESTS = Counter("isthmus_requests", "Requests answered", ("route", "method", "status"), registry=REGISTRY)
GATEWAY = Counter(
    "isthmus_gateway_requests", "Requests at apps' hosts", ("route", "method", "status", "decision"), registry=REGISTRY
)
GATEWAY_SECONDS = Histogram(
    "isthmus_gateway_request_seconds", "Time to answer at apps' hosts", ("route",), buckets=BUCKETS, registry=REGISTRY
)
SECONDS = Histogram("isthmus_request_seconds", "Time to answer", ("route",), buckets=BUCKETS, registry=REGISTRY)
IN_FLIGHT = Gauge("isthmus_in_flight", "Requests running", registry=REGISTRY, multiprocess_mode="livesum")
TURNED_AWAY = Counter("isthmus_turned_away", "Requests the site never saw", ("reason",), registry=REGISTRY)
CUT = Counter("isthmus_connections_cut", "Connections ended by a limit", ("reason",), registry=REGISTRY)
UPSTREAM = Counter("isthmus_upstream_errors", "Calls to tenants that failed", ("reason",), registry=REGISTRY)
LOGINS = Counter("isthmus_logins", "Logins that came back from a tenant", ("outcome",), registry=REGISTRY)
STALLS = Counter("isthmus_loop_stalls", "Times that something held up everything else", registry=REGISTRY)
WEBSOCKETS = Gauge("isthmus_websockets", "WebSockets open", registry=REGISTRY, multiprocess_mode="livesum")
STREAMS_ENDED = Counter("isthmus_streams_ended", "Exchanges cut before their end", ("reason",), registry=REGISTRY)
LINK = Gauge("isthmus_node_link", "Whether other nodes are heard", registry=REGISTRY, multiprocess_mode="livemin")
LINK_LOST = Counter("isthmus_node_link_lost", "Times that other nodes were not heard", registry=REGISTRY)
READY = Gauge("isthmus_ready", "Whether this process can serve", registry=REGISTRY, multiprocess_mode="livemin")
SERVERS_UP = Gauge(
    "isthmus_gateway_servers_up", "Servers that checks found well", ("route",), registry=REGISTRY,
    multiprocess_mode="livemin",
)  # fmt: skip
LOG_DROPPED = Gauge("isthmus_log_lines_dropped", "Log lines lost", registry=REGISTRY, multiprocess_mode="livesum")


@lru_cache(maxsize=4096)
def _request_counter(route: str, method: str, status: int) -> Counter:
    return REQUESTS.labels(route, method if method in METHODS else "other", str(status))


@lru_cache(maxsize=1024)
def _request_seconds(route: str) -> Histogram:
    return SECONDS.labels(route)


def request(route: str, method: str, status: int, seconds: float) -> None:
    """A request was answered. ``route`` is a pattern, never a path."""
    _request_counter(route, method, status).inc()
    _request_seconds(route).observe(seconds)


@lru_cache(maxsize=4096)
def _gateway_counter(route: str, method: str, status: int, decision: str) -> Counter:
    return GATEWAY.labels(route or UNMATCHED, method if method in METHODS else "other", str(status), decision)


@lru_cache(maxsize=4096)
def _gateway_seconds(route: str) -> Histogram:
    return GATEWAY_SECONDS.labels(route or UNMATCHED)


def gateway(route: str, method: str, status: int, decision: str, seconds: float) -> None:
    """A request at an app's host was answered. ``route`` is its label, ``decision`` a word of ours."""
    _gateway_counter(route, method, status, decision).inc()
    _gateway_seconds(route).observe(seconds)


def turned_away(reason: str) -> None:
    """A request was refused before the site saw it: busy, deadline, host, …"""
    TURNED_AWAY.labels(reason).inc()


def cut(reason: str) -> None:
    """A connection was ended by a limit: head, body, stall, too_many, …"""
    CUT.labels(reason).inc()


def upstream(reason: str) -> None:
    """A call to a tenant failed; ``reason`` is a word of ours."""
    UPSTREAM.labels(reason).inc()


def login(outcome: str) -> None:
    """A login came back from a tenant; ``outcome`` is a word of ours."""
    LOGINS.labels(outcome).inc()


def servers_up(route: str, count: int) -> None:
    """So many servers of the route's app are well. ``route`` is its label."""
    SERVERS_UP.labels(route).set(count)


def page() -> bytes:
    """All metrics in Prometheus' text form; of all workers, if there are several."""
    if FOLDER not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return generate_latest(registry)

"""The counters."""

from __future__ import annotations

from proxy.telemetry import metrics


def test_what_happened_is_counted() -> None:
    """Each counter moves with what it counts."""
    metrics.login("ok")
    metrics.upstream("timeout")
    metrics.cut("head")
    metrics.turned_away("busy")
    metrics.request("/x", "GET", 200, 0.001)
    page = metrics.page().decode()
    for line in (
        'isthmus_logins_total{outcome="ok"}',
        'isthmus_upstream_errors_total{reason="timeout"}',
        'isthmus_connections_cut_total{reason="head"}',
        'isthmus_turned_away_total{reason="busy"}',
        'isthmus_requests_total{method="GET",route="/x",status="200"}',
        'isthmus_request_seconds_count{route="/x"}',
    ):
        assert line in page


def test_ds_14_an_invented_method_is_other() -> None:
    """A method from outside the fixed set does not become a label (DS-14)."""
    metrics.request("/x", "INVENTED", 405, 0.001)
    assert "INVENTED" not in metrics.page().decode()

from __future__ import annotations

import time

import pytest

from stream_server.live.messages import NotificationStats
from stream_server.settings.schema import Settings, StorageSettings
from stream_server.web.metrics import StatsReporter, drops, quantile, queue_lengths
from tests.fakes import FakeScorer
from tests.stream_server.app_of import deliver_until, running_app, wait_for


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        pytest.param([0, 0, 0], 0.5, None, id="empty"),
        pytest.param([10, 0, 0], 0.5, 0.05, id="half of the first bucket"),
        pytest.param([10, 10, 0], 0.5, 0.1, id="exactly a bound"),
        pytest.param([10, 10, 0], 0.75, 0.15, id="half of the second"),
        pytest.param([0, 10, 0], 0.5, 0.15, id="an empty one before"),
        pytest.param([0, 0, 10], 0.95, 0.2, id="beyond the last bound"),
        pytest.param([1, 0, 0], 1.0, 0.1, id="the maximum"),
    ],
)
def test_a_quantile_is_read_from_the_buckets(counts: list[int], share: float, expected: float | None) -> None:
    assert quantile((0.1, 0.2), counts, share) == (None if expected is None else pytest.approx(expected))


def test_stats_tell_what_changed_in_the_interval_and_what_is_now() -> None:
    with running_app() as running, running.live() as socket:
        reporter = StatsReporter(running.monitor)
        source = running.add_source()
        deliver_until(source, socket, lambda m: m["type"] == "score")
        first = running.on_loop(reporter.report, time.monotonic() + 2.0)
        assert first.scores_total >= 1
        assert 0 < first.scores_per_s <= first.scores_total / 2.0
        assert first.latency_ms is not None
        assert 0 < first.latency_ms.p50 <= first.latency_ms.p95
        assert (first.streams, first.viewers, first.status) == (1, 1, "ok")
        nothing_more = running.on_loop(reporter.report, time.monotonic() + 4.0)
        assert nothing_more.scores_total >= first.scores_total


def test_where_nothing_is_kept_the_stats_know_of_no_notifications() -> None:
    for keeps in (True, False):
        with running_app(Settings(storage=StorageSettings(enabled=keeps))) as running:
            stats = running.on_loop(StatsReporter(running.monitor).report, time.monotonic())
            assert stats.notifications == (NotificationStats(failing=(), dead=0) if keeps else None)


def test_an_interval_without_scores_has_no_latency() -> None:
    with running_app() as running:
        reporter = StatsReporter(running.monitor)
        stats = running.on_loop(reporter.report, time.monotonic())
        assert (stats.latency_ms, stats.scores_per_s) == (None, 0.0)


def test_without_weights_the_stats_say_degraded() -> None:
    with running_app(make_scorer=lambda: FakeScorer(trained=False)) as running, running.live() as socket:
        assert wait_for(socket, lambda m: m["type"] == "hello")["model"] == "untrained"
        assert running.on_loop(StatsReporter(running.monitor).report, time.monotonic()).status == "degraded"


def test_drops_and_queues_include_those_of_slow_clients() -> None:
    with running_app() as running:
        running.monitor.hub.dropped_messages = 3
        running.monitor.hub.dropped_views = 4
        stats = running.monitor.engine.stats()
        assert drops(running.monitor, stats)["client_message"] == 3
        assert drops(running.monitor, stats)["client_picture"] == 4
        assert queue_lengths(running.monitor, stats)["slowest_client"] == 0

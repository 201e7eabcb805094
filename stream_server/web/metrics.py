"""What Prometheus and the `stats` message are told, read from the parts when somebody asks; nothing is counted twice.

docs/metrics.md lists every metric; a test holds it to what `/metrics` really says.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from analyzer.engine.engine import EngineStats, LatencyHistogram
from stream_server.about import VERSION
from stream_server.live.messages import Latency, NotificationStats, StatsMessage
from stream_server.streams.sources.base import StreamState
from stream_server.web.monitor import Monitor

PREFIX = "deepfake_monitor"


class MonitorCollector(Collector):
    """Reads a monitor each time that Prometheus asks."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def describe(self) -> list[Metric]:
        """Nothing ahead of time: the registry need not ask for values to know that names are free."""
        return []

    def collect(self) -> Iterator[Metric]:
        stats = self._monitor.engine.stats()
        yield self._info()
        yield from _streams(stats)
        yield _by_label("dropped", "What was dropped, by cause.", "cause", drops(self._monitor, stats))
        yield CounterMetricFamily(f"{PREFIX}_scores", "Windows scored.", value=stats.scores)
        yield CounterMetricFamily(
            f"{PREFIX}_scorer_failures", "New scorers after a failure.", value=stats.scorer_failures
        )
        latency = HistogramMetricFamily(f"{PREFIX}_latency_seconds", "From frame received to score published.")
        _add_histogram(latency, [], stats.latency)
        yield latency
        stages = HistogramMetricFamily(f"{PREFIX}_stage_seconds", "What that is made of.", labels=["stage"])
        for stage, histogram in stats.stages.items():
            _add_histogram(stages, [stage], histogram)
        yield stages
        queues = GaugeMetricFamily(f"{PREFIX}_queue_length", "How much waits, by queue.", labels=["queue"])
        for name, length in queue_lengths(self._monitor, stats).items():
            queues.add_metric([name], length)
        yield queues
        yield from self._gauges(stats)

    def _info(self) -> Metric:
        info = self._monitor.engine.info
        labels = {"version": VERSION, "device": info.device, "backend": info.backend, "model": info.model}
        return InfoMetricFamily(f"{PREFIX}", "What runs, and on which device.", value=labels)

    def _gauges(self, stats: EngineStats) -> Iterator[Metric]:
        monitor = self._monitor
        states = Counter(stream.status.state for stream in monitor.registry.list())
        streams = GaugeMetricFamily(f"{PREFIX}_streams", "Streams, by state.", labels=["state"])
        for state in StreamState:
            streams.add_metric([state.value], states[state])
        yield streams
        alive = GaugeMetricFamily(f"{PREFIX}_thread_alive", "1 while a thread runs, 0 when it died.", labels=["thread"])
        for thread in monitor.threads:
            alive.add_metric([thread.name], float(thread.alive))
        yield alive
        if monitor.store is not None:
            status = monitor.store.writer.status
            yield GaugeMetricFamily(
                f"{PREFIX}_store_ok", "1 while history and events are stored.", value=float(status.ok)
            )
            yield CounterMetricFamily(
                f"{PREFIX}_stored", "Observations and events that were written.", value=status.written
            )
        yield from _notifications(monitor)
        yield GaugeMetricFamily(f"{PREFIX}_viewers", "Open websockets.", value=monitor.hub.viewers)
        yield GaugeMetricFamily(f"{PREFIX}_uploads", "Uploads in work.", value=monitor.uploads.taken)
        yield GaugeMetricFamily(f"{PREFIX}_trained", "1 with trained weights, 0 without.", value=float(monitor.trained))
        share = GaugeMetricFamily(f"{PREFIX}_face_rate_share", "1 at the wanted face rates, less under load.")
        share.add_metric([], stats.face_rate_share)
        yield share
        yield GaugeMetricFamily(f"{PREFIX}_uptime_seconds", "Since the start.", value=monitor.uptime_s)


def _streams(stats: EngineStats) -> Iterator[Metric]:
    received = CounterMetricFamily(f"{PREFIX}_frames_received", "Frames that came, by stream.", labels=["stream"])
    taken = CounterMetricFamily(f"{PREFIX}_frames_taken", "Frames that were looked at, by stream.", labels=["stream"])
    faces = CounterMetricFamily(f"{PREFIX}_faces", "Faces found in them, by stream.", labels=["stream"])
    for stream in stats.streams:
        received.add_metric([stream.stream_id], stream.received)
        taken.add_metric([stream.stream_id], stream.taken)
        faces.add_metric([stream.stream_id], stream.faces)
    yield from (received, taken, faces)


def _notifications(monitor: Monitor) -> Iterator[Metric]:
    counts = CounterMetricFamily(
        f"{PREFIX}_notifications", "Notifications, by rule and outcome.", labels=["rule", "outcome"]
    )
    waiting = GaugeMetricFamily(f"{PREFIX}_notifications_waiting", "Not taken yet, by rule.", labels=["rule"])
    for one in () if monitor.notifier is None else monitor.notifier.status:
        name = one.rule.name
        counts.add_metric([name, "sent"], sum(target.sent for target in one.targets))
        counts.add_metric([name, "failed"], sum(target.failed for target in one.targets))
        counts.add_metric([name, "dead"], sum(target.dead for target in one.targets))
        counts.add_metric([name, "held_back"], one.held_back)
        waiting.add_metric([name], sum(target.waiting for target in one.targets))
    yield from (counts, waiting)


def _by_label(name: str, help_text: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", help_text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _add_histogram(family: HistogramMetricFamily, labels: list[str], histogram: LatencyHistogram) -> None:
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip((*map(str, histogram.bounds_s), "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric(labels, buckets, sum_value=histogram.sum_s)


def drops(monitor: Monitor, stats: EngineStats) -> dict[str, int]:
    """Everything that was dropped since the start, by cause."""
    lost = {}
    if monitor.archive is not None:
        archive = monitor.archive
        lost = {"not_stored": archive.store.writer.status.lost, "event_skipped": archive.recorder.skipped}
    told = {}
    if monitor.notifier is not None:
        told = {"not_notified": monitor.notifier.dropped, "notification_not_stored": monitor.notifier.unkept}
    return {
        **stats.dropped,
        **lost,
        **told,
        "client_message": monitor.hub.dropped_messages,
        "client_picture": monitor.hub.dropped_views,
    }


def queue_lengths(monitor: Monitor, stats: EngineStats) -> dict[str, int]:
    """How much waits in each queue."""
    waiting = {} if monitor.store is None else {"store": monitor.store.writer.status.waiting}
    if monitor.notifier is not None:
        waiting["notify"] = monitor.notifier.inbox_length
    return {**stats.queues, **waiting, "slowest_client": monitor.hub.longest_queue}


def notification_stats(monitor: Monitor) -> NotificationStats | None:
    """Whether people are told of events; None where nothing is kept."""
    if monitor.notifier is None:
        return None
    dead = sum(target.dead for one in monitor.notifier.status for target in one.targets)
    return NotificationStats(failing=monitor.undelivered, dead=dead)


def quantile(bounds_s: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The value in seconds below which `share` of a histogram lies, straight within its bucket; None when empty.

    `counts` has one entry more than `bounds_s`: beyond the last bound, of which the bound itself is the answer.
    """
    wanted = share * sum(counts)
    if wanted <= 0:
        return None
    lower, passed = 0.0, 0
    for bound, count in zip(bounds_s, counts[:-1], strict=True):
        if count and passed + count >= wanted:
            return lower + (bound - lower) * (wanted - passed) / count
        passed += count
        lower = bound
    return lower


class StatsReporter:
    """Makes the `stats` message of each interval from what changed since the last."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._at_s = time.monotonic()
        stats = monitor.engine.stats()
        self._scores, self._counts = stats.scores, stats.latency.counts

    async def run(self, interval_s: float) -> None:
        """Publish for ever."""
        while True:
            self._monitor.hub.publish(self.report(time.monotonic()))
            await asyncio.sleep(interval_s)

    def report(self, now_s: float) -> StatsMessage:
        """The message of the interval that ends at `now_s` (monotonic)."""
        monitor, stats = self._monitor, self._monitor.engine.stats()
        elapsed_s = max(now_s - self._at_s, 1e-3)
        scored = stats.scores - self._scores
        counts = [now - before for now, before in zip(stats.latency.counts, self._counts, strict=True)]
        p50, p95 = (quantile(stats.latency.bounds_s, counts, share) for share in (0.5, 0.95))
        self._at_s, self._scores, self._counts = now_s, stats.scores, stats.latency.counts
        store = None if monitor.store is None else monitor.store.writer.status
        well = monitor.trained and not monitor.dead_threads and (store is None or store.ok)
        return StatsMessage(
            at=monitor.clock.now(),
            device=monitor.engine.info.device,
            model=monitor.engine.info.model,
            status="ok" if well else "degraded",
            streams=len(monitor.registry.list()),
            viewers=monitor.hub.viewers,
            scores_total=stats.scores,
            scores_per_s=round(scored / elapsed_s, 2),
            latency_ms=None
            if p50 is None or p95 is None
            else Latency(p50=round(p50 * 1000, 1), p95=round(p95 * 1000, 1)),
            storage=None if store is None else store.error,
            notifications=notification_stats(monitor),
            dropped=drops(monitor, stats),
            queues=queue_lengths(monitor, stats),
        )

"""Resident memory over a long time with some cameras, watched by a browser's websocket all the while."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.streams import ENVIRONMENT, cameras, watching
from tests.monitor_process import MonitorProcess

READ_EVERY_S: Final = 60.0
WARM_SHARE: Final = 1 / 6
"""Of the time: allocators fill their pools, histories their minutes; growth is read after it."""


@dataclass(frozen=True, slots=True)
class Soak:
    """Megabytes (10^6 bytes) of resident memory, read once a minute."""

    streams: int
    minutes: float
    readings_mb: tuple[float, ...]
    mb_per_hour: float
    """Slope of the straight line through the readings after the warm-up."""
    after_warm_up_mb: float
    end_mb: float
    scores: int
    slowest_scores_per_s: float
    """Of the stream and minute with the fewest."""
    threads: tuple[int, int]
    """After the warm-up and at the end, as are `descriptors`."""
    descriptors: tuple[int, int]
    stored: int
    """Observations and events that were written to the database."""
    lost: int
    """Those that never will be."""
    events: int
    database_mb: float


def measure(streams: int, minutes: float, said: Callable[[str], None], read_every_s: float = READ_EVERY_S) -> Soak:
    """Watch 720p cameras over RTSP for so long. Raises `TimeoutError` when they are not scored at the start."""
    readings: list[float] = []
    rates: list[float] = []
    scores = 0
    counts: list[tuple[int, int]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        cameras(Path(folder), streams) as urls,
        MonitorProcess(ENVIRONMENT) as monitor,
        watching(monitor, urls),
    ):
        if not monitor.wait_scored(streams):
            raise TimeoutError(f"the {streams} cameras were not all scored within a minute")
        for _ in range(max(2, round(minutes * 60 / read_every_s))):
            seen = monitor.watch(read_every_s)
            readings.append(seen.rss_mb)
            counts.append((monitor.usage.num_threads(), monitor.usage.num_fds()))
            scores += sum(seen.scores.values())
            rates.append(min((seen.scores.get(f"camera{i}", 0) for i in range(streams)), default=0) / seen.seconds)
            said(
                f"{len(readings) * read_every_s / 60:5.1f} min: {seen.rss_mb:.0f} MB, slowest {rates[-1]:.1f} scores/s"
            )
        storage = monitor.call("GET", "/health")["storage"]
        events = len(monitor.call("GET", "/api/events?limit=500")["items"])
        database_mb = sum(file.stat().st_size for file in monitor.data.glob("monitor.db*")) / 1e6
    warm = min(round(len(readings) * WARM_SHARE), len(readings) - 2)
    return Soak(
        streams=streams,
        minutes=minutes,
        readings_mb=tuple(readings),
        mb_per_hour=slope(readings[warm:]) * 3600 / read_every_s,
        after_warm_up_mb=readings[warm],
        end_mb=readings[-1],
        scores=scores,
        slowest_scores_per_s=min(rates),
        threads=(counts[warm][0], counts[-1][0]),
        descriptors=(counts[warm][1], counts[-1][1]),
        stored=storage["written"],
        lost=storage["lost"],
        events=events,
        database_mb=database_mb,
    )


def slope(readings: Sequence[float]) -> float:
    """Of the straight line through evenly spaced readings, per step; 0 for fewer than two."""
    if len(readings) < 2:  # a line takes two points
        return 0.0
    return float(statistics.linear_regression(range(len(readings)), readings).slope)

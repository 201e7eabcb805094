"""Resident memory of the monitor at one and at eight streams, and after many connects and disconnects."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.streams import ENVIRONMENT, SETTLE_S, cameras, watching
from tests.monitor_process import MonitorProcess

ROUND: Final = 10
"""Cycles between two readings."""
WARM_CYCLES: Final = 40
"""Before this, allocators still fill their pools: growth is read after it."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes (10^6 bytes) of resident memory."""

    idle_mb: float
    one_stream_mb: float
    eight_streams_mb: float
    cycles: int
    after_warm_up_mb: float
    """Median of the readings up to twice the warm-up."""
    after_cycles_mb: float
    """Median of the last readings."""
    threads_before: int
    threads_after: int
    descriptors_before: int
    descriptors_after: int

    @property
    def per_stream_mb(self) -> float:
        return (self.eight_streams_mb - self.one_stream_mb) / 7


def measure(cycles: int, said: Callable[[str], None]) -> Memory:
    """Watch 720p cameras over RTSP; `cycles` connects, each until a picture came, and disconnects."""
    with (
        tempfile.TemporaryDirectory() as folder,
        cameras(Path(folder), 8) as urls,
        MonitorProcess(ENVIRONMENT) as monitor,
    ):
        idle = monitor.rss_mb()
        steady = []
        for streams in (1, 8):
            with watching(monitor, urls[:streams]):
                monitor.wait_scored(streams)
                steady.append(monitor.watch(2 * SETTLE_S).rss_mb)
            said(f"{streams} streams: {steady[-1]:.0f} MB")
        process = monitor.usage
        threads, descriptors = process.num_threads(), process.num_fds()
        readings = []
        for cycle in range(cycles):
            with watching(monitor, urls[:1]):
                _wait_live(monitor)
            if cycle % ROUND == ROUND - 1:
                readings.append(monitor.rss_mb())
                said(f"{cycle + 1} connects: {readings[-1]:.0f} MB")
        warm = WARM_CYCLES // ROUND
        return Memory(
            idle_mb=idle,
            one_stream_mb=steady[0],
            eight_streams_mb=steady[1],
            cycles=cycles,
            after_warm_up_mb=statistics.median(readings[warm : 2 * warm] or readings or [idle]),
            after_cycles_mb=statistics.median(readings[-warm:] or [idle]),
            threads_before=threads,
            threads_after=process.num_threads(),
            descriptors_before=descriptors,
            descriptors_after=process.num_fds(),
        )


def _wait_live(monitor: MonitorProcess) -> None:
    """Until the first stream has delivered a picture."""
    for _ in range(400):
        if any(item["state"] == "live" for item in monitor.call("GET", "/api/streams")["items"]):
            return
        time.sleep(0.05)
    raise TimeoutError("the camera's stream did not become live")

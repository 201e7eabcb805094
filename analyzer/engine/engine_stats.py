"""What the engine counts, for `/metrics`, `/health` and the dashboard."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Mapping
from dataclasses import dataclass

LATENCY_BOUNDS_S = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0)
"""Upper bounds of the latency buckets; half a second is what the monitor promises for p95."""

STAGE_BOUNDS_S = (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0)
"""The same for one stage of it."""


@dataclass(frozen=True, slots=True)
class StreamStats:
    """One stream's counters since it was added."""

    stream_id: str
    received: int
    """Frames that came."""
    taken: int
    """Frames that were looked at."""
    replaced: int
    """Frames that a newer one replaced before they were looked at: at 15 frames and 6 looks a second, most."""
    faces: int
    """Faces found, fit or not."""


@dataclass(frozen=True, slots=True)
class LatencyHistogram:
    """How long something took, in seconds."""

    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]
    """Per bucket, not cumulative; one more than bounds, the last for everything slower."""
    sum_s: float
    count: int


@dataclass(frozen=True, slots=True)
class ThreadHealth:
    """One of the engine's threads."""

    name: str
    alive: bool
    error: str | None
    """What it died of."""


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Counters since the start, streams that were removed included, and queues now."""

    streams: tuple[StreamStats, ...]
    frames_received: int
    frames_taken: int
    faces: int
    scores: int
    scorer_failures: int
    """How often a scorer failed and a new one was made."""
    dropped: Mapping[str, int]
    """By cause: crops (`stale`, `replaced`), frames (`frame_replaced`, `bad_frame`), scores that are no number
    (`no_number`), windows of faces beyond `max_windows` (`window_evicted`), events (`emit_failed`)."""
    queues: Mapping[str, int]
    """`crops` that wait for the scorer, `offline` jobs of uploads."""
    latency: LatencyHistogram
    """From a frame's arrival to its score."""
    stages: Mapping[str, LatencyHistogram]
    """What that is made of: `frame_wait` until the vision thread takes the frame, `look` until its crops are cut out,
    `crop_wait` until the model thread takes a crop, `score` until the batch that it is in is scored. The first two
    count frames, with faces or without, the others crops."""
    face_rate_share: float
    """1 when every face is looked at as often as wanted, less under load."""
    threads: tuple[ThreadHealth, ...]


class LatencyMeter:
    """Collects latencies. Thread-safe."""

    def __init__(self, bounds_s: tuple[float, ...] = LATENCY_BOUNDS_S) -> None:
        self._bounds_s = bounds_s
        self._lock = threading.Lock()
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def add(self, latency_s: float) -> None:
        """Count one."""
        with self._lock:
            self._counts[bisect.bisect_left(self._bounds_s, latency_s)] += 1
            self._sum_s += latency_s

    def histogram(self) -> LatencyHistogram:
        """All so far."""
        with self._lock:
            return LatencyHistogram(self._bounds_s, tuple(self._counts), self._sum_s, sum(self._counts))

"""How many streams' faces the scorer takes when others decode and detect: crops at the face rate, p95 crop to score.

What a GPU does is not seen in streams, for the processor's cores are full of decoding long before it is busy.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import AnalyzerEvent, FaceKey, Score
from analyzer.engine.batcher import Batcher
from analyzer.engine.pace import LoadControl
from analyzer.engine.scoring import ModelThread
from analyzer.scorer import Scorer
from benchmarks.faces import crop_of, face_crops

LIMIT_MS: Final = 100.0
SCORED: Final = 0.95
"""Share of the crops that must have been scored."""
FIRST: Final = 4
MOST: Final = 4096


@dataclass(frozen=True, slots=True)
class CropAttempt:
    """One number of streams, one face each."""

    streams: int
    crops_per_s: float
    """Offered: fewer than wanted where this machine cannot offer more."""
    scored_share: float
    p50_ms: float
    """From when a crop was due to its score, as is `p95_ms`; infinite when nothing was scored."""
    p95_ms: float

    @property
    def held(self) -> bool:
        wanted_per_s = self.streams * AnalyzerConfig().face_rate
        offered = self.crops_per_s >= SCORED * wanted_per_s
        return offered and self.scored_share >= SCORED and self.p95_ms <= LIMIT_MS


@dataclass(frozen=True, slots=True)
class CropStreams:
    """Numbers of streams, doubled until they are no longer held, then the half of the last step."""

    device: str
    backend: str
    held: int
    attempts: tuple[CropAttempt, ...]


def measure(
    make: Callable[[AnalyzerConfig], Scorer], seconds: float, say: Callable[[CropAttempt], None] = lambda _: None
) -> CropStreams:
    """Try 4, 8, 16 ... streams, then once between the last that was held and the first that was not."""
    attempts: list[CropAttempt] = []
    device = backend = ""

    def held(streams: int) -> bool:
        nonlocal device, backend
        scorer = make(AnalyzerConfig(max_windows=streams))
        device, backend = scorer.info.device, scorer.info.backend
        attempts.append(attempt(scorer, streams, seconds))
        say(attempts[-1])
        return attempts[-1].held

    most, tried = 0, FIRST
    while tried <= MOST and held(tried):
        most, tried = tried, 2 * tried
    between = (most + tried) // 2
    if most and between > most and tried <= MOST and held(between):
        most = between
    return CropStreams(device, backend, most, tuple(attempts))


def attempt(scorer: Scorer, streams: int, seconds: float) -> CropAttempt:
    """Feed the model thread with crops of so many streams, evenly spread; the scorer is closed at the end."""
    config = AnalyzerConfig(max_windows=streams)
    latencies_ms: list[float] = []
    counted_from_s = float("inf")

    def listen(event: AnalyzerEvent) -> None:
        if isinstance(event, Score) and event.received_at_s >= counted_from_s:
            latencies_ms.append(1e3 * (event.scored_at_s - event.received_at_s))

    batcher = Batcher(config)
    model = ModelThread(lambda: scorer, batcher, LoadControl(config), listen)
    model.start()
    faces = face_crops()[0]
    interval_s = 1 / config.face_rate
    begun_s = time.monotonic()
    due = [(begun_s + i * interval_s / streams, i) for i in range(streams)]
    warm_s = begun_s + (NUM_FRAMES + 1) * interval_s
    counted_from_s = warm_s
    offered = 0
    try:
        while (due_s := due[0][0]) < warm_s + seconds:
            stream = due[0][1]
            time.sleep(max(0.0, due_s - time.monotonic()))
            step = round((due_s - begun_s) / interval_s)
            pixels = faces[(step + stream) % len(faces)]
            crop = crop_of(pixels, 1, step)
            batcher.put(replace(crop, key=FaceKey(f"bench{stream}", 1), received_at_s=due_s))
            offered += due_s >= counted_from_s
            heapq.heapreplace(due, (due_s + interval_s, stream))
        elapsed_s = time.monotonic() - warm_s
        time.sleep(config.max_staleness_s)
    finally:
        batcher.close()
        model.join()
    latencies_ms.sort()
    p50, p95 = (
        latencies_ms[min(len(latencies_ms) - 1, int(share * len(latencies_ms)))] if latencies_ms else float("inf")
        for share in (0.5, 0.95)
    )
    return CropAttempt(streams, offered / elapsed_s, len(latencies_ms) / max(offered, 1), p50, p95)

"""How many faces one process scores in a second, by batch size, and with everything around the network."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import av

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import AnalyzerEvent, Detection, Frame, Pixels, Score
from analyzer.engine import Engine
from analyzer.faces.detector import FaceDetector, YuNetDetector
from benchmarks.faces import crop_of, face_crops
from benchmarks.score_cost import make
from stream_server.demo import ClipPlan, render_real

BATCHES: Final = (1, 2, 4, 8, 16, 32)
STREAMS: Final = 4
PUT_EVERY_S: Final = 0.002
WARM_UP_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Faces per second with every core of the machine."""

    backend: str
    by_batch: dict[int, float]
    """Faces pushed together -> faces encoded and scored per second: the network alone."""
    scored_per_s: float
    """Frames in, scores out, all threads, at 640 x 360, but the faces' places are known: no detection."""
    scored_with_detection_per_s: float
    """The same with detection."""


def measure(*, quick: bool = False, device: str = "auto") -> Throughput:
    """Time the network alone, then the engine with and without detection."""
    scorer = make(device, AnalyzerConfig(max_windows=max(BATCHES)))
    faces = face_crops()[0]
    by_batch = {}
    try:
        for size in BATCHES:
            times = []
            for step in range(NUM_FRAMES + (4 if quick else 20)):
                crops = [crop_of(faces[(step + i) % len(faces)], i, step) for i in range(size)]
                start = time.perf_counter()
                scorer.push(crops)
                times.append(time.perf_counter() - start)
            by_batch[size] = size / statistics.median(times[NUM_FRAMES:])
            for crop in crops:
                scorer.forget(crop.key)
        backend = scorer.info.backend
    finally:
        scorer.close()
    seconds = 3.0 if quick else 10.0
    pictures = render_real(ClipPlan(640, 360, 15, 2))
    frames = [av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p") for picture in pictures]
    found = YuNetDetector().detect(pictures[0])[:1]
    return Throughput(
        backend,
        by_batch,
        scored_per_s=_engine_per_s(lambda: KnownFace(found), frames, seconds, device),
        scored_with_detection_per_s=_engine_per_s(YuNetDetector, frames, seconds, device),
    )


class KnownFace:
    """A `FaceDetector` that has nothing to look for: the clip's face hardly moves."""

    def __init__(self, found: list[Detection]) -> None:
        self._found = found

    def detect(self, rgb: Pixels) -> list[Detection]:
        """See `FaceDetector.detect`."""
        del rgb
        return self._found


def _engine_per_s(
    make_detector: Callable[[], FaceDetector], frames: list[av.VideoFrame], seconds: float, device: str
) -> float:
    """Scores per second of an engine that is given more frames than it can look at."""
    rate = 1e3  # far beyond what any machine does
    config = replace(
        AnalyzerConfig(), face_rate=rate, face_rate_suspicious=rate, face_rate_min=rate, max_staleness_s=10.0
    )
    lock = threading.Lock()
    scores = 0

    def count(event: AnalyzerEvent) -> None:
        nonlocal scores
        if isinstance(event, Score):
            with lock:
                scores += 1

    engine = Engine(make_scorer=lambda: make(device, config), make_detector=make_detector, config=config, emit=count)
    engine.start()
    try:
        slots = [engine.add_stream(f"bench{i}") for i in range(STREAMS)]
        begun_s = time.monotonic()
        measured_from_s, before, index = begun_s + WARM_UP_S, 0, 0
        while (now_s := time.monotonic()) < measured_from_s + seconds:
            if now_s < measured_from_s:
                before = scores
            for slot, name in zip(slots, ("bench0", "bench1", "bench2", "bench3"), strict=True):
                slot.put(Frame(name, 0, index, None, now_s, frames[index % len(frames)]))
            index += 1
            time.sleep(PUT_EVERY_S)
        return (scores - before) / (time.monotonic() - measured_from_s)
    finally:
        engine.stop()

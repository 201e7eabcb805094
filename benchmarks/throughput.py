"""How many faces one process scores in a second, by batch size, and with everything around the network."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Final

import av

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import AnalyzerEvent, Detection, Frame, Pixels, Score
from analyzer.engine.engine import Engine
from analyzer.faces.detector import FaceDetector, YuNetDetector
from benchmarks.faces import crop_of, face_crops
from benchmarks.score_cost import make
from stream_server.streams.demo import ClipPlan, render_real

BATCHES: Final = (1, 2, 4, 8, 16, 32)
STREAMS: Final = 16
FILL_EVERY_S: Final = 0.3
WARM_UP_S: Final = 6.0


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
    network_cpu_ms: float
    """Processor time of a face, the network alone, at the best batch size."""
    scored_cpu_ms: float
    """Processor time of a face from its frame to its score, no detection."""
    scored_over_network: float
    """The second over the first: what everything around the network adds. Neighbours change times, not this."""


def measure(*, quick: bool = False, device: str = "auto") -> Throughput:
    """Time the network alone, then the engine with and without detection."""
    scorer = make(device, AnalyzerConfig(max_windows=max(BATCHES)))
    faces = face_crops()[0]
    by_batch, cpu_s = {}, []
    try:
        for size in BATCHES:
            times, worked_s = [], 0.0
            for step in range(NUM_FRAMES + (4 if quick else 20)):
                crops = [crop_of(faces[(step + i) % len(faces)], i, step) for i in range(size)]
                if step == NUM_FRAMES:  # the windows are full
                    worked_s = time.process_time()
                start = time.perf_counter()
                scorer.push(crops)
                times.append(time.perf_counter() - start)
            cpu_s.append((time.process_time() - worked_s) / size / (len(times) - NUM_FRAMES))
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
    scored_per_s, scored_cpu_s = _engine(lambda: KnownFace(found), frames, seconds, device)
    return Throughput(
        backend,
        by_batch,
        scored_per_s=scored_per_s,
        scored_with_detection_per_s=_engine(YuNetDetector, frames, seconds, device)[0],
        network_cpu_ms=min(cpu_s) * 1e3,
        scored_cpu_ms=scored_cpu_s * 1e3,
        scored_over_network=scored_cpu_s / min(cpu_s),
    )


class KnownFace:
    """A `FaceDetector` that has nothing to look for: the clip's face hardly moves."""

    def __init__(self, found: list[Detection]) -> None:
        self._found = found

    def detect(self, rgb: Pixels) -> list[Detection]:
        """See `FaceDetector.detect`."""
        del rgb
        return self._found


def _engine(
    make_detector: Callable[[], FaceDetector], frames: list[av.VideoFrame], seconds: float, device: str
) -> tuple[float, float]:
    """Scores per second, and seconds of processor time for each.

    Each stream of the engine gets its next frame when its last one was scored.
    """
    rate = 1e3  # far beyond what any machine does
    config = replace(
        AnalyzerConfig(), face_rate=rate, face_rate_suspicious=rate, face_rate_min=rate, max_staleness_s=10.0
    )
    scored: SimpleQueue[str] = SimpleQueue()

    def listen(event: AnalyzerEvent) -> None:
        if isinstance(event, Score):
            scored.put(event.key.stream_id)

    engine = Engine(make_scorer=lambda: make(device, config), make_detector=make_detector, config=config, emit=listen)
    engine.start()
    try:
        slots = {f"bench{i}": engine.add_stream(f"bench{i}") for i in range(STREAMS)}
        indices = dict.fromkeys(slots, 0)
        put_at_s = dict.fromkeys(slots, float("-inf"))

        def put(stream_id: str) -> None:
            indices[stream_id] += 1
            put_at_s[stream_id] = time.monotonic()
            picture = frames[indices[stream_id] % len(frames)]
            # all show one clip: nobody asks whether they repeat each other
            frame = Frame(stream_id, 0, indices[stream_id], None, put_at_s[stream_id], picture, may_repeat=True)
            slots[stream_id].put(frame)

        def run(until_s: float) -> int:
            count = 0
            while (now_s := time.monotonic()) < until_s:
                for stream_id, at_s in put_at_s.items():
                    if now_s - at_s > FILL_EVERY_S:  # a frame without a score, as before the window is full
                        put(stream_id)
                with contextlib.suppress(Empty):
                    put(scored.get(timeout=FILL_EVERY_S / 10))
                    count += 1
            return count

        run(time.monotonic() + WARM_UP_S)
        begun_s, worked_s = time.monotonic(), time.process_time()
        count = run(begun_s + seconds)
        return count / (time.monotonic() - begun_s), (time.process_time() - worked_s) / max(count, 1)
    finally:
        engine.stop()

"""Whether every backend says what eager torch says, window by window."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import Score
from benchmarks.faces import crop_of, face_crops, relit
from benchmarks.score_cost import make

STEPS_PER_FACE = 2 * NUM_FRAMES
"""Then the face leaves and another comes: 17 windows of each."""


@dataclass(frozen=True, slots=True)
class Parity:
    """One backend against float32 torch on the CPU, on faces of a real clip and of a pseudo-fake in changing light."""

    backend: str
    windows: int
    dp_max: float
    """Largest difference of a `fake_probability`."""
    dp_mean: float
    dlogit_max: float


def measure(windows: int, backend: str = "auto") -> Parity:
    """Score the same `windows` windows with both."""
    config = AnalyzerConfig(max_windows=4)
    ours, theirs = make("auto", config, backend), make("cpu", config, "torch")
    pairs: list[tuple[Score, Score]] = []
    try:
        step = 0
        while len(pairs) < windows:
            crops = [
                crop_of(relit(faces[step % len(faces)], 1000 * kind + step), 2 * (step // STEPS_PER_FACE) + kind, step)
                for kind, faces in enumerate(face_crops())
            ]
            for one, other in zip(ours.push(crops), theirs.push(crops), strict=True):
                if one.score is not None and other.score is not None:
                    pairs.append((one.score, other.score))
            step += 1
        name = f"{ours.info.backend} on {ours.info.device}"
    finally:
        ours.close()
        theirs.close()
    pairs = pairs[:windows]
    dp = [abs(one.fake_probability - other.fake_probability) for one, other in pairs]
    return Parity(
        backend=name,
        windows=len(pairs),
        dp_max=max(dp),
        dp_mean=statistics.mean(dp),
        dlogit_max=max(abs(one.logit - other.logit) for one, other in pairs),
    )

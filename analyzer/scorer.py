"""The network behind one interface. Light to import: no torch here.

One thread, the model thread, owns a scorer and calls it; nothing in it is locked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from analyzer.datatypes import Evidence, FaceCrop, FaceKey, Pixels, ScoreCurve, WindowUpdate


@dataclass(frozen=True, slots=True)
class ScorerInfo:
    """What `/health`, `/info` and `doctor` say of a scorer."""

    device: str
    """For people and for `/health`: `cuda:0 (NVIDIA ...)` or `cpu`."""
    backend: str
    """What computes, and in which precision: `openvino bfloat16`, `torch float32`; `none` without trained weights."""
    model: str
    """Name of the weights card, or `untrained`."""
    weights_sha256: str | None
    """None without trained weights: then nothing is ever scored."""
    note: str | None = None
    """Why it is not what was asked for, e.g. that CUDA was broken and the CPU is used."""
    real_scores: ScoreCurve | None = None
    """Of the weights card: how real faces score."""
    coverage: str | None = None
    """Of the weights card: what share of fakes these weights find, in one sentence for operators."""


@dataclass(frozen=True, slots=True)
class ClipScore:
    """The network's opinion of 16 crops given at once."""

    fake_probability: float
    logit: float
    evidence: Evidence | None = None
    """As in `Score`."""


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-logit), for any logit; NaN stays NaN, or what is no number would pass for a real face."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    power = math.exp(logit)
    return power / (1 + power)


class Scorer(Protocol):
    """Encodes each face once, keeps every face's window of 16, scores the sliding windows."""

    @property
    def info(self) -> ScorerInfo: ...

    @property
    def evicted(self) -> int:
        """Windows lost so far because more faces than `AnalyzerConfig.max_windows` were there at once."""
        ...

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        """Add one new face to each window and score those that are full and due (`AnalyzerConfig.stride`).

        `crops`: fit crops only, at most one per `FaceKey`; the answer has the same order. A gap in `received_at_s`
        of more than `max_gap_s`, or a new generation, empties the window first. Without trained weights `score` is
        always None. Raises `ScorerError` when the device failed.
        """
        ...

    def forget(self, key: FaceKey) -> None:
        """Free the window of a face that ended. Unknown keys are fine."""
        ...

    def score_clip(self, crops: Sequence[Pixels], at_s: Sequence[float]) -> ClipScore | None:
        """Score exactly 16 crops (224 x 224 RGB) seen at `at_s` (seconds, rising) without touching any window.

        None without trained weights. This is the batch recompute that streaming must equal within 1e-3 logit.
        """
        ...

    def close(self) -> None:
        """Free the device's memory."""
        ...

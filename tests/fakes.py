"""Small real classes that stand in for the heavy parts: a scorer without a network, a detector without pictures."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from analyzer.config import FACE_SIZE, MAP_SIZE, NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import Box, Detection, Evidence, FaceCrop, FaceKey, Pixels, Score, WindowUpdate
from analyzer.scorer import ClipScore, ScorerInfo


class FakeScorer:
    """A whole `Scorer` whose opinion is the mean brightness of the window: black is 0 (real), white is 1 (fake).

    Keeps windows by the rules of the real one: a gap, a new generation or `forget` empties them, a score comes every
    `stride` faces once 16 are there, `score_clip` of the same 16 crops equals the streamed score.
    """

    def __init__(self, config: AnalyzerConfig | None = None, *, trained: bool = True) -> None:
        self.config = config or AnalyzerConfig()
        self.trained = trained
        self.windows: dict[FaceKey, deque[float]] = {}
        self.pushed: list[FaceCrop] = []
        """In order, without their pixels."""
        self.forgotten: list[FaceKey] = []
        self.clips: list[tuple[float, ...]] = []
        self.closed = False
        self.evicted = 0
        """For tests to raise: no window is ever lost here."""
        self._newest: dict[FaceKey, FaceCrop] = {}
        self._since_score: dict[FaceKey, int] = {}

    @property
    def info(self) -> ScorerInfo:
        return ScorerInfo(
            device="cpu",
            backend="fake",
            model="fake" if self.trained else "untrained",
            weights_sha256="0" * 64 if self.trained else None,
        )

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        assert len({crop.key for crop in crops}) == len(crops), "at most one crop per face"
        return [self._push_one(crop) for crop in crops]

    def _push_one(self, crop: FaceCrop) -> WindowUpdate:
        assert crop.quality.fit, "only fit crops are scored"
        assert crop.pixels is not None
        assert crop.pixels.shape == (FACE_SIZE, FACE_SIZE, 3)
        self.pushed.append(replace(crop, pixels=None))
        newest = self._newest.get(crop.key)
        if newest is not None and (
            newest.generation != crop.generation or crop.received_at_s - newest.received_at_s > self.config.max_gap_s
        ):
            self._drop(crop.key)
        window = self.windows.setdefault(crop.key, deque(maxlen=NUM_FRAMES))
        window.append(float(crop.pixels.mean()) / 255)
        self._newest[crop.key] = crop
        since = self._since_score.get(crop.key, self.config.stride) + 1
        due = len(window) == NUM_FRAMES and since >= self.config.stride and self.trained
        self._since_score[crop.key] = 0 if due else since
        score: Score | None = None
        if due:
            clip = _opinion(window)
            score = Score(
                key=crop.key,
                generation=crop.generation,
                frame_index=crop.frame_index,
                pts_s=crop.pts_s,
                received_at_s=crop.received_at_s,
                scored_at_s=crop.received_at_s + 0.01,
                fake_probability=clip.fake_probability,
                logit=clip.logit,
                window=NUM_FRAMES,
                evidence=clip.evidence,
            )
        return WindowUpdate(key=crop.key, filled=len(window), score=score)

    def forget(self, key: FaceKey) -> None:
        self.forgotten.append(key)
        self._drop(key)

    def score_clip(self, crops: Sequence[Pixels], at_s: Sequence[float]) -> ClipScore | None:
        assert len(crops) == len(at_s) == NUM_FRAMES
        assert all(crop.shape == (FACE_SIZE, FACE_SIZE, 3) and crop.dtype == np.uint8 for crop in crops)
        assert all(earlier < later for earlier, later in itertools.pairwise(at_s))
        self.clips.append(tuple(at_s))
        return _opinion([float(crop.mean()) / 255 for crop in crops]) if self.trained else None

    def close(self) -> None:
        self.windows.clear()
        self.closed = True

    def _drop(self, key: FaceKey) -> None:
        self.windows.pop(key, None)
        self._newest.pop(key, None)
        self._since_score.pop(key, None)


def _opinion(brightness: Sequence[float] | deque[float]) -> ClipScore:
    probability = min(max(sum(brightness) / len(brightness), 1e-6), 1 - 1e-6)
    logit = math.log(probability / (1 - probability))
    frames = tuple(4 * (level - probability) for level in brightness)
    return ClipScore(probability, logit, an_evidence(logit, frames))


def an_evidence(logit: float = 0.4, frame_logits: Sequence[float] = (*range(-8, 0), *range(1, 9))) -> Evidence:
    """Looked at the mouth; its faces differ as `frame_logits` (16, mean 0) do, and their mean is `logit`."""
    mouth = {(5, 2), (5, 3), (5, 4)}
    cells = range(MAP_SIZE)
    return Evidence(
        where=tuple(tuple(0.9 if (row, column) in mouth else 0.1 for column in cells) for row in cells),
        when=(1 / NUM_FRAMES,) * NUM_FRAMES,
        frame_logits=tuple(frame_logits),
        window_logit=0.0,
        counted=tuple(logit + frame for frame in frame_logits),
    )


def a_detection(x: float, y: float, size: float, confidence: float = 0.9) -> Detection:
    """A frontal face whose box has its corner at (x, y), with landmarks where YuNet puts them."""
    points = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    return Detection(
        box=Box(x, y, size, size),
        landmarks=tuple((x + u * size, y + v * size) for u, v in points),
        confidence=confidence,
    )


class ScriptedDetector:
    """Says what it was told: the n-th call answers with the n-th entry, or a function of the call's number.

    Past the end of a list it finds nothing.
    """

    def __init__(self, script: Sequence[Sequence[Detection]] | Callable[[int], Sequence[Detection]]) -> None:
        self._script = script
        self.shapes: list[tuple[int, ...]] = []
        """Shape of each picture that it was shown."""

    def detect(self, rgb: Pixels) -> list[Detection]:
        call = len(self.shapes)
        self.shapes.append(rgb.shape)
        if callable(self._script):
            return list(self._script(call))
        return list(self._script[call]) if call < len(self._script) else []

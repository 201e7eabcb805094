"""Section D: what one score costs, measured on the scorer at hand, and that streaming says what a recompute says."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from analyzer.config import FACE_SIZE, MAP_SIZE, NUM_FRAMES
from analyzer.datatypes import Box, FaceCrop, FaceKey, Pixels, Quality
from analyzer.evaluation.results.section_figures import CostFigures
from analyzer.model.network import CHANNELS, DeepfakeNet, cost
from analyzer.scorer import Scorer

ROUNDS: Final = 12
TOGETHER: Final = 4
"""Faces that come at once, as from four streams."""
STEP_S: Final = 1 / 6
WARM_UP: Final = 2
COMPARED: Final = 4
"""Windows whose streamed score is compared with a recompute."""
CELLS: Final = 14
"""Patches of one colour along a side."""
FIT: Final = Quality(reason=None, size_px=120.0, sharpness=100.0, brightness=120.0, yaw=0.0)


def measure_cost(
    scorer: Scorer, *, rounds: int = ROUNDS, clock: Callable[[], float] = time.perf_counter
) -> CostFigures:
    """Medians over `rounds`, after the windows are full and two rounds have warmed everything up.

    The pictures are made up: the network does the same work for every face. Touches no window but its own.
    Raises `ScorerError`.
    """
    frame, window = cost(DeepfakeNet())
    rng = np.random.default_rng(0)
    steps = NUM_FRAMES + WARM_UP + rounds
    faces = [_picture(rng) for _ in range(steps)]
    at_s = [step * STEP_S for step in range(steps)]
    alone: list[float] = []
    together: list[float] = []
    differences: list[float] = []
    keys = [FaceKey("evaluation:cost", face_id) for face_id in range(TOGETHER + 1)]
    try:
        for step in range(steps):
            began = clock()
            update = scorer.push([_crop(faces[step], keys[0], at_s[step])])[0]
            middle = clock()
            scorer.push([_crop(faces[(step + i) % steps], keys[i], at_s[step]) for i in range(1, TOGETHER + 1)])
            ended = clock()
            if step >= NUM_FRAMES + WARM_UP:
                alone.append(middle - began)
                together.append((ended - middle) / TOGETHER)
            if update.score is not None and len(differences) < COMPARED:
                last = slice(step - NUM_FRAMES + 1, step + 1)
                clip = scorer.score_clip(faces[last], at_s[last])
                if clip is not None:
                    differences.append(abs(clip.logit - update.score.logit))
    finally:
        for key in keys:
            scorer.forget(key)
    return CostFigures(
        device=scorer.info.device,
        parameters=frame.parameters + window.parameters,
        frame_mmacs=frame.macs / 1e6,
        window_mmacs=window.macs / 1e6,
        ms_per_score=statistics.median(alone) * 1e3 if alone else None,
        faces_per_s=1 / statistics.median(together) if together and statistics.median(together) > 0 else None,
        kib_per_face=NUM_FRAMES * CHANNELS * MAP_SIZE * MAP_SIZE * 2 / 1024,  # fp16
        streaming_difference=max(differences, default=None),
        windows_tried=len(differences),
    )


def _picture(rng: np.random.Generator) -> Pixels:
    """Coarse colours under fine noise. Noise alone drives a network so far out that its logits are mere rounding."""
    side = FACE_SIZE // CELLS
    coarse = rng.integers(0, 256, (CELLS, CELLS, 3)).repeat(side, axis=0).repeat(side, axis=1)
    return np.asarray(np.clip(coarse + rng.normal(0, 25, coarse.shape), 0, 255), np.uint8)


def _crop(pixels: Pixels, key: FaceKey, at_s: float) -> FaceCrop:
    return FaceCrop(key, 0, round(at_s / STEP_S), None, at_s, Box(0, 0, 120, 120), FIT, pixels)

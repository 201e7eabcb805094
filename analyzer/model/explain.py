"""From the network's numbers to scores with their evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from analyzer.config import MAP_SIZE, NUM_FRAMES
from analyzer.datatypes import Evidence
from analyzer.model.network import Calibration, WindowOutput
from analyzer.scorer import ClipScore, sigmoid


def opinions(
    logits: Tensor, window: WindowOutput, frame_logits: Tensor, maps: Tensor, calibration: Calibration
) -> list[ClipScore]:
    """B scored windows.

    `logits` (B,), calibrated; `frame_logits` (B, 16); `maps` (B, 1, 7, 7) of each window's newest face. Evidence is
    None where any of its numbers is not finite; the logit is passed on as it is.
    """
    weights = torch.stack([calibration.a, calibration.b]).expand(len(logits), 2)  # (B, 2)
    # one row of numbers per window, for one copy from the device
    columns = (torch.stack([logits, window.logit], 1), weights, window.attention, frame_logits, maps.flatten(1))
    rows = torch.cat([column.float() for column in columns], dim=1).cpu().tolist()  # (B, 4 + 16 + 16 + 49)
    return [ClipScore(sigmoid(row[0]), row[0], _evidence(row)) for row in rows]


def _evidence(row: Sequence[float]) -> Evidence | None:
    if not all(map(math.isfinite, row)):
        return None
    (logit, window_logit, a, b), row = row[:4], row[4:]
    when, frame_logits, cells = row[:NUM_FRAMES], row[NUM_FRAMES : 2 * NUM_FRAMES], row[2 * NUM_FRAMES :]
    mean = math.fsum(frame_logits) / NUM_FRAMES
    return Evidence(
        where=tuple(tuple(cells[start : start + MAP_SIZE]) for start in range(0, MAP_SIZE**2, MAP_SIZE)),
        when=tuple(when),
        frame_logits=tuple(frame_logits),
        window_logit=window_logit,
        when_counts=a != 0,
        # a * window + b * frame + c of each frame, said so that the mean is the logit to the last digit
        counted=tuple(logit + b * (frame - mean) for frame in frame_logits),
    )

"""From the network's numbers to scores with their evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from analyzer.config import MAP_SIZE, NUM_FRAMES
from analyzer.datatypes import Evidence, ScoreCurve
from analyzer.model.network import Calibration, WindowOutput
from analyzer.scorer import ClipScore, sigmoid


def opinions(
    logits: Tensor,
    window: WindowOutput | None,
    frame_logits: Tensor,
    maps: Tensor,
    calibration: Calibration,
    curve: ScoreCurve | None = None,
) -> list[ClipScore]:
    """B scored windows.

    `logits` (B,), calibrated; `window`: None where that path was not computed; `frame_logits` (B, 16); `maps`
    (B, 1, 7, 7) of each window's newest face; `curve` of the weights card. Evidence is None where any of its numbers is
    not finite; the logit is passed on as it is.
    """
    # one row of numbers per window, for one copy from the device
    columns = [logits.unsqueeze(1), calibration.b.expand(len(logits), 1), frame_logits, maps.flatten(1)]
    if window is not None:
        columns += [window.logit.unsqueeze(1), window.attention]
    rows = torch.cat([column.float() for column in columns], dim=1).cpu().tolist()  # (B, 2 + 16 + 49 (+ 1 + 16))
    return [ClipScore(sigmoid(row[0]), row[0], _evidence(row, curve)) for row in rows]


def _evidence(row: Sequence[float], curve: ScoreCurve | None) -> Evidence | None:
    if not all(map(math.isfinite, row)):
        return None
    (logit, b), row = row[:2], row[2:]
    frame_logits, row = row[:NUM_FRAMES], row[NUM_FRAMES:]
    cells, window = row[: MAP_SIZE**2], row[MAP_SIZE**2 :]
    mean = math.fsum(frame_logits) / NUM_FRAMES
    return Evidence(
        where=tuple(tuple(cells[start : start + MAP_SIZE]) for start in range(0, MAP_SIZE**2, MAP_SIZE)),
        when=tuple(window[1:]) or None,
        frame_logits=tuple(frame_logits),
        window_logit=window[0] if window else None,
        # a * window + b * frame + c of each frame, said so that the mean is the logit to the last digit
        counted=tuple(logit + b * (frame - mean) for frame in frame_logits),
        calibration_percentile=None if curve is None else curve.share_below(logit),
    )

"""The pictures that a file was judged by: its most suspicious 16 crops, and where the network looked in the newest."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from analyzer.config import NUM_FRAMES
from analyzer.datatypes import Evidence, Pixels
from analyzer.video.report import Peak

WHERE: Final = "where"
GRID: Final = "grid"
SIDE: Final = 96
"""Pixels of one crop in the grid."""
BAR: Final = 8
"""Pixels below each crop for how much it counted."""
PER_ROW: Final = 8
NEWEST: Final = 2 * (SIDE + BAR)
"""Pixels of the newest crop with its overlay: as high as the grid of two rows."""
INK: Final = (217, 72, 15)
"""RGB of bars and overlay: seen on light and on dark."""
QUALITY: Final = 82


def strips_of(peak: Peak) -> dict[str, bytes]:
    """JPEGs by kind (`WHERE`, `GRID`) of a peak that has pictures; empty for one without.

    In the grid, oldest first, the bar below a crop says how suspicious it looked for itself within this window.
    """
    if not peak.pictures:
        return {}
    counted = _shares(peak.evidence)
    cells = [_cell(picture, counted[i] if counted else 0.0) for i, picture in enumerate(peak.pictures)]
    grid = np.vstack([np.hstack(cells[i : i + PER_ROW]) for i in range(0, len(cells), PER_ROW)])
    newest = cv2.resize(peak.pictures[-1], (NEWEST, NEWEST), interpolation=cv2.INTER_AREA)
    return {WHERE: _jpeg(_overlaid(np.asarray(newest, np.uint8), peak.evidence)), GRID: _jpeg(grid)}


def _shares(evidence: Evidence | None) -> list[float] | None:
    """0 for the least and 1 for the most suspicious face of the window, by each face's own logit."""
    if evidence is None or len(evidence.frame_logits) != NUM_FRAMES:
        return None
    low, high = min(evidence.frame_logits), max(evidence.frame_logits)
    return [(value - low) / (high - low) if high > low else 0.5 for value in evidence.frame_logits]


def _cell(picture: Pixels, share: float) -> Pixels:
    cell = np.full((SIDE + BAR, SIDE, 3), 128, np.uint8)
    cell[:SIDE] = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    cell[SIDE + 1 : -1, : round(share * SIDE)] = INK
    return cell


def _overlaid(picture: Pixels, evidence: Evidence | None) -> Pixels:
    """The picture with the spatial attention above it: no ink where the map is lowest, .6 of it where highest."""
    if evidence is None or not evidence.where:
        return picture
    where = np.array(evidence.where, np.float32)
    spread = float(where.max() - where.min())
    shares = (where - where.min()) / spread if spread > 1e-6 else np.zeros_like(where)
    weight = 0.6 * cv2.resize(shares, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    return np.asarray(picture * (1 - weight) + np.array(INK) * weight + 0.5, np.uint8)


def _jpeg(picture: Pixels) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"expected a picture that JPEG can hold, got {picture.shape}")
    return bytes(data.tobytes())

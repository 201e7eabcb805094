from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from analyzer.config import FACE_SIZE
from analyzer.datatypes import Evidence, Pixels
from analyzer.video.report import Peak
from analyzer.video.strips import BAR, GRID, INK, PER_ROW, SIDE, WHERE, strips_of

FLAT = tuple((0.0,) * 7 for _ in range(7))
UPPER_LEFT = ((1.0,) + (0.0,) * 6, *FLAT[1:])
EVIDENCE = Evidence(UPPER_LEFT, (1 / 16,) * 16, tuple(float(i) for i in range(16)), 0.0)
GREY = tuple(np.full((FACE_SIZE, FACE_SIZE, 3), 100, np.uint8) for _ in range(16))


def decoded(data: bytes) -> Pixels:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def test_sixteen_faces_stand_in_order_with_bars_that_rise_with_suspicion() -> None:
    grid = decoded(strips_of(Peak(1.0, 0.9, EVIDENCE, GREY))[GRID])
    assert grid.shape == (2 * (SIDE + BAR), PER_ROW * SIDE, 3)
    bars = [grid[SIDE + BAR // 2 :: SIDE + BAR][row, i * SIDE : (i + 1) * SIDE] for row in (0, 1) for i in range(8)]
    widths = [int((np.abs(bar.astype(int) - INK).sum(axis=1) < 90).sum()) for bar in bars]
    assert widths == sorted(widths)
    assert widths[0] < 8
    assert widths[-1] > 88


def test_the_overlay_is_where_the_network_looked() -> None:
    where = decoded(strips_of(Peak(1.0, 0.9, EVIDENCE, GREY))[WHERE]).astype(int)
    reds = where[..., 0] - where[..., 2]
    assert reds[:15, :15].mean() > 60
    assert abs(reds[-60:, -60:].mean()) < 8


def test_without_evidence_the_pictures_are_shown_as_they_are() -> None:
    strips = strips_of(Peak(1.0, 0.9, None, GREY))
    assert abs(decoded(strips[WHERE]).astype(int) - 100).max() < 8
    flat = strips_of(Peak(1.0, 0.9, replace(EVIDENCE, where=FLAT, frame_logits=(0.0,) * 16), GREY))
    assert abs(decoded(flat[WHERE]).astype(int) - 100).max() < 8


def test_a_peak_without_pictures_has_no_strip() -> None:
    assert strips_of(Peak(1.0, 0.9, EVIDENCE, None)) == {}

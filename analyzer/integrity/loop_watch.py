"""Notices that the same stretch of video is played again and again: a recording in a camera's place."""

from __future__ import annotations

from math import ceil
from typing import Final

import numpy as np

from analyzer.integrity.picture_watch import MAX_GAP_S
from analyzer.integrity.repeats import (
    LAG_STEP_S,
    MIN_FACE_MOTION,
    MIN_MOTION,
    MOTION_UNTIL_S,
    SPACING_S,
    Comparison,
    Look,
    Past,
    Repetition,
    Sight,
)

MIN_LAG_S: Final = 8.0
"""A shorter loop is found at a multiple of its length."""
MAX_LAG_S: Final = 120.0
"""A longer one is not found: the past takes 1 MB a stream."""
RECENT: Final = ceil(MOTION_UNTIL_S / SPACING_S)
"""More looks than this are not made in that time."""
MIN_REPEATED_S: Final = 15.0
"""So long, and at least as long as the lag, must what is shown have been shown before: people repeat themselves too. In
real videos that were no loops, no lag ever had enough evidence, for however short a time."""


class LoopWatch:
    """Looks at every picture of a stream that is looked at for faces; belongs to one thread.

    Costs 0.5 ms of CPU with one face in it (2026-11-29, two busy cores), 7 times a second at most.
    """

    def __init__(self) -> None:
        self._past = Past(MAX_LAG_S + LAG_STEP_S)
        self._repetition = self._none()
        self._last_s = self._added_s = self._cut_s = float("-inf")

    @property
    def since_s(self) -> float | None:
        """When the repetition began; None while nothing is looped."""
        return self._repetition.since_s

    def update(self, sight: Sight, at_s: float, *, cut: bool) -> Look | None:
        """One more picture; as a look, or None when it follows too soon on the one before.

        Without a face in it, it is no evidence. `cut`: it is of another scene than the one before, so what it differs
        from them is no motion.
        """
        if at_s - self._last_s > MAX_GAP_S or at_s < self._last_s:
            self._begin_anew()
        self._last_s = at_s
        if cut:
            self._cut_s = at_s
        if at_s - self._added_s < SPACING_S:
            return None
        self._added_s = at_s
        compared = self._past.compare(sight)
        look = self._look(sight, at_s, compared)
        self._past.add(sight, at_s)
        if look.motion:
            self._repetition.add(self._past, compared, look, at_s)
        self._repetition.judge(at_s)
        return look

    def _look(self, sight: Sight, at_s: float, compared: Comparison) -> Look:
        if at_s - self._cut_s <= MOTION_UNTIL_S or (motion := compared.motion(at_s)) < MIN_MOTION:
            return Look(sight, at_s, 0.0)
        motions = [self._past.compare_face(sight, cells, RECENT).motion(at_s) for cells in sight.faces]
        faces = tuple(each for each in zip(sight.faces, motions, strict=True) if each[1] >= MIN_FACE_MOTION)
        return Look(sight, at_s, motion if faces else 0.0, faces)

    def _begin_anew(self) -> None:
        self._past.clear()
        self._repetition = self._none()
        self._added_s = self._cut_s = float("-inf")

    @staticmethod
    def _none() -> Repetition:
        lags = np.arange(MIN_LAG_S, MAX_LAG_S, LAG_STEP_S)
        return Repetition(lags, np.maximum(lags, MIN_REPEATED_S))

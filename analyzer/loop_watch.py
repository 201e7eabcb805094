"""Notices that the same stretch of video is played again and again: a recording in a camera's place."""

from __future__ import annotations

from typing import Final

import numpy as np

from analyzer.picture_watch import MAX_GAP_S
from analyzer.repeats import (
    ENOUGH,
    LAG_STEP_S,
    MIN_MOTION,
    MOTION_UNTIL_S,
    SPACING_S,
    STILL_ENOUGH,
    STILL_FOR_S,
    Floats,
    LagEvidence,
    Look,
    Past,
)

MIN_LAG_S: Final = 8.0
"""A shorter loop is found at a multiple of its length."""
MAX_LAG_S: Final = 120.0
"""A longer one is not found: the past takes 0.5 MB a stream."""
MIN_REPEATED_S: Final = 15.0
"""So long, and at least as long as the lag, must what is shown have been shown before: people repeat themselves too. In
real videos that were no loops, no lag ever had enough evidence, for however short a time."""


class LoopWatch:
    """Looks at every picture of a stream that is looked at for faces; belongs to one thread.

    Costs 0.11 ms, 7 times a second at most.
    """

    def __init__(self) -> None:
        self.looped = False
        self.since_s = 0.0
        """When the repetition began, only while looped."""
        self._past = Past(MAX_LAG_S + LAG_STEP_S)
        self._evidence = self._no_evidence()
        self._needed_s = np.maximum(self._evidence.lags, MIN_REPEATED_S)
        self._last_s = self._added_s = self._cut_s = self._moved_s = float("-inf")

    def update(self, row: Floats, at_s: float, *, face: bool, cut: bool) -> Look | None:
        """One more picture by its signature; as a look, or None when it follows too soon on the one before.

        `face`: a living one of some size is in it, else it is no evidence. `cut`: it is of another scene than the one
        before, so what it differs from them is no motion.
        """
        if at_s - self._last_s > MAX_GAP_S or at_s < self._last_s:
            self._begin_anew()
        self._last_s = at_s
        if cut:
            self._cut_s = at_s
        if at_s - self._added_s < SPACING_S:
            return None
        self._added_s = at_s
        compared = self._past.compare(row)
        self._past.add(row, at_s)
        motion = compared.motion(at_s) if face and at_s - self._cut_s > MOTION_UNTIL_S else 0.0
        look = Look(row, at_s, motion if motion >= MIN_MOTION else 0.0)
        if look.motion:
            self._moved_s = at_s
            self._evidence.add(compared, look, at_s)
        self._judge(at_s)
        return look

    def _judge(self, at_s: float) -> None:
        best = self._evidence.best(at_s, STILL_ENOUGH if self.looped else ENOUGH, self._needed_s)
        if best is None or at_s - self._moved_s > STILL_FOR_S:
            self.looped = False
        elif not self.looped:
            self.looped, self.since_s = True, float(self._evidence.began[best])

    def _begin_anew(self) -> None:
        self._past.clear()
        self._evidence = self._no_evidence()
        self.looped = False
        self._added_s = self._cut_s = self._moved_s = float("-inf")

    @staticmethod
    def _no_evidence() -> LagEvidence:
        return LagEvidence(np.arange(MIN_LAG_S, MAX_LAG_S, LAG_STEP_S))

"""Whether pictures are shown once more: what loops of one stream and duplicates of two have in common.

Two takes of a scene are alike; a repetition is the same. So a picture counts only if somebody moves in it, and if it is
found in few places of what was shown before. Then it speaks for the lag at which it is found, however it was encoded,
and against all others. A room that holds still, a nod and a person who rocks look the same at many times: nothing
follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
import numpy.typing as npt

CELLS: Final = (9, 16)
"""Rows and columns of a signature; twice as many told repetitions from takes no better."""
MIN_ROW_MEAN: Final = 24.0
"""Grey levels: the noise of a dark row is not blown up."""
SPACING_S: Final = 1 / 7
"""Looks that follow closer are passed over: 6 a second tell as much as 12, and memory has a bound."""
MOTION_FROM_S: Final = 0.5
MOTION_UNTIL_S: Final = 2.5
"""How much a picture moves is how far it is from those made so long before it, in the median."""
MIN_MOTION: Final = 4.0
"""Mean square over the cells, in percent of their row's brightness. Of 48 stills, with and without a sensor's noise,
sent as H.264 and VP8, 99 % of the pictures lay under 2.6; of 132 videos of faces 7 do not reach it in the median."""
SAME: Final = 0.2
"""A picture is found where the distance (a mean square too) is less than this share of the motion. Repetitions
sent as H.264 and VP8 lie at 0.015 in the median with 4 looks a second (9 of 10 videos: under 0.075), other moments of
the same takes at 1 (over 0.5)."""
MAX_SHARE: Final = 0.15
"""Found in more of what was shown before, it says nothing. A nod is found in 0.3 to 0.5; somebody who
sways in time with music in as much as this, up to a period of some 3 s, and so are loops that are as short."""
STILL_FOR_S: Final = 30.0
"""Nobody knows whether it still is a repetition when nothing has moved for so long."""
LAG_STEP_S: Final = 0.1
"""Between the lags that are tried; each takes in its neighbours, for clocks and networks are uneven."""

# Evidence of a look, in halvings of the distance under `SAME`: bounded, for one lucky hit says little, and downwards by
# more, so that two looks of three must be found for a lag to gain anything.
MOST: Final = 1.0
LEAST: Final = 2.0
ENOUGH: Final = 16.0
"""Looks at the least, all found at one lag. What was no repetition reached 11 in an hour of real videos."""
STILL_ENOUGH: Final = 8.0
"""For what was told already."""
HIGHEST: Final = 24.0
"""More is not gathered: it is over after some 8 looks that are not found."""

Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture of a stream, as its signature."""

    signature: Floats
    """(144,), percent over the mean of its row of cells: exposure and the flicker of lamps change little of it."""
    at_s: float
    """`received_at_s` of its frame."""
    motion: float
    """0 where the picture cannot be evidence; see `MIN_MOTION`."""


def signature(thumbnail: Floats) -> Floats:
    """Of grey levels, (36, 64) or any multiple of 9 x 16."""
    rows, columns = CELLS
    height, width = thumbnail.shape
    cells = thumbnail.reshape(rows, height // rows, columns, width // columns).mean(axis=(1, 3))
    level = np.maximum(cells.mean(axis=1, keepdims=True), MIN_ROW_MEAN)
    return np.asarray((cells / level - 1.0) * 100.0, np.float32).reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One signature against those of the past, oldest first. Distances are mean squares over the cells."""

    times: Times
    points: Floats
    """From each."""
    segments: Floats
    """From the straight line between each and the next: from what was shown between two looks."""

    def motion(self, at_s: float) -> float:
        """How far a picture of that time is from those shortly before; 0 where there were too few."""
        ages = at_s - self.times
        near = self.points[(ages >= MOTION_FROM_S) & (ages <= MOTION_UNTIL_S)]
        return float(np.median(near)) if len(near) >= 2 else 0.0

    def share(self, within: float, until_s: float) -> float:
        """How much of what was shown until then is so near; 1 where nothing was."""
        older = self.segments[self.times[1:] <= until_s]
        return float(np.mean(older <= within)) if len(older) else 1.0

    def at(self, times: Times) -> Floats:
        """`segments` at these times; infinite where no look was made before and after."""
        if len(self.segments) == 0:
            return np.full(len(times), np.inf, np.float32)
        index = np.searchsorted(self.times, times, side="right") - 1
        known = (index >= 0) & (index < len(self.segments))
        return np.where(known, self.segments[np.clip(index, 0, len(self.segments) - 1)], np.float32(np.inf))


class Past:
    """The signatures of the last seconds in a ring, 0.6 kB each."""

    def __init__(self, seconds: float) -> None:
        size = ceil(seconds / SPACING_S) + 2
        self._rows = np.zeros((size, CELLS[0] * CELLS[1]), np.float32)
        self._squares = np.zeros(size, np.float32)
        self._steps = np.ones(size, np.float32)
        """Squared distance of each from the one before."""
        self._times = np.zeros(size, np.float64)
        self._count = 0

    def clear(self) -> None:
        """Forget all."""
        self._count = 0

    def add(self, row: Floats, at_s: float) -> None:
        """One more, later than all before."""
        here, before = self._count % len(self._rows), (self._count - 1) % len(self._rows)
        step = row - self._rows[before]
        self._rows[here], self._times[here], self._squares[here] = row, at_s, row @ row
        self._steps[here] = max(float(step @ step), 1e-6)  # between two of the same the line is a point
        self._count += 1

    def compare(self, row: Floats) -> Comparison:
        """This one with all that are there."""
        size = len(self._rows)
        order = np.arange(max(0, self._count - size), self._count) % size
        squares = self._squares + row @ row - 2.0 * (self._rows @ row)
        points = np.maximum(squares[order], 0.0)
        first, second, step = points[:-1], points[1:], self._steps[order][1:]
        along = np.clip((first - second + step) / (2.0 * step), 0.0, 1.0)
        segments = np.maximum(first + along * (second - first - step * (1.0 - along)), 0.0)
        return Comparison(self._times[order], points / len(row), segments / len(row))


class LagEvidence:
    """What speaks for each lag: a sum of evidence that never falls under 0 (Page 1954)."""

    def __init__(self, lags: Times) -> None:
        """`lags`: seconds, ascending by `LAG_STEP_S`."""
        self.lags = lags
        self.sums = np.zeros(len(lags), np.float32)
        self.began = np.full(len(lags), np.inf)
        """When the sum last rose from 0."""

    def add(self, compared: Comparison, look: Look, now_s: float) -> None:
        """One look that moves. `now_s`: of the newest look, on the same clock."""
        if compared.share(SAME * look.motion, look.at_s - MOTION_FROM_S) > MAX_SHARE:
            return
        found = compared.at(look.at_s - self.lags)
        found[1:-1] = np.minimum(np.minimum(found[:-2], found[2:]), found[1:-1])
        with np.errstate(divide="ignore"):
            gain = np.log2(SAME * look.motion / found)
        self.began[self.sums == 0.0] = now_s
        self.sums = np.clip(self.sums + np.clip(gain, -LEAST, MOST), 0.0, HIGHEST)

    def best(self, now_s: float, enough: float, for_s: Times | float) -> int | None:
        """Which lag has most evidence of those that have `enough` of it, and some for so many seconds."""
        good = (self.sums >= enough) & (now_s - self.began >= for_s)
        return int(np.argmax(np.where(good, self.sums, -1.0))) if good.any() else None

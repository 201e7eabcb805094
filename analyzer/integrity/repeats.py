"""Whether pictures are shown once more: what loops of one stream and duplicates of two have in common.

Two takes of a scene are alike; a repetition is the same. So a picture counts only if somebody moves in it, and if it is
found in few places of what was shown before. Then it speaks for the lag at which it is found, however it was encoded,
and against all others. A room that holds still, a nod and a person who rocks look the same at many times: nothing
follows. And it must be found as a whole *and* where the faces are: a fan that swings or a screen that shows the same
slides again says nothing of the person before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
import numpy.typing as npt

CELLS: Final = (9, 16)
"""Rows and columns of a signature; twice as many told repetitions from takes no better."""
FACE_CELLS: Final = (18, 32)
"""Of the grid from which faces are compared: the smallest has some 15 of them."""
FACE_GROWN: Final = 1.5
"""So many times the box is looked at: the head moves, and its outline tells more than the skin."""
MOST_LINES: Final = 9
"""Of a face's rows and columns so many are looked at, evenly: more cost more; with 6, 3 loops fewer of 112 are told."""
MOST_FACES: Final = 3
"""The largest are compared; it bounds the cost."""
MIN_ROW_MEAN: Final = 24.0
"""Grey levels: the noise of a dark row, or face, is not blown up."""
SPACING_S: Final = 1 / 7
"""Looks that follow closer are passed over: 6 a second tell as much as 12, and memory has a bound."""
MOTION_FROM_S: Final = 0.5
MOTION_UNTIL_S: Final = 2.5
"""How much a picture moves is how far it is from those made so long before it, in the median."""
MIN_MOTION: Final = 4.0
"""Mean square over the cells, in percent of their row's brightness. Of 48 stills, with and without a sensor's noise,
sent as H.264 and VP8, 99 % of the pictures lay under 2.6; of 132 videos of faces 7 do not reach it in the median."""
MIN_FACE_MOTION: Final = 4.0
"""The same of a face's cells, in percent of the face's brightness; half of it tells the same loops."""
SAME: Final = 0.2
"""A picture is found where the distance (a mean square too) is less than this share of the motion. Repetitions
sent as H.264 and VP8 lie at 0.015 in the median with 4 looks a second (9 of 10 videos: under 0.075), other moments of
the same takes at 1 (over 0.5)."""
MAX_SHARE: Final = 0.15
"""Found in more of what was shown before, it says nothing. A nod is found in 0.3 to 0.5; somebody who
sways in time with music in as much as this, up to a period of some 3 s, and so are loops that are as short."""
MAX_FACE_SHARE: Final = 0.35
"""The same for a face, which has fewer places to be: beyond it speaks for no lag any more, but still against those at
which it is not found. With 0.2, 4 of 29 loops more are missed with 2 looks a second, and no fan less is told."""
STILL_FOR_S: Final = 30.0
"""Nobody knows whether it still is a repetition when nothing has moved for so long."""
OVER_AFTER_S: Final = 10.0
"""What was told is over when it has not been found for so long: it does not come and go with every turn of a head."""
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
Cells = npt.NDArray[np.intp]
Share = tuple[float, float, float, float]
"""A face's box (left, top, width, height) in shares of the picture's width and height."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What of one picture is compared with others."""

    signature: Floats
    """(144,), percent over the mean of its row of cells: exposure and the flicker of lamps change little of it."""
    grey: npt.NDArray[np.uint8]
    """(576,), grey levels of the finer grid."""
    faces: tuple[Cells, ...]
    """Which cells of it lie under each living face of some size."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture of a stream among others."""

    sight: Sight
    at_s: float
    """`received_at_s` of its frame."""
    motion: float
    """0 where the picture cannot be evidence; see `MIN_MOTION`."""
    faces: tuple[tuple[Cells, float], ...] = ()
    """Those that move, and how much. None is without motion, and without one the picture is no evidence."""


def see(thumbnail: Floats, faces: Sequence[Share]) -> Sight:
    """One picture by its grey levels, (36, 64) or any multiple of 18 x 32, and the faces in it."""
    rows, columns = FACE_CELLS
    height, width = thumbnail.shape
    grey = thumbnail.reshape(rows, height // rows, columns, width // columns).mean(axis=(1, 3))
    largest = sorted(faces, key=lambda face: face[2] * face[3], reverse=True)[:MOST_FACES]
    cells = tuple(each for each in map(_under, largest) if len(each))
    return Sight(signature(thumbnail), np.rint(grey).astype(np.uint8).reshape(-1), cells)


def signature(thumbnail: Floats) -> Floats:
    """Of grey levels, (36, 64) or any multiple of 9 x 16."""
    rows, columns = CELLS
    height, width = thumbnail.shape
    cells = thumbnail.reshape(rows, height // rows, columns, width // columns).mean(axis=(1, 3))
    level = np.maximum(cells.mean(axis=1, keepdims=True), MIN_ROW_MEAN)
    return np.asarray((cells / level - 1.0) * 100.0, np.float32).reshape(-1)


def _under(face: Share) -> Cells:
    """The cells with their middle in the grown box, one at the least; none where it is outside of the picture."""
    left, top, width, height = face
    rows, columns = FACE_CELLS
    x, y = (left + width / 2) * columns, (top + height / 2) * rows
    far_x, far_y = FACE_GROWN * width * columns / 2, FACE_GROWN * height * rows / 2
    here = np.flatnonzero(np.abs(np.arange(rows) + 0.5 - y) <= max(far_y, 0.5))
    there = np.flatnonzero(np.abs(np.arange(columns) + 0.5 - x) <= max(far_x, 0.5))
    here, there = here[:: ceil(len(here) / MOST_LINES) or 1], there[:: ceil(len(there) / MOST_LINES) or 1]
    return (here[:, None] * columns + there).reshape(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One picture, or a face in it, against those of the past, oldest first. Distances are mean squares over cells."""

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
    """What was seen in the last seconds, in a ring; 1.2 kB each."""

    def __init__(self, seconds: float) -> None:
        size = ceil(seconds / SPACING_S) + 2
        self._rows = np.zeros((size, CELLS[0] * CELLS[1]), np.float32)
        self._squares = np.zeros(size, np.float32)
        self._steps = np.ones(size, np.float32)
        """Squared distance of each from the one before."""
        self._grey = np.zeros((size, FACE_CELLS[0] * FACE_CELLS[1]), np.uint8)
        self._times = np.zeros(size, np.float64)
        self._count = 0

    def clear(self) -> None:
        """Forget all."""
        self._count = 0

    def add(self, sight: Sight, at_s: float) -> None:
        """One more, later than all before."""
        here, before = self._count % len(self._rows), (self._count - 1) % len(self._rows)
        row = sight.signature
        step = row - self._rows[before]
        self._rows[here], self._times[here], self._squares[here] = row, at_s, row @ row
        self._steps[here] = step @ step
        self._grey[here] = sight.grey
        self._count += 1

    def compare(self, sight: Sight) -> Comparison:
        """The whole picture with all that are there."""
        row, order = sight.signature, self._order()
        squares = self._squares + row @ row - 2.0 * (self._rows @ row)
        return _comparison(self._times[order], squares[order], self._steps[order][1:], len(row))

    def compare_face(self, sight: Sight, cells: Cells, last: int | None = None) -> Comparison:
        """These cells of it with the same ones of all that are there, or of the last so many."""
        order = self._order()[-last if last else None :]
        rows = _levelled(self._grey[order].take(cells, axis=1))
        apart, steps = rows - _levelled(sight.grey[cells]), rows[1:] - rows[:-1]
        squares, between = np.einsum("ij,ij->i", apart, apart), np.einsum("ij,ij->i", steps, steps)
        return _comparison(self._times[order], squares, between, len(cells))

    def _order(self) -> Cells:
        size = len(self._rows)
        return np.arange(max(0, self._count - size), self._count) % size


def _levelled(grey: npt.NDArray[np.uint8]) -> Floats:
    """(..., cells) in percent over their mean: what is beside the face changes nothing of it."""
    levels = grey.astype(np.float32)
    mean = np.maximum(levels.mean(axis=-1, keepdims=True), MIN_ROW_MEAN)
    return np.asarray(levels * (100.0 / mean) - 100.0, np.float32)


def _comparison(times: Times, squares: Floats, steps: Floats, cells: int) -> Comparison:
    """Of squared distances from each, and of each from the next."""
    points = np.maximum(squares, 0.0)
    first, second, step = points[:-1], points[1:], np.maximum(steps, 1e-6)  # between two of the same it is a point
    along = np.clip((first - second + step) / (2.0 * step), 0.0, 1.0)
    segments = np.maximum(first + along * (second - first - step * (1.0 - along)), 0.0)
    return Comparison(times, np.asarray(points / cells, np.float32), np.asarray(segments / cells, np.float32))


def _gain(compared: Comparison, within: float, times: Times, most: float) -> Floats:
    """What it says of each of these times, ascending or descending by `LAG_STEP_S`."""
    found = compared.at(times)
    found[1:-1] = np.minimum(np.minimum(found[:-2], found[2:]), found[1:-1])
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(np.log2(within / found), -LEAST, most), np.float32)


class LagEvidence:
    """What speaks for each lag: a sum of evidence that never falls under 0 (Page 1954)."""

    def __init__(self, lags: Times) -> None:
        """`lags`: seconds, ascending by `LAG_STEP_S`."""
        self.lags = lags
        self.sums = np.zeros(len(lags), np.float32)
        self.began = np.full(len(lags), np.inf)
        """When the sum last rose from 0."""

    def add(self, past: Past, compared: Comparison, look: Look, now_s: float) -> None:
        """One look that moves, `compared` with that `past`. `now_s`: of the newest look, on the same clock."""
        within, older_s = SAME * look.motion, look.at_s - MOTION_FROM_S
        if compared.share(within, older_s) > MAX_SHARE:
            return
        times = look.at_s - self.lags
        gain = _gain(compared, within, times, MOST)
        if self.sums.any() or (gain > 0.0).any():  # else the faces cannot change anything
            for cells, motion in look.faces:
                face, within = past.compare_face(look.sight, cells), SAME * motion
                most = 0.0 if face.share(within, older_s) > MAX_FACE_SHARE else MOST
                gain = np.minimum(gain, _gain(face, within, times, most))
        self.began[self.sums == 0.0] = now_s
        self.sums = np.clip(self.sums + gain, 0.0, HIGHEST)

    def best(self, now_s: float, enough: float, for_s: Times | float) -> int | None:
        """Which lag has most evidence of those that have `enough` of it, and some for so many seconds."""
        good = (self.sums >= enough) & (now_s - self.began >= for_s)
        return int(np.argmax(np.where(good, self.sums, -1.0))) if good.any() else None


class Repetition:
    """Whether something is shown once more, as it is told: much evidence begins it, little for long ends it."""

    def __init__(self, lags: Times, needed_s: Times | float) -> None:
        """`needed_s`: for so many seconds, of each lag, must there have been evidence."""
        self.evidence = LagEvidence(lags)
        self.since_s: float | None = None
        """When it began; None while nothing is told."""
        self._needed_s = needed_s
        self._moved_s = self._found_s = float("-inf")

    def add(self, past: Past, compared: Comparison, look: Look, now_s: float) -> None:
        """One look that moves; see `LagEvidence.add`."""
        self._moved_s = now_s
        self.evidence.add(past, compared, look, now_s)

    def judge(self, now_s: float) -> None:
        """Set `since_s` as of now."""
        enough = ENOUGH if self.since_s is None else STILL_ENOUGH
        best = self.evidence.best(now_s, enough, self._needed_s)
        if best is not None:
            self._found_s = now_s
        if now_s - self._moved_s > STILL_FOR_S:
            # nobody knows what it is by then: who comes into the empty room must not be told by what was before
            self.since_s, self.evidence = None, LagEvidence(self.evidence.lags)
        elif now_s - self._found_s > OVER_AFTER_S:
            self.since_s = None
        elif best is not None and self.since_s is None:
            self.since_s = float(self.evidence.began[best])

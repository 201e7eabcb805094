"""Which faces of a track make a window, and how many seconds lie between them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from analyzer.config import NUM_FRAMES

Times = npt.NDArray[np.float64]
"""Seconds, rising."""
ELAPSED_S: Final = (0.04, 0.5)
"""Mean seconds between two faces of a window, drawn between these: 25 faces a second down to 2."""
NEAR: Final = 0.75
"""Of a plan's mean spacing: no farther from its time is a face that is shown for it."""
COARSER: Final = 1.25
"""A plan that is too fine for a track is tried again with so many times the spacing, ..."""
TRIES: Final = 12
"""... at most so often: from 25 faces a second down to 2."""


def choose_window(rng: np.random.Generator, at_s: Times) -> tuple[list[int], npt.NDArray[np.float32]]:
    """16 rising indices of a track of at least 16 faces, and the seconds since the face before (16,), 0 first.

    The spacing is drawn anew for each window, at times irregular: the live face rate changes under load.
    """
    span = float(at_s[-1] - at_s[0])
    spacing = min(_draw_spacing(rng), span / NUM_FRAMES)
    irregular = _draw_irregular(rng)
    for _ in range(4):
        start = int(rng.integers(max(1, int(np.searchsorted(at_s, at_s[-1] - spacing * NUM_FRAMES)))))
        indices = [start]
        while len(indices) < NUM_FRAMES:
            wanted = at_s[indices[-1]] + spacing * rng.uniform(1 - irregular, 1 + irregular)
            following = max(indices[-1] + 1, int(np.searchsorted(at_s, wanted - 0.005)))
            if following >= len(at_s):
                break
            indices.append(following)
        if len(indices) == NUM_FRAMES:
            break
        spacing *= 0.5
    else:
        start = int(rng.integers(len(at_s) - NUM_FRAMES + 1))
        indices = list(range(start, start + NUM_FRAMES))
    elapsed = np.diff(at_s[indices], prepend=at_s[indices[0]])
    return indices, np.asarray(elapsed, np.float32)


def choose_alike(
    rng: np.random.Generator, first: Times, second: Times
) -> tuple[list[int], list[int], npt.NDArray[np.float32]] | None:
    """16 rising indices of each of two tracks of at least 16 faces, and one row of seconds since the face before.

    The times are drawn once for both, and each shows the faces nearest to them: or frame rate and length of a clip
    would tell its kind. None where no times suit both, as with half a second of 30 faces and a clip of 2 a second.
    """
    longest = min(float(at_s[-1] - at_s[0]) for at_s in (first, second)) / (NUM_FRAMES - 1)
    spacing = _draw_spacing(rng)
    for _ in range(TRIES):
        spacing = min(spacing, longest)
        irregular = _draw_irregular(rng)
        gaps = rng.uniform(1 - irregular, 1 + irregular, NUM_FRAMES - 1)
        elapsed = np.append(0.0, spacing * gaps / gaps.mean())
        one, other = (_nearest(rng, at_s, np.cumsum(elapsed), NEAR * spacing) for at_s in (first, second))
        if one and other:
            return one, other, elapsed.astype(np.float32)
        spacing *= COARSER
    return None


def _draw_spacing(rng: np.random.Generator) -> float:
    """Mean seconds between two faces."""
    return float(np.exp(rng.uniform(*np.log(ELAPSED_S))))


def _draw_irregular(rng: np.random.Generator) -> float:
    """By what share of the mean a gap may be longer or shorter: at times a lot."""
    return float(rng.uniform(0.1, 0.6)) if rng.random() < 0.3 else 0.05


def _nearest(rng: np.random.Generator, at_s: Times, plan: Times, within_s: float) -> list[int]:
    """Rising indices of the faces nearest to the times of `plan` after one of them; none where they are not as near."""
    starts = at_s[: max(1, int(np.searchsorted(at_s, at_s[-1] - plan[-1], side="right")))]
    wanted = starts[:, None] + plan  # (starts, 16)
    after = np.clip(np.searchsorted(at_s, wanted), 1, len(at_s) - 1)
    near = after - (wanted - at_s[after - 1] < at_s[after] - wanted)
    steps = np.arange(NUM_FRAMES)
    rising = np.maximum.accumulate(near - steps, axis=1) + steps  # no face is shown twice
    chosen = np.minimum(rising, len(at_s) - NUM_FRAMES + steps)
    fits = np.flatnonzero((np.abs(at_s[chosen] - wanted) <= within_s).all(axis=1))
    return [int(index) for index in chosen[rng.choice(fits)]] if len(fits) else []

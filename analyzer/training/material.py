"""The cut-out faces that samples are drawn from, and who goes with whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from analyzer.config import NUM_FRAMES
from analyzer.errors import ConfigError
from analyzer.training.dataset import Track
from analyzer.training.geometry import Landmarks
from analyzer.training.manifest import Row
from analyzer.training.synthesis import Donor

Found = tuple[Row, Track]
CANDIDATES: Final = 24
"""So many people are looked at for one whose head is turned like the target's."""
UNLIKE: Final = 0.06
"""Mean distance of the landmarks, in eye distances, from which on a face does not fit."""


class Material:
    """The tracks that samples are drawn from, sorted by kind. `ConfigError` when there is no real face among them."""

    def __init__(self, found: Sequence[Found]) -> None:
        self.found = list(found)
        reals = [track for row, track in found if not row.fake]
        self.real_clips = [track for track in reals if is_clip(track)]
        self.real_stills = [track for track in reals if not is_clip(track)]
        self.reals = self.real_stills + self.real_clips
        self.partners: dict[tuple[str, bool], list[Track]] = {}
        for row, track in found:
            if not row.fake and row.source:
                self.partners.setdefault((row.source, is_clip(track)), []).append(track)
        # fakes by method: a method with many files is no more worth knowing than one with few
        fakes: dict[str, list[tuple[str, Track]]] = {}
        for row, track in found:
            if row.fake:
                fakes.setdefault(row.method, []).append((row.source, track))
        self.fakes = list(fakes.values())
        moving = [[one for one in pool if is_clip(one[1])] for pool in self.fakes]
        self.fake_clips = [pool for pool in moving if pool]
        if not reals:
            raise ConfigError("training needs real faces: no usable real file among the training rows")

    def pick_real(self, rng: np.random.Generator, stills: float) -> Track:
        pools = (self.real_stills, self.real_clips)
        pool = pools[0] if rng.random() < stills else pools[1]
        pool = pool or pools[0] or pools[1]
        return pool[int(rng.integers(len(pool)))]

    def pick_fake(self, rng: np.random.Generator, *, clips: bool) -> tuple[Track, Track] | None:
        """A fake, and a real of the same source, or of any where that has none; both clips if `clips`.

        A real of another source would teach what tells the sources apart. None without fakes, and for `clips` without
        real clips: beside a picture a clip would be fake because it moves.
        """
        pools = self.fake_clips if clips else self.fakes
        if not pools or (clips and not self.real_clips):
            return None
        pool = pools[int(rng.integers(len(pools)))]
        source, fake = pool[int(rng.integers(len(pool)))]
        alike = self.partners.get((source, is_clip(fake)))
        if alike:
            return fake, alike[int(rng.integers(len(alike)))]
        return fake, self.pick_real(rng, 0.0 if is_clip(fake) else 1.0)

    def pick_donor(self, rng: np.random.Generator, marks: Sequence[Landmarks]) -> Donor | None:
        """Somebody whose head is turned like the one with these landmarks, frame by frame; None where nobody's is."""
        pool = self.reals if len(marks) < NUM_FRAMES else self.real_clips
        wanted = [_shape(mark) for mark in marks]
        best, least = None, UNLIKE
        for _ in range(min(CANDIDATES, len(pool))):
            track = pool[int(rng.integers(len(pool)))]
            shapes = np.stack([_shape(mark) for mark in track.landmarks])
            # of a clip the frame that fits: expression and pose follow the target as a swapper's do
            fits = [np.abs(shapes - one).mean(axis=1) for one in wanted]
            distance = float(np.mean([fit.min() for fit in fits]))
            if 1e-3 < distance < least:  # 0 is the very same picture
                best, least = (track, [int(fit.argmin()) for fit in fits]), distance
        if best is None:
            return None
        track, indices = best
        return Donor(track.frames(indices), track.marks(indices))


def is_clip(track: Track) -> bool:
    """Long enough for a window."""
    return len(track.jpegs) >= NUM_FRAMES


def _shape(marks: Landmarks) -> npt.NDArray[np.complex128]:
    """Five landmarks with place, size and turn taken away: what is left is how the head is turned."""
    points = marks.astype(np.float64) @ np.array([1, 1j])
    centred = points - points.mean()
    return np.asarray(centred / (points[1] - points[0] if points[1] != points[0] else 1))

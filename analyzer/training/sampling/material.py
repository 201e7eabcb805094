"""The cut-out faces that samples are drawn from, and who goes with whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from analyzer.config import NUM_FRAMES
from analyzer.errors import ConfigError
from analyzer.faces.geometry import Landmarks
from analyzer.training.data.dataset import Found, Track
from analyzer.training.data.manifest import paired_reals
from analyzer.training.pseudofakes.synthesis import Donor

CANDIDATES: Final = 24
"""So many people are looked at for one whose head is turned like the target's."""
UNLIKE: Final = 0.06
"""Mean distance of the landmarks, in eye distances, from which on a face does not fit."""


class TrackPools:
    """Tracks by name (a fake's method, a real's source), drawn by name, then by group, then evenly within the group.

    A name is drawn in proportion to the square root of its number of groups: a method with one clip would otherwise be
    drawn as often as one with a thousand, and be learned by heart.
    """

    def __init__(self, named: Iterable[tuple[str, Found]]) -> None:
        pools: dict[str, dict[str, list[Found]]] = {}
        for name, (row, track) in named:
            pools.setdefault(name, {}).setdefault(row.group, []).append((row, track))
        self._pools = [list(groups.values()) for groups in pools.values()]
        shares = np.sqrt([len(groups) for groups in self._pools])
        self._shares = shares / shares.sum() if len(shares) else shares

    def __bool__(self) -> bool:
        return bool(self._pools)

    def pick(self, rng: np.random.Generator) -> Found:
        """One track with its row. Only for pools that hold any."""
        groups = self._pools[int(rng.choice(len(self._pools), p=self._shares))]
        group = groups[int(rng.integers(len(groups)))]
        return group[int(rng.integers(len(group)))]


class Material:
    """The tracks that samples are drawn from, sorted by kind. `ConfigError` when there is no real face among them."""

    def __init__(self, found: Sequence[Found]) -> None:
        self.found = list(found)
        reals = [(row, track) for row, track in found if not row.fake]
        if not reals:
            raise ConfigError("training needs real faces: no usable real file among the training rows")
        fakes = [(row, track) for row, track in found if row.fake]
        self.reals = [track for _, track in reals]
        self.real_clips = [track for track in self.reals if is_clip(track)]
        self._real_pools = {
            moving: TrackPools((row.source, (row, track)) for row, track in reals if is_clip(track) == moving)
            for moving in (False, True)
        }
        self._fakes = TrackPools((row.method, (row, track)) for row, track in fakes)
        self._fake_clips = TrackPools((row.method, (row, track)) for row, track in fakes if is_clip(track))
        of_source: dict[tuple[str, bool], list[Found]] = {}
        for row, track in reals:
            if row.source:
                of_source.setdefault((row.source, is_clip(track)), []).append((row, track))
        self._of_source = {key: TrackPools((key[0], one) for one in listed) for key, listed in of_source.items()}
        tracks = {row.file: track for row, track in reals}
        pairs = paired_reals(row for row, _ in found)
        self._paired = {file: tracks[real.file] for file, real in pairs.items() if real.file in tracks}

    def pick_any(self, rng: np.random.Generator, *, fake: bool, stills: float) -> Track:
        """A fake of any method, or a real picture with probability `stills`, otherwise a real clip."""
        return self._fakes.pick(rng)[1] if fake else self.pick_real(rng, stills)

    def groups(self, *, fake: bool) -> int:
        """Number of groups of that kind."""
        return len({row.group for row, _ in self.found if row.fake == fake})

    def pick_real(self, rng: np.random.Generator, stills: float) -> Track:
        """A real picture with probability `stills`, otherwise a real clip; the other kind where there is none."""
        moving = bool(rng.random() >= stills)
        return (self._real_pools[moving] or self._real_pools[not moving]).pick(rng)[1]

    def pick_fake(self, rng: np.random.Generator, *, clips: bool, paired: float = 0.0) -> tuple[Track, Track] | None:
        """A fake and a real to set beside it; both are clips if `clips`.

        With probability `paired` the real is the one that the fake was made from, where both are pictures or both
        clips; otherwise one of the same source, or of any where that has none: a real of another source would teach
        what tells the sources apart. None without fakes, and for `clips` without real clips: beside a picture a clip
        would be fake because it moves.
        """
        pools = self._fake_clips if clips else self._fakes
        if not pools or (clips and not self.real_clips):
            return None
        row, fake = pools.pick(rng)
        own = self._paired.get(row.file)
        if rng.random() < paired and own is not None and is_clip(own) == is_clip(fake):
            return fake, own
        alike = self._of_source.get((row.source, is_clip(fake)))
        if alike:
            return fake, alike.pick(rng)[1]
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

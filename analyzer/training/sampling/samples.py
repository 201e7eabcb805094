"""Tracks -> labelled serving crops, drawn anew for each index and the same for the same seed and index.

Plain sequences of numpy arrays, so that they run in worker processes; only painters, if given, use torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from analyzer.config import NUM_FRAMES
from analyzer.datatypes import Pixels
from analyzer.training.augment.degradation import STRENGTHS, Degradation, degrade, degrade_mask, draw_degradation
from analyzer.training.data.dataset import Found, Track
from analyzer.training.pseudofakes.appearance import Paint
from analyzer.training.pseudofakes.synthesis import PAINTED, make_pair
from analyzer.training.sampling.material import Material, is_clip
from analyzer.training.sampling.mixture import Mixture, pick_family, pick_painter
from analyzer.training.sampling.window_sampling import ELAPSED_S, choose_alike, choose_window

__all__ = ["ImageSamples", "PlainWindows", "PseudoWindows", "WindowSamples", "choose_window", "pseudo_windows"]

CELLS: Final = 7
"""Height and width of a seam map: the network's last feature map."""
VIDEO_CODECS: Final = ("h264", "vp8")
CROPS: Final = 4
"""Crops that each index of `ImageSamples` gives: two real, two fake."""


class Crops(NamedTuple):
    """Half of the rows real, half from a fake, in single images."""

    pixels: npt.NDArray[np.uint8]
    """(n, 224, 224, 3) RGB."""
    fake: npt.NDArray[np.float32]
    """(n,) 0 or 1."""
    seams: npt.NDArray[np.float32]
    """(n, 7, 7): where a blend's edge is, 0 to 1."""
    knows_seam: npt.NDArray[np.float32]
    """(n,) 0 where a fake's seam is not known."""


class Windows(NamedTuple):
    """Face windows."""

    pixels: npt.NDArray[np.uint8]
    """(n, 16, 224, 224, 3) RGB, oldest first."""
    elapsed_s: npt.NDArray[np.float32]
    """(n, 16) seconds since the face before, 0 for the first."""
    fake: npt.NDArray[np.float32]
    """(n,) 0 or 1."""
    origin: npt.NDArray[np.int64]
    """(n,) index of the track that it came from, or -1."""


class LabelledCrops(NamedTuple):
    """Single crops with their labels."""

    pixels: npt.NDArray[np.uint8]
    """(n, 224, 224, 3) RGB."""
    fake: npt.NDArray[np.float32]
    """(n,) 0 or 1."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Samples drawn from the material, the same for the same seed and index."""

    material: Material
    mixture: Mixture
    seed: int
    count: int

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True, slots=True)
class UnpairedSamples(_Drawn):
    """Real and fake faces by turns, each by itself: what the last layer is refitted on. Any index from 0 is good."""

    def __getitem__(self, index: int) -> LabelledCrops:
        rng, fake = np.random.default_rng((self.seed, 5, index)), index % 2 == 1
        track = self.material.pick_any(rng, fake=fake, stills=self.mixture.stills)
        degradation = draw_degradation(rng, track.side, 1, mild=bool(rng.random() < self.mixture.mild))
        frame = track.frames([int(rng.integers(len(track.jpegs)))])
        return LabelledCrops(np.stack(degrade(frame, degradation)), np.array([fake], np.float32))


@dataclass(frozen=True, slots=True)
class ImageSamples(_Drawn):
    """Stage A: each index gives as many real crops as fakes, from one clip or picture. Any index from 0 is good."""

    painters: Sequence[Paint] = ()

    def __getitem__(self, index: int) -> Crops:
        rng = np.random.default_rng((self.seed, 1, index))
        real = self.material.pick_real(rng, self.mixture.stills)
        fake = None
        if rng.random() < self.mixture.real_fakes:
            picked = self.material.pick_fake(rng, clips=False, paired=self.mixture.paired)
            fake, real = picked or (None, real)
        still = len(real.jpegs) == 1 or (fake is not None and len(fake.jpegs) == 1)
        mild = bool(rng.random() < self.mixture.mild)
        # Two crops of a kind either way, so that every batch has one size: two frames, or a picture twice.
        calls, count = (2, 1) if still else (1, 2)
        parts = [self._one(rng, real, fake, count, mild=mild) for _ in range(calls)]
        return Crops(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _one(self, rng: np.random.Generator, real: Track, fake: Track | None, count: int, *, mild: bool) -> Crops:
        chosen = _spread(rng, len(real.jpegs), count)
        if fake is not None:
            theirs = _spread(rng, len(fake.jpegs), count)
            # one degradation for both, at the smaller size: or resolution would tell the kinds apart
            degradation = draw_degradation(rng, min(real.side, fake.side), count, mild=mild)
            pixels = degrade(real.frames(chosen), degradation) + degrade(fake.frames(theirs), degradation)
            seams = np.zeros((2 * count, CELLS, CELLS), np.float32)
            labels = _labels(count, [True] * count)
            return Crops(np.stack(pixels), labels, seams, 1 - labels)
        family = pick_family(rng, self.mixture.families, still=count == 1, painted=bool(self.painters))
        marks = real.marks(chosen)
        donor = self.material.pick_donor(rng, marks) if rng.random() < self.mixture.donors else None
        painter = pick_painter(rng, self.painters, family, self.mixture)
        pair = make_pair(real.frames(chosen), marks, int(rng.integers(2**31)), family, donor=donor, painter=painter)
        degradation = draw_degradation(rng, len(pair.real[0]), count, mild=mild)
        pixels = degrade(pair.real, degradation) + degrade(pair.fake, degradation)
        edges = [degrade_mask(pair.masks[index], degradation, i, CELLS) for i, index in enumerate(degradation.order)]
        seams = np.stack([np.zeros_like(edges[0])] * count + edges)
        shown = [pair.frame_fake[i] for i in degradation.order]
        return Crops(np.stack(pixels), _labels(count, shown), seams, np.ones(2 * count, np.float32))


def _labels(reals: int, fakes: Sequence[bool]) -> npt.NDArray[np.float32]:
    """So many 0, then what is true of each fake: a frame that was not changed is none."""
    return np.array([0] * reals + list(fakes), np.float32)


def _spread(rng: np.random.Generator, length: int, count: int) -> list[int]:
    """`count` rising indices not far apart: what a codec predicts from each other."""
    start, gap = int(rng.integers(max(1, length - count + 1))), int(rng.integers(1, 4))
    return [min(length - 1, start + i * gap) for i in range(count)]


def _window_of(rng: np.random.Generator, track: Track) -> tuple[list[int], npt.NDArray[np.float32]]:
    if len(track.jpegs) >= NUM_FRAMES:
        return choose_window(rng, track.at_s)
    elapsed = np.full(NUM_FRAMES, np.exp(rng.uniform(*np.log(ELAPSED_S))), np.float32)
    elapsed[0] = 0
    return [0] * NUM_FRAMES, elapsed


def _frames_of(track: Track, indices: Sequence[int]) -> list[Pixels]:
    return track.frames([0]) * len(indices) if len(set(indices)) == 1 else track.frames(indices)


@dataclass(frozen=True, slots=True)
class WindowSamples(_Drawn):
    """Stage B: each index gives a real window and one from a fake. Any index from 0 is good."""

    painters: Sequence[Paint] = ()

    def __getitem__(self, index: int) -> Windows:
        rng = np.random.default_rng((self.seed, 2, index))
        draw = int(rng.integers(2**31))
        how = mild if rng.random() < self.mixture.mild else draw_degradation
        if rng.random() < self.mixture.real_fakes:
            picked = self.material.pick_fake(rng, clips=True, paired=self.mixture.paired)
            if picked is not None and (both := _both_windows(draw, picked[1], picked[0], how)) is not None:
                return both
        real = self.material.pick_real(rng, self.mixture.window_stills)
        still = len(real.jpegs) < NUM_FRAMES
        family = pick_family(rng, self.mixture.families, still=still, painted=bool(self.painters))
        donors = self.material if is_clip(real) and rng.random() < self.mixture.donors else None
        painter = pick_painter(rng, self.painters, family, self.mixture)
        return pseudo_windows(draw, real, family, how=how, donors=donors, painter=painter)


Draw = Callable[[np.random.Generator, int, int], Degradation]
"""Draws a degradation for so many loose crops of a side."""


def mild(rng: np.random.Generator, side: int, count: int) -> Degradation:
    """Nothing harsh."""
    return draw_degradation(rng, side, count, mild=True)


def recompressed(rng: np.random.Generator, side: int, count: int) -> Degradation:
    """Nothing harsh but one more video codec, always: what a viewer of a call or of a stream gets."""
    degradation = mild(rng, side, count)
    if degradation.codec in VIDEO_CODECS:
        return degradation
    codec = str(rng.choice(VIDEO_CODECS))
    return replace(degradation, codec=codec, strength=int(rng.integers(*STRENGTHS[codec])))


def pseudo_windows(
    draw: int,
    real: Track,
    family: str,
    *,
    how: Draw = draw_degradation,
    origin: int = -1,
    donors: Material | None = None,
    painter: Paint | None = None,
) -> Windows:
    """A real window and its pseudo-fake partner, drawn from the seed `draw`; with a face of `donors` if given."""
    rng = np.random.default_rng(draw)
    indices, elapsed = _window_of(rng, real)
    marks = real.marks(indices)
    donor = donors.pick_donor(rng, marks) if donors is not None else None
    frames, seed = _frames_of(real, indices), int(rng.integers(2**31))
    pair = make_pair(frames, marks, seed, family, donor=donor, painter=painter)
    degradation = how(rng, len(pair.real[0]), NUM_FRAMES)
    pixels = np.stack([np.stack(degrade(pair.real, degradation)), np.stack(degrade(pair.fake, degradation))])
    # where the picture froze, a partial fake's part may not be shown at all
    shown = any(pair.frame_fake[i] for i in degradation.order)
    return Windows(pixels, np.stack([elapsed, elapsed]), _labels(1, [shown]), np.array([origin, origin]))


def _both_windows(draw: int, real: Track, fake: Track, how: Draw) -> Windows | None:
    """A window of each, at the same times and through one degradation at the smaller size; None where no times suit."""
    rng = np.random.default_rng(draw)
    chosen = choose_alike(rng, real.at_s, fake.at_s)
    if chosen is None:
        return None
    reals, fakes, elapsed = chosen
    degradation = how(rng, min(real.side, fake.side), NUM_FRAMES)
    pixels = [degrade(real.frames(reals), degradation), degrade(fake.frames(fakes), degradation)]
    return Windows(np.array(pixels), np.stack([elapsed, elapsed]), _labels(1, [True]), np.array([-1, -1]))


def _plain_window(draw: int, track: Track, fake: int, origin: int, how: Draw) -> Windows:
    rng = np.random.default_rng(draw)
    indices, elapsed = _window_of(rng, track)
    degradation = how(np.random.default_rng(draw), track.side, NUM_FRAMES)
    pixels = np.stack(degrade(_frames_of(track, indices), degradation))[None]
    return Windows(pixels, elapsed[None], np.array([fake], np.float32), np.array([origin]))


@dataclass(frozen=True, slots=True)
class PlainWindows:
    """Windows of the tracks themselves, `each` of every track: to calibrate and to measure with."""

    found: Sequence[Found]
    seed: int
    each: int = 4
    how: Draw = mild

    def __len__(self) -> int:
        return len(self.found) * self.each

    def __getitem__(self, index: int) -> Windows:
        row, track = self.found[index // self.each]
        draw = int(np.random.default_rng((self.seed, 3, index)).integers(2**31))
        return _plain_window(draw, track, int(row.fake), index // self.each, self.how)


@dataclass(frozen=True, slots=True)
class PseudoWindows:
    """For each real track one real and one pseudo-fake window of a family: to calibrate and to measure with."""

    found: Sequence[Found]
    family: str
    seed: int
    how: Draw = mild
    painters: Sequence[Paint] = ()
    """Taken by turns for `PAINTED`, which needs them."""

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: int) -> Windows:
        draw = int(np.random.default_rng((self.seed, 4, index)).integers(2**31))
        painter = self.painters[index % len(self.painters)] if self.painters and self.family == PAINTED else None
        return pseudo_windows(draw, self.found[index][1], self.family, how=self.how, origin=index, painter=painter)

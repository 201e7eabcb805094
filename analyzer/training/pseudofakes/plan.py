"""Everything that is drawn for one pseudo-fake clip, before a pixel is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analyzer.faces.geometry import Mask, draw_mask
from analyzer.training.pseudofakes.appearance import (
    Appearance,
    Decoder,
    Field,
    draw_appearance,
    draw_decoder,
    draw_shade,
)

WHOLE: Final = ("F1", "F2", "F4", "F5", "F6")
"""What F7 shows for a part of the window."""
FEWEST: Final = 4
"""Frames that F7 changes at least."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One clip's draw. Rows are frames."""

    family: str
    """What is done to changed frames; for an F7 clip one of `WHOLE`."""
    appearance: Appearance
    transform_target: bool
    mask: Mask
    ratio: npt.NDArray[np.float64]
    """Blend ratio of each frame, 0 to 1; 0 leaves the frame as it is."""
    offset: npt.NDArray[np.float64]
    """Scale - 1, turn in radians, and shift of the pasted face as fractions of its square: (frames, 4)."""
    gain: npt.NDArray[np.float64]
    """Brightness factor of the pasted face in each frame."""
    decoder: Decoder | None
    """What paints the pasted face (F5, F6)."""
    reach: int
    """F3: over so many frames before and after a face is averaged, ..."""
    weight: float
    """... which count so much together, 0 to 1, ..."""
    soft: float
    """... and which are blurred by this standard deviation, shares of the aligned square."""
    inner: npt.NDArray[np.float64] | None
    """Shift of each of the five points in each frame, fractions of the aligned square: (frames, 5, 2)."""
    shade: Field | None
    """Light of the pasted face."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What a plan must know of the clip that it is for."""

    count: int
    """Frames."""
    grey: bool = False
    """Without colour: then it gets none."""
    light: tuple[float, float, float] = (110.0, 110.0, 110.0)
    """Mean level of the face's channels, 0 to 255."""
    profile: bool = False
    """The head is turned so far that much of the aligned square is background."""
    donated: bool = False
    """Somebody else's face is pasted."""


def draw_plan(rng: np.random.Generator, family: str, clip: Clip, transform_target: bool | None = None) -> Plan:
    """Draw what is done to a clip. `transform_target` None: by chance; never in F2 and F3, which have no look."""
    count, part = clip.count, None
    if family == "F7":
        family, part = str(rng.choice(WHOLE)), _draw_part(rng, count)
    pasted, blended = family in {"F5", "F6"}, family in {"F1", "F4", "F5", "F6"}
    ratio = np.full(count, rng.choice([0.4, 0.6, 0.8, 1.0, 1.0, 1.0]) if family == "F1" else rng.uniform(0.75, 1.0))
    base = np.array([rng.uniform(-0.05, 0.05), rng.uniform(-0.03, 0.03), *rng.uniform(-0.03, 0.03, 2)])
    strength = rng.uniform(0.2, 1.0) * (0.5 if clip.profile else 1.0) if blended else 0.0
    offset = np.tile(base * strength, (count, 1))
    gain = np.ones(count)
    if family == "F4" or (pasted and rng.random() < 0.5):
        # in a partial fake the part's own ends are enough, or less than a part would be left
        _wobble(rng, ratio, offset, gain, flashes=part is None)
    inner = None
    if family == "F2":
        inner = ar1(rng, count, 10, rho=rng.uniform(0, 0.95)).reshape(count, 5, 2) * rng.uniform(0.005, 0.014)
    elif family == "F6" and rng.random() < 0.5:  # lips that disagree with the cheeks
        mouth = ar1(rng, count, 4, rho=rng.uniform(0.3, 0.95)).reshape(count, 2, 2) * rng.uniform(0.006, 0.018)
        inner = np.concatenate([np.zeros((count, 3, 2)), mouth], axis=1)
    elif blended and family != "F6" and rng.random() < 0.35:  # another person's features in slightly other places
        inner = np.tile(rng.normal(0, rng.uniform(0.004, 0.014), (1, 5, 2)), (count, 1, 1))
    if transform_target is None:
        transform_target = bool(rng.random() < 0.5)
    return Plan(
        family=family,
        appearance=draw_appearance(rng, clip.grey, clip.light),
        transform_target=transform_target and blended,
        mask=draw_mask(rng, _draw_shape(rng, family, clip)),
        ratio=ratio if part is None else ratio * part,
        offset=offset,
        gain=gain,
        decoder=draw_decoder(rng, clip.grey) if pasted else None,
        reach=int(rng.integers(1, 3)),
        weight=float(rng.uniform(0.55, 0.8)),
        soft=float(rng.uniform(0.004, 0.009)),
        inner=inner,
        shade=draw_shade(rng, clip.grey) if blended and rng.random() < 0.45 else None,
    )


def _draw_shape(rng: np.random.Generator, family: str, clip: Clip) -> str:
    if family == "F6":
        return "lower"
    if family == "F3":
        return str(rng.choice(["hull", "lower"]))
    if clip.donated:  # a square would show the donor's hair, and the inner face alone no swapper takes from another
        return str(rng.choice(["ellipse", "hull"]))
    if clip.profile:  # a square would show the background beside it
        return str(rng.choice(["ellipse", "hull", "inner"], p=[0.35, 0.4, 0.25]))
    share = [0.3, 0.3, 0.15, 0.25] if family == "F5" else [0.3, 0.4, 0.2, 0.1]
    return str(rng.choice(["ellipse", "hull", "inner", "square"], p=share))


def _draw_part(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """1 for `FEWEST` frames or more in a row, up to three quarters of them, and 0 for the others: (frames,)."""
    part = np.zeros(count)
    length = int(rng.integers(min(FEWEST, count), max(FEWEST, 3 * count // 4) + 1))
    start = int(rng.integers(0, max(1, count - length + 1)))
    part[start : start + length] = 1
    return part


def _wobble(
    rng: np.random.Generator,
    ratio: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
    gain: npt.NDArray[np.float64],
    *,
    flashes: bool,
) -> None:
    """Make strength, place and brightness change from frame to frame, as unstable live swappers do."""
    count = len(ratio)
    wobble = ar1(rng, count, 6, rho=rng.uniform(0, 0.95))
    ratio[:] = np.clip(ratio + 0.08 * wobble[:, 0], 0.2, 1)
    offset += wobble[:, 1:5] * (0.008, 0.008, 0.006, 0.006)
    gain += 0.02 * wobble[:, 5]
    if flashes and count >= 8 and rng.random() < 0.6:
        start = int(rng.integers(1, count - 3))
        ratio[start : start + int(rng.integers(1, 4))] = 0  # the swap loses the face for a moment


def ar1(rng: np.random.Generator, count: int, width: int, rho: float) -> npt.NDArray[np.float64]:
    """`count` rows of `width` values of unit variance whose neighbours correlate with `rho`."""
    rows = rng.normal(0, 1, (count, width))
    for i in range(1, count):
        rows[i] = rho * rows[i - 1] + np.sqrt(1 - rho * rho) * rows[i]
    return rows

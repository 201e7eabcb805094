"""Pseudo-fakes: real clips with a face pasted onto itself, so that only the traces of the pasting are new.

The idea is that of self-blended images (Shiohara and Yamasaki, CVPR 2022), over time: one draw per clip, masks follow.

    F1  the whole face blended with a slightly transformed self        a good offline swap
    F2  eyes, nose and mouth warped anew in each frame                 frame-by-frame swaps
    F3  the face region averaged over 3 or 5 frames, a little soft      reenactment, lip-sync (over-smooth)
    F4  F1 whose strength, edge and colour wobble, with flashes        unstable live swappers
    F5  the face painted at 64-144 px, often without skin texture      128-px live swappers
    F6  the lower face only, at another resolution                     lip-sync
    F7  F1, F2, F4, F5 or F6 in a part of the clip, 4 frames or more   partial manipulation

A painter (`autoencoder.py`), where there is one, paints the face in F5 and F6, and the whole picture in

    painted  all of it as a small autoencoder remembers it             talking heads, generated video

Against shortcuts: the real partner is the transformed target (in F1, F4, F5 and F6, also as a part of F7, the look of
the target rather than of the pasted face is changed with p = .5; F2 and F3 change no look), grey pictures are changed
in luma only, and all that degradation does to a clip happens after blending, to both alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError
from analyzer.faces.geometry import (
    TEMPLATE,
    TIGHT,
    WIDE,
    Affine,
    Landmarks,
    Mask,
    align,
    is_grey,
    is_profile,
    place_mask,
    roi_of,
    shifted,
    smooth_landmarks,
)
from analyzer.training.pseudofakes.appearance import Paint, inner_warp, repainted, shaded, sharpened
from analyzer.training.pseudofakes.plan import Clip, Plan, draw_plan

FAMILIES: Final = ("F1", "F2", "F3", "F4", "F5", "F6", "F7")
PAINTED: Final = "painted"
"""The family that needs a painter: the whole picture is painted."""
STILL_FAMILIES: Final = ("F1", "F2", "F5", "F6")
"""Those that leave a trace in a single picture, ..."""
OF_PICTURES: Final = (*STILL_FAMILIES, PAINTED)
"""... and the one that a painter makes of them."""
IN_PLACE: Final = ("F2", "F3", "F6")
"""Those that change a face where it is: nobody else's is pasted."""

PAINTED_PX: Final = (180, 288)
"""Side in pixels of a loose crop that is painted as a whole."""
DULLER: Final = (1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0)
"""Factors that the sharper partner is scaled down and up by until it is as soft as the other, ..."""
SHARPER: Final = (0.0, 0.3, 0.6, 1.0, 1.5, 2.5, 4.0)
"""... and weights of unsharp masking for the softer."""


@dataclass(frozen=True, slots=True)
class Donor:
    """Somebody else's face, to paste instead of the clip's own; one frame for each frame of the clip."""

    frames: Sequence[Pixels]
    landmarks: Sequence[Landmarks]


@dataclass(frozen=True, slots=True)
class Pair:
    """A real clip and its pseudo-fake, equal outside of the masks."""

    real: list[Pixels]
    fake: list[Pixels]
    masks: list[Mask]
    """One per frame, the frame's height x width: how much of each pixel is foreign."""
    family: str
    frame_fake: list[bool]
    """Which frames of `fake` were changed at all: not every one of F7, nor where a live swap loses the face."""


def make_pair(
    frames: Sequence[Pixels],
    landmarks: Sequence[Landmarks],
    seed: int,
    family: str = "F1",
    *,
    transform_target: bool | None = None,
    donor: Donor | None = None,
    painter: Paint | None = None,
) -> Pair:
    """A real clip and its pseudo-fake partner, the same for the same seed.

    `frames`: RGB, all of one size; `landmarks`: YuNet's five points of the one face in each, in pixels of the frame.
    With `transform_target` (None: as the seed says) the look of the target, and so of the real partner, is changed
    instead of the pasted face's, though never in F2 and F3; what is painted in F5 and F6 is the pasted face either way.
    With a `donor` its face is pasted, turned to fit and matched in colour (not in F2, F3 and F6, which change a face in
    place, nor if just one of the two is grey). A `painter` paints the face in F5 and F6, and is needed for `PAINTED`,
    whose partners are smaller than the clip. Raises `ConfigError` for an unknown family or unequal lengths.
    """
    if family not in (*FAMILIES, PAINTED):
        raise ConfigError(f"unknown pseudo-fake family {family!r}: expected one of {', '.join((*FAMILIES, PAINTED))}")
    if len(frames) != len(landmarks) or not frames:
        raise ConfigError(f"expected as many landmarks as frames and at least one: {len(landmarks)} and {len(frames)}")
    if donor is not None and not len(donor.frames) == len(donor.landmarks) == len(frames):
        raise ConfigError(f"expected {len(frames)} donor frames, one for each frame: {len(donor.frames)}")
    if family == PAINTED:
        if painter is None:
            raise ConfigError(f"the pseudo-fake family {PAINTED!r} needs a painter")
        return _painted(frames, painter, seed)
    rng = np.random.default_rng(seed)
    marks = smooth_landmarks([np.asarray(m, np.float32).reshape(5, 2) for m in landmarks])
    grey = is_grey(frames[0])
    if donor is not None and (family in IN_PLACE or is_grey(donor.frames[0]) != grey):
        donor = None
    clip = Clip(len(frames), grey, _light(frames[0], marks[0]), is_profile(marks[0]), donor is not None)
    plan = draw_plan(rng, family, clip, transform_target)
    if plan.family in IN_PLACE:  # an F7 that turned out to be one
        donor = None
    places = [align(m, WIDE, TEMPLATE) for m in marks]
    real = [_target(plan, frame, index) for index, frame in enumerate(frames)]
    fake, masks = [f.copy() for f in real], [np.zeros(f.shape[:2], np.float32) for f in frames]
    changed = [False] * len(frames)
    pasted: Sequence[Pixels] = frames if donor is None else _fitted(donor, real, marks)
    for index, place in enumerate(places):
        roi = roi_of(place, TEMPLATE, frames[index].shape)
        if roi is None or plan.ratio[index] <= 0:
            continue
        x0, y0, x1, y1 = roi
        foreign = _foreign(pasted, index, places, marks[index], plan, roi, painter)
        weight = place_mask(plan.mask, shifted(place, roi), (x1 - x0, y1 - y0)) * np.float32(plan.ratio[index])
        target = np.ascontiguousarray(real[index][y0:y1, x0:x1])
        fake[index][y0:y1, x0:x1] = cv2.blendLinear(foreign, target, weight, 1 - weight)
        masks[index][y0:y1, x0:x1] = weight
        changed[index] = True
    return Pair(real=real, fake=fake, masks=masks, family=family, frame_fake=changed)


def make_pseudo_fake(
    frames: Sequence[Pixels], landmarks: Sequence[Landmarks], seed: int, family: str = "F1"
) -> list[Pixels]:
    """The frames with a pseudo-fake face; outside of the face they stay as they are. Same rules as `make_pair`."""
    return make_pair(frames, landmarks, seed, family, transform_target=False).fake


def _painted(frames: Sequence[Pixels], painter: Paint, seed: int) -> Pair:
    """A real clip, and the same painted as a whole: what a talking head's renderer leaves, and no seam.

    Both are scaled down to what is painted. Then the sharper of the two is made as soft as the other, or the softer as
    sharp: how sharp a picture is must not tell.
    """
    rng = np.random.default_rng(seed)
    shown = frames[:1] if all(frame is frames[0] for frame in frames) else frames
    height, width = shown[0].shape[:2]
    # always smaller than it was, or the real partner alone would keep its pixels; even, as video codecs want it
    scale = min(float(rng.integers(*PAINTED_PX)) / min(height, width), 0.9)
    size = (max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2))
    real = [np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8) for frame in shown]
    fake = repainted(real, painter, is_grey(shown[0]))
    chance = rng.random()
    if chance < 0.9:  # the rest is left as it is
        real, fake = _as_sharp(real, fake, duller=chance < 0.45)
    if len(shown) < len(frames):
        real, fake = real * len(frames), fake * len(frames)
    masks = [np.ones(size[::-1], np.float32) for _ in frames]
    return Pair(real=real, fake=fake, masks=masks, family=PAINTED, frame_fake=[True] * len(frames))


def _as_sharp(first: list[Pixels], second: list[Pixels], *, duller: bool) -> tuple[list[Pixels], list[Pixels]]:
    """Both clips, the sharper made as soft as the other (`duller`) or the softer as sharp, all frames alike."""
    clips, details = [first, second], [_detail(first[0]), _detail(second[0])]
    which = int(np.argmax(details) if duller else np.argmin(details))
    change, strengths = (_dulled, DULLER) if duller else (sharpened, SHARPER)
    start, goal = clips[which][0], details[1 - which]
    best = min(strengths, key=lambda strength: abs(np.log(_detail(change(start, strength)) / goal)))
    clips[which] = [change(picture, best) for picture in clips[which]]
    return clips[0], clips[1]


def _detail(picture: Pixels) -> float:
    """How much of it there is, above 0."""
    return max(1e-3, float(cv2.Laplacian(picture, cv2.CV_32F).std()))


def _dulled(picture: Pixels, factor: float) -> Pixels:
    height, width = picture.shape[:2]
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _target(plan: Plan, frame: Pixels, index: int) -> Pixels:
    """What is pasted onto, and so the real partner."""
    return plan.appearance.grainy(plan.appearance.apply(frame), index) if plan.transform_target else frame.copy()


def _fitted(donor: Donor, targets: Sequence[Pixels], marks: Sequence[Landmarks]) -> list[Pixels]:
    """The donor's frames, their face turned onto the target's and its colours brought near to them."""
    fitted = []
    theirs = smooth_landmarks([np.asarray(m, np.float32).reshape(5, 2) for m in donor.landmarks])
    for frame, from_marks, target, to_marks in zip(donor.frames, theirs, targets, marks, strict=True):
        size = target.shape[1::-1]
        matrix = align(to_marks, np.asarray(from_marks, np.float64), 1.0)
        moved = np.asarray(
            cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint8
        )
        fitted.append(_recolored(moved, target, to_marks))
    return fitted


def _recolored(picture: Pixels, target: Pixels, marks: Landmarks) -> Pixels:
    """`picture` with mean and spread of each channel between the landmarks as in `target` (Reinhard et al., 2001)."""
    rows, columns = _between(target, marks)
    ours, theirs = (part[rows, columns].reshape(-1, 3).astype(np.float64) for part in (target, picture))
    gain = np.clip(ours.std(axis=0) / np.maximum(theirs.std(axis=0), 1.0), 0.6, 1.6)
    shift = ours.mean(axis=0) - gain * theirs.mean(axis=0)
    return np.asarray(cv2.transform(picture, np.column_stack([np.diag(gain), shift])), np.uint8)


def _foreign(
    frames: Sequence[Pixels],
    index: int,
    places: Sequence[Affine],
    marks: Landmarks,
    plan: Plan,
    roi: tuple[int, int, int, int],
    painter: Paint | None,
) -> Pixels:
    """What is pasted: the region of interest of one frame, changed as the family says."""
    x0, y0, x1, y1 = roi
    region = np.ascontiguousarray(frames[index][y0:y1, x0:x1])
    if plan.family == "F3":
        return _neighbours(frames, places, index, roi, plan)
    side = TEMPLATE * float(np.hypot(*places[index][:, 0]))
    points = np.asarray(marks - (x0, y0), np.float64)
    out: Pixels = region
    if plan.inner is not None:
        out = inner_warp(out, points, plan.inner[index] * side, reach=side * 0.1)
    if plan.family == "F2":
        return out
    if plan.decoder is not None:
        out = plan.decoder.paint(out, shifted(align(marks, TIGHT, plan.decoder.size), roi), painter)
    if not plan.transform_target:
        out = plan.appearance.apply(out)
    if plan.shade is not None:
        out = shaded(out, plan.shade, shifted(places[index], roi))
    if plan.gain[index] != 1.0:
        out = np.asarray(cv2.convertScaleAbs(out, alpha=plan.gain[index]), np.uint8)
    move = _moved(plan.offset[index], points.mean(axis=0), side)
    return np.asarray(
        cv2.warpAffine(out, move, out.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def _moved(offset: npt.NDArray[np.float64], center: npt.NDArray[np.float64], side: float) -> Affine:
    """The small similarity about `center` that misplaces the pasted face."""
    scale, turn = 1 + offset[0], offset[1]
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    matrix[:, 2] = center - matrix[:, :2] @ center + offset[2:] * side
    return matrix


def _neighbours(
    frames: Sequence[Pixels], places: Sequence[Affine], index: int, roi: tuple[int, int, int, int], plan: Plan
) -> Pixels:
    """The region averaged with the same face in the frames before and after, and a little blurred."""
    x0, y0, x1, y1 = roi
    here = np.vstack([shifted(places[index], roi), (0, 0, 1)])
    total = frames[index][y0:y1, x0:x1].astype(np.float32) * (1 - plan.weight)
    steps = [step for step in range(-plan.reach, plan.reach + 1) if step]
    for step in steps:
        other = min(max(0, index + step), len(frames) - 1)
        matrix = (here @ np.linalg.inv(np.vstack([places[other], (0, 0, 1)])))[:2]
        total += (plan.weight / len(steps)) * cv2.warpAffine(
            frames[other], matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
    side = TEMPLATE * float(np.hypot(*places[index][:, 0]))
    return np.asarray(cv2.GaussianBlur(total, (0, 0), max(0.3, plan.soft * side)) + 0.5, np.uint8)


def _light(picture: Pixels, marks: Landmarks) -> tuple[float, float, float]:
    """Mean level of the channels between the landmarks, 0 to 255."""
    rows, columns = _between(picture, marks)
    red, green, blue = picture[rows, columns].reshape(-1, 3).mean(axis=0).tolist()
    return red, green, blue


def _between(picture: Pixels, marks: Landmarks) -> tuple[slice, slice]:
    """Rows and columns of the picture between the landmarks, at least 8 of each."""
    low, high = marks.min(axis=0).astype(int), marks.max(axis=0).astype(int) + 1
    height, width = picture.shape[:2]
    top, left = (max(0, min(int(low[1]), height - 8)), max(0, min(int(low[0]), width - 8)))
    return slice(top, max(top + 8, int(high[1]))), slice(left, max(left + 8, int(high[0])))

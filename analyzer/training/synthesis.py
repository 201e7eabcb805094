"""Pseudo-fakes: real clips with a face pasted onto itself, so that only the traces of the pasting are new.

The idea is that of self-blended images (Shiohara and Yamasaki, CVPR 2022), over time: one draw per clip, masks follow.

    F1  the whole face blended with a slightly transformed self        a good offline swap
    F2  eyes, nose and mouth warped anew in each frame                 frame-by-frame swaps
    F3  the face region averaged over three frames                     reenactment, lip-sync (over-smooth)
    F4  F1 whose strength, edge and colour wobble, with flashes        unstable live swappers
    F5  the face taken down to 96-144 px and pasted back               128-px live swappers
    F6  the lower face only, at another resolution                     lip-sync

Against shortcuts: the real partner is the transformed target (with p = .5 target rather than source is transformed),
grey pictures are changed in luma only, and all that delivery does to a clip happens after blending, to both alike.
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
from analyzer.training.geometry import (
    TEMPLATE,
    TIGHT,
    WIDE,
    Affine,
    Landmarks,
    Mask,
    align,
    draw_mask,
    is_grey,
    place_mask,
    roi_of,
    shifted,
    smooth_landmarks,
)

FAMILIES: Final = ("F1", "F2", "F3", "F4", "F5", "F6")
STILL_FAMILIES: Final = ("F1", "F2", "F5", "F6")
"""Those that leave a trace in a single picture."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A real clip and its pseudo-fake, equal outside of the masks."""

    real: list[Pixels]
    fake: list[Pixels]
    masks: list[Mask]
    """One per frame, the frame's height x width: how much of each pixel is foreign."""
    family: str


@dataclass(frozen=True, slots=True)
class _Look:
    """A slight change of a picture's look, constant over a clip."""

    color: npt.NDArray[np.float64]
    """3 x 4 matrix on RGB."""
    down: float
    """Scale down by this and up again; 1 for no change."""
    sharpen: float
    """Weight of unsharp masking; 0 for none."""

    def apply(self, picture: Pixels) -> Pixels:
        out: Pixels = picture
        if self.down > 1:
            height, width = picture.shape[:2]
            small = (max(8, round(width / self.down)), max(8, round(height / self.down)))
            reduced = cv2.resize(out, small, interpolation=cv2.INTER_AREA)
            out = np.asarray(cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
        if self.sharpen > 0:
            soft = cv2.GaussianBlur(out, (0, 0), 1.5)
            out = np.asarray(cv2.addWeighted(out, 1 + self.sharpen, soft, -self.sharpen, 0), np.uint8)
        return np.asarray(cv2.transform(out, self.color), np.uint8)


def _draw_look(rng: np.random.Generator, grey: bool) -> _Look:
    strength = rng.uniform(0.3, 1.0)
    contrast = 1 + strength * rng.uniform(-0.12, 0.12)
    offset = strength * rng.uniform(-16, 16)
    shift = np.full(3, offset) if grey else offset / 2 + strength * rng.uniform(-13, 13, 3)
    saturation = 1.0 if grey else 1 + strength * rng.uniform(-0.2, 0.2)
    luma = np.array([0.299, 0.587, 0.114])
    mix = np.eye(3) * saturation + (1 - saturation) * luma[None, :]
    color = np.concatenate([mix * contrast, (shift + 128 * (1 - contrast))[:, None]], axis=1)
    kind = rng.random()
    return _Look(
        color=color,
        down=float(rng.uniform(1.3, 3.0)) if kind < 0.45 else 1.0,
        sharpen=float(rng.uniform(0.2, 0.7)) if kind > 0.65 else 0.0,
    )


def _ar1(rng: np.random.Generator, count: int, width: int, rho: float) -> npt.NDArray[np.float64]:
    """`count` rows of `width` values of unit variance whose neighbours correlate with `rho`."""
    rows = rng.normal(0, 1, (count, width))
    for i in range(1, count):
        rows[i] = rho * rows[i - 1] + np.sqrt(1 - rho * rho) * rows[i]
    return rows


@dataclass(frozen=True, slots=True)
class _Plan:
    """Everything drawn for one clip."""

    family: str
    look: _Look
    transform_target: bool
    mask: Mask
    ratio: npt.NDArray[np.float64]
    """Blend ratio of each frame, 0 to 1."""
    offset: npt.NDArray[np.float64]
    """Scale - 1, turn in radians, and shift of the pasted face as fractions of its square: (frames, 4)."""
    gain: npt.NDArray[np.float64]
    """Brightness factor of the pasted face in each frame."""
    size: int
    """Side in pixels at which the pasted face was made (F5, F6); 0 for the picture's own."""
    finish: float
    """F5, F6: below 1/3 sharpened, above 2/3 denoised, otherwise neither."""
    inner: npt.NDArray[np.float64]
    """F2: shift of each of the five points in each frame, fractions of the aligned square: (frames, 5, 2)."""


def _draw_plan(rng: np.random.Generator, family: str, count: int, grey: bool, transform_target: bool | None) -> _Plan:
    pasted = family in {"F5", "F6"}
    shape = {"F6": "lower", "F3": str(rng.choice(["hull", "lower"]))}.get(
        family,
        str(
            rng.choice(
                ["ellipse", "hull", "inner", "square"], p=[0.3, 0.4, 0.2, 0.1] if not pasted else [0.2, 0.2, 0.1, 0.5]
            )
        ),
    )
    ratio = np.full(count, rng.choice([0.25, 0.5, 0.75, 1.0, 1.0, 1.0]) if family == "F1" else rng.uniform(0.75, 1.0))
    base = np.array([rng.uniform(-0.05, 0.05), rng.uniform(-0.03, 0.03), *rng.uniform(-0.03, 0.03, 2)])
    if family in {"F2", "F3"}:
        base[:] = 0
    offset, gain = np.tile(base * rng.uniform(0.2, 1.0), (count, 1)), np.ones(count)
    if family == "F4" or (pasted and rng.random() < 0.5):
        wobble = _ar1(rng, count, 6, rho=rng.uniform(0, 0.95))
        ratio = np.clip(ratio + 0.08 * wobble[:, 0], 0, 1)
        offset += wobble[:, 1:5] * (0.008, 0.008, 0.006, 0.006)
        gain += 0.02 * wobble[:, 5]
        if count >= 8 and rng.random() < 0.4:
            start = int(rng.integers(1, count - 2))
            ratio[start : start + int(rng.integers(1, 3))] = 0  # the swap loses the face for a moment
    inner = _ar1(rng, count, 10, rho=rng.uniform(0, 0.95)).reshape(count, 5, 2) * rng.uniform(0.004, 0.014)
    if transform_target is None:
        transform_target = bool(rng.random() < 0.5)
    return _Plan(
        family=family,
        look=_draw_look(rng, grey),
        transform_target=transform_target and not pasted and family not in {"F2", "F3"},
        mask=draw_mask(rng, shape),
        ratio=ratio,
        offset=offset,
        gain=gain,
        size=int(rng.integers(96, 145)) if pasted else 0,
        finish=float(rng.random()),
        inner=inner,
    )


def _moved(offset: npt.NDArray[np.float64], center: npt.NDArray[np.float64], side: float) -> Affine:
    """The small similarity about `center` that misplaces the pasted face."""
    scale, turn = 1 + offset[0], offset[1]
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    matrix[:, 2] = center - matrix[:, :2] @ center + offset[2:] * side
    return matrix


def _inner_warp(
    picture: Pixels, points: npt.NDArray[np.float64], shifts: npt.NDArray[np.float64], reach: float
) -> Pixels:
    """Move the picture around each of the five `points` by its row of `shifts` (pixels), fading with distance."""
    height, width = picture.shape[:2]
    step = 4  # the field is smooth: a coarse grid is enough
    ys, xs = np.mgrid[0 : height : step * 1.0, 0 : width : step * 1.0].astype(np.float32)
    field = np.zeros((2, *xs.shape), np.float32)
    for (x, y), shift in zip(points, shifts, strict=True):
        weight = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * reach * reach))
        field += shift.astype(np.float32)[:, None, None] * weight
    full = [cv2.resize(f, (width, height), interpolation=cv2.INTER_LINEAR) for f in field]
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray(
        cv2.remap(picture, xs - full[0], ys - full[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def _low_resolution(picture: Pixels, to_picture: Affine, plan: _Plan) -> Pixels:
    """The picture with its face taken down to `plan.size` pixels and warped back, as 128-px swappers do."""
    size = (plan.size, plan.size)
    face = cv2.warpAffine(
        picture, to_picture, size, flags=cv2.INTER_AREA | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )
    if plan.finish < 1 / 3:
        face = cv2.addWeighted(face, 1.5, cv2.GaussianBlur(face, (0, 0), 1.2), -0.5, 0)
    elif plan.finish > 2 / 3:
        face = cv2.bilateralFilter(face, 5, 20, 3)
    back = picture.copy()  # beyond the swapper's crop the picture stays
    cv2.warpAffine(
        face, to_picture, picture.shape[1::-1], dst=back, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_TRANSPARENT
    )
    return back


def _neighbours(
    frames: Sequence[Pixels], places: Sequence[Affine], index: int, roi: tuple[int, int, int, int], own: Pixels
) -> Pixels:
    """The region averaged with the same face one frame before and after (weight .6 in all for the two)."""
    total = own.astype(np.float32) * 0.4
    size = own.shape[1::-1]
    for other in (max(0, index - 1), min(len(frames) - 1, index + 1)):
        here, there = np.vstack([shifted(places[index], roi), (0, 0, 1)]), np.vstack([places[other], (0, 0, 1)])
        matrix = (here @ np.linalg.inv(there))[:2]
        total += 0.3 * cv2.warpAffine(
            frames[other], matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
    return np.asarray(total + 0.5, np.uint8)


def _foreign(
    frames: Sequence[Pixels],
    index: int,
    places: Sequence[Affine],
    marks: Landmarks,
    plan: _Plan,
    roi: tuple[int, int, int, int],
) -> Pixels:
    """What is pasted: the region of interest of one frame, changed as the family says."""
    x0, y0, x1, y1 = roi
    region = np.ascontiguousarray(frames[index][y0:y1, x0:x1])
    side = TEMPLATE * float(np.hypot(*places[index][:, 0]))
    if plan.family == "F3":
        return _neighbours(frames, places, index, roi, region)
    if plan.family == "F2":
        return _inner_warp(region, np.asarray(marks - (x0, y0), np.float64), plan.inner[index] * side, reach=side * 0.1)
    out: Pixels = region
    if plan.size:
        tight = shifted(align(marks, TIGHT, plan.size), roi)
        out = _low_resolution(out, tight, plan)
    if not plan.transform_target:
        out = plan.look.apply(out)
    if plan.gain[index] != 1.0:
        out = np.asarray(cv2.convertScaleAbs(out, alpha=plan.gain[index]), np.uint8)
    move = _moved(plan.offset[index], marks.mean(axis=0) - (x0, y0), side)
    return np.asarray(
        cv2.warpAffine(out, move, out.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def make_pair(
    frames: Sequence[Pixels],
    landmarks: Sequence[Landmarks],
    seed: int,
    family: str = "F1",
    *,
    transform_target: bool | None = None,
) -> Pair:
    """A real clip and its pseudo-fake partner, the same for the same seed.

    `frames`: RGB, all of one size; `landmarks`: YuNet's five points of the one face in each, in pixels of the frame.
    With `transform_target` (None: as the seed says) the look of the target, and so of the real partner, is changed
    instead of the pasted face's. Raises `ConfigError` for an unknown family or unequal lengths.
    """
    if family not in FAMILIES:
        raise ConfigError(f"unknown pseudo-fake family {family!r}: expected one of {', '.join(FAMILIES)}")
    if len(frames) != len(landmarks) or not frames:
        raise ConfigError(f"expected as many landmarks as frames and at least one: {len(landmarks)} and {len(frames)}")
    rng = np.random.default_rng(seed)
    plan = _draw_plan(rng, family, len(frames), is_grey(frames[0]), transform_target)
    marks = smooth_landmarks([np.asarray(m, np.float32).reshape(5, 2) for m in landmarks])
    places = [align(m, WIDE, TEMPLATE) for m in marks]
    real = [plan.look.apply(f) if plan.transform_target else f.copy() for f in frames]
    fake, masks = [f.copy() for f in real], [np.zeros(f.shape[:2], np.float32) for f in frames]
    for index, place in enumerate(places):
        roi = roi_of(place, TEMPLATE, frames[index].shape)
        if roi is None or plan.ratio[index] <= 0:
            continue
        x0, y0, x1, y1 = roi
        foreign = _foreign(frames, index, places, marks[index], plan, roi)
        weight = place_mask(plan.mask, shifted(place, roi), (x1 - x0, y1 - y0)) * np.float32(plan.ratio[index])
        target = np.ascontiguousarray(real[index][y0:y1, x0:x1])
        fake[index][y0:y1, x0:x1] = cv2.blendLinear(foreign, target, weight, 1 - weight)
        masks[index][y0:y1, x0:x1] = weight
    return Pair(real=real, fake=fake, masks=masks, family=family)


def make_pseudo_fake(
    frames: Sequence[Pixels], landmarks: Sequence[Landmarks], seed: int, family: str = "F1"
) -> list[Pixels]:
    """The frames with a pseudo-fake face; outside of the face they stay as they are. Same rules as `make_pair`."""
    return make_pair(frames, landmarks, seed, family, transform_target=False).fake

"""Where the face is: from YuNet's five points to a face-aligned square, and the blend masks drawn in it.

Masks are drawn once per clip in the aligned square and then follow the face, so that they stay put on it as the seam of
a real face swap does. Coordinates of the aligned square run from 0 to 1, x to the right, y down.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.datatypes import Pixels

Landmarks = npt.NDArray[np.float32]
"""YuNet's five points of one face, shape (5, 2), x and y in pixels of the picture that they came with."""

Affine = npt.NDArray[np.float64]
"""2 x 3 matrix that maps (x, y, 1) to (x', y')."""

Mask = npt.NDArray[np.float32]
"""Blend weight of the foreign face, shape (height, width), 0 to 1."""

TEMPLATE: int = 80
"""Side in pixels in which masks are drawn: enough for seams that are blurred anyway, and cheap."""

# The five points of the usual 112-px recognition crop (ArcFace), as fractions of its side: the crop that 128-px swap
# networks are fed with. Eyes at .46 of the height, mouth at .82, the chin below its lower edge.
TIGHT: npt.NDArray[np.float64] = (
    np.array([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]]) / 112
)
# The same face in a wider square that also holds chin, cheeks and brows with room for a soft seam.
_SHRINK = 0.72
_TIGHT_MIDDLE = (0.5, 0.64)
WIDE: npt.NDArray[np.float64] = (TIGHT - _TIGHT_MIDDLE) * _SHRINK + 0.5
# centre and half axes of the face's outline, from the distances of eyes and mouth
_FACE_CENTER = (0.5, (0.715 - _TIGHT_MIDDLE[1]) * _SHRINK + 0.5)
_FACE_RADII = (0.362 * _SHRINK, 0.425 * _SHRINK)


def align(landmarks: Landmarks, points: npt.NDArray[np.float64], side: float) -> Affine:
    """The similarity that maps the five `points` of an aligned square of `side` pixels onto `landmarks`."""
    source = (points * side) @ np.array([1, 1j])
    target = landmarks.astype(np.float64) @ np.array([1, 1j])
    centred = source - source.mean()
    turn = np.vdot(centred, target - target.mean()) / max(float(np.vdot(centred, centred).real), 1e-9)
    shift = target.mean() - turn * source.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def cut_square(picture: Pixels, matrix: Affine, side: int) -> Pixels:
    """The aligned square of `side` pixels that `matrix` maps into the picture; scaled down without aliasing."""
    factor = float(np.hypot(*matrix[:, 0]))
    if factor > 1:  # which warpAffine's INTER_AREA does not average over
        height, width = picture.shape[:2]
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        ratio = np.array([[size[0] / width], [size[1] / height]])
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        matrix = matrix * ratio
        matrix[:, 2:] += (ratio - 1) / 2  # pixels are counted from their middles
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (side, side), flags=how, borderMode=cv2.BORDER_REFLECT), np.uint8)


def smooth_landmarks(landmarks: Sequence[Landmarks], reach: int = 2) -> list[Landmarks]:
    """Moving average over `2 * reach + 1` frames (fewer at the ends): a pasted face does not tremble."""
    points = np.stack(landmarks).astype(np.float32)
    return [points[max(0, i - reach) : i + reach + 1].mean(axis=0) for i in range(len(points))]


def roi_of(matrix: Affine, side: float, shape: Sequence[int]) -> tuple[int, int, int, int] | None:
    """The part of a picture of `shape` (height, width, ...) that the aligned square covers: x0, y0, x1, y1, or None."""
    corners = matrix @ np.array([[0, side, 0, side], [0, 0, side, side], [1, 1, 1, 1]], dtype=np.float64)
    low, high = np.floor(corners.min(axis=1)).astype(int), np.ceil(corners.max(axis=1)).astype(int)
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    x1, y1 = min(int(shape[1]), int(high[0])), min(int(shape[0]), int(high[1]))
    return (x0, y0, x1, y1) if x1 - x0 >= 8 and y1 - y0 >= 8 else None


def shifted(matrix: Affine, roi: tuple[int, int, int, int]) -> Affine:
    """The same map into the coordinates of a region of interest."""
    moved = matrix.copy()
    moved[:, 2] -= roi[:2]
    return moved


def draw_mask(rng: np.random.Generator, shape: str, points: npt.NDArray[np.float64] = WIDE) -> Mask:
    """A soft mask in the aligned square, (TEMPLATE, TEMPLATE).

    `shape`: "ellipse" (the whole face), "hull" (an irregular outline of it), "inner" (brows to mouth), "lower" (from
    below the eyes to the chin) or "square" (the swap network's crop). Edge, blur and elastic shift are random.
    """
    mask: Mask = np.zeros((TEMPLATE, TEMPLATE), np.float32)
    center, radii = np.array(_FACE_CENTER), np.array(_FACE_RADII)
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if shape == "square":
        # the swap network's own crop, eroded by about a tenth of its size as paste-back does
        edge = rng.uniform(0.06, 0.14)
        low, high = ((np.array([[edge, edge], [1 - edge, 1 - edge]]) - _TIGHT_MIDDLE) * _SHRINK + 0.5) * TEMPLATE
        mask[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])] = 1
    else:
        if shape == "ellipse":
            outline = center + ring * radii * rng.uniform(0.88, 1.05, 2)
        elif shape == "hull":
            outline = center + ring * radii * rng.uniform(0.8, 1.08, (len(ring), 1))
        elif shape == "inner":
            middle, half = (points[0] + points[4]) / 2, (points[4] - points[0]) / 2
            width = abs(points[1, 0] - points[0, 0]) * rng.uniform(0.75, 1.1)
            outline = (points[:, 0].mean(), middle[1]) + ring * (width, abs(half[1]) + rng.uniform(0.05, 0.12))
        else:
            outline = _lower_outline(rng, ring, points)
        hull = cv2.convexHull((outline * TEMPLATE).astype(np.float32))
        cv2.fillConvexPoly(mask, hull.astype(np.int32), 1.0)
    mask = _elastic(rng, mask)
    kernel = np.ones((int(rng.integers(1, 6)),) * 2, np.uint8)
    mask = np.asarray((cv2.erode if rng.random() < 0.5 else cv2.dilate)(mask, kernel), np.float32)
    sigma = TEMPLATE * (rng.uniform(0.03, 0.06) if shape == "square" else rng.uniform(0.008, 0.07))
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)
    return _fade_border(mask / max(float(mask.max()), 1e-3))


def _lower_outline(
    rng: np.random.Generator, ring: npt.NDArray[np.float64], points: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """From the nose to below the mouth or the chin, an ellipse or a rounded rectangle, as lip-sync networks paint."""
    eyes = abs(points[1, 0] - points[0, 0])
    top = points[2, 1] + rng.uniform(-0.03, 0.05)
    bottom = points[4, 1] + rng.uniform(0.08, 0.22)
    half = np.array([eyes * rng.uniform(0.6, 1.0), (bottom - top) / 2])
    if rng.random() < 0.5:  # a superellipse: nearly a rectangle
        ring = np.sign(ring) * np.abs(ring) ** 0.5
    return np.asarray((points[:, 0].mean(), (top + bottom) / 2) + ring * half)


def _elastic(rng: np.random.Generator, mask: Mask) -> Mask:
    coarse = rng.normal(0, 1, (2, 5, 5)).astype(np.float32) * np.float32(TEMPLATE * rng.uniform(0.0, 0.03))
    field = [cv2.resize(c, (TEMPLATE, TEMPLATE), interpolation=cv2.INTER_CUBIC) for c in coarse]
    ys, xs = np.mgrid[0:TEMPLATE, 0:TEMPLATE].astype(np.float32)
    return np.asarray(cv2.remap(mask, xs + field[0], ys + field[1], cv2.INTER_LINEAR), np.float32)


def _fade_border(mask: Mask) -> Mask:
    """Weight 0 on the square's border, rising over 4 pixels: no hard edge where the square ends."""
    ramp = np.minimum(np.arange(TEMPLATE), np.arange(TEMPLATE)[::-1]).clip(0, 4).astype(np.float32) / 4
    return np.asarray(mask * ramp[:, None] * ramp[None, :], np.float32)


def place_mask(mask: Mask, matrix: Affine, size: tuple[int, int]) -> Mask:
    """The template under `matrix` (template pixels to picture), in a picture of `size` (width, height)."""
    return np.asarray(cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR), np.float32)


def is_profile(marks: Landmarks) -> bool:
    """Whether a head is turned so far that the nose leaves the middle of the eyes by a third of their distance."""
    eyes = (marks[1] - marks[0]).astype(np.float64)
    length = max(float(np.hypot(*eyes)), 1e-6)
    offset = float((marks[2] - marks[:2].mean(axis=0)) @ eyes) / length
    return abs(offset) > length / 3


def is_grey(picture: Pixels) -> bool:
    """Whether a picture has no colour: then a colour shift would give the pseudo-fake away."""
    small = picture[::4, ::4].astype(np.int16)
    return float(np.abs(small - small.mean(axis=2, keepdims=True)).mean()) < 2.0

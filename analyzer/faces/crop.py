"""Smoothed face box -> 224 x 224 crop: the one crop code for serving, upload and training."""

from __future__ import annotations

import cv2
import numpy as np

from analyzer.config import FACE_SIZE
from analyzer.datatypes import Box, Pixels


def crop_face(rgb: Pixels, box: Box, scale: float = 1.3) -> Pixels:
    """Cut a face out of a picture: square, upright, centred on the box, with some of its surroundings.

    `rgb`: (height, width, 3) uint8 full frame. `box`: smoothed face box in its pixels. `scale`: side of the square over
    the longer side of the box; 1.3 keeps hair line, chin and jaw, where swaps are blended in. Nothing is rotated: that
    would resample the traces that the network looks for. What lies outside the picture repeats its border pixel.

    Returns a new (224, 224, 3) uint8 array; only the region itself is read. Raises `ValueError` for a box without
    area or with a value that is no finite number.
    """
    height, width = rgb.shape[:2]
    center_x, center_y = box.center
    side = box.longer_side * scale
    if not (np.isfinite([center_x, center_y, side]).all() and side > 0):
        raise ValueError(f"expected a finite box with area and a scale above 0, got {box} and {scale}")
    # Whole pixels: the region is then a view, and neighbouring frames are resampled alike.
    pixels = max(1, round(side))
    left, top = round(center_x - pixels / 2), round(center_y - pixels / 2)
    columns, across = _inside(left, pixels, width)
    rows, down = _inside(top, pixels, height)
    # INTER_AREA averages what it drops (no aliasing when shrinking); when growing it would repeat pixels.
    interpolation = cv2.INTER_AREA if pixels > FACE_SIZE else cv2.INTER_LINEAR
    inner = cv2.resize(rgb[rows, columns], (len(across), len(down)), interpolation=interpolation)
    # The border is added after the resize, so that even a box of a whole 8K picture costs no more than one crop. This
    # also copies: the crop shares no memory with the frame.
    edges = (down.start, FACE_SIZE - down.stop, across.start, FACE_SIZE - across.stop)
    return np.asarray(cv2.copyMakeBorder(inner, *edges, cv2.BORDER_REPLICATE), np.uint8)


def _inside(start: int, length: int, limit: int) -> tuple[slice, range]:
    """Which pixels of an axis of `limit` pixels lie in `length` pixels from `start`, and where in the crop they go.

    At least one pixel is taken, the nearest, so that a region wholly outside repeats the border.
    """
    first = min(max(start, 0), limit - 1)
    last = max(min(start + length, limit), first + 1)
    factor = FACE_SIZE / length
    size = min(max(1, round((last - first) * factor)), FACE_SIZE)
    before = min(max(0, round((first - start) * factor)), FACE_SIZE - size)
    return slice(first, last), range(before, before + size)

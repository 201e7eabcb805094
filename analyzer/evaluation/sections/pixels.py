"""What happens to pictures before a codec sees them: little light, beauty filters, and boxes that tremble."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.datatypes import Box, Detection, Pixels
from analyzer.evaluation.sections.redelivery import Change, Planes
from analyzer.faces.detector import FaceDetector

BLACK: Final = 16
WHITE: Final = 235
"""Luma in limited range."""
GREY: Final = 128
"""Chroma of grey."""

NOISE_SPARE: Final = 61
"""The noise picture is larger than a frame by this: enough places to cut it out that no two frames are alike."""


class Darkness:
    """Less light: `stops` fewer photographic stops, and the sensor noise (standard deviation in luma) that comes along.

    With a display gamma of 2.2 a stop is the same factor on all planes.
    """

    def __init__(self, stops: float, noise: float, seed: int) -> None:
        gain = 2.0 ** (-stops / 2.2)
        self._luma, self._chroma = _levels(gain, BLACK), _levels(gain, GREY)
        self._noise = noise
        self._rng = np.random.default_rng(seed)
        self._grain = np.empty((0, 0), np.int16)

    def __call__(self, planes: Planes) -> Planes:
        """The next picture, darker."""
        rows, columns = len(planes) * 2 // 3, planes.shape[1]
        if self._grain.shape != (rows + NOISE_SPARE, columns + NOISE_SPARE):
            grain = self._rng.standard_normal((rows + NOISE_SPARE, columns + NOISE_SPARE), np.float32) * self._noise
            self._grain = np.asarray(np.rint(grain), np.int16)
        down, right = self._rng.integers(NOISE_SPARE, size=2)
        luma = cv2.LUT(planes[:rows], self._luma) + self._grain[down : down + rows, right : right + columns]
        chroma = cv2.LUT(planes[rows:], self._chroma)
        return np.concatenate([np.clip(luma, BLACK, WHITE).astype(np.uint8), np.asarray(chroma, np.uint8)])


def _levels(gain: float, around: int) -> npt.NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint((np.arange(256) - around) * gain + around), 0, 255), np.uint8)


def smooth_skin(strength: float, radius: int) -> Change:
    """A beauty filter: texture weaker than `strength` (luma levels) goes, edges stay. `radius` in pixels.

    The guided filter with the picture as its own guide (He, Sun, Tang, "Guided Image Filtering", TPAMI 2013), on luma,
    where skin has its texture. Its coefficients are smooth, so they are worked out on fewer pixels (He and Sun, "Fast
    Guided Filter", 2015).
    """
    coarse = max(1, min(4, radius // 3))
    size = (2 * max(1, round(radius / coarse)) + 1,) * 2

    def change(planes: Planes) -> Planes:
        luma = planes[: len(planes) * 2 // 3].astype(np.float32)
        height, width = luma.shape
        few = max(1, width // coarse), max(1, height // coarse)
        mean = cv2.blur(cv2.resize(luma, few, interpolation=cv2.INTER_AREA), size)
        # squared before it is made smaller: the finest texture counts too
        variance = cv2.blur(cv2.resize(luma * luma, few, interpolation=cv2.INTER_AREA), size) - mean * mean
        keep = np.maximum(variance, 0) / (np.maximum(variance, 0) + np.float32(strength**2))
        offset = cv2.blur(mean * (1 - keep), size)
        factor, offset = (
            cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR) for each in (cv2.blur(keep, size), offset)
        )
        smooth = np.clip(factor * luma + offset + 0.5, 0, 255).astype(np.uint8)
        return np.concatenate([smooth, planes[height:]])

    return change


class ShakyDetector:
    """A detector whose boxes tremble, as those of a worse detector or of a face in motion would.

    Place and size follow a first-order autoregression (coefficient .7 per picture, so the shake lasts for some
    pictures), with a standard deviation of `shake` times the side of the crop, 1.3 times the box. The tracker smooths
    what it is given, as it does live, so the crop shakes less than that.
    """

    RHO: Final = 0.7

    def __init__(self, detector: FaceDetector, shake: float, seed: int, crop_scale: float = 1.3) -> None:
        self._detector = detector
        self._sigma = shake * crop_scale
        self._rng = np.random.default_rng(seed)
        self._state = self._rng.normal(0, self._sigma, 3)

    def detect(self, rgb: Pixels) -> list[Detection]:
        """See `FaceDetector.detect`. All faces of a picture shake alike, each in proportion to its size."""
        fresh = self._rng.normal(0, self._sigma, 3)
        self._state = self.RHO * self._state + np.sqrt(1 - self.RHO**2) * fresh
        right, down, grow = (float(value) for value in self._state)
        return [
            Detection(_moved(found.box, right, down, math.exp(grow)), found.landmarks, found.confidence)
            for found in self._detector.detect(rgb)
        ]


def _moved(box: Box, right: float, down: float, factor: float) -> Box:
    x, y = box.center
    x, y = x + right * box.longer_side, y + down * box.longer_side
    width, height = box.width * factor, box.height * factor
    return Box(x - width / 2, y - height / 2, width, height)

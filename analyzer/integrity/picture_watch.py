"""Notices pictures that show nothing, or do not live: a covered lens, a still before the camera, a stuck encoder."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.datatypes import PictureTrouble, Pixels
from analyzer.integrity.scene import thinned

THUMBNAIL: Final = (64, 36)
"""Width and height; a cell is 20 pixels wide at 720p: a blink or a word moves several."""

# Largest difference of a cell's grey level between two pictures that counts as none. Within 3 s of 130 real videos of
# faces some cell always differed by 33 or more; within 7 s of 25 stills, sent as H.264 (CRF 23 and 30) and VP8
# (600 kbit/s) after their first second, by 9 at most, by 5 in nine of ten. Beyond it the watch begins anew, so that a
# codec that still refines a picture only delays it.
SAME: Final = 8.0

LEFT_AT: Final = 2.0
"""A frozen picture is one until it differs by so many times more: a key frame changes a still too."""
FROZEN_AFTER_S: Final = 10.0
"""With a face of some size in every picture: nobody alive holds still for so long."""
EXACT_AFTER_S: Final = 30.0
"""Without one: an empty room may hold still, but no sensor sends the very same picture for so long."""
BLACK_AFTER_S: Final = 3.0
MAX_BLACK_MEAN: Final = 20.0
"""Grey levels; video's black is 0 once converted, a covered lens with its noise about 5."""
MAX_BLACK_CELL: Final = 48.0
"""No cell may be brighter: a dark room with a lamp in it shows something."""
BLACK_LEFT_AT: Final = 1.3
"""It is black until both, or one, are so many times as bright."""
MAX_GAP_S: Final = 2.0
"""Nobody knows what was between pictures further apart: everything begins anew."""

Floats = npt.NDArray[np.float32]


class PictureWatch:
    """Looks at every picture of a stream that is looked at for faces; belongs to one thread.

    Costs 0.05 to 0.25 ms of CPU at 720p, 1080p and VGA, 0.3 to 0.8 where a picture without a face is dark in green
    (2026-11-29, two busy cores): then the other colours are looked at too.
    """

    def __init__(self) -> None:
        self.trouble: PictureTrouble | None = None
        self.since_s = 0.0
        """When the trouble began: the first of the pictures that showed it."""
        self.thumbnail: Floats = np.zeros(THUMBNAIL[::-1], np.float32)
        """Grey levels of the newest picture, (36, 64)."""
        self._last_s = float("-inf")
        self._still: Floats | None = None
        """The first of the pictures that have been the same since."""
        self._still_since_s = 0.0
        self._faced_since_s = 0.0
        self._exact = True
        self._black_since_s: float | None = None
        self._told = False

    def update(self, rgb: Pixels, at_s: float, *, face: bool) -> bool:
        """One more (height, width, 3) picture, `face`: there is a living size of one in it.

        Whether `trouble` is to be told: after the first picture, for nobody knows what was said before, and when it is
        another one.
        """
        coarse = thinned(rgb, THUMBNAIL)
        small = self.thumbnail = _shrunk(coarse[:, :, 1])  # green carries most of the luma
        if at_s - self._last_s > MAX_GAP_S or at_s < self._last_s:
            self._still, self._black_since_s = None, None
        self._last_s = at_s
        if face or not self._is_black(coarse, small):
            if self._black_since_s is not None:
                self._still = None  # what was the same in the dark says nothing
            self._black_since_s = None
        elif self._black_since_s is None:
            self._black_since_s = at_s
        differs = float("inf") if self._still is None else float(np.abs(small - self._still).max())
        if differs > (SAME if self.trouble is not PictureTrouble.FROZEN else LEFT_AT * SAME):
            self._still, self._still_since_s, self._faced_since_s, self._exact = small, at_s, at_s, True
        if not face:
            self._faced_since_s = at_s
        self._exact = self._exact and differs in {0.0, float("inf")}
        before, told = self.trouble, self._told
        self.trouble, self._told = self._judge(at_s), True
        return self.trouble is not before or not told

    def _is_black(self, coarse: Pixels, green: Floats) -> bool:
        """By the brightest of the three colours: blue is not black. That is asked only where green does not say no."""
        return self._is_dark(green) and self._is_dark(_shrunk(_brightest(coarse)))

    def _is_dark(self, small: Floats) -> bool:
        times = BLACK_LEFT_AT if self.trouble is PictureTrouble.BLACK else 1.0
        return float(small.mean()) < times * MAX_BLACK_MEAN and float(small.max()) < times * MAX_BLACK_CELL

    def _judge(self, at_s: float) -> PictureTrouble | None:
        if self._black_since_s is not None:
            # black pictures are all the same: they are told as what they are
            self.since_s = self._black_since_s
            return PictureTrouble.BLACK if at_s - self._black_since_s >= BLACK_AFTER_S else None
        self.since_s = self._still_since_s
        with_face = at_s - max(self._still_since_s, self._faced_since_s) >= FROZEN_AFTER_S
        exact = self._exact and at_s - self._still_since_s >= EXACT_AFTER_S
        if with_face or exact or (self.trouble is PictureTrouble.FROZEN and at_s > self._still_since_s):
            return PictureTrouble.FROZEN
        return None


def _brightest(coarse: Pixels) -> Pixels:
    """Of the three colours; OpenCV takes a third of NumPy's time along the last axis."""
    whole = np.ascontiguousarray(coarse)
    red, green, blue = whole[:, :, 0], whole[:, :, 1], whole[:, :, 2]
    return np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8)


def _shrunk(grey: Pixels) -> Floats:
    return cv2.resize(np.ascontiguousarray(grey), THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)

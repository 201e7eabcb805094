"""Notices a hard cut: the picture is suddenly another one, and no face in it can be tied to one before."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.datatypes import Pixels

# Small enough that a moving face or a shaking hand does not matter, large enough to know a place again.
THUMBNAIL: Final = (32, 18)

# Correlation under which two pictures 0.2 s apart are of two scenes. Of 1 908 such pairs within 60 real videos the
# lowest was 0.46 (a dance), the 0.1 % quantile 0.56; of pairs from two videos 90 % lie under 0.40.
SAME_SCENE: Final = 0.4

# Standard deviation in grey levels under which a picture (black, a fade) shows nothing to compare.
MIN_CONTRAST: Final = 3.0


class SceneCut:
    """Compares each picture of a stream with the last one that showed something; belongs to one thread.

    An edited video may cut to another person at the same place: the tracker would go on, and a window of two people
    looks forged. Brightness and contrast may change (a lamp, auto exposure) without being taken for a cut.
    """

    def __init__(self) -> None:
        self._last: npt.NDArray[np.float64] | None = None

    def update(self, rgb: Pixels) -> bool:
        """Whether this (height, width, 3) picture is of another scene than the one before. Costs some 0.1 ms."""
        coarse = np.ascontiguousarray(thinned(rgb, THUMBNAIL)[:, :, 1])  # green carries most of the luma
        small = cv2.resize(coarse, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float64)
        small -= small.mean()
        contrast = float(small.std())
        if contrast < MIN_CONTRAST:
            return False
        small /= contrast
        last, self._last = self._last, small
        return last is not None and float((last * small).mean()) < SAME_SCENE


def thinned(rgb: Pixels, thumbnail: tuple[int, int]) -> Pixels:
    """Every n-th pixel of a picture that is then averaged to a thumbnail (width, height); a view, four a cell side.

    Averaging all of them would cost more than what is done with the thumbnail is worth.
    """
    height, width = rgb.shape[:2]
    step = max(1, min(height // (4 * thumbnail[1]), width // (4 * thumbnail[0])))
    return rgb[::step, ::step]

"""Real footage for every part: the demo's portrait under a moving camera, and a pseudo-fake of it."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import Box, FaceCrop, FaceKey, Pixels, Quality
from analyzer.faces.crop import crop_face
from analyzer.faces.detector import YuNetDetector
from stream_server.streams.demo import ClipPlan, render_pseudo_fake, render_real

FACE_STEP_S = 1 / 6
"""Between two faces of a window, as in a live stream."""


@functools.cache
def face_crops() -> tuple[tuple[Pixels, ...], tuple[Pixels, ...]]:
    """The faces of two clips of 4 seconds, real and pseudo-fake, cut out as the monitor does: 224 x 224 each."""
    real = render_real(ClipPlan(seconds=4))
    return _cut_out(real), _cut_out(render_pseudo_fake(ClipPlan(seconds=4), real))


def _cut_out(pictures: list[Pixels]) -> tuple[Pixels, ...]:
    detector, scale = YuNetDetector(), AnalyzerConfig().crop_scale
    return tuple(crop_face(picture, detector.detect(picture)[0].box, scale) for picture in pictures)


def relit(pixels: Pixels, seed: int) -> Pixels:
    """The same face under another light and with other noise, so that no two windows are alike."""
    rng = np.random.default_rng(seed)
    lit = pixels * rng.uniform(0.7, 1.25) + rng.uniform(-15, 15)
    soft = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.3, 1.5)) + rng.normal(0, rng.uniform(0, 6), pixels.shape)
    return np.clip(soft, 0, 255).astype(np.uint8)


def crop_of(pixels: Pixels, face_id: int, step: int) -> FaceCrop:
    """The face of `face_id` at one step of its window, fit to be judged."""
    quality = Quality(reason=None, size_px=120.0, sharpness=100.0, brightness=120.0, yaw=0.0)
    at_s = step * FACE_STEP_S
    return FaceCrop(FaceKey("bench", face_id), 0, step, None, at_s, Box(0, 0, 120, 120), quality, pixels)

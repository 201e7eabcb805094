"""Files -> tracked faces, cut out as they are kept.

Detector, tracker and box are those of the live monitor. What is kept is cut looser than what the network sees
(`LOOSE` times the serving crop), so that faces are pasted with their surroundings in view, and so that the crop can be
moved as a tracker moves it. Nothing is ever scaled up here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import av
import cv2
import numpy as np
import numpy.typing as npt

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import Box, Detection, Pixels
from analyzer.errors import MediaError, NoFacesError, NotAVideoError
from analyzer.faces.detector import FaceDetector
from analyzer.faces.tracker import Tracker
from analyzer.training.geometry import Landmarks
from analyzer.training.manifest import Row

LOOSE: Final = 1.4
"""Side of what is kept over the side of the serving crop."""
MAX_SIDE: Final = 320
"""Kept faces are scaled down to this; 1/LOOSE of it is just above the network's 224 pixels."""
MIN_FACE_PX: Final = 72
"""Smaller faces teach what scaling up looks like, and nothing else."""
DENSE: Final = 24
"""So many faces are kept at the clip's own rate (elapsed times down to 33 ms), ..."""
SPARSE_S: Final = 0.16
"""... then one every so often, in seconds (the live rate is 6 per second), ..."""
MAX_FRAMES: Final = 60
"""... until there are so many."""
JPEG_QUALITY: Final = 92


@dataclass(frozen=True, slots=True)
class Track:
    """One face of one file, as it was kept."""

    jpegs: Sequence[bytes]
    """Loose crops, square, all of one size per file."""
    landmarks: npt.NDArray[np.float32]
    """(frames, 5, 2), pixels of the loose crop."""
    at_s: npt.NDArray[np.float64]
    """Seconds in the file, rising."""
    side: int
    """Height and width of the loose crops; the serving crop is the middle `side / LOOSE`."""

    def frames(self, indices: Sequence[int]) -> list[Pixels]:
        """Decode some of the crops, RGB."""
        return [_decode(self.jpegs[i]) for i in indices]

    def marks(self, indices: Sequence[int]) -> list[Landmarks]:
        return [self.landmarks[i] for i in indices]


def _decode(jpeg: bytes) -> Pixels:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise MediaError("a kept face cannot be decoded; delete the cache folder and build it again")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


@dataclass(frozen=True, slots=True)
class _Kept:
    """One face of one frame, cut loose."""

    at_s: float
    square: Pixels
    landmarks: npt.NDArray[np.float64]
    """(5, 2) in fractions of the square's side."""
    natural: int
    """Side of the square in pixels of the full frame."""


def cut_loose(rgb: Pixels, detection: Detection, smoothed: Box, scale: float, at_s: float) -> _Kept:
    """A square of `scale` times the smoothed box, at most `MAX_SIDE` wide, its border repeated."""
    length = max(2, round(smoothed.longer_side * scale))
    center_x, center_y = smoothed.center
    x0, y0 = round(center_x - length / 2), round(center_y - length / 2)
    pads = (max(0, -y0), max(0, y0 + length - rgb.shape[0]), max(0, -x0), max(0, x0 + length - rgb.shape[1]))
    inner = rgb[max(0, y0) : max(0, y0 + length), max(0, x0) : max(0, x0 + length)]
    square = cv2.copyMakeBorder(inner, *pads, cv2.BORDER_REPLICATE)
    if length > MAX_SIDE:
        square = cv2.resize(square, (MAX_SIDE, MAX_SIDE), interpolation=cv2.INTER_AREA)
    landmarks = (np.array(detection.landmarks) - (x0, y0)) / length
    return _Kept(at_s, np.asarray(square, np.uint8), landmarks, length)


def read_pictures(row: Row) -> Iterator[tuple[float, Pixels]]:
    """The pictures of a file with their time in seconds: one for a still, every frame for a video. `NotAVideoError`."""
    if row.is_picture:
        picture = cv2.imread(str(row.path), cv2.IMREAD_COLOR)
        if picture is None:
            raise NotAVideoError(f"{row.file}: expected a picture, cannot decode it")
        yield 0.0, np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        return
    try:
        with av.open(str(row.path)) as container:
            if not container.streams.video:
                raise NotAVideoError(f"{row.file}: no video stream")
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 25)
            for index, frame in enumerate(container.decode(stream)):
                at_s = frame.time if frame.time is not None else index / rate
                yield at_s, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except (av.FFmpegError, OSError) as error:
        raise NotAVideoError(f"{row.file}: cannot be read as a video: {error}") from error


def cut_track(row: Row, detector: FaceDetector, config: AnalyzerConfig | None = None) -> Track:
    """Follow the faces of a file and keep the longest track. `NotAVideoError`, `NoFacesError`."""
    config = config or AnalyzerConfig()
    tracker = Tracker(max_gap_s=config.max_gap_s, max_faces=config.max_faces)
    kept: dict[int, list[_Kept]] = {}
    longest: list[_Kept] = []
    for at_s, rgb in read_pictures(row):
        if len(longest) >= MAX_FRAMES:
            break
        if len(longest) >= DENSE and at_s - longest[-1].at_s < SPARSE_S / 2:
            continue  # well before the next one wanted: the tracker can do without
        for face in tracker.update(detector.detect(rgb), at_s, (rgb.shape[1], rgb.shape[0])):
            faces = kept.setdefault(face.face_id, [])
            wait = SPARSE_S if len(faces) >= DENSE else 0.001
            if face.detection.box.longer_side >= MIN_FACE_PX and (not faces or at_s - faces[-1].at_s >= wait):
                faces.append(cut_loose(rgb, face.detection, face.smoothed, config.crop_scale * LOOSE, at_s))
                longest = max(longest, faces, key=len)
    if not longest or (len(longest) < NUM_FRAMES and not row.is_picture):
        raise NoFacesError(f"{row.file}: the longest track has {len(longest)} faces of {MIN_FACE_PX} px or more")
    return _pack(longest)


def _pack(faces: Sequence[_Kept]) -> Track:
    # One size for the whole track, and a small one, so that hardly any face is scaled up.
    side = min(MAX_SIDE, int(np.percentile([face.natural for face in faces], 20))) // 2 * 2
    jpegs = []
    for face in faces:
        bgr = cv2.cvtColor(face.square, cv2.COLOR_RGB2BGR)
        if len(bgr) != side:
            bgr = cv2.resize(bgr, (side, side), interpolation=cv2.INTER_AREA if len(bgr) > side else cv2.INTER_LINEAR)
        done, buffer = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not done:
            raise MediaError("a face cannot be encoded as JPEG")
        jpegs.append(buffer.tobytes())
    landmarks = np.array([face.landmarks for face in faces], np.float32) * np.float32(side)
    return Track(tuple(jpegs), landmarks, np.array([face.at_s for face in faces]), side)

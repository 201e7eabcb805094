"""Files -> tracked faces, cut out as they are kept.

Detector, tracker and box are those of the live monitor. What is kept is cut looser than what the network sees
(`LOOSE` times the serving crop), so that faces are pasted with their surroundings in view, and so that the crop can be
moved as a tracker moves it. Nothing is ever scaled up here.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import Box, Detection, Pixels, TrackedFace
from analyzer.engine.pipeline import upright_rgb
from analyzer.errors import MediaError, NoFacesError, NotAVideoError
from analyzer.faces.detector import FaceDetector
from analyzer.faces.geometry import Landmarks
from analyzer.faces.tracker import Tracker
from analyzer.integrity.scene import SceneCut
from analyzer.training.data.manifest import Row, printable
from analyzer.video.video_file import VideoFile, VideoLimits

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
SEARCH_S: Final = 0.25
"""While there is no face to keep, one picture every so often is looked at: a recorded screen shows none for hours."""
PATIENCE: Final = 10_000
"""So many pictures without a longer track, and the rest of the file is not read: six minutes at 25 to 30 a second."""
ANY_LENGTH: Final = VideoLimits(max_seconds=math.inf, max_frames=sys.maxsize)
"""A film may be given: `PATIENCE` ends it."""
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


class _Follower:
    """The faces of one file, and the longest track of them.

    As live, no track goes on over a cut, another size of the picture, a jump of the tracker or a gap: what comes after
    may be somebody else. Of what has ended only the longest is held: 60 squares take 18 MB.
    """

    def __init__(self, detector: FaceDetector, config: AnalyzerConfig) -> None:
        self._detector = detector
        self._config = config
        self._tracker = Tracker(max_gap_s=config.max_gap_s, max_faces=config.max_faces)
        self._scene = SceneCut()
        self._shape: tuple[int, ...] | None = None
        self._looked_s = -math.inf
        self._growing: dict[int, list[_Kept]] = {}
        self._jumps: Counter[int] = Counter()
        self._seen: Counter[tuple[int, int]] = Counter()
        """Of each face, from one jump of the tracker to the next: it may have gone over to somebody else."""
        self.longest: list[_Kept] = []

    @property
    def people(self) -> int:
        """Tracks that were long enough to be scored live, small faces too; one person who turned away may be two."""
        return sum(count >= NUM_FRAMES for count in self._seen.values())

    def wants(self, at_s: float) -> bool:
        """Whether the picture at this time is of use: all where a track begins, few while there is none."""
        leading = max(self._growing.values(), key=len, default=[])
        since_s = at_s - leading[-1].at_s if leading else math.inf
        if since_s > self._config.max_gap_s:
            return at_s - self._looked_s >= SEARCH_S
        return len(leading) < DENSE or since_s >= SPARSE_S / 2  # between the two the tracker can do without

    def look(self, at_s: float, rgb: Pixels) -> None:
        """Find the faces of one picture, and keep what there is to keep."""
        if self._scene.update(rgb) or rgb.shape != self._shape:
            self._tracker.reset()
            self._growing.clear()
        self._shape, self._looked_s = rgb.shape, at_s
        tracked = self._tracker.update(self._detector.detect(rgb), at_s, (rgb.shape[1], rgb.shape[0]))
        for face_id in self._tracker.ended():
            self._growing.pop(face_id, None)
        for face in tracked:
            self._take(at_s, rgb, face)

    def _take(self, at_s: float, rgb: Pixels, face: TrackedFace) -> None:
        self._jumps[face.face_id] += face.jumped
        self._seen[face.face_id, self._jumps[face.face_id]] += 1
        faces = self._growing.get(face.face_id, [])
        if face.jumped or (faces and at_s - faces[-1].at_s > self._config.max_gap_s):
            faces = []
        self._growing[face.face_id] = faces
        wait = SPARSE_S if len(faces) >= DENSE else 0.001
        large = face.detection.box.longer_side >= MIN_FACE_PX
        wanted = large and not face.jumped and len(faces) < MAX_FRAMES
        if wanted and (not faces or at_s - faces[-1].at_s >= wait):
            faces.append(cut_loose(rgb, face.detection, face.smoothed, self._config.crop_scale * LOOSE, at_s))
            self.longest = max(self.longest, faces, key=len)


def cut_track(row: Row, detector: FaceDetector, config: AnalyzerConfig | None = None) -> Track:
    """Follow the faces of a file and keep the longest track.

    A video is read until a track has `MAX_FRAMES` faces (further where its label is of one face, to see whether there
    are others), or `PATIENCE` pictures came without a longer one. Raises `MediaError` for a file that is not there,
    cannot be read (`NotAVideoError`) or has a name that is not text, and for several faces under a label of one,
    `TooLargeError` for frames beyond 8K, `NoFacesError`.
    """
    _check_name(row)
    follower = _Follower(detector, config or AnalyzerConfig())
    if row.is_picture:
        follower.look(0.0, _read_picture(row))
    else:
        _follow_video(row, follower)
    longest = follower.longest
    if row.one_face and follower.people > 1:
        raise MediaError(several_faces(row.file, follower.people))
    if not longest or (len(longest) < NUM_FRAMES and not row.is_picture):
        raise NoFacesError(f"{row.file}: the longest track has {len(longest)} faces of {MIN_FACE_PX} px or more")
    return _pack(longest)


def several_faces(file: str, count: int) -> str:
    """Why a file cannot be used whose label is of one face."""
    return f"{file}: shows {count} faces, and its label is of one of them (column label_of)"


def _check_name(row: Row) -> None:
    try:
        row.file.encode()
    except UnicodeEncodeError as error:
        # Hashes, cards and reports are made of names.
        raise MediaError(f"{printable(row.file)}: its name is not UTF-8; rename it") from error


def _read_picture(row: Row) -> Pixels:
    """RGB, turned upright as its EXIF data says."""
    try:
        if not row.path.is_file():  # a FIFO would be waited for
            raise MediaError(f"{row.file}: there is no such file")
        picture = cv2.imdecode(np.frombuffer(row.path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, ValueError) as error:
        raise MediaError(f"{row.file}: cannot be opened: {error}") from error
    except cv2.error as error:  # nothing in it, or larger than OpenCV takes
        raise NotAVideoError(f"{row.file}: expected a picture, cannot decode it: {error.err}") from error
    if picture is None:
        raise NotAVideoError(f"{row.file}: expected a picture, cannot decode it")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _follow_video(row: Row, follower: _Follower) -> None:
    reformatter = VideoReformatter()
    kept = grown_at = 0
    with VideoFile(row.path, ANY_LENGTH) as video:
        for frame in video.frames():
            if follower.wants(frame.at_s):
                follower.look(frame.at_s, upright_rgb(frame.video_frame, reformatter))
            if len(follower.longest) > kept:
                kept, grown_at = len(follower.longest), frame.index
            if (kept >= MAX_FRAMES and not row.one_face) or frame.index - grown_at >= PATIENCE:
                return


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

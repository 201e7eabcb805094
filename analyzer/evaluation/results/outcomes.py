"""What became of each file, kept on disk while the work goes on: an evaluation that is cut off is taken up again."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import av
import cv2

from analyzer.errors import ConfigError
from analyzer.evaluation.results.kept import Kept, code_digest, key_of, state_of
from analyzer.scorer import ScorerInfo
from analyzer.training.data.manifest import Row
from analyzer.video.report import Peak, TimelinePoint, VideoReport

RESULTS: Final = "results.jsonl"
NO_FACES: Final = "no_faces"
"""The failure that is an abstention: the file was read, but no face in it was fit to be judged."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One file and its score."""

    row: Row
    fake_probability: float
    timeline: tuple[TimelinePoint, ...] = ()
    """Of all its faces, in the order of their ends."""
    strip: str | None = None
    """Key of the pictures of its most suspicious window (`WorkFolder.picture`); None where there are none."""


@dataclass(frozen=True, slots=True)
class Unscored:
    """One file without a score, and why."""

    row: Row
    code: str
    """`analyzer.errors` code."""
    message: str

    @property
    def file(self) -> str:
        return self.row.file

    @property
    def reason(self) -> str:
        return f"{self.code}: {self.message}"

    @property
    def abstained(self) -> bool:
        """No face was fit to be judged; anything else is a broken, missing or unsuitable file."""
        return self.code == NO_FACES


Outcome = Scored | Unscored


@functools.cache
def serving_code_digest() -> str:
    """Of the modules that stand between a file and its score: what they said before a change is not taken up again."""
    package = Path(__file__).resolve().parents[2]
    folders = (package, *(package / name for name in ("engine", "faces", "integrity", "model", "video")))
    return code_digest(path for folder in folders for path in folder.glob("*.py"))


@functools.cache
def library_versions() -> str:
    """Of what decodes, scales, encodes and computes: another FFmpeg gives other pixels."""
    ffmpeg = sorted(av.library_versions.items())
    try:
        openvino = version("openvino")
    except PackageNotFoundError:
        openvino = "none"
    return f"torch {version('torch')}, OpenVINO {openvino}, OpenCV {cv2.__version__}, PyAV {av.__version__}, {ffmpeg}"


def scorer_key(info: ScorerInfo) -> tuple[str | None, str, str]:
    """What decides a score besides faces and code: sum of the weights, backend, kind of device."""
    return info.weights_sha256, info.backend, info.device.partition(":")[0]


def settings_key(info: ScorerInfo, aggregate: str) -> str:
    """Names everything that a score depends on besides the file: scorer, rule, code, libraries."""
    return key_of(*scorer_key(info), aggregate, serving_code_digest(), library_versions())


class WorkFolder:
    """A folder with one JSON line for each file that has been looked at, and small pictures of what it was judged by.

    Lines of other weights or settings, of files that have changed since, and lines cut short are passed over.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        """Make the folder if need be. Raises `ConfigError` when it cannot be written."""
        self._folder, self._settings = folder, settings
        try:
            (folder / "strips").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{folder}: cannot keep results there: {error.strerror or error}") from error
        self._kept = Kept(folder / RESULTS)

    def key(self, row: Row) -> str:
        """Of a file as it is now. Raises `OSError` when it is not there."""
        # whether it shows one face only is looked at while it is scored
        return key_of(self._settings, *state_of(row.path), *(("one face",) if row.one_face else ()))

    def find(self, row: Row, key: str) -> Outcome | None:
        """What became of this file under the same settings, if it is known."""
        entry = self._kept.find(key)
        return None if entry is None else _outcome(row, key, entry)

    def add(self, outcome: Outcome, key: str) -> None:
        """Keep what became of a file. Raises `ConfigError` on a full disk."""
        if isinstance(outcome, Unscored):
            self._kept.add(key, {"file": outcome.file, "failure": outcome.code, "message": outcome.message})
            return
        timeline = [
            [p.face_id, p.start_s, p.end_s, p.fake_probability, p.logit, p.window_logit, p.frame_logit]
            for p in outcome.timeline
        ]
        entry = {"file": outcome.row.file, "score": outcome.fake_probability, "timeline": timeline}
        self._kept.add(key, entry | {"strip": outcome.strip is not None})

    def keep_picture(self, key: str, kind: str, data: bytes) -> None:
        """Keep one JPEG of a file's most suspicious window."""
        try:
            self._picture_path(key, kind).write_bytes(data)
        except OSError as error:
            raise ConfigError(f"{self._folder}: cannot keep pictures there: {error.strerror or error}") from error

    def picture(self, key: str | None, kind: str) -> bytes | None:
        """The JPEG that was kept; None where there is none."""
        path = None if key is None else self._picture_path(key, kind)
        return path.read_bytes() if path is not None and path.is_file() else None

    def _picture_path(self, key: str, kind: str) -> Path:
        return self._folder / "strips" / f"{key}.{kind}.jpg"


def _outcome(row: Row, key: str, entry: Mapping[str, object]) -> Outcome | None:
    """None for a line that somebody has changed: the file is then scored again."""
    if isinstance(entry.get("failure"), str):
        return Unscored(row, str(entry["failure"]), str(entry.get("message", "")))
    score, points = entry.get("score"), entry.get("timeline")
    if not isinstance(score, float | int) or not 0 <= score <= 1 or not isinstance(points, list):
        return None
    try:
        timeline = tuple(_point(values) for values in points)
    except (TypeError, ValueError, OverflowError):
        return None
    return Scored(row, float(score), timeline, key if entry.get("strip") is True else None)


def _point(values: list[float | None]) -> TimelinePoint:
    face_id, *numbers = values
    start_s, end_s, probability, logit, window, frame = (None if v is None else float(v) for v in numbers)
    if face_id is None or start_s is None or end_s is None or probability is None or logit is None:
        raise ValueError("a window without its numbers")
    if not all(math.isfinite(v) for v in (start_s, end_s, probability, logit, window or 0, frame or 0)):
        raise ValueError("a window with a number that is none")
    return TimelinePoint(int(face_id), start_s, end_s, probability, logit, window, frame)


def highest_peak(report: VideoReport) -> Peak | None:
    """The most suspicious window of a video that has pictures."""
    peaks = [face.peak for face in report.faces if face.peak is not None and face.peak.pictures]
    return max(peaks, key=lambda peak: peak.fake_probability, default=None)

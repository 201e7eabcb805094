"""One finished video -> one report; used by upload, command line and evaluation."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from analyzer.config import DEFAULT_AGGREGATE, NUM_FRAMES, Aggregate, AnalyzerConfig
from analyzer.datatypes import FaceCrop, FaceKey, Frame, NotScored, Score
from analyzer.engine.pipeline import FacePipeline
from analyzer.errors import MediaError, NoFacesError, TooLargeError, VideoStoppedError, WeightsError
from analyzer.faces.detector import FaceDetector
from analyzer.scorer import Scorer, sigmoid
from analyzer.video.report import (
    EvenlySpaced,
    FaceRecord,
    FaceReport,
    Peak,
    TimelinePoint,
    VideoReport,
    aggregate_named,
    drop_low_pictures,
    windows_logit,
)
from analyzer.video.video_file import TimedFrame, VideoFile, VideoLimits

__all__ = [
    "DEFAULT_AGGREGATE",
    "Aggregate",
    "FaceReport",
    "Peak",
    "TimelinePoint",
    "VideoLimits",
    "VideoReport",
    "VideoStoppedError",
    "analyze_video",
]

# Pictures looked at in a short clip: 16 are needed, and some will be blurred or without a face.
WANTED_PICTURES: Final = 24

# A clip up to this length that gave too few faces is read once more, every frame: at most half a minute of work.
MAX_REREAD_FRAMES: Final = 600

# The callback hears of steps of at least this size.
PROGRESS_STEP: Final = 0.01

# Streams of files are numbered apart from live ones, whose names hold no colon: windows never mix.
_calls = itertools.count(1)


def analyze_video(  # noqa: PLR0913  # independent choices of the caller; a bundle would only be taken apart again
    path: Path,
    *,
    detector: FaceDetector,
    scorer: Scorer,
    config: AnalyzerConfig | None = None,
    progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    limits: VideoLimits | None = None,
    aggregate: str = DEFAULT_AGGREGATE,
    keep_pictures: bool = False,
) -> VideoReport:
    """Follow and score every face of a local video file.

    Pictures are looked at `config.face_rate` times a second of media time; the scorer's windows slide over them with
    media time as its clock. A clip too short for 16 faces at that rate is looked at more often. Memory does not grow
    with the video but for the timeline. With `keep_pictures` the report holds the 16 crops of each face's most
    suspicious window, of at most `MAX_PICTURED` faces (2.4 MB each). `progress` hears 0 to 1, rising; `should_stop` is
    asked at every frame. May be called from any thread that owns `detector` and may call `scorer`; leaves neither an
    open file nor a window behind.

    Raises `NotAVideoError`, `TooLargeError`, `NoFacesError` (says what was seen), `WeightsError` without trained
    weights, `VideoStoppedError`, `ConfigError` for an unknown `aggregate`, and what detector and scorer raise.
    """
    config = config or AnalyzerConfig()
    rule = aggregate_named(aggregate)
    told = _Progress(progress)

    def read(rate: float | None) -> _Reading:
        with VideoFile(path, limits) as video:
            if scorer.info.weights_sha256 is None:
                raise WeightsError("no trained weights, so nothing can be judged; `deepfake-monitor doctor` says more")
            reading = _Reading(path.name, video, detector, scorer, config, rule, keep_pictures=keep_pictures)
            reading.read(rate, told, should_stop or (lambda: False))
            return reading

    reading = read(None)
    if reading.logit() is None and reading.worth_rereading():
        reading = read(math.inf)
    report = reading.report()
    told(1.0)
    return report


class _Progress:
    """Passes on what rises."""

    def __init__(self, callback: Callable[[float], None] | None) -> None:
        self._callback = callback
        self._told = -PROGRESS_STEP

    def __call__(self, done: float) -> None:
        if self._callback and (done >= self._told + PROGRESS_STEP or (done >= 1 > self._told)):
            self._told = done
            self._callback(done)


class _Reading:
    """One reading of the file from start to end, at one face rate."""

    def __init__(
        self,
        filename: str,
        video: VideoFile,
        detector: FaceDetector,
        scorer: Scorer,
        config: AnalyzerConfig,
        aggregate: Aggregate,
        *,
        keep_pictures: bool,
    ) -> None:
        self._filename = filename
        self._video = video
        self._scorer = scorer
        self._config = config
        self._aggregate = aggregate
        self._keep_pictures = keep_pictures
        self._stream_id = f"video:{next(_calls)}"
        self._pipeline = FacePipeline(self._stream_id, detector, config)
        self._faces: dict[int, FaceRecord] = {}
        self._windows: set[FaceKey] = set()  # that the scorer holds for us
        self._timeline: list[TimelinePoint] = []
        self._size: tuple[int, int] | None = None
        self._frames = 0
        self._looked_at = 0
        self._unreadable = 0
        self._no_number = 0
        self._end_s = 0.0
        self._logit: float | None = None

    def read(self, rate: float | None, progress: Callable[[float], None], should_stop: Callable[[], bool]) -> None:
        """Look at `rate` pictures a second, by default as many as the configuration and the header's duration ask."""
        if rate is None:
            rate = max(self._config.face_rate, WANTED_PICTURES / (self._video.duration_s or math.inf))
        due_s = 0.0
        try:
            for frame in self._video.frames():
                if should_stop():
                    raise VideoStoppedError(f"{self._filename} was not read to its end: stopped on request")
                self._frames += 1
                self._end_s = frame.at_s
                # Half a frame early is nearer than half a frame late.
                if frame.at_s >= due_s - 0.5 / self._video.fps:
                    due_s = max(due_s + 1 / rate, frame.at_s + 0.5 / rate)
                    self._look_at(frame)
                    progress(0.99 * frame.progress)
            self._logit = self._aggregated()
        finally:
            for key in self._windows:
                self._scorer.forget(key)

    def _look_at(self, timed: TimedFrame) -> None:
        frame = Frame(self._stream_id, 0, timed.index, timed.at_s, timed.at_s, timed.video_frame, damaged=timed.damaged)
        try:
            result = self._pipeline.process(frame)
        except TooLargeError:
            raise
        except MediaError:  # one picture in a format that cannot be converted; the next may be fine
            self._unreadable += 1
            return
        self._looked_at += 1
        self._size = self._size or (result.faces.width, result.faces.height)
        for ended in result.ended:
            self._settle(self._faces[ended.key.face_id])
            if ended.key in self._windows:
                self._windows.remove(ended.key)
                self._scorer.forget(ended.key)
        fit = [crop for crop in result.crops if self._enter(crop)]
        self._windows.update(crop.key for crop in fit)
        for update in self._scorer.push(fit) if fit else ():
            if update.score is not None:
                self._add(update.score)

    def _enter(self, crop: FaceCrop) -> bool:
        """Enter a crop into its face's books; whether it is to be scored."""
        at_s = crop.received_at_s
        face = self._faces.setdefault(crop.key.face_id, FaceRecord(crop.key.face_id, at_s))
        face.last_s = at_s
        if crop.quality.reason is not None or crop.pixels is None:
            face.unfit[str(crop.quality.reason)] += 1
            if crop.quality.reason is NotScored.TRACKER_JUMP and crop.key in self._windows:
                self._scorer.forget(crop.key)  # from here on it may be somebody else
            return False
        face.crops += 1
        face.times.append(at_s)
        if self._keep_pictures:
            face.pictures.append(crop.pixels)
        if self._aggregate is Aggregate.EVENLY_SPACED:
            face.spaced = face.spaced or EvenlySpaced()
            face.spaced.offer(at_s, crop.pixels)
        return True

    def _add(self, score: Score) -> None:
        if not math.isfinite(score.logit):  # the network overflowed: no opinion
            self._no_number += 1
            return
        face = self._faces[score.key.face_id]
        before = face.peak
        self._timeline.append(face.add(score))
        if self._keep_pictures and face.peak is not before:
            drop_low_pictures(self._faces.values())

    def _settle(self, ended: FaceRecord) -> None:
        """Of faces that have ended only the main one keeps the pictures spaced over it."""
        ended.pictures.clear()
        if ended.spaced and any(face.spaced and face.crops > ended.crops for face in self._faces.values()):
            ended.spaced = None

    def _aggregated(self) -> float | None:
        if self._aggregate is not Aggregate.EVENLY_SPACED:
            return windows_logit([face.logits for face in self._faces.values()], self._aggregate)
        main = max((face for face in self._faces.values() if face.spaced), key=lambda face: face.crops, default=None)
        sixteen = main.spaced.sixteen() if main and main.spaced else None
        if sixteen is None:
            return None
        clip = self._scorer.score_clip([pixels for _, pixels in sixteen], [at_s for at_s, _ in sixteen])
        if clip and not math.isfinite(clip.logit):
            self._no_number += 1
            return None
        return clip.logit if clip else None

    def logit(self) -> float | None:
        """Of the whole video; None when no face was fit 16 times."""
        return self._logit

    def worth_rereading(self) -> bool:
        """Whether pictures not yet looked at may hold the faces that were missing."""
        seen = any(face.crops for face in self._faces.values())
        return self._looked_at < self._frames <= MAX_REREAD_FRAMES and (seen or self._looked_at < NUM_FRAMES)

    def report(self) -> VideoReport:
        """Raises `NoFacesError` when nothing could be judged."""
        if self._logit is None or self._size is None:
            raise NoFacesError(self._why_no_score())
        return VideoReport(
            filename=self._filename,
            duration_s=self._end_s + 1 / self._video.fps,
            fps=self._video.fps,
            width=self._size[0],
            height=self._size[1],
            frames_read=self._frames,
            raw_score=sigmoid(self._logit),
            aggregate=str(self._aggregate),
            faces=tuple(face.report() for face in self._faces.values()),
            timeline=tuple(self._timeline),
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if damaged := self._video.damaged + self._unreadable:
            notes.append(f"{damaged} damaged parts could not be decoded and were left out")
        if self._no_number:
            notes.append(f"for {self._no_number} windows the network gave no number; they were left out")
        missing = (self._video.duration_s or 0.0) - self._end_s
        if missing > max(1.0, 0.1 * self._end_s):
            notes.append(f"the file says {self._video.duration_s:.1f} s but ends after {self._end_s:.1f} s")
        return tuple(notes)

    def _why_no_score(self) -> str:
        where = f"in {self._looked_at} of {self._frames} pictures of {self._filename}"
        if not self._faces:
            return f"no face was found {where}"
        if self._no_number:
            return f"the network gave no number for any of {self._no_number} windows {where}: try the device cpu"
        unfit: Counter[str] = sum((face.unfit for face in self._faces.values()), Counter())
        seen = f"{len(self._faces)} face{'s' if len(self._faces) > 1 else ''} found {where}"
        reasons = ", ".join(f"{count} x {reason}" for reason, count in unfit.most_common())
        best = max(face.crops for face in self._faces.values())
        if best == 0:
            return f"{seen}, but never fit to be judged: {reasons}"
        return (
            f"{seen}, but none was fit to be judged {NUM_FRAMES} times in a row, which a score needs: the best one was "
            f"{best} times" + (f"; not fit: {reasons}" if reasons else "")
        )

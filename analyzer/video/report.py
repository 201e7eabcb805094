"""What is said of one finished video, and the rules that make one figure of many windows."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from analyzer.config import NUM_FRAMES, Aggregate
from analyzer.datatypes import Evidence, Pixels, Score
from analyzer.errors import ConfigError
from analyzer.scorer import sigmoid

# A face needs this share of the windows of the face with the most, or someone who walked through the background for
# three seconds would decide about the film.
MIN_SHARE: Final = 0.25

# Share of the windows that `WINDOWS_TOP` looks at.
TOP_SHARE: Final = 0.25

# Faces that keep the pictures of their most suspicious window when asked to: 2.4 MB each.
MAX_PICTURED: Final = 8


@dataclass(frozen=True, slots=True)
class TimelinePoint:
    """The score of one window of 16 faces."""

    face_id: int
    start_s: float
    """Media time of the window's oldest face since the first picture, seconds."""
    end_s: float
    """Of its newest face."""
    fake_probability: float
    logit: float
    """`fake_probability` is its sigmoid."""
    window_logit: float | None = None
    """The raw opinion of the window path; None where the backend cannot tell, or the path has no say."""
    frame_logit: float | None = None
    """The mean of the raw opinions of the 16 faces, each alone; None where the backend cannot tell."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The most suspicious window of one face, the first of several that are equal."""

    at_s: float
    """Media time of the window's newest face since the first picture, seconds: `TimelinePoint.end_s` of that window."""
    fake_probability: float
    evidence: Evidence | None
    """None where the backend cannot tell."""
    pictures: tuple[Pixels, ...] | None = field(default=None, repr=False, compare=False)
    """The window's 16 crops, oldest first, each (224, 224, 3) RGB; None unless asked for (`keep_pictures`), and for all
    but the `MAX_PICTURED` faces whose peak is highest."""


@dataclass(frozen=True, slots=True)
class FaceReport:
    """One tracked face of the video."""

    face_id: int
    first_s: float
    """Media time when it was first seen, seconds."""
    last_s: float
    fake_probability: float | None
    """Sigmoid of the mean logit of its windows; None when it was never scored."""
    crops: int
    """Pictures of it that were fit to be judged."""
    windows: int
    """Windows of 16 that were scored."""
    not_scored: Mapping[str, int]
    """How many of its pictures were not fit, by reason (`NotScored`)."""
    peak: Peak | None = None
    """None when it was never scored."""


@dataclass(frozen=True, slots=True)
class VideoReport:
    """What is said of one video."""

    filename: str
    duration_s: float
    """Media time of what could be read, seconds."""
    fps: float
    width: int
    height: int
    """Of the first picture, upright, in pixels."""
    frames_read: int
    """Pictures decoded; faces were looked for in some of them (`AnalyzerConfig.face_rate`)."""
    raw_score: float
    """0 (no sign of manipulation) to 1 (fake)."""
    aggregate: str
    """The rule that made `raw_score` (`Aggregate`)."""
    faces: tuple[FaceReport, ...]
    timeline: tuple[TimelinePoint, ...]
    """In the order of their ends."""
    notes: tuple[str, ...] = ()
    """What a person should know about the reading: damaged parts, an early end."""

    @property
    def is_deepfake(self) -> bool:
        return self.raw_score >= 0.5

    @property
    def label(self) -> Literal["REAL", "DEEPFAKE"]:
        return "DEEPFAKE" if self.is_deepfake else "REAL"

    @property
    def confidence(self) -> float:
        """Of the label, 0.5 to 1."""
        return max(self.raw_score, 1 - self.raw_score)


class EvenlySpaced:
    """16 to 32 crops of one face, evenly spaced over all that were offered, in memory that does not grow (5 MB)."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, Pixels]] = []
        self._stride = 1
        self._offered = 0

    def offer(self, at_s: float, pixels: Pixels) -> None:
        """Take in the next crop; `at_s` rises."""
        if self._offered % self._stride == 0:
            if len(self._kept) == 2 * NUM_FRAMES:
                self._kept = self._kept[::2]
                self._stride *= 2
            if self._offered % self._stride == 0:
                self._kept.append((at_s, pixels))
        self._offered += 1

    def sixteen(self) -> list[tuple[float, Pixels]] | None:
        """The first, the last, and 14 between; None when fewer than 16 were offered."""
        last = len(self._kept) - 1
        if last + 1 < NUM_FRAMES:
            return None
        return [self._kept[round(i * last / (NUM_FRAMES - 1))] for i in range(NUM_FRAMES)]


@dataclass(slots=True)
class FaceRecord:
    """The books of one tracked face while the video is read."""

    face_id: int
    first_s: float
    last_s: float = 0.0
    crops: int = 0
    unfit: Counter[str] = field(default_factory=Counter)
    logits: list[float] = field(default_factory=list)
    times: deque[float] = field(default_factory=lambda: deque(maxlen=NUM_FRAMES))
    spaced: EvenlySpaced | None = None
    peak: Peak | None = None
    peak_logit: float = -math.inf
    pictures: deque[Pixels] = field(default_factory=lambda: deque(maxlen=NUM_FRAMES))
    """The newest crops, for a peak that they may become; stays empty where none are asked for."""

    def add(self, score: Score) -> TimelinePoint:
        """Enter the score of the window that ends with the newest face; its numbers are finite."""
        evidence = score.evidence if score.evidence and score.evidence.sane else None
        if score.logit > self.peak_logit:
            self.peak_logit = score.logit
            pictures = tuple(self.pictures) if len(self.pictures) == NUM_FRAMES else None
            self.peak = Peak(score.received_at_s, score.fake_probability, evidence, pictures)
        self.logits.append(score.logit)
        return TimelinePoint(
            face_id=self.face_id,
            start_s=self.times[0],
            end_s=score.received_at_s,
            fake_probability=score.fake_probability,
            logit=score.logit,
            window_logit=evidence.window_logit if evidence else None,
            frame_logit=mean(evidence.frame_logits) if evidence else None,
        )

    def report(self) -> FaceReport:
        """Close the books."""
        return FaceReport(
            face_id=self.face_id,
            first_s=self.first_s,
            last_s=self.last_s,
            fake_probability=sigmoid(mean(self.logits)) if self.logits else None,
            crops=self.crops,
            windows=len(self.logits),
            not_scored=dict(self.unfit),
            peak=self.peak,
        )


def drop_low_pictures(faces: Iterable[FaceRecord]) -> None:
    """Leave pictures to the `MAX_PICTURED` highest peaks only."""
    peaks = [(face.peak.fake_probability, face) for face in faces if face.peak and face.peak.pictures]
    for _, face in sorted(peaks, key=lambda entry: entry[0], reverse=True)[MAX_PICTURED:]:
        face.peak = replace(face.peak, pictures=None) if face.peak else None


def aggregate_named(name: str) -> Aggregate:
    """The aggregate of that name; raises `ConfigError` when there is none."""
    try:
        return Aggregate(name)
    except ValueError as error:
        raise ConfigError(f"there is no aggregate {name!r}: expected one of {', '.join(Aggregate)}") from error


def windows_logit(logits_by_face: Sequence[Sequence[float]], aggregate: Aggregate) -> float | None:
    """The video's logit by one of the rules over sliding windows; None when no window was scored."""
    rule: Callable[[Sequence[float]], float] = top_mean if aggregate is Aggregate.WINDOWS_TOP else mean
    most = max((len(logits) for logits in logits_by_face), default=0)
    if most == 0:
        return None
    return max(rule(logits) for logits in logits_by_face if logits and len(logits) >= MIN_SHARE * most)


def mean(values: Sequence[float]) -> float:
    """Exact to the last digit, of at least one value."""
    return math.fsum(values) / len(values)


def top_mean(values: Sequence[float]) -> float:
    """Mean of the highest quarter, at least one value."""
    count = max(1, math.ceil(len(values) * TOP_SHARE))
    return mean(sorted(values, reverse=True)[:count])

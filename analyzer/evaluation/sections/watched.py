"""One video as the scorer meets it: which faces went into their windows when, and what the windows scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analyzer.config import DEFAULT_AGGREGATE
from analyzer.datatypes import FaceCrop, FaceKey, Pixels, WindowUpdate
from analyzer.errors import ConfigError, DeepfakeMonitorError, DetectorError, ScorerError, WeightsError
from analyzer.evaluation.sections.workers import Tools
from analyzer.scorer import ClipScore, Scorer, ScorerInfo
from analyzer.video.video import analyze_video
from analyzer.video.video_file import VideoLimits

WHOLE: Final = VideoLimits(max_seconds=math.inf, max_frames=60 * 60 * 60 * 24)
"""A day at 60 pictures a second: hours of one camera are the best there is for a rate of false alarms."""


@dataclass(frozen=True, slots=True)
class Entered:
    """One fit face going into its window, and the score of the window if it was full."""

    face_id: int
    at_s: float
    """Media time."""
    filled: int
    """Faces in the window, 1 to 16."""
    logit: float | None


@dataclass(frozen=True, slots=True)
class Watched:
    """One video as the scorer met it, in order; or why there is nothing."""

    entered: tuple[Entered, ...]
    duration_s: float
    failure: str | None = None

    @property
    def has_score(self) -> bool:
        """Whether a window was ever full."""
        return any(one.logit is not None for one in self.entered)


class ListeningScorer:
    """A scorer that notes what goes through it; a whole `Scorer` around another."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._stream_id = ""
        self.entered: list[Entered] = []
        """Of the newest stream alone: a short video may be read twice."""

    @property
    def info(self) -> ScorerInfo:
        return self._scorer.info

    @property
    def evicted(self) -> int:
        """See `Scorer.evicted`."""
        return self._scorer.evicted

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        """See `Scorer.push`."""
        updates = self._scorer.push(crops)
        for crop, update in zip(crops, updates, strict=True):
            if crop.key.stream_id != self._stream_id:
                self._stream_id, self.entered = crop.key.stream_id, []
            logit = None if update.score is None else update.score.logit
            if logit is None or math.isfinite(logit):
                self.entered.append(Entered(crop.key.face_id, crop.received_at_s, update.filled, logit))
        return updates

    def forget(self, key: FaceKey) -> None:
        """See `Scorer.forget`."""
        self._scorer.forget(key)

    def score_clip(self, crops: Sequence[Pixels], at_s: Sequence[float]) -> ClipScore | None:
        """See `Scorer.score_clip`."""
        return self._scorer.score_clip(crops, at_s)

    def close(self) -> None:
        """Nothing: the scorer belongs to somebody else."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The task of reading one video and noting its scores."""

    path: Path

    def __call__(self, tools: Tools) -> Watched:
        """Raises only what would meet every file."""
        listening = ListeningScorer(tools.scorer)
        try:
            report = analyze_video(
                self.path, detector=tools.detector, scorer=listening, limits=WHOLE, aggregate=DEFAULT_AGGREGATE
            )  # the rule for one number per video plays no part
        except (WeightsError, ScorerError, DetectorError, ConfigError):
            raise
        except DeepfakeMonitorError as error:
            return Watched((), 0.0, f"{error.code}: {error}")
        return Watched(tuple(listening.entered), report.duration_s)


def entry_of(file: str, one: Watched) -> dict[str, object]:
    """What is kept of it; `watched_from` reads it again."""
    entered = [[each.face_id, each.at_s, each.filled, each.logit] for each in one.entered]
    return {"file": file, "failure": one.failure, "duration_s": one.duration_s, "entered": entered}


def watched_from(entry: Mapping[str, object] | None) -> Watched | None:
    """What `entry_of` made; None when nothing was, or somebody has changed it."""
    if entry is None:
        return None
    failure, duration_s, entered = (entry.get(name) for name in ("failure", "duration_s", "entered"))
    if isinstance(failure, str):
        return Watched((), 0.0, failure)
    if not isinstance(duration_s, float | int) or not isinstance(entered, list):
        return None
    try:
        length_s = float(duration_s)
        each = tuple(
            Entered(int(face_id), float(at_s), int(filled), None if logit is None else float(logit))
            for face_id, at_s, filled, logit in entered
        )
    except (TypeError, ValueError, OverflowError):
        return None
    numbers = (length_s, *(one.at_s for one in each), *(one.logit for one in each if one.logit is not None))
    return Watched(each, length_s) if all(map(math.isfinite, numbers)) else None

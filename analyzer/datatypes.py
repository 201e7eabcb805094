"""The values that flow through the monitor, in the order in which they come to be.

    Frame -> Detection -> TrackedFace -> FaceCrop -> Score -> Verdict

Two clocks, never mixed: `pts_s` is the source's media time (it wraps and jumps), `received_at_s` is `time.monotonic()`
when the frame reached us and orders everything. Boxes are in pixels of the full frame, x to the right, y down.
All pictures are RGB uint8, height x width x 3.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analyzer.config import MAP_SIZE, NUM_FRAMES

if TYPE_CHECKING:
    from av import VideoFrame

Pixels = npt.NDArray[np.uint8]
"""RGB picture, shape (height, width, 3)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one stream, still in the decoder's own pixel format."""

    stream_id: str
    generation: int
    """Grows by one with each (re)connection of the source; windows never span two generations."""
    index: int
    """Counts the frames of one generation from 0."""
    pts_s: float | None
    received_at_s: float
    video_frame: VideoFrame
    may_repeat: bool = False
    """That it repeats, or shows what another stream shows, says nothing: it is from a file that we play over and over
    ourselves, or somebody said so of its stream."""
    damaged: bool = False
    """Something of it, or of what it was predicted from, was lost on the way: its faces are not to be judged."""


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in pixels of the full frame; may reach over its border."""

    x: float
    y: float
    width: float
    height: float

    @property
    def longer_side(self) -> float:
        return max(self.width, self.height)

    @property
    def center(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Detection:
    """One face in one frame."""

    box: Box
    landmarks: tuple[tuple[float, float], ...]
    """Five points (x, y) in YuNet's order: the person's right eye, left eye, nose tip, right and left mouth corner."""
    confidence: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A detection tied over time."""

    face_id: int
    """Unique within a stream for the life of the process, also when the stream is removed and added again; from 1."""
    detection: Detection
    smoothed: Box
    """The box low-pass filtered over time; crops are cut from this one."""
    jumped: bool
    """The box moved or changed size further than a face can between two frames: the tie may be wrong."""


class NotScored(StrEnum):
    """Why a face or stream has no score, in the words people read."""

    NO_FACE = "no face"
    TOO_SMALL = "too small"
    BLURRED = "blurred"
    DARK = "too dark"
    BRIGHT = "too bright"
    EXTREME_POSE = "extreme pose"
    CUT_OFF = "cut off by the edge of the picture"
    TRACKER_JUMP = "moved too fast to follow"
    DAMAGED = "damaged video"
    STALE = "no new picture"
    NO_WEIGHTS = "no trained weights"


class PictureTrouble(StrEnum):
    """What is wrong with a stream's pictures as a whole, in the words people read."""

    BLACK = "black picture"
    FROZEN = "frozen picture"
    LOOPED = "looped picture"
    DUPLICATED = "same picture as another stream"


@dataclass(frozen=True, slots=True)
class PictureState:
    """A stream's pictures got into trouble, or out of it."""

    stream_id: str
    trouble: PictureTrouble | None
    since_s: float
    """When the trouble began, on the clock of `received_at_s`; without any, when the picture moved again."""
    same_as: str | None = None
    """Only with DUPLICATED: the stream that shows the same."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Whether one face is fit to be judged, and the measurements behind it."""

    reason: NotScored | None
    """None when the face is fit; otherwise the first test that it failed."""
    size_px: float
    """Longer side of the face box in the full frame."""
    sharpness: float
    """Variance of the Laplacian of the grey crop scaled to a fixed size, >= 0."""
    brightness: float
    """Mean luma of the crop, 0 to 255."""
    yaw: float
    """Horizontal nose offset from the eyes' middle over half the eye distance: 0 frontal, beyond +-1 profile."""

    @property
    def fit(self) -> bool:
        return self.reason is None


@dataclass(frozen=True, slots=True)
class FaceKey:
    """Names one face window: a tracked face of one stream."""

    stream_id: str
    face_id: int


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """The cut-out of one tracked face in one frame, with its quality."""

    key: FaceKey
    generation: int
    frame_index: int
    pts_s: float | None
    received_at_s: float
    box: Box
    """The smoothed face box (not the wider crop)."""
    quality: Quality
    pixels: Pixels | None
    """(224, 224, 3) RGB uint8; None when the face is not fit, for such crops are never scored."""


@dataclass(frozen=True, slots=True)
class FaceEnded:
    """A tracked face is gone for good: its window can be freed."""

    key: FaceKey


@dataclass(frozen=True, slots=True)
class FrameFaces:
    """All faces of one frame, for people to look at: what boxes are drawn from."""

    stream_id: str
    generation: int
    frame_index: int
    pts_s: float | None
    received_at_s: float
    width: int
    height: int
    """Size of the full frame in pixels; boxes are in these."""
    crops: tuple[FaceCrop, ...]
    """One per tracked face, fit or not; `pixels` are stripped (None)."""
    jpeg: bytes | None
    """The very frame, scaled to at most 960 pixels wide: while somebody watches, and now and then for evidence."""
    face_jpegs: tuple[tuple[int, bytes], ...] = ()
    """Face id and the crop that is scored, 224 x 224: of faces of concern, where evidence is kept."""


@dataclass(frozen=True, slots=True)
class ScoreCurve:
    """How windows of real faces score that the weights were calibrated on: their empirical distribution."""

    logits: tuple[float, ...]
    """Quantiles of the calibrated logits at equal steps from 0 to 1, never falling; at least two."""
    windows: int
    """Windows measured."""
    groups: int
    """Groups (people, sources) they are of; each weighs the same."""

    def share_below(self, logit: float) -> float:
        """Share of the windows whose logit is below `logit`, 0 to 1, interpolated between the quantiles."""
        above = bisect_left(self.logits, logit)
        if above in {0, len(self.logits)}:
            return float(above > 0)
        low, high = self.logits[above - 1], self.logits[above]
        return (above - 1 + (logit - low) / (high - low)) / (len(self.logits) - 1)

    def at(self, share: float) -> float:
        """Logit below which `share` of the windows lie, 0 to 1."""
        place = min(max(share, 0.0), 1.0) * (len(self.logits) - 1)
        index = min(int(place), len(self.logits) - 2)
        low, high = self.logits[index], self.logits[index + 1]
        return low + (place - index) * (high - low)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a score rests on, as far as the network can tell: where in the face, and which faces of the window.

    `where` and `when` are attention: what the network weighed, not proof of what was changed. `counted` is exact.
    """

    where: tuple[tuple[float, ...], ...]
    """7 rows of 7, 0 to 1: spatial attention over the newest crop, its upper left corner first."""
    when: tuple[float, ...] | None
    """16, sum 1, oldest first: how much each face weighed in the window path. None where that path was not computed:
    with these weights it has no say."""
    frame_logits: tuple[float, ...]
    """16, oldest first: the raw opinion of each face alone."""
    window_logit: float | None
    """The raw opinion of the window path; None likewise."""
    counted: tuple[float, ...] = ()
    """16 calibrated logits, oldest first, whose mean is the score's logit: the score as it would be with this face's
    opinion in place of the mean of all 16, the window path's part left as it is. Empty where a backend's score is no
    such mean."""
    calibration_percentile: float | None = None
    """Share of the real calibration windows with a lower score, 0 to 1. None where the weights card has no curve."""

    @property
    def sane(self) -> bool:
        """Whether every number is one and the shapes are right: what is not is never shown."""
        window = () if self.when is None or self.window_logit is None else (*self.when, self.window_logit)
        lines = (*self.where, self.frame_logits, self.counted, window)
        return (
            len(self.where) == MAP_SIZE
            and all(len(row) == MAP_SIZE and all(0 <= value <= 1 for value in row) for row in self.where)
            and len(self.frame_logits) == NUM_FRAMES
            and (self.when is None) == (self.window_logit is None)
            and len(window) in {0, NUM_FRAMES + 1}
            and len(self.counted) in {0, NUM_FRAMES}
            and all(isfinite(value) for line in lines for value in line)
            and (self.calibration_percentile is None or 0 <= self.calibration_percentile <= 1)
        )


@dataclass(frozen=True, slots=True)
class Score:
    """The network's opinion of one face window."""

    key: FaceKey
    generation: int
    frame_index: int
    """Frame of the newest face in the window."""
    pts_s: float | None
    received_at_s: float
    """Of the newest face in the window."""
    scored_at_s: float
    """Same clock, when the score was ready."""
    fake_probability: float
    """0 (no sign of manipulation) to 1 (fake), calibrated; 0.5 is the operating point of the weights card."""
    logit: float
    """The calibrated logit; fake_probability is its sigmoid. No finite number where the network overflowed: such a
    score is never emitted."""
    window: int
    """Faces in the window: always 16 (`NUM_FRAMES`)."""
    evidence: Evidence | None = None
    """None where the backend cannot tell, or where its numbers were none."""

    @property
    def latency_s(self) -> float:
        """From the newest frame's arrival to its score."""
        return self.scored_at_s - self.received_at_s


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """What one new face did to its window: still filling, waiting for the next stride, or scored."""

    key: FaceKey
    filled: int
    """Faces in the window now, 1 to 16."""
    score: Score | None


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that was learnt of one face."""

    at_s: float
    face_id: int
    filled: int = 0
    """Faces in the window, 1 to 16; 0 with `unfit` and `ended`."""
    logit: float | None = None
    """Calibrated, where the window was scored; need not be finite."""
    unfit: NotScored | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """One observation, as it is made: what the score history is made of."""

    stream_id: str
    observation: Observation


class VerdictState(StrEnum):
    """What the operator is told about a face."""

    WARMING_UP = "warming up"
    NOT_SCORED = "not scored"
    CLEAR = "no sign of manipulation"
    UNCERTAIN = "uncertain"
    SUSPICIOUS = "suspicious"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the operator is told about a face, sent when it changes."""

    key: FaceKey
    state: VerdictState
    reason: NotScored | None
    """Only with NOT_SCORED."""
    filled: int
    """Faces in the window, 0 to 16; shown while warming up."""
    fake_probability: float | None
    """Smoothed over time, 0 to 1; None until the first score. With NOT_SCORED it is the last one, of the past."""
    at_s: float
    """`received_at_s` of the newest face that it rests on; for `NotScored.STALE`, when that was noticed."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A verdict raised to, or cleared from, `VerdictState.ALERT`: what people are told about."""

    key: FaceKey
    raised: bool
    """True when it starts, False when it is over."""
    fake_probability: float
    """Smoothed, 0 to 1: the last one there was."""
    at_s: float
    started_at_s: float
    """`at_s` of the alert's start."""


AnalyzerEvent = FrameFaces | Observed | Score | Verdict | Alert | FaceEnded | PictureState
"""Everything that the engine emits."""

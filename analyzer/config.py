"""What the analyzer can be told, and the numbers that the network fixes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

NUM_FRAMES: Final = 16
"""Faces in one window; the network's temporal position table has this many rows."""

FACE_SIZE: Final = 224
"""Height and width of a face crop in pixels."""

MAP_SIZE: Final = 7
"""Height and width of one face's features, and of the map that says where the network looked."""

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
"""Per-channel RGB mean of inputs in [0, 1] that the backbone's start weights were trained with (torchvision)."""

IMAGENET_STD: Final = (0.229, 0.224, 0.225)
"""Per-channel RGB standard deviation, same origin."""


class Aggregate(StrEnum):
    """How the figure for the whole video comes from its faces."""

    EVENLY_SPACED = "evenly_spaced"
    """16 faces of the main face, evenly spaced over the video, scored as one window."""
    WINDOWS = "windows"
    """The most suspicious face's mean logit over its sliding windows."""
    WINDOWS_TOP = "windows_top"
    """The most suspicious face's mean logit over the most suspicious quarter of its sliding windows: for fakes that
    show only now and then."""


DEFAULT_AGGREGATE: Final = Aggregate.WINDOWS
"""Set by what `deepfake-monitor evaluate` shows to rank better."""


@dataclass(frozen=True, slots=True)
class AnalyzerConfig:
    """Numbers that operators may change, with the defaults of the live monitor. Times in seconds, rates in 1/s."""

    detect_width: int = 480
    """Frames are scaled to at most this width before face detection; crops come from the full frame."""
    min_confidence: float = 0.7
    """Detections under this YuNet confidence (0-1) are ignored."""
    max_faces: int = 16
    """Faces tracked per stream; the largest are kept."""
    crop_scale: float = 1.3
    """Side of the square crop relative to the longer side of the smoothed face box."""
    min_face_px: int = 64
    """Longer side of the face box under which a face is not scored."""
    face_rate: float = 6.0
    """Faces per second and tracked face."""
    face_rate_suspicious: float = 12.0
    """While a face of the stream is uncertain or worse."""
    face_rate_min: float = 2.0
    """Under load the rate falls to this, never lower."""
    stride: int = 1
    """New faces between two scores of one window."""
    max_staleness_s: float = 0.5
    """A crop older than this is dropped and counted, not scored."""
    max_gap_s: float = 1.0
    """A face unseen, or unfit, for longer starts a new window."""
    max_batch: int = 32
    """Faces per batch of the frame path."""
    max_delay_s: float = 0.010
    """A batch closes when its oldest crop has waited this long."""
    max_windows: int = 512
    """Face windows that the bank holds at once (196 KiB each)."""
    torch_threads: int = 0
    """Cores of one CPU scorer, each with faces of its own; 0 is all of them."""

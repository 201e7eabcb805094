"""Is this face fit to be judged, and if not, why?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import Box, Detection, NotScored, Pixels, Quality, TrackedFace

# Side at which sharpness is measured: the crop of the smallest face that is scored (64 px x 1.3 = 83) is not enlarged
# to it, so that the measure means the same for near and far faces.
SHARPNESS_SIDE: Final = 80

# The figures in brackets: middle 98 % of 1 102 faces, the first 2.4 s of 94 real training videos (FF++ c40, GRID, LRS3,
# MEAD, YouTube heads). With these limits 95.9 % of their faces are fit; 2.5 % are profiles, 0.8 % not found, 0.5 % too
# small, 0.3 % blurred. Sent as a poor webcam does (face 90 px, 200 kbit/s at VGA) 98 % pass with VP8, 99 % with H.264.

# [104, 2 089]; at a webcam's worst bitrate the median is 240-300 and the lowest per cent 29 (VP8) to 78 (H.264).
# Strong blur (sigma 4 in the 224 px crop: no lashes, no skin) leaves 6-84 with a median of 24.
MIN_SHARPNESS: Final = 40.0

# Mean luma [39, 192]. Under 25 the codec leaves a face only a few grey levels, above 230 the skin has burnt out.
MIN_BRIGHTNESS: Final = 25.0
MAX_BRIGHTNESS: Final = 230.0

# [-0.8, 1.2]. Beyond 1 the nose is further out than the eye: a profile, half of the face is not to be seen.
MAX_YAW: Final = 1.0

# [0.47, 0.67]. Outside of this the head is thrown back or bowed so far that mouth or eyes are foreshortened away.
PITCH_RANGE: Final = (0.25, 0.85)

# [-14, 11] degrees. Crops are never rotated, and the network has not learnt faces that lie.
MAX_ROLL: Final = 45.0

# Share of the face box, [0, 0.01]. A chin or forehead may be missing, not an eye or the mouth.
MAX_OUTSIDE: Final = 0.15


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head is turned, as far as five points tell; all in the head's own axes, so that roll does not mix in."""

    yaw: float
    """Nose off the eyes' middle over half the eye distance: 0 frontal, beyond +-1 profile; -10 to 10."""
    pitch: float
    """Where the nose is on the way from the eyes (0) to the mouth (1): about 0.6 frontal; -10 to 10."""
    roll: float
    """Angle of the line from the person's right eye to the left one, degrees; 0 upright, beyond +-90 upside down."""


def measure_pose(detection: Detection) -> Pose:
    """Read the pose from the landmarks of one detection."""
    right_eye, left_eye, nose, right_mouth, left_mouth = (np.array(point) for point in detection.landmarks)
    across = left_eye - right_eye
    half = max(float(np.hypot(*across)) / 2, 1e-6)
    x_axis = across / (2 * half)
    y_axis = np.array((-x_axis[1], x_axis[0]))
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    down = float((mouth - eyes) @ y_axis)
    yaw = float((nose - eyes) @ x_axis) / half
    pitch = float((nose - eyes) @ y_axis) / down if abs(down) > 1e-6 else math.inf
    return Pose(
        yaw=min(max(yaw, -10.0), 10.0),
        pitch=min(max(pitch, -10.0), 10.0),
        roll=math.degrees(math.atan2(float(across[1]), float(across[0]))),
    )


def measure_sharpness(grey: Pixels) -> float:
    """Variance of the Laplacian of a grey crop scaled to 80 x 80, >= 0 (Pech-Pacheco et al., ICPR 2000)."""
    small = cv2.resize(grey, (SHARPNESS_SIDE, SHARPNESS_SIDE), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_32F).var())


def outside_share(box: Box, frame_size: tuple[int, int]) -> float:
    """Share of the box's area that lies outside a picture of (width, height), 0 to 1."""
    width = min(box.x + box.width, frame_size[0]) - max(box.x, 0.0)
    height = min(box.y + box.height, frame_size[1]) - max(box.y, 0.0)
    return 1 - max(width, 0.0) * max(height, 0.0) / (box.width * box.height)


def judge_quality(crop: Pixels, face: TrackedFace, frame_size: tuple[int, int], config: AnalyzerConfig) -> Quality:
    """Measure one face and say whether it is fit to be judged.

    `crop`: what `crop_face` cut out for it, (224, 224, 3) RGB. `frame_size`: (width, height) of the full frame. The
    reason is the first that applies, those that the person in front of the camera can mend most easily first.
    """
    grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.uint8)
    pose = measure_pose(face.detection)
    size_px = face.smoothed.longer_side
    sharpness = measure_sharpness(grey)
    brightness = float(grey.mean())
    tests = (
        (NotScored.TRACKER_JUMP, face.jumped),
        (NotScored.TOO_SMALL, size_px < config.min_face_px),
        (NotScored.CUT_OFF, outside_share(face.smoothed, frame_size) > MAX_OUTSIDE),
        (NotScored.DARK, brightness < MIN_BRIGHTNESS),
        (NotScored.BRIGHT, brightness > MAX_BRIGHTNESS),
        (NotScored.EXTREME_POSE, abs(pose.yaw) > MAX_YAW or abs(pose.roll) > MAX_ROLL),
        (NotScored.EXTREME_POSE, not PITCH_RANGE[0] <= pose.pitch <= PITCH_RANGE[1]),
        (NotScored.BLURRED, sharpness < MIN_SHARPNESS),
    )
    return Quality(
        reason=next((reason for reason, failed in tests if failed), None),
        size_px=size_px,
        sharpness=sharpness,
        brightness=brightness,
        yaw=pose.yaw,
    )

from __future__ import annotations

import csv
import itertools
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import Box, Detection, NotScored, Pixels, Quality, TrackedFace
from analyzer.faces.crop import crop_face
from analyzer.faces.detector import YuNetDetector
from analyzer.faces.quality import judge_quality, measure_pose, measure_sharpness, outside_share
from analyzer.faces.tracker import Tracker
from tests.fakes import a_detection
from tests.videos import astronaut

DATA = Path(__file__).parents[4] / "shared" / "data"
CONFIG = AnalyzerConfig()
FRAME = (512, 512)


@pytest.fixture(scope="module")
def face() -> TrackedFace:
    (detection,) = YuNetDetector().detect(astronaut())
    return TrackedFace(1, detection, detection.box, jumped=False)


def judged(picture: Pixels, face: TrackedFace) -> Quality:
    return judge_quality(crop_face(picture, face.smoothed), face, FRAME, CONFIG)


def turned(detection: Detection, degrees: float) -> Detection:
    angle = math.radians(degrees)
    x, y = detection.box.center
    points = tuple(
        (
            x + (u - x) * math.cos(angle) - (v - y) * math.sin(angle),
            y + (u - x) * math.sin(angle) + (v - y) * math.cos(angle),
        )
        for u, v in detection.landmarks
    )
    return replace(detection, landmarks=points)


def with_nose(detection: Detection, x: float, y: float) -> Detection:
    points = list(detection.landmarks)
    points[2] = (x, y)
    return replace(detection, landmarks=tuple(points))


def test_a_good_face_is_fit_and_measured(face: TrackedFace) -> None:
    quality = judged(astronaut(), face)
    assert quality.fit
    assert quality.reason is None
    assert quality.size_px == face.smoothed.longer_side
    assert 60 < quality.brightness < 200
    assert quality.sharpness > 100
    assert abs(quality.yaw) < 0.5


@pytest.mark.parametrize(
    ("gain", "offset", "reason"),
    [
        pytest.param(0.1, 0, NotScored.DARK, id="dark"),
        pytest.param(0.05, 242, NotScored.BRIGHT, id="bright"),
        pytest.param(0.45, 0, None, id="dim but visible"),
        pytest.param(1.2, 20, None, id="bright but visible"),
    ],
)
def test_exposure(face: TrackedFace, gain: float, offset: float, reason: NotScored | None) -> None:
    picture = np.clip(astronaut() * gain + offset, 0, 255).astype(np.uint8)
    assert judged(picture, face).reason == reason


@pytest.mark.parametrize(("sigma", "reason"), [(0.7, None), (4.0, NotScored.BLURRED)])
def test_blur(face: TrackedFace, sigma: float, reason: NotScored | None) -> None:
    picture = np.asarray(cv2.GaussianBlur(astronaut(), (0, 0), sigma), np.uint8)
    assert judged(picture, face).reason == reason


def test_a_small_face_is_named_before_its_blur(face: TrackedFace) -> None:
    small = replace(face, smoothed=Box(200, 100, 40, 63.9))
    assert judged(np.zeros((512, 512, 3), np.uint8), small).reason is NotScored.TOO_SMALL


def test_the_smallest_face_that_is_scored(face: TrackedFace) -> None:
    x, y = face.smoothed.center
    picture = np.asarray(cv2.resize(astronaut(), None, fx=0.62, fy=0.62, interpolation=cv2.INTER_AREA), np.uint8)
    exact = replace(face, smoothed=Box(x * 0.62 - 26, y * 0.62 - 32, 52, 64))
    assert judged(picture, exact).reason is None


def test_a_jump_of_the_tracker_is_not_scored(face: TrackedFace) -> None:
    assert judged(astronaut(), replace(face, jumped=True)).reason is NotScored.TRACKER_JUMP


@pytest.mark.parametrize(
    ("x", "reason"),
    [pytest.param(-30, NotScored.CUT_OFF, id="a third missing"), pytest.param(-8, None, id="an ear missing")],
)
def test_a_face_at_the_edge(face: TrackedFace, x: float, reason: NotScored | None) -> None:
    at_edge = replace(face, smoothed=replace(face.smoothed, x=x))
    crop = crop_face(astronaut(), face.smoothed)
    assert judge_quality(crop, at_edge, FRAME, CONFIG).reason == reason


@pytest.mark.parametrize(
    ("nose", "reason"),
    [
        pytest.param((50, 60), None, id="frontal"),
        pytest.param((62, 60), None, id="half turned"),
        pytest.param((75, 60), NotScored.EXTREME_POSE, id="profile to one side"),
        pytest.param((25, 60), NotScored.EXTREME_POSE, id="profile to the other"),
        pytest.param((50, 43), NotScored.EXTREME_POSE, id="thrown back"),
        pytest.param((50, 79), NotScored.EXTREME_POSE, id="bowed"),
    ],
)
def test_pose(face: TrackedFace, nose: tuple[float, float], reason: NotScored | None) -> None:
    posed = replace(face, detection=with_nose(a_detection(0, 0, 100), *nose))
    assert judged(astronaut(), posed).reason == reason


@pytest.mark.parametrize(
    ("degrees", "reason"),
    [(0, None), (30, None), (-30, None), (60, NotScored.EXTREME_POSE), (180, NotScored.EXTREME_POSE)],
)
def test_a_face_that_lies_or_stands_on_its_head(face: TrackedFace, degrees: float, reason: NotScored | None) -> None:
    tilted = replace(face, detection=turned(a_detection(0, 0, 100), degrees))
    assert judged(astronaut(), tilted).reason == reason


@pytest.mark.parametrize("degrees", [-40, 0, 25, 90])
def test_tilting_the_head_changes_neither_yaw_nor_pitch(degrees: float) -> None:
    plain = with_nose(a_detection(0, 0, 100), 58, 62)
    before, after = measure_pose(plain), measure_pose(turned(plain, degrees))
    assert after.yaw == pytest.approx(before.yaw)
    assert after.pitch == pytest.approx(before.pitch)
    assert after.roll == pytest.approx(degrees)


def test_landmarks_on_one_spot_are_an_extreme_pose_and_no_crash(face: TrackedFace) -> None:
    squeezed = replace(face.detection, landmarks=((50.0, 50.0),) * 5)
    assert judged(astronaut(), replace(face, detection=squeezed)).reason is NotScored.EXTREME_POSE


def test_yaw_has_bounds() -> None:
    detection = with_nose(a_detection(0, 0, 100), 1e9, 60)
    assert measure_pose(detection).yaw == 10.0


def test_a_plain_surface_has_no_sharpness() -> None:
    assert measure_sharpness(np.full((224, 224), 128, np.uint8)) == 0.0


@pytest.mark.parametrize(
    ("box", "share"),
    [
        (Box(10, 10, 50, 50), 0.0),
        (Box(-25, 10, 50, 50), 0.5),
        (Box(75, 75, 50, 50), 0.75),
        (Box(200, 200, 50, 50), 1.0),
        (Box(-100, -100, 300, 300), 8 / 9),
    ],
)
def test_share_outside_the_picture(box: Box, share: float) -> None:
    assert outside_share(box, (100, 100)) == pytest.approx(share)


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_decent_real_footage_passes() -> None:
    """A few frames of every third real validation video: training clips are cut close around the face."""
    with (DATA / "manifest.tsv").open() as file:
        rows = [
            row for row in csv.DictReader(file, delimiter="\t") if row["file"].startswith(("val/real", "val2/real"))
        ]
    detector = YuNetDetector()
    reasons: Counter[NotScored | None] = Counter()
    for row in rows[::3]:
        tracker = Tracker()
        with av.open(str(DATA / row["file"])) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for frame in itertools.islice(container.decode(video=0), 0, 40, 8):
                rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                size = (frame.width, frame.height)
                faces = tracker.update(detector.detect(rgb), frame.time, size)
                reasons.update(judge_quality(crop_face(rgb, f.smoothed), f, size, CONFIG).reason for f in faces[:1])
    assert reasons.total() >= 40
    assert reasons[None] >= 0.85 * reasons.total(), reasons

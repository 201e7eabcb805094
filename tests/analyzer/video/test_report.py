from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analyzer.config import NUM_FRAMES, Aggregate
from analyzer.datatypes import Evidence, FaceKey, Score
from analyzer.errors import ConfigError
from analyzer.scorer import sigmoid
from analyzer.video.report import (
    MAX_PICTURED,
    EvenlySpaced,
    FaceRecord,
    VideoReport,
    aggregate_named,
    drop_low_pictures,
    top_mean,
    windows_logit,
)
from tests.fakes import an_evidence


def a_report(raw_score: float) -> VideoReport:
    return VideoReport("a.mp4", 1.0, 25.0, 640, 360, 25, raw_score, "windows", (), ())


@pytest.mark.parametrize(
    ("raw_score", "label", "confidence"),
    [(0.0, "REAL", 1.0), (0.2, "REAL", 0.8), (0.499, "REAL", 0.501), (0.5, "DEEPFAKE", 0.5), (0.9, "DEEPFAKE", 0.9)],
)
def test_one_half_and_more_is_a_deepfake(raw_score: float, label: str, confidence: float) -> None:
    report = a_report(raw_score)
    assert report.label == label
    assert report.is_deepfake == (label == "DEEPFAKE")
    assert report.confidence == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("faces", "aggregate", "logit"),
    [
        pytest.param([], Aggregate.WINDOWS, None, id="no faces"),
        pytest.param([[], []], Aggregate.WINDOWS, None, id="no windows"),
        pytest.param([[1.0, 2.0, 3.0]], Aggregate.WINDOWS, 2.0, id="mean of one face"),
        pytest.param([[-1.0] * 8, [1.0] * 4], Aggregate.WINDOWS, 1.0, id="the most suspicious face"),
        pytest.param([[-1.0] * 8, [1.0]], Aggregate.WINDOWS, -1.0, id="a passer-by does not decide"),
        pytest.param([[0.0, 0.0, 0.0, 4.0]], Aggregate.WINDOWS_TOP, 4.0, id="the top quarter"),
        pytest.param([[3.0]], Aggregate.WINDOWS_TOP, 3.0, id="the top of one"),
    ],
)
def test_one_figure_of_many_windows(faces: list[list[float]], aggregate: Aggregate, logit: float | None) -> None:
    assert windows_logit(faces, aggregate) == logit


def test_the_top_quarter_is_rounded_up() -> None:
    assert top_mean([1.0, 5.0, 2.0, 3.0, 4.0]) == 4.5


def test_aggregates_have_names() -> None:
    assert aggregate_named("evenly_spaced") is Aggregate.EVENLY_SPACED
    with pytest.raises(ConfigError, match=r"'median'.*evenly_spaced, windows"):
        aggregate_named("median")


@pytest.mark.parametrize("offered", [16, 17, 31, 32, 33, 64, 65, 100, 1000, 4097])
def test_sixteen_of_any_number_are_evenly_spaced(offered: int) -> None:
    spaced = EvenlySpaced()
    pixels = np.zeros((1, 1, 3), np.uint8)
    for at in range(offered):
        spaced.offer(float(at), pixels)
    chosen = spaced.sixteen()
    assert chosen is not None
    times = [at for at, _ in chosen]
    assert len(set(times)) == 16
    steps = np.diff(times)
    assert (steps > 0).all()
    assert times[0] == 0
    assert times[-1] >= 0.9 * (offered - 1)
    assert steps.max() <= 2 * steps.min()


def test_fifteen_are_too_few() -> None:
    spaced = EvenlySpaced()
    for at in range(15):
        spaced.offer(float(at), np.zeros((1, 1, 3), np.uint8))
    assert spaced.sixteen() is None


def test_a_face_never_scored_has_no_probability() -> None:
    record = FaceRecord(3, first_s=1.0, last_s=2.0, crops=5)
    record.unfit["blurred"] += 2
    face = record.report()
    assert face.fake_probability is None
    assert (face.crops, face.windows, face.not_scored) == (5, 0, {"blurred": 2})


def test_a_scored_face_has_the_sigmoid_of_its_mean_logit() -> None:
    record = FaceRecord(3, first_s=1.0)
    record.logits += [1.0, 3.0]
    assert record.report().fake_probability == pytest.approx(sigmoid(2.0))


def a_score(logit: float, at_s: float, evidence: Evidence | None) -> Score:
    return Score(FaceKey("video:1", 1), 0, 0, at_s, at_s, at_s, sigmoid(logit), logit, NUM_FRAMES, evidence)


def a_record(face_id: int = 1) -> FaceRecord:
    record = FaceRecord(face_id, 0.0)
    for step in range(NUM_FRAMES):
        record.times.append(step / 10)
        record.pictures.append(np.full((224, 224, 3), step, np.uint8))
    return record


def test_the_peak_is_the_first_of_the_most_suspicious_windows() -> None:
    record = a_record()
    for at_s, logit in ((1.5, -2.0), (1.6, 3.0), (1.7, 3.0), (1.8, 0.0)):
        record.add(a_score(logit, at_s, an_evidence(logit)))
    peak = record.report().peak
    assert peak is not None
    assert peak.at_s == 1.6
    assert peak.fake_probability == sigmoid(3.0)
    assert peak.evidence == an_evidence(3.0)
    assert peak.pictures is not None
    assert [int(picture[0, 0, 0]) for picture in peak.pictures] == list(range(NUM_FRAMES))


def test_a_face_never_scored_has_no_peak() -> None:
    assert a_record().report().peak is None


def test_a_timeline_point_carries_both_raw_opinions() -> None:
    evidence = replace(an_evidence(), window_logit=-0.75, frame_logits=tuple(range(16)))
    point = a_record().add(a_score(0.4, 1.5, evidence))
    assert (point.start_s, point.end_s) == (0.0, 1.5)
    assert (point.window_logit, point.frame_logit) == (-0.75, 7.5)


@pytest.mark.parametrize("evidence", [None, replace(an_evidence(), window_logit=math.nan)], ids=["none", "no number"])
def test_without_sane_evidence_there_is_a_score_and_no_explanation(evidence: Evidence | None) -> None:
    record = a_record()
    point = record.add(a_score(0.4, 1.5, evidence))
    assert (point.window_logit, point.frame_logit) == (None, None)
    peak = record.report().peak
    assert peak is not None
    assert peak.evidence is None
    assert peak.fake_probability == sigmoid(0.4)


def test_only_the_highest_peaks_keep_pictures_so_that_memory_is_bounded() -> None:
    records = [a_record(face_id) for face_id in range(1, 2 * MAX_PICTURED + 1)]
    for logit, record in enumerate(records):
        record.add(a_score(float(logit), 1.5, None))
        drop_low_pictures(records)
    peaks = [record.report().peak for record in records]
    assert [peak is not None and peak.pictures is not None for peak in peaks] == [
        face >= MAX_PICTURED for face in range(2 * MAX_PICTURED)
    ]

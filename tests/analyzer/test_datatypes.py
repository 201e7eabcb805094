from __future__ import annotations

import math
from dataclasses import replace

import pytest

from analyzer.datatypes import Evidence, ScoreCurve
from tests.fakes import an_evidence

SANE = an_evidence()
NAN_ROW = (math.nan,) * 7


def test_sane_evidence_is_sane_with_and_without_what_each_face_counted() -> None:
    assert SANE.sane
    assert replace(SANE, counted=()).sane
    assert replace(SANE, when=None, window_logit=None).sane


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(replace(SANE, where=()), id="no map"),
        pytest.param(replace(SANE, where=SANE.where[:6]), id="six rows"),
        pytest.param(replace(SANE, where=(*SANE.where[:6], SANE.where[6][:6])), id="short row"),
        pytest.param(replace(SANE, where=(*SANE.where[:6], NAN_ROW)), id="map of no numbers"),
        pytest.param(replace(SANE, where=(*SANE.where[:6], (1.5,) * 7)), id="map beyond 1"),
        pytest.param(replace(SANE, where=(*SANE.where[:6], (-0.1,) * 7)), id="map below 0"),
        pytest.param(replace(SANE, when=(1 / 15,) * 15), id="fifteen weights"),
        pytest.param(replace(SANE, when=(math.inf, *(0.0,) * 15)), id="endless weight"),
        pytest.param(replace(SANE, when=()), id="no weights"),
        pytest.param(replace(SANE, when=None), id="window without weights"),
        pytest.param(replace(SANE, window_logit=None), id="weights without a window"),
        pytest.param(replace(SANE, frame_logits=()), id="no frames"),
        pytest.param(replace(SANE, frame_logits=(math.nan, *SANE.frame_logits[1:])), id="frame of no number"),
        pytest.param(replace(SANE, window_logit=math.nan), id="window of no number"),
        pytest.param(replace(SANE, counted=(0.0,)), id="one counted"),
        pytest.param(replace(SANE, calibration_percentile=math.nan), id="percentile of no number"),
        pytest.param(replace(SANE, calibration_percentile=1.1), id="percentile beyond 1"),
        pytest.param(replace(SANE, counted=(-math.inf, *SANE.frame_logits[1:])), id="endless count"),
    ],
)
def test_what_is_no_map_or_no_number_is_not_sane(evidence: Evidence) -> None:
    assert not evidence.sane


def test_a_curve_is_read_in_both_directions() -> None:
    curve = ScoreCurve((-2.0, -1.0, -1.0, 1.0, 5.0), windows=50, groups=5)
    assert [curve.share_below(logit) for logit in (-9.0, -2.0, -1.5, -1.0, 0.0, 5.0, 9.0)] == [
        0.0, 0.0, 0.125, 0.25, 0.625, 1.0, 1.0
    ]  # fmt: skip
    assert [curve.at(share) for share in (-1.0, 0.0, 0.25, 0.375, 0.625, 1.0, 2.0)] == [
        -2.0, -2.0, -1.0, -1.0, 0.0, 5.0, 5.0
    ]  # fmt: skip

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from analyzer.alerting.series import Series
from analyzer.alerting.verdict import Sensitivity
from analyzer.datatypes import NotScored, Observation
from stream_server.events.evidence_zip.curve import MOST_DRAWN, Curve, Point, Stretch, make_curve
from tests.evidence_of import START, an_event


def curve_of(*observations: Observation, **changes: object) -> Curve:
    series = Series("front-door", Sensitivity.BALANCED, observations, START + 30)
    return make_curve(series, an_event(**changes))


def score(at_s: float, logit: float = 0.0, face_id: int = 3) -> Observation:
    return Observation(START + at_s, face_id, 16, logit)


def blurred(at_s: float) -> Observation:
    return Observation(START + at_s, 3, unfit=NotScored.BLURRED)


def test_scores_are_in_seconds_from_the_events_start() -> None:
    assert curve_of(score(-1), score(-0.5), score(0.25)).lines == (
        (Point(-1, 0.5), Point(-0.5, 0.5), Point(0.25, 0.5)),
    )


def test_other_faces_and_filling_windows_are_left_out() -> None:
    curve = curve_of(score(0), score(0.1, face_id=4), Observation(START + 0.2, 3, 7))
    assert (curve.scores, curve.lines) == (1, ((Point(0, 0.5),),))


def test_the_line_breaks_at_gaps_and_where_the_face_ended() -> None:
    curve = curve_of(score(0), score(0.5), score(2), Observation(START + 2.1, 3, ended=True), score(2.2))
    assert [len(line) for line in curve.lines] == [2, 1, 1]


def test_scores_that_are_no_numbers_break_the_line_and_are_counted() -> None:
    curve = curve_of(score(0), score(0.2, math.nan), score(0.4), score(0.6, math.inf), score(0.8, -math.inf))
    assert ([len(line) for line in curve.lines], curve.not_numbers, curve.scores) == ([1, 1], 3, 2)


def test_what_could_not_be_judged_lasts_until_the_next_thing_learnt() -> None:
    assert curve_of(score(0), blurred(1), blurred(1.5), score(2), score(2.5)).unfit == (
        Stretch(1, 2, NotScored.BLURRED),
    )


def test_another_reason_is_another_stretch() -> None:
    dark = Observation(START + 1.5, 3, unfit=NotScored.DARK)
    assert [(one.end_s, one.reason) for one in curve_of(blurred(1), dark, score(2)).unfit] == [
        (1.5, NotScored.BLURRED),
        (2, NotScored.DARK),
    ]


def test_of_what_nobody_saw_nothing_is_said() -> None:
    assert curve_of(blurred(1), blurred(60), score(60.5)).unfit == (
        Stretch(1, 2, NotScored.BLURRED),
        Stretch(60, 60.5, NotScored.BLURRED),
    )


@pytest.mark.parametrize("count", [800, 801, 5000, 19_999])
def test_many_points_are_thinned_and_no_extreme_is_lost(count: int) -> None:
    curve = curve_of(*(score(i / 100, {count // 3: 9.0, count // 2: -9.0}.get(i, math.sin(i))) for i in range(count)))
    drawn = [point.fake_probability for line in curve.lines for point in line]
    assert MOST_DRAWN / 3 < len(drawn) <= MOST_DRAWN
    assert curve.scores == count
    assert (max(drawn), min(drawn)) == pytest.approx((1 / (1 + math.exp(-9)), 1 / (1 + math.exp(9))))
    assert all(a.at_s < b.at_s for line in curve.lines for a, b in pairwise(line))


def test_a_series_by_another_clock_is_laid_with_its_highest_score_at_the_peak() -> None:
    curve = curve_of(*(Observation(5000 + i / 2, 3, 16, 3.0 if i == 4 else 0.0) for i in range(9)))
    assert curve.aligned
    assert max(curve.lines[0], key=lambda point: point.fake_probability).at_s == 6.0
    assert not curve_of(score(1)).aligned


def test_wild_times_are_no_error() -> None:
    for changes in ({"started_at": math.nan}, {"started_at": 1e300}, {"peak_at": math.inf}, {"face_id": None}):
        curve_of(score(0), blurred(1), **changes)

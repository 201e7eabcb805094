from __future__ import annotations

import itertools

import pytest

from analyzer.evaluation.sections.cost import TOGETHER, measure_cost
from tests.fakes import FakeScorer


def test_cost_is_measured_on_the_scorer_at_hand_and_leaves_no_window() -> None:
    scorer = FakeScorer()
    ticks = itertools.count()
    found = measure_cost(scorer, rounds=3, clock=lambda: float(next(ticks)))
    assert found.device == "cpu"
    assert found.ms_per_score == 1000  # one tick between two looks at the clock
    assert found.faces_per_s == TOGETHER
    assert found.streaming_difference == pytest.approx(0, abs=1e-9)
    assert found.windows_tried == 4
    assert found.kib_per_face == 196
    assert found.frame_mmacs <= 400
    assert found.window_mmacs <= 160
    assert not scorer.windows


def test_a_scorer_that_scores_nothing_is_compared_with_nothing() -> None:
    found = measure_cost(FakeScorer(trained=False), rounds=1)
    assert found.streaming_difference is None
    assert found.windows_tried == 0

from __future__ import annotations

import numpy as np
import pytest

from analyzer.training.metrics import at_threshold, auc, auc_interval


@pytest.mark.parametrize(
    ("scores", "fake", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], [False, False, True, True], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [False, False, True, True], 0.0),
        ([0.5, 0.5, 0.5, 0.5], [False, True, False, True], 0.5),
        # pairs (fake, real): .4>.1, .4<.6, .6=.6 counts half, .6>.1 -> 2.5 of 4
        ([0.1, 0.6, 0.4, 0.6], [False, False, True, True], 0.625),
        ([0.3], [True], None),
        ([], [], None),
    ],
    ids=["perfect", "reversed", "all tied", "by hand", "one kind", "nothing"],
)
def test_auc_equals_the_value_by_hand(scores: list[float], fake: list[bool], expected: float | None) -> None:
    assert auc(scores, fake) == expected


def test_the_interval_holds_the_value_and_is_the_same_each_time() -> None:
    rng = np.random.default_rng(3)
    fake = [bool(i % 2) for i in range(60)]
    scores = [float(rng.normal(0.8 * f)) for f in fake]
    groups = [str(i // 2) for i in range(60)]
    interval = auc_interval(scores, fake, groups, draws=300)
    value = auc(scores, fake)
    assert interval is not None
    assert value is not None
    assert interval[0] < value < interval[1]
    assert interval == auc_interval(scores, fake, groups, draws=300)


def test_whole_groups_are_drawn_so_that_few_groups_give_a_wider_interval() -> None:
    rng = np.random.default_rng(0)
    fake = [bool(i % 2) for i in range(80)]
    group = [i // 20 for i in range(80)]
    scores = [float(rng.normal(f + 2 * (g % 2) * f - g)) for f, g in zip(fake, group, strict=True)]
    coarse = auc_interval(scores, fake, [str(g) for g in group], draws=300)
    fine = auc_interval(scores, fake, [str(i) for i in range(80)], draws=300)
    assert coarse is not None
    assert fine is not None
    assert coarse[1] - coarse[0] > fine[1] - fine[0]


def test_there_is_no_interval_with_one_kind_only() -> None:
    assert auc_interval([0.1, 0.2], [True, True], ["a", "b"]) is None
    assert auc_interval([0.1, 0.2], [True, False], ["a", "a"], draws=10) is None


def test_rates_count_the_threshold_itself_as_fake() -> None:
    rates = at_threshold([0.5, 0.4, 0.5, 0.6, 0.1], [False, False, True, True, True], 0.5)
    assert rates.fpr == 0.5
    assert rates.tpr == pytest.approx(2 / 3)
    assert at_threshold([0.5], [True], 0.5).fpr is None
    assert at_threshold([0.5], [False], 0.5).tpr is None

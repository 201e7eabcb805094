from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from analyzer.training.reporting.metrics import (
    NAMES,
    Estimate,
    Figures,
    at_threshold,
    auc,
    auc_difference,
    auc_interval,
    average_precision,
    binomial_interval,
    brier,
    ece,
    ece_floor,
    eer,
    figures,
)


def tpr_at_fpr(scores: Sequence[float], fake: Sequence[bool], fpr: float = 0.01) -> float | None:
    """The plain way, to hold `figures` against: the share of fakes above the first real that is one too many."""
    reals = sorted((score for score, is_fake in zip(scores, fake, strict=True) if not is_fake), reverse=True)
    fakes = [score for score, is_fake in zip(scores, fake, strict=True) if is_fake]
    if not reals or not fakes:
        return None
    allowed = int(fpr * len(reals) + 1e-9)
    return sum(score > reals[allowed] for score in fakes) / len(fakes)


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


HAND = ([0.9, 0.8, 0.7, 0.6, 0.3, 0.2], [True, False, True, True, False, False])
"""Falling: fake, real, fake, fake, real, real."""


def test_figures_equal_those_by_hand() -> None:
    scores, fake = HAND
    assert average_precision(scores, fake) == pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 3)
    assert tpr_at_fpr(scores, fake) == pytest.approx(1 / 3)
    assert tpr_at_fpr(scores, fake, 0.34) == 1.0
    # after three samples: fpr 1/3, missed 1/3
    assert eer(scores, fake) == pytest.approx(1 / 3)
    assert brier(scores, fake) == pytest.approx((0.01 + 0.64 + 0.09 + 0.16 + 0.09 + 0.04) / 6)
    # six bins of one sample each
    assert ece(scores, fake) == pytest.approx((0.1 + 0.8 + 0.3 + 0.4 + 0.3 + 0.2) / 6)


def test_the_equal_error_rate_lies_between_two_thresholds() -> None:
    # one real above everything, three fakes, one real: fpr jumps from .5, missed falls from 1 to 0
    assert eer([0.9, 0.8, 0.7, 0.6, 0.1], [False, True, True, True, False]) == pytest.approx(0.5)
    assert eer([0.5, 0.5], [True, False]) == pytest.approx(0.5)
    assert eer([0.9, 0.1], [True, False]) == 0.0
    assert eer([0.1, 0.9], [True, False]) == 1.0


@pytest.mark.parametrize("one", [auc, eer, average_precision], ids=lambda one: str(one.__name__))
def test_what_compares_two_kinds_is_nothing_with_one(one: Callable[[list[float], list[bool]], float | None]) -> None:
    assert one([0.1, 0.2], [True, True]) is None
    assert one([0.1, 0.2], [False, False]) is None
    assert one([], []) is None


def test_a_constant_score_has_the_figures_of_chance() -> None:
    found = figures([0.5] * 40, [i < 10 for i in range(40)], [str(i) for i in range(40)])
    assert found.auc.value == 0.5
    assert found.eer.value == 0.5
    assert found.average_precision.value == pytest.approx(0.25)
    assert found.tpr_at_1.value == 0.0
    assert (found.fpr.value, found.tpr.value) == (1.0, 1.0)
    assert found.brier.value == 0.25
    assert found.ece.value == pytest.approx(0.25)


def test_every_figure_of_the_bootstrap_equals_its_function_and_lies_in_its_interval() -> None:
    rng = np.random.default_rng(1)
    fake = [bool(rng.random() < 0.5) for _ in range(150)]
    scores = [round(float(np.clip(rng.normal(0.4 + 0.25 * f, 0.2), 0, 1)), 2) for f in fake]  # rounded: with ties
    groups = [str(rng.integers(40)) for _ in fake]
    found = figures(scores, fake, groups)
    rates = at_threshold(scores, fake, 0.5)
    expected = {
        "auc": auc(scores, fake),
        "eer": eer(scores, fake),
        "average_precision": average_precision(scores, fake),
        "tpr_at_1": tpr_at_fpr(scores, fake),
        "fpr": rates.fpr,
        "tpr": rates.tpr,
        "ece": ece(scores, fake),
        "brier": brier(scores, fake),
    }
    assert set(expected) == set(NAMES)
    for name, value in expected.items():
        estimate: Estimate = getattr(found, name)
        assert estimate.value == pytest.approx(value), name
        assert estimate.value is not None, name
        assert estimate.interval is not None, name
        low, high = estimate.interval
        assert low < high, name
        # the bias of a bootstrapped calibration error is upward: its interval may lie above its value
        assert low <= estimate.value <= high or name == "ece", name


def test_weights_are_repetitions_so_that_a_draw_equals_the_repeated_samples() -> None:
    scores, fake = [0.9, 0.4, 0.4, 0.2], [True, False, True, False]
    twice = figures([*scores, *scores], [*fake, *fake], list("abcdabcd"))
    once = figures(scores, fake, list("abcd"))
    for name in NAMES:
        assert getattr(twice, name).value == pytest.approx(getattr(once, name).value), name


def test_never_wrong_is_no_certainty_the_interval_is_that_of_so_many_sources() -> None:
    found = figures([0.1] * 18 + [0.9] * 10, [False] * 18 + [True] * 10, [str(i) for i in range(28)])
    assert found.fpr.value == 0
    assert found.fpr.interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 18)))  # 0 of 18: up to 18.5 %
    assert found.auc.interval == pytest.approx((0.025 ** (1 / 10), 1.0))
    one_camera = figures([0.1] * 18 + [0.9] * 10, [False] * 18 + [True] * 10, ["a"] * 18 + list("bcdefghijk"))
    assert one_camera.fpr.interval is not None
    assert one_camera.fpr.interval[1] == pytest.approx(0.975)  # eighteen files of one camera are one source


@pytest.mark.parametrize("wrong", range(4))
def test_a_false_alarm_more_never_gives_a_better_bound(wrong: int) -> None:
    def upper(count: int) -> float:
        scores = [0.9] * count + [0.1] * (18 - count)
        ends = figures(scores, [False] * 18, [str(i) for i in range(18)]).fpr.interval
        assert ends is not None
        return ends[1]

    assert upper(wrong) < upper(wrong + 1)
    assert upper(wrong) >= binomial_interval(wrong / 18, 18)[1]


def test_binomial_intervals_are_the_exact_ones() -> None:
    assert binomial_interval(0, 18) == pytest.approx((0, 1 - 0.025 ** (1 / 18)))
    assert binomial_interval(1 / 18, 18) == pytest.approx((0.0014, 0.2729), abs=1e-4)
    assert binomial_interval(1, 10) == pytest.approx((0.025 ** (1 / 10), 1))


def test_sources_that_are_all_wrong_by_the_same_share_show_the_doubt_of_so_many() -> None:
    found = figures([0.1, 0.9] * 5, [False] * 10, [str(i // 2) for i in range(10)])
    assert found.fpr == Estimate(0.5, binomial_interval(0.5, 5))


def test_one_source_alone_has_no_interval() -> None:
    assert figures([0.2, 0.6, 0.7], [False, False, True], ["a", "a", "a"]).fpr.interval is None


def test_nothing_at_all_has_no_figures() -> None:
    assert figures([], [], []) == Figures(*(Estimate(None, None) for _ in NAMES))


def test_a_large_set_is_drawn_in_parts_and_comes_out_the_same() -> None:
    rng = np.random.default_rng(2)
    fake = [bool(i % 3 == 0) for i in range(3000)]
    scores = [float(np.clip(rng.normal(0.4 + 0.2 * f, 0.2), 0, 1)) for f in fake]
    found = figures(scores, fake, [str(i // 5) for i in range(3000)], draws=1000)
    assert found.auc.interval is not None
    assert found.auc.interval[0] == pytest.approx(found.auc.value, abs=0.03)


@pytest.mark.parametrize(
    ("scores", "fake"),
    [([0.1, float("nan")], [True, False]), ([0.1], [True, False]), ([float("inf"), 0.2], [True, False])],
    ids=["nan", "lengths", "infinite"],
)
def test_what_is_no_score_is_refused(scores: list[float], fake: list[bool]) -> None:
    with pytest.raises(ValueError, match="expected"):
        figures(scores, fake, ["a"] * len(fake))


def test_chance_alone_gives_a_small_set_a_calibration_error() -> None:
    few, many = ece_floor([0.5] * 20), ece_floor([0.5] * 2000)
    assert few is not None
    assert many is not None
    assert few == pytest.approx(np.sqrt(2 / np.pi) * np.sqrt(0.25 / 20), rel=0.15)  # mean |k/n - .5| of a binomial
    assert many < 0.02
    assert ece_floor([]) is None


def test_differences_are_drawn_together_so_that_equal_scores_differ_by_nothing() -> None:
    rng = np.random.default_rng(0)
    fake = [i % 2 == 0 for i in range(60)]
    groups = [f"g{i // 3}" for i in range(60)]
    before = [float(rng.normal(1.0 if one else 0.0)) for one in fake]
    assert auc_difference(before, before, fake, groups) == Estimate(0, None)  # not [0, 0]: that would be certainty
    worse = [score + 0.2 * float(rng.normal()) for score in before]
    found = auc_difference(before, worse, fake, groups)
    assert found.value is not None
    assert found.interval is not None
    assert found.interval[0] <= found.value <= found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.15  # either AUC alone is known to .25 or so
    assert auc_difference([0.1, 0.2], [0.1, 0.2], [False, False], ["a", "b"]) == Estimate(None, None)


def test_two_sources_have_a_figure_but_no_interval() -> None:
    scores, fake = [0.1, 0.6, 0.2, 0.5, 0.9, 0.3], [False, False, False, True, True, True]
    two = figures(scores, fake, ["a", "a", "b", "a", "b", "b"])
    assert two.auc.value == pytest.approx(7 / 9)
    assert {two.auc.interval, two.fpr.interval, two.ece.interval} == {None}
    one_fake_source = figures(scores, fake, ["a", "b", "c", "z", "z", "z"])
    assert one_fake_source.auc.interval is None  # how fakes of other sources would rank, it cannot show
    assert one_fake_source.fpr.interval is not None
    assert auc_difference(scores, scores[::-1], fake, ["a", "b", "c", "z", "z", "z"]).interval is None

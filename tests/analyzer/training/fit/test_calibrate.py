from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analyzer.errors import ConfigError
from analyzer.model.card import CalibrationValues
from analyzer.training.fit.calibrate import (
    Kept,
    Rule,
    Values,
    fit_platt,
    flagged,
    group_weights,
    score_curve,
    set_point,
    sharpen,
    upper_bound,
)


def kept(window: Values, frames: Values | None = None, fake: object = None, per_clip: int = 1) -> Kept:
    """One group per clip, `per_clip` windows of each; all real unless told."""
    count = len(window)
    clip = np.arange(count) // per_clip
    truth = np.zeros(count, bool) if fake is None else np.asarray(fake, bool)
    return Kept(window, np.zeros(count) if frames is None else frames, truth, clip, clip)


def labelled(count: int, seed: int = 0) -> tuple[Values, Values, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    rng = np.random.default_rng(seed)
    fake = np.arange(count) % 2 == 1
    return rng.normal(np.where(fake, 2.0, -2.0)), rng.normal(size=count), fake


def test_platt_gives_the_informative_logit_the_weight() -> None:
    good, bad, fake = labelled(400)
    values = fit_platt(kept(good, bad, fake))
    assert values.a > 5 * values.b
    assert abs(values.c) < 0.5


def test_a_logit_that_points_the_wrong_way_gets_no_weight() -> None:
    fake = np.arange(100) % 2 == 1
    wrong = np.where(fake, -1.0, 1.0)
    assert fit_platt(kept(wrong, -wrong, fake)).a == 0


def test_kinds_weigh_the_same_however_many_there_are() -> None:
    fake = np.array([True] * 10 + [False] * 990)
    logit = np.where(fake, 1.0, -1.0) + np.random.default_rng(0).normal(size=1000)
    assert abs(fit_platt(kept(logit, logit, fake)).c) < 0.6


def test_calibration_needs_both_kinds() -> None:
    with pytest.raises(ConfigError, match="real and fake"):
        fit_platt(kept(np.zeros(3), fake=np.ones(3)))
    with pytest.raises(ConfigError, match="real and fake"):
        sharpen(CalibrationValues(), kept(np.zeros(3)))


def test_a_group_weighs_the_same_whatever_it_holds() -> None:
    groups = np.array([0, 0, 0, 0, 1])
    np.testing.assert_allclose(group_weights(groups), [0.125] * 4 + [0.5])
    clips = np.array([0, 0, 0, 1, 2])
    np.testing.assert_allclose(group_weights(groups, clips), [1 / 12] * 3 + [0.25, 0.5])
    assert group_weights(np.zeros(0, np.int64)).shape == (0,)


def test_at_most_the_allowed_share_of_windows_and_of_clips_is_flagged() -> None:
    rng = np.random.default_rng(0)
    real = kept(rng.normal(size=4000), rng.normal(size=4000), per_clip=4)
    for rule in (Rule(0.01, 1.0), Rule(1.0, 0.05), Rule()):
        values = set_point(CalibrationValues(1.0, 0.5, 3.0), real, rule)
        windows, clips = flagged(values, real)
        assert windows.share <= rule.windows
        assert clips.share <= rule.clips
        assert windows.share > 0.8 * rule.windows or clips.share > 0.8 * rule.clips, "no stricter than asked for"
        assert (windows.count, clips.count, clips.groups) == (4000, 1000, 1000)


def test_one_long_clip_does_not_decide() -> None:
    loud = np.full(900, 5.0)  # one clip of one person, scored high throughout
    quiet = np.random.default_rng(0).normal(size=100)
    one = Kept(
        np.concatenate([loud, quiet]), np.zeros(1000), np.zeros(1000, bool),
        np.concatenate([np.zeros(900, np.int64), np.arange(1, 101)]),
        np.concatenate([np.zeros(900, np.int64), np.arange(1, 101)]),
    )  # fmt: skip
    values = set_point(CalibrationValues(), one, Rule(0.02, 0.05))
    assert -values.c < 4.0
    assert flagged(values, one)[0].share <= 0.02


def test_with_few_videos_none_of_them_is_called_fake() -> None:
    real = kept(np.array([0.1, 0.9, 0.3]))
    values = set_point(CalibrationValues(), real, Rule())
    assert (real.logit(values) < 0).all()
    windows, _ = flagged(values, real)
    assert windows.share == 0
    assert windows.at_most > 0.6, "three videos show next to nothing"


def test_equal_scores_are_all_let_through_or_none() -> None:
    values = set_point(CalibrationValues(), kept(np.full(50, 0.7)), Rule(0.5, 0.5))
    assert flagged(values, kept(np.full(50, 0.7)))[0].share == 0


def test_an_operating_point_needs_real_windows() -> None:
    with pytest.raises(ConfigError, match="real windows"):
        set_point(CalibrationValues(), kept(np.zeros(0)), Rule())


@pytest.mark.parametrize("factor", [0.1, 1.0, 8.0])
def test_probabilities_are_made_true_and_half_stays_where_it_is(factor: float) -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2.0, 8000)
    fake = rng.random(8000) < 1 / (1 + np.exp(-logit))
    wrong = kept(logit * factor, fake=fake)
    values = sharpen(CalibrationValues(1.0, 0.0, 0.0), wrong)
    assert values.c == 0
    np.testing.assert_allclose(values.a * factor, 1.0, atol=0.1)
    moved = sharpen(replace(values, c=-1.0), wrong)
    np.testing.assert_allclose(moved.c / moved.a, -1.0 / values.a, rtol=1e-9)


def test_the_bound_of_a_share_is_that_of_clopper_and_pearson() -> None:
    assert upper_bound(0.0, 0) == 1.0
    assert upper_bound(1.0, 5) == 1.0
    np.testing.assert_allclose(upper_bound(0.0, 59), 1 - 0.05 ** (1 / 59), rtol=1e-9)
    np.testing.assert_allclose(upper_bound(0.05, 100), 0.1023, atol=1e-3)


def test_the_curve_of_real_scores_gives_each_group_the_same_weight() -> None:
    window = np.concatenate([np.full(90, -1.0), np.full(10, 3.0)])
    groups = np.array([0] * 90 + [1] * 10)
    real = Kept(window, np.zeros(100), np.zeros(100, bool), groups, groups)
    curve = score_curve(CalibrationValues(2.0, 0.0, 1.0), real)
    assert (curve.windows, curve.groups, len(curve.logits)) == (100, 2, 101)
    assert (curve.logits[0], curve.logits[-1]) == (-1.0, 7.0)
    assert curve.share_below(2.0) == pytest.approx(0.5, abs=0.06)


def test_one_window_gives_a_flat_curve() -> None:
    curve = score_curve(CalibrationValues(1.0, 0.0, 0.0), kept(np.array([0.5])))
    assert set(curve.logits) == {0.5}
    assert [curve.share_below(logit) for logit in (0.4, 0.5, 0.6)] == [0.0, 0.0, 1.0]

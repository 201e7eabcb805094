from __future__ import annotations

import numpy as np
import pytest

from analyzer.errors import ConfigError
from analyzer.model.card import CalibrationValues
from analyzer.training.calibrate import fit_platt, move_threshold


def test_platt_gives_the_informative_logit_the_weight() -> None:
    rng = np.random.default_rng(0)
    fake = np.arange(400) % 2 == 1
    good, bad = rng.normal(np.where(fake, 2.0, -2.0)), rng.normal(size=400)
    values = fit_platt(good, bad, fake)
    assert values.a > 5 * values.b
    assert abs(values.c) < 0.5


def test_a_logit_that_points_the_wrong_way_gets_no_weight() -> None:
    fake = np.arange(100) % 2 == 1
    wrong = np.where(fake, -1.0, 1.0)
    assert fit_platt(wrong, -wrong, fake).a == 0


def test_kinds_weigh_the_same_however_many_there_are() -> None:
    fake = np.array([True] * 10 + [False] * 990)
    logit = np.where(fake, 1.0, -1.0) + np.random.default_rng(0).normal(size=1000)
    assert abs(fit_platt(logit, logit, fake).c) < 0.6


def test_calibration_needs_both_kinds() -> None:
    with pytest.raises(ConfigError, match="real and fake"):
        fit_platt(np.zeros(3), np.zeros(3), np.ones(3, bool))


def test_the_threshold_lets_the_wanted_share_of_real_videos_pass() -> None:
    rng = np.random.default_rng(0)
    window, frames, units = rng.normal(size=400), rng.normal(size=400), np.arange(400) // 4
    values = move_threshold(CalibrationValues(1.0, 0.5, 3.0), window, frames, units, fpr=0.05)
    logits = values.a * window + values.b * frames + values.c
    means = np.array([logits[units == unit].mean() for unit in range(100)])
    assert 0.03 <= (means >= 0).mean() <= 0.05


def test_with_few_videos_none_of_them_is_called_fake() -> None:
    window = np.array([0.1, 0.9, 0.3])
    values = move_threshold(CalibrationValues(), window, np.zeros(3), np.arange(3), fpr=0.05)
    assert (window + values.c < 0).all()


def test_an_operating_point_needs_real_windows() -> None:
    with pytest.raises(ConfigError, match="real windows"):
        move_threshold(CalibrationValues(), np.zeros(0), np.zeros(0), np.zeros(0, np.int64), 0.05)

from __future__ import annotations

import numpy as np
import pytest

from analyzer.training.pseudofakes.plan import FEWEST, WHOLE, Clip, ar1, draw_plan


@pytest.mark.parametrize("count", [1, 2, 16, 40])
@pytest.mark.parametrize("family", ["F1", "F2", "F3", "F4", "F5", "F6", "F7"])
def test_a_plan_has_a_row_for_each_frame(family: str, count: int) -> None:
    for seed in range(10):
        plan = draw_plan(np.random.default_rng(seed), family, Clip(count))
        assert plan.ratio.shape == plan.gain.shape == (count,)
        assert plan.offset.shape == (count, 4)
        assert plan.inner is None or plan.inner.shape == (count, 5, 2)
        assert plan.ratio.min() >= 0
        assert plan.ratio.max() <= 1


def test_a_partial_fake_leaves_a_part_of_the_window_alone_and_changes_at_least_four_frames_in_a_row() -> None:
    lengths = set()
    for seed in range(200):
        plan = draw_plan(np.random.default_rng(seed), "F7", Clip(16))
        assert plan.family in WHOLE
        changed = np.flatnonzero(plan.ratio)
        length = int(changed[-1] - changed[0] + 1)
        assert FEWEST <= length <= 12
        assert len(changed) == length
        lengths.add(length)
    assert {4, 8, 12} <= lengths


@pytest.mark.parametrize("family", ["F1", "F4", "F5", "F6"])
def test_the_target_is_changed_instead_of_the_pasted_face_in_half_of_the_draws(family: str) -> None:
    changed = sum(draw_plan(np.random.default_rng(seed), family, Clip(4)).transform_target for seed in range(100))
    assert 30 < changed < 70


@pytest.mark.parametrize("family", ["F2", "F3"])
def test_where_no_look_is_changed_neither_is_that_of_the_target(family: str) -> None:
    for seed in range(20):
        assert not draw_plan(np.random.default_rng(seed), family, Clip(4), transform_target=True).transform_target


def test_neighbouring_rows_correlate_as_asked() -> None:
    rows = ar1(np.random.default_rng(0), 4000, 2, rho=0.9)
    assert rows.std() == pytest.approx(1, abs=0.1)
    assert np.corrcoef(rows[:-1, 0], rows[1:, 0])[0, 1] == pytest.approx(0.9, abs=0.05)

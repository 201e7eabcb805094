from __future__ import annotations

import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.training.augment.occlusion import draw_occlusion, soft_background


@pytest.fixture
def square(face: Pixels) -> Pixels:
    return np.ascontiguousarray(face[:200, :200])


def test_an_obstacle_hides_a_small_part_and_leaves_the_rest(square: Pixels) -> None:
    for seed in range(20):
        occlusion = draw_occlusion(np.random.default_rng(seed), 3)
        for index in range(3):
            out = occlusion.put(square, index)
            assert out.shape == square.shape
            assert 0 < (out != square).any(axis=2).mean() < 0.25
            np.testing.assert_array_equal(out, occlusion.put(square, index))


def test_a_soft_background_leaves_the_head_as_it_is(square: Pixels) -> None:
    out = soft_background(square, 0.04)
    np.testing.assert_allclose(out[80:120, 80:120].astype(int), square[80:120, 80:120], atol=1)
    assert (
        np.abs(np.diff(out[:20].astype(int), axis=1)).mean() < np.abs(np.diff(square[:20].astype(int), axis=1)).mean()
    )

from __future__ import annotations

import numpy as np
import pytest

from analyzer.faces.geometry import (
    TEMPLATE,
    WIDE,
    align,
    draw_mask,
    is_grey,
    place_mask,
    roi_of,
    shifted,
    smooth_landmarks,
)


def test_align_finds_scale_turn_and_shift() -> None:
    angle, scale = 0.3, 2.5
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (WIDE * 100) @ turn.T + (7, -3)
    matrix = align(points.astype(np.float32), WIDE, 100)
    np.testing.assert_allclose(matrix, np.column_stack([turn, (7, -3)]), atol=1e-4)


def test_smoothing_keeps_a_still_face_and_calms_a_trembling_one() -> None:
    still = [np.ones((5, 2), np.float32)] * 7
    np.testing.assert_allclose(smooth_landmarks(still), still)
    trembling = [np.full((5, 2), (-1) ** i, np.float32) for i in range(20)]
    assert np.abs(np.stack(smooth_landmarks(trembling))[3:-3]).max() < 0.3


@pytest.mark.parametrize("shape", ["ellipse", "hull", "inner", "lower", "square"])
def test_masks_are_soft_inside_the_square_and_zero_on_its_border(shape: str) -> None:
    for seed in range(10):
        mask = draw_mask(np.random.default_rng(seed), shape)
        assert mask.shape == (TEMPLATE, TEMPLATE)
        assert mask.dtype == np.float32
        assert 0.9 < mask.max() <= 1
        assert not mask[[0, -1]].any()
        assert not mask[:, [0, -1]].any()


def test_a_mask_follows_the_face() -> None:
    mask = draw_mask(np.random.default_rng(0), "ellipse")
    here = place_mask(mask, np.array([[1.0, 0, 20], [0, 1, 10]]), (160, 160))
    np.testing.assert_allclose(here[10 : 10 + TEMPLATE, 20 : 20 + TEMPLATE], mask, atol=1e-3)


def test_the_region_is_clipped_to_the_picture_and_none_outside_of_it() -> None:
    matrix = np.array([[1.0, 0, -10], [0, 1, 50]])
    assert roi_of(matrix, 40, (100, 100, 3)) == (0, 50, 30, 90)
    assert roi_of(matrix, 40, (40, 100, 3)) is None
    np.testing.assert_allclose(shifted(matrix, (5, 6, 30, 90))[:, 2], (-15, 44))


def test_grey_and_coloured_pictures_are_told_apart() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 1), np.uint8)
    assert is_grey(np.repeat(noise, 3, axis=2))
    assert not is_grey(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))

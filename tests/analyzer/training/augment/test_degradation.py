from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.training.augment.degradation import degrade, degrade_mask, draw_degradation


@pytest.fixture
def square(face: Pixels) -> Pixels:
    return np.ascontiguousarray(face[:200, :200])


def test_the_same_draw_does_the_same_to_both_partners(square: Pixels) -> None:
    for seed in range(8):
        degradation = draw_degradation(np.random.default_rng(seed), 200, 4)
        for first, second in zip(degrade([square] * 4, degradation), degrade([square] * 4, degradation), strict=True):
            np.testing.assert_array_equal(first, second)
            assert first.shape == (224, 224, 3)
            assert first.dtype == np.uint8


def test_nothing_is_delivered_larger_than_it_came() -> None:
    assert all(draw_degradation(np.random.default_rng(seed), 200, 1).side <= 200 for seed in range(50))


def test_a_small_face_is_not_made_smaller_than_what_is_scored_live() -> None:
    assert all(draw_degradation(np.random.default_rng(seed), 320, 1).side >= 64 * 1.82 - 2 for seed in range(50))
    assert {draw_degradation(np.random.default_rng(seed), 100, 1).side for seed in range(20)} == {100}


def test_frozen_pictures_repeat_the_one_before(square: Pixels) -> None:
    drawn = [draw_degradation(np.random.default_rng(seed), 200, 16) for seed in range(60)]
    frozen = [degradation for degradation in drawn if degradation.order != list(range(16))]
    assert frozen
    for degradation in frozen:
        assert all(
            b in (a, i + 1) or b > a
            for i, (a, b) in enumerate(zip(degradation.order, degradation.order[1:], strict=False))
        )
        assert len(degrade([square] * 16, degradation)) == 16


def test_a_seam_map_is_zero_without_a_seam_and_follows_the_flip() -> None:
    degradation = draw_degradation(np.random.default_rng(0), 200, 1)
    for mask in (np.zeros((200, 200), np.float32), np.ones((200, 200), np.float32)):
        inner = degrade_mask(mask, degradation, 0)
        assert inner.shape == (7, 7)
        assert inner[1:-1, 1:-1].max() == 0
    half = np.zeros((200, 200), np.float32)
    half[:, 60:90] = 0.5
    seam = degrade_mask(half, degradation, 0)
    assert (seam[:, :3].sum() < seam[:, 4:].sum()) == degradation.flip


def test_smoothed_skin_is_common_and_never_gentle() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_degradation(rng, 300, 4) for _ in range(400)]
    assert 0.2 < np.mean([one.beauty > 0 for one in drawn]) < 0.36
    assert all((one.skin > 0) == (one.beauty > 0) for one in drawn)
    assert not any(draw_degradation(rng, 300, 4, mild=True).beauty for _ in range(100))


def test_smoothing_takes_texture_away(square: Pixels) -> None:
    plain = replace(draw_degradation(np.random.default_rng(1), len(square), 1, mild=True), codec="none")
    texture = [
        float(cv2.Laplacian(degrade([square], one)[0], cv2.CV_32F).std())
        for one in (plain, replace(plain, beauty=1.0, skin=60.0))
    ]
    assert texture[1] < 0.9 * texture[0]

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.training.augment.delivery import deliver, deliver_mask, draw_delivery


@pytest.fixture
def square(face: Pixels) -> Pixels:
    return np.ascontiguousarray(face[:200, :200])


def test_the_same_draw_does_the_same_to_both_partners(square: Pixels) -> None:
    for seed in range(8):
        delivery = draw_delivery(np.random.default_rng(seed), 200, 4)
        for first, second in zip(deliver([square] * 4, delivery), deliver([square] * 4, delivery), strict=True):
            np.testing.assert_array_equal(first, second)
            assert first.shape == (224, 224, 3)
            assert first.dtype == np.uint8


def test_nothing_is_delivered_larger_than_it_came() -> None:
    assert all(draw_delivery(np.random.default_rng(seed), 200, 1).side <= 200 for seed in range(50))


def test_a_small_face_is_not_made_smaller_than_what_is_scored_live() -> None:
    assert all(draw_delivery(np.random.default_rng(seed), 320, 1).side >= 64 * 1.82 - 2 for seed in range(50))
    assert {draw_delivery(np.random.default_rng(seed), 100, 1).side for seed in range(20)} == {100}


def test_frozen_pictures_repeat_the_one_before(square: Pixels) -> None:
    drawn = [draw_delivery(np.random.default_rng(seed), 200, 16) for seed in range(60)]
    frozen = [delivery for delivery in drawn if delivery.order != list(range(16))]
    assert frozen
    for delivery in frozen:
        assert all(
            b in (a, i + 1) or b > a for i, (a, b) in enumerate(zip(delivery.order, delivery.order[1:], strict=False))
        )
        assert len(deliver([square] * 16, delivery)) == 16


def test_a_seam_map_is_zero_without_a_seam_and_follows_the_flip() -> None:
    delivery = draw_delivery(np.random.default_rng(0), 200, 1)
    for mask in (np.zeros((200, 200), np.float32), np.ones((200, 200), np.float32)):
        inner = deliver_mask(mask, delivery, 0)
        assert inner.shape == (7, 7)
        assert inner[1:-1, 1:-1].max() == 0
    half = np.zeros((200, 200), np.float32)
    half[:, 60:90] = 0.5
    seam = deliver_mask(half, delivery, 0)
    assert (seam[:, :3].sum() < seam[:, 4:].sum()) == delivery.flip


def test_smoothed_skin_is_common_and_never_gentle() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_delivery(rng, 300, 4) for _ in range(400)]
    assert 0.2 < np.mean([one.beauty > 0 for one in drawn]) < 0.36
    assert all((one.skin > 0) == (one.beauty > 0) for one in drawn)
    assert not any(draw_delivery(rng, 300, 4, gentle=True).beauty for _ in range(100))


def test_smoothing_takes_texture_away(square: Pixels) -> None:
    plain = replace(draw_delivery(np.random.default_rng(1), len(square), 1, gentle=True), codec="none")
    texture = [
        float(cv2.Laplacian(deliver([square], one)[0], cv2.CV_32F).std())
        for one in (plain, replace(plain, beauty=1.0, skin=60.0))
    ]
    assert texture[1] < 0.9 * texture[0]

from __future__ import annotations

import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.training.delivery import deliver, deliver_mask, draw_delivery, through_codec


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


@pytest.mark.parametrize(("codec", "strength"), [("none", 0), ("jpeg", 60), ("h264", 30), ("vp8", 30)])
def test_a_codec_gives_back_as_many_pictures_alike_but_not_equal(square: Pixels, codec: str, strength: int) -> None:
    frames = [np.roll(square, i, axis=1) for i in range(6)]
    out = through_codec(frames, codec, strength)
    assert len(out) == len(frames)
    for before, after in zip(frames, out, strict=True):
        assert np.abs(before.astype(int) - after).mean() < 12
    assert (np.array(out) == np.array(frames)).all() == (codec == "none")


def test_stronger_compression_loses_more(square: Pixels) -> None:
    def loss(strength: int) -> float:
        return float(np.abs(through_codec([square], "h264", strength)[0].astype(int) - square).mean())

    assert loss(18) < loss(40)


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

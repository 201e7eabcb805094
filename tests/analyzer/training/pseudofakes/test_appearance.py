from __future__ import annotations

import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.faces.geometry import TEMPLATE, TIGHT, Landmarks, align
from analyzer.training.pseudofakes.appearance import (
    Decoder,
    draw_appearance,
    draw_decoder,
    draw_shade,
    inner_warp,
    shaded,
)


def test_the_look_of_a_grey_picture_stays_grey() -> None:
    grey = np.repeat(np.random.default_rng(0).integers(40, 200, (64, 64, 1), np.uint8), 3, axis=2)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        appearance = draw_appearance(rng, grey=True)
        out = shaded(appearance.grainy(appearance.apply(grey), 0), draw_shade(rng, grey=True), np.eye(2, 3))
        assert np.ptp(out.astype(int), axis=2).max() <= 2


def test_grain_is_new_in_each_frame_and_the_same_for_the_same_frame(face: Pixels) -> None:
    looks = [draw_appearance(np.random.default_rng(seed), grey=False) for seed in range(40)]
    grainy = next(look for look in looks if look.grain)
    assert (grainy.grainy(face, 0) != grainy.grainy(face, 1)).any()
    np.testing.assert_array_equal(grainy.grainy(face, 1), grainy.grainy(face, 1))
    smooth = next(look for look in looks if not look.grain)
    assert smooth.grainy(face, 0) is face


def test_shade_changes_slowly_from_place_to_place() -> None:
    for seed in range(20):
        shade = draw_shade(np.random.default_rng(seed), grey=False)
        assert shade.shape == (TEMPLATE, TEMPLATE, 3)
        assert 0.5 < shade.min() <= shade.max() < 1.6
        assert np.abs(np.diff(shade, axis=0)).max() < 0.05


def test_a_warp_moves_what_is_near_and_leaves_what_is_far_alone() -> None:
    ramp = np.repeat(np.tile(np.arange(200, dtype=np.uint8), (200, 1))[..., None], 3, axis=2)
    warped = inner_warp(ramp, np.array([[100.0, 100.0]]), np.array([[4.0, 0.0]]), reach=8.0)
    assert warped[100, 100, 0] == 96  # what was 4 pixels to the left stands here now
    np.testing.assert_array_equal(warped[:40], ramp[:40])


@pytest.mark.parametrize(
    "decoder",
    [Decoder(48, 0, 0, 0), Decoder(48, 1.0, 0, 0), Decoder(48, 0, 30, 0), Decoder(48, 0, 30, 0.9)],
    ids=["plain", "soft", "smooth", "enhanced"],
)
def test_a_painted_face_is_another_and_the_rest_stays(decoder: Decoder, face: Pixels, landmarks: Landmarks) -> None:
    place = align(landmarks, TIGHT, 48)
    out = decoder.paint(face, place)
    assert out.shape == face.shape
    assert (out != face).any()
    corners = np.array([[0, 0], [48, 0], [0, 48], [48, 48]]) @ place[:, :2].T + place[:, 2]
    top = max(0, int(corners[:, 1].min()) - 2)
    np.testing.assert_array_equal(out[:top], face[:top])


def test_decoders_paint_at_64_to_144_pixels_and_many_without_texture() -> None:
    drawn = [draw_decoder(np.random.default_rng(seed)) for seed in range(200)]
    assert all(64 <= one.size <= 144 for one in drawn)
    assert 100 < sum(bool(one.blur or one.skin) for one in drawn) < 190
    assert any(one.size < 96 for one in drawn)

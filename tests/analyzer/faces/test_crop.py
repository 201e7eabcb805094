from __future__ import annotations

import numpy as np
import pytest

from analyzer.config import FACE_SIZE
from analyzer.datatypes import Box, Pixels
from analyzer.faces.crop import crop_face


def ramp(width: int = 640, height: int = 360) -> Pixels:
    """Red grows to the right by one per four pixels, green downwards, blue is constant."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = (np.arange(width) // 4).clip(0, 255)[None, :]
    picture[..., 1] = (np.arange(height) // 4).clip(0, 255)[:, None]
    picture[..., 2] = 77
    return picture


@pytest.mark.parametrize(
    "box",
    [
        pytest.param(Box(100, 100, 100, 120), id="inside"),
        pytest.param(Box(100, 100, 5, 5), id="tiny"),
        pytest.param(Box(100, 100, 0.01, 0.01), id="less than a pixel"),
        pytest.param(Box(-50, -50, 100, 100), id="over the upper left corner"),
        pytest.param(Box(600, 330, 100, 100), id="over the lower right corner"),
        pytest.param(Box(-500, -500, 100, 100), id="wholly outside, upper left"),
        pytest.param(Box(5000, 5000, 100, 100), id="wholly outside, lower right"),
        pytest.param(Box(-1000, -1000, 3000, 3000), id="larger than the picture"),
        pytest.param(Box(-1e9, -1e9, 2e9, 2e9), id="absurd"),
        pytest.param(Box(0, 0, 640, 360), id="all of it"),
    ],
)
def test_every_box_gives_a_picture_of_its_own(box: Box) -> None:
    picture = ramp()
    crop = crop_face(picture, box)
    assert crop.shape == (FACE_SIZE, FACE_SIZE, 3)
    assert crop.dtype == np.uint8
    assert not np.may_share_memory(crop, picture)
    assert (crop[..., 2] == 77).all()


def test_the_crop_is_square_and_centred_on_the_box_with_its_surroundings() -> None:
    crop = crop_face(ramp(), Box(200, 100, 100, 160), scale=1.3)
    side = 160 * 1.3
    red, green = crop[..., 0].astype(float), crop[..., 1].astype(float)
    assert red.mean() * 4 == pytest.approx(250, abs=4)
    assert green.mean() * 4 == pytest.approx(180, abs=4)
    assert (red[0, -1] - red[0, 0]) * 4 == pytest.approx(side, abs=8)
    assert (green[-1, 0] - green[0, 0]) * 4 == pytest.approx(side, abs=8)


def test_it_stays_upright_and_keeps_the_order_of_the_colours() -> None:
    crop = crop_face(ramp(), Box(200, 100, 100, 100)).astype(int)
    assert (np.diff(crop[0, :, 0]) >= 0).all()
    assert (np.diff(crop[:, 0, 1]) >= 0).all()
    assert (crop[:, 0, 0] == crop[0, 0, 0]).all()


def test_beyond_the_border_its_last_pixel_repeats() -> None:
    picture = np.full((100, 100, 3), 200, np.uint8)
    picture[:, 0] = (10, 20, 30)
    crop = crop_face(picture, Box(-60, 20, 60, 60), scale=1.0)
    assert (crop == (10, 20, 30)).all()


def test_a_region_of_exactly_the_crops_size_is_copied_untouched() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    crop = crop_face(picture, Box(50, 60, FACE_SIZE, FACE_SIZE), scale=1.0)
    assert (crop == picture[60 : 60 + FACE_SIZE, 50 : 50 + FACE_SIZE]).all()
    before = crop.copy()
    picture[:] = 0
    assert (crop == before).all()


def test_shrinking_averages_instead_of_aliasing() -> None:
    stripes = np.zeros((900, 900, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = crop_face(stripes, Box(2, 2, 896, 896), scale=1.0)
    assert np.abs(crop.astype(int) - 127).max() <= 2


def test_a_one_pixel_picture_gives_a_plain_crop() -> None:
    crop = crop_face(np.full((1, 1, 3), 9, np.uint8), Box(0, 0, 1, 1))
    assert (crop == 9).all()


def test_the_same_input_gives_the_same_crop() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (300, 500, 3), np.uint8)
    box = Box(33.3, 44.4, 120.5, 130.7)
    assert (crop_face(picture, box) == crop_face(picture, box)).all()


@pytest.mark.parametrize(
    "box",
    [Box(0, 0, 0, 0), Box(0, 0, -5, -5), Box(float("nan"), 0, 10, 10), Box(0, 0, float("inf"), 10)],
)
def test_a_box_that_is_none_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="finite box"):
        crop_face(ramp(), box)


def test_a_scale_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="scale above 0"):
        crop_face(ramp(), Box(0, 0, 10, 10), scale=0)

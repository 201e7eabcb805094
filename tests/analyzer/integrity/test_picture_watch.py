from __future__ import annotations

import cv2
import numpy as np
import pytest

from analyzer.datatypes import PictureTrouble, Pixels
from analyzer.integrity.picture_watch import (
    BLACK_AFTER_S,
    EXACT_AFTER_S,
    FROZEN_AFTER_S,
    MAX_BLACK_CELL,
    MAX_BLACK_MEAN,
    THUMBNAIL,
    PictureWatch,
)

STEP_S = 1 / 6
RNG = np.random.default_rng(1)
SCENE: Pixels = np.kron(RNG.integers(30, 220, (9, 16, 1), dtype=np.uint8), np.ones((40, 40, 3), np.uint8))


def noisy(picture: Pixels, sigma: float) -> Pixels:
    return np.clip(picture + RNG.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


def moved(picture: Pixels, step: int) -> Pixels:
    """Somebody's head: a patch that wanders."""
    other = picture.copy()
    x = 200 + 6 * (step % 20)
    other[100:180, x : x + 80] = 200
    return other


def told(
    watch: PictureWatch, pictures: list[Pixels], *, face: bool = True, start_s: float = 100.0
) -> list[tuple[float, PictureTrouble | None]]:
    """What changes, and when after the start."""
    changes = []
    for i, picture in enumerate(pictures):
        if watch.update(picture, start_s + i * STEP_S, face=face) and i:
            changes.append((i * STEP_S, watch.trouble))
    return changes


def seconds(count: float) -> range:
    return range(round(count / STEP_S))


def test_a_picture_in_which_somebody_moves_is_none() -> None:
    assert told(PictureWatch(), [moved(noisy(SCENE, 3), i) for i in seconds(60)]) == []


def test_a_still_with_a_face_is_frozen_after_ten_seconds_and_no_more_when_it_moves() -> None:
    watch = PictureWatch()
    pictures = [noisy(SCENE, 2) for _ in seconds(20)] + [moved(SCENE, i) for i in seconds(5)]
    (at_s, trouble), (over_s, after) = told(watch, pictures)
    assert (trouble, after) == (PictureTrouble.FROZEN, None)
    assert at_s == pytest.approx(FROZEN_AFTER_S, abs=STEP_S)
    assert over_s == pytest.approx(20, abs=STEP_S)
    assert watch.since_s > 100 + 20


def test_the_trouble_is_dated_when_it_began() -> None:
    watch = PictureWatch()
    told(watch, [moved(SCENE, i) for i in seconds(5)] + [SCENE for _ in seconds(12)])
    assert watch.trouble is PictureTrouble.FROZEN
    assert watch.since_s == pytest.approx(105, abs=STEP_S)


def test_an_empty_room_holds_still_and_its_sensor_does_not() -> None:
    assert told(PictureWatch(), [noisy(SCENE, 2) for _ in seconds(90)], face=False) == []


def test_the_very_same_picture_is_frozen_also_without_a_face() -> None:
    ((at_s, trouble),) = told(PictureWatch(), [SCENE for _ in seconds(60)], face=False)
    assert trouble is PictureTrouble.FROZEN
    assert at_s == pytest.approx(EXACT_AFTER_S, abs=STEP_S)


def test_a_face_that_is_found_only_now_and_then_is_no_proof() -> None:
    watch = PictureWatch()
    for i in seconds(29):
        assert watch.update(noisy(SCENE, 2), i * STEP_S, face=i % 12 != 0) is (i == 0)


@pytest.mark.parametrize("level", [0, 5, 16])
def test_a_covered_lens_is_black_with_its_noise(level: int) -> None:
    dark = np.full((360, 640, 3), level, np.uint8)
    pictures = [noisy(dark, 3) for _ in seconds(10)] + [moved(SCENE, i) for i in seconds(2)]
    (at_s, trouble), (over_s, after) = told(PictureWatch(), pictures, face=False)
    assert (trouble, after) == (PictureTrouble.BLACK, None)
    assert at_s == pytest.approx(BLACK_AFTER_S, abs=STEP_S)
    assert over_s == pytest.approx(10, abs=STEP_S)


def test_a_fade_and_a_dark_room_with_a_lamp_are_not_black() -> None:
    dark = np.zeros((360, 640, 3), np.uint8)
    lamp = dark.copy()
    lamp[40:60, 40:60] = 250
    blinks = [dark if i % 12 < 9 else SCENE for i in seconds(30)]
    assert told(PictureWatch(), [noisy(lamp, 3) for _ in seconds(20)], face=False) == []
    assert [trouble for _, trouble in told(PictureWatch(), blinks, face=False)] == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 4000, 3), (4000, 2, 3), (36, 64, 3), (2160, 3840, 3)])
def test_any_size_will_do(shape: tuple[int, int, int]) -> None:
    changes = told(PictureWatch(), [np.full(shape, 128, np.uint8)] * 200, face=False)
    assert [trouble for _, trouble in changes] == [PictureTrouble.FROZEN]


def test_a_gap_and_a_clock_that_goes_back_begin_anew() -> None:
    watch = PictureWatch()
    at_s = 0.0
    for i in seconds(60):
        at_s = i * STEP_S + 3 * (i // 48)  # a gap of 3 s every 8 s
        assert watch.update(SCENE, at_s, face=True) is (i == 0)
    assert not watch.update(SCENE, 0.0, face=True)
    assert watch.trouble is None


def test_a_picture_of_another_size_is_compared_all_the_same() -> None:
    half = np.ascontiguousarray(SCENE[::2, ::2])
    changes = told(PictureWatch(), [SCENE if i % 2 else half for i in seconds(12)])
    assert [trouble for _, trouble in changes] == [PictureTrouble.FROZEN]


def test_the_first_picture_is_told_of_for_nobody_knows_what_was_said_before() -> None:
    watch = PictureWatch()
    assert watch.update(SCENE, 0.0, face=True)
    assert watch.trouble is None
    assert not watch.update(SCENE, STEP_S, face=True)


def test_a_key_frame_that_changes_a_still_does_not_end_the_alert() -> None:
    pictures = [SCENE + np.uint8(9 if i % 72 < 3 and i > 90 else 0) for i in seconds(60)]
    assert [trouble for _, trouble in told(PictureWatch(), pictures)] == [PictureTrouble.FROZEN]


def test_a_dim_picture_does_not_go_in_and_out_of_black() -> None:
    pictures = [np.full((360, 640, 3), 21 if i % 30 == 29 and i > 40 else 19, np.uint8) for i in seconds(60)]
    assert [trouble for _, trouble in told(PictureWatch(), pictures, face=False)] == [PictureTrouble.BLACK]


def test_after_the_dark_the_watch_for_stills_begins_anew() -> None:
    dark, dim = np.full((360, 640, 3), 19, np.uint8), np.full((360, 640, 3), 27, np.uint8)
    changes = told(PictureWatch(), [dark] * 200 + [dim] * 30, face=False)
    assert [trouble for _, trouble in changes] == [PictureTrouble.BLACK, None]


def test_blue_is_not_black_nor_is_a_dark_face_that_is_found() -> None:
    blue = np.zeros((360, 640, 3), np.uint8)
    blue[:, :, 2] = 200
    assert told(PictureWatch(), [blue for _ in seconds(8)], face=False) == []
    assert told(PictureWatch(), [noisy(np.full((360, 640, 3), 12, np.uint8), 3) for _ in seconds(8)], face=True) == []


@pytest.mark.parametrize("colour", range(3))
@pytest.mark.parametrize("level", [18, 19, 20, 21, 47, 49])
@pytest.mark.parametrize("side", [1, 40, 640])
def test_each_colour_alone_may_show_something(colour: int, level: int, side: int) -> None:
    """As when all three were always compared: by mean and by cell, whatever green alone says."""
    picture = np.zeros((360, 640, 3), np.uint8)
    picture[:side, :side, colour] = level
    brightest = cv2.resize(picture.max(axis=2)[::2, ::2], THUMBNAIL, interpolation=cv2.INTER_AREA)
    black = brightest.mean() < MAX_BLACK_MEAN and brightest.max() < MAX_BLACK_CELL
    watch = PictureWatch()
    told(watch, [picture] * 30, face=False)
    assert (watch.trouble is PictureTrouble.BLACK) is bool(black)

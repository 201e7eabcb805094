from __future__ import annotations

import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.integrity.scene import SceneCut
from tests.videos import astronaut, face_on_canvas, moving_face

SCENE = face_on_canvas(200, 150, face_px=180)
OTHER = face_on_canvas(520, 260, face_px=90)
BLACK = np.zeros_like(SCENE)


def cuts(*pictures: Pixels) -> list[bool]:
    scene = SceneCut()
    return [scene.update(picture) for picture in pictures]


def test_the_first_picture_is_no_cut() -> None:
    assert cuts(SCENE) == [False]


def test_another_scene_is_a_cut_once() -> None:
    assert cuts(SCENE, SCENE, OTHER, OTHER, SCENE) == [False, False, True, False, True]


def test_a_moving_face_is_no_cut() -> None:
    assert not any(cuts(*list(moving_face(100))[::4]))


@pytest.mark.parametrize("face_px", [150, 300])
def test_a_face_that_fills_the_picture_and_moves_is_no_cut(face_px: float) -> None:
    pictures = [face_on_canvas(150 + 10 * i, 150, (320, 320), face_px) for i in range(6)]
    assert not any(cuts(*pictures))


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0), (1.0, 40), (0.7, 60)])
def test_a_lamp_switched_on_is_no_cut(gain: float, offset: float) -> None:
    assert cuts(SCENE, np.clip(SCENE * gain + offset, 0, 255).astype(np.uint8)) == [False, False]


def test_a_moment_of_black_is_no_cut_but_what_comes_after_it_may_be() -> None:
    assert cuts(SCENE, BLACK, SCENE) == [False, False, False]
    assert cuts(SCENE, BLACK, OTHER) == [False, False, True]


def test_noise_of_a_sensor_is_no_cut() -> None:
    random = np.random.default_rng(0)
    noisy = [np.clip(SCENE + random.normal(0, 25, SCENE.shape), 0, 255).astype(np.uint8) for _ in range(5)]
    assert not any(cuts(*noisy))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (4320, 7680, 3)])
def test_pictures_of_any_size_are_taken(shape: tuple[int, int, int]) -> None:
    assert cuts(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)) == [False, False]


def test_the_size_may_change() -> None:
    assert cuts(astronaut(), astronaut()[::2, ::2]) == [False, False]

from __future__ import annotations

import cv2
import numpy as np
import pytest

from analyzer.evaluation.sections.pixels import Darkness, ShakyDetector, smooth_skin
from analyzer.evaluation.sections.redelivery import Planes
from tests.fakes import ScriptedDetector, a_detection
from tests.videos import face_on_canvas

PICTURE = np.zeros((1, 1, 3), np.uint8)


def planes(luma: int, chroma: int = 128, size: tuple[int, int] = (64, 48)) -> Planes:
    width, height = size
    return np.vstack([np.full((height, width), luma, np.uint8), np.full((height // 2, width), chroma, np.uint8)])


def test_a_stop_takes_light_by_the_displays_gamma() -> None:
    dark = Darkness(stops=2.2, noise=0, seed=0)(planes(216, 168))
    assert set(dark[:48].ravel()) == {16 + 100}  # half of 200 above black
    assert set(dark[48:].ravel()) == {128 + 20}


def test_noise_comes_with_the_dark_and_is_another_in_each_picture() -> None:
    darkness = Darkness(stops=1, noise=4, seed=0)
    first, second = darkness(planes(150)), darkness(planes(150))
    assert first[:48].std() == pytest.approx(4, rel=0.2)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, Darkness(stops=1, noise=4, seed=0)(planes(150)))


def test_black_stays_black_and_sizes_may_change() -> None:
    darkness = Darkness(stops=3, noise=50, seed=0)
    assert darkness(planes(16)).min() >= 16
    assert darkness(planes(235, size=(32, 16))).shape == (24, 32)


def test_a_beauty_filter_takes_texture_and_leaves_edges() -> None:
    rng = np.random.default_rng(0)
    picture = planes(80, size=(128, 128))
    picture[:128, 64:] = 200
    picture[:128] = np.clip(picture[:128] + rng.normal(0, 4, (128, 128)), 0, 255)
    smooth = smooth_skin(strength=10, radius=4)(picture)
    assert smooth[10:118, 10:50].std() < 0.5 * picture[10:118, 10:50].std()
    assert float(smooth[:128, 72:].mean()) - float(smooth[:128, :56].mean()) == pytest.approx(120, abs=2)
    step = smooth[:128, 68].astype(int).mean() - smooth[:128, 59].astype(int).mean()
    assert step > 100
    assert np.array_equal(smooth[128:], picture[128:])


def test_a_stronger_beauty_filter_takes_more_of_a_face() -> None:
    picture = np.asarray(cv2.cvtColor(face_on_canvas(160, 120, (320, 240)), cv2.COLOR_RGB2YUV_I420), np.uint8)

    def texture(each: Planes) -> float:
        return float(cv2.Laplacian(each[:240], cv2.CV_32F).var())

    assert texture(picture) > texture(smooth_skin(8, 3)(picture)) > texture(smooth_skin(12, 4)(picture))


@pytest.mark.parametrize("size", [(2, 2), (4, 2), (6, 4)], ids=str)
def test_the_smallest_pictures_pass(size: tuple[int, int]) -> None:
    assert smooth_skin(8, 40)(planes(100, size=size)).shape == planes(0, size=size).shape
    assert Darkness(2, 2, 0)(planes(100, size=size)).shape == planes(0, size=size).shape


def shaken(share: float, seed: int, pictures: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """x and y of the middle and log of the size, relative to a face of 100 pixels."""
    shaky = ShakyDetector(ScriptedDetector(lambda _: [a_detection(200, 200, 100)]), share, seed)
    boxes = [shaky.detect(PICTURE)[0].box for _ in range(pictures)]
    return np.array([((b.center[0] - 250) / 100, (b.center[1] - 250) / 100, np.log(b.width / 100)) for b in boxes])


def test_boxes_shake_by_the_share_asked_for_and_around_their_place() -> None:
    shakes = shaken(0.04, 0, 4000)
    assert shakes.std(axis=0) == pytest.approx(0.052, rel=0.15)  # 4 % of a crop of 1.3 boxes
    assert np.abs(shakes.mean(axis=0)).max() < 0.01
    lasting = np.corrcoef(shakes[:-1, 0], shakes[1:, 0])[0, 1]
    assert lasting == pytest.approx(0.7, abs=0.05)


def test_shaking_is_the_same_for_a_seed() -> None:
    assert np.array_equal(shaken(0.02, 5, 10), shaken(0.02, 5, 10))
    assert not np.array_equal(shaken(0.02, 5, 10), shaken(0.02, 6, 10))


def test_all_faces_shake_alike_and_landmarks_stay() -> None:
    found = [a_detection(0, 0, 100), a_detection(300, 0, 50)]
    first, second = ShakyDetector(ScriptedDetector([found]), 0.08, 0).detect(PICTURE)
    assert first.box.center[0] - 50 == pytest.approx(2 * (second.box.center[0] - 325))
    assert (first.landmarks, first.confidence) == (found[0].landmarks, found[0].confidence)
    assert ShakyDetector(ScriptedDetector([]), 0.08, 0).detect(PICTURE) == []

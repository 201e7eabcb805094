from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError
from analyzer.faces.geometry import Landmarks
from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row
from analyzer.training.fit.stages import loader
from analyzer.training.pseudofakes import autoencoder as painting
from analyzer.training.pseudofakes.autoencoder import (
    BUILDS,
    STEP,
    Autoencoder,
    Build,
    Lesson,
    Painter,
    error_of,
    train_autoencoder,
)
from analyzer.training.pseudofakes.synthesis import PAINTED, make_pair
from analyzer.training.sampling.material import Material
from analyzer.training.sampling.mixture import Mixture
from analyzer.training.sampling.samples import ImageSamples

Found = list[tuple[Row, Track]]
SHARPEN = np.array([[0, -0.3, 0], [-0.3, 2.2, -0.3], [0, -0.3, 0]], np.float32)


@pytest.fixture(scope="module")
def painter() -> Painter:
    """Untrained: what it paints is grey with the colours of the picture, which is all that is needed here."""
    torch.manual_seed(0)
    return Painter(Autoencoder(Build(2, 3, "transposed", 4)))


@pytest.mark.parametrize("build", BUILDS)
def test_every_build_gives_a_picture_of_the_same_size(build: Build) -> None:
    net = Autoencoder(replace(build, width=4))
    assert net(torch.zeros(2, 3, 48, 64)).shape == (2, 3, 48, 64)


@pytest.mark.parametrize("shape", [(128, 128, 3), (9, 30, 3), (101, 64, 3), (1, 1, 3)])
def test_pictures_of_any_side_keep_it(painter: Painter, shape: tuple[int, int, int]) -> None:
    picture = np.full(shape, (200, 90, 40), np.uint8)
    painted = painter([picture] * 5)
    assert [(one.shape, one.dtype) for one in painted] == [(shape, np.dtype(np.uint8))] * 5
    np.testing.assert_allclose(painted[0].mean(axis=(0, 1)), (200, 90, 40), atol=6)


def test_the_colours_of_small_places_stay_nearly_as_they_are(painter: Painter, face: Pixels) -> None:
    side = len(face) // STEP * STEP
    cells = [
        cv2.resize(one[:side, :side].astype(np.float32), (side // STEP,) * 2, interpolation=cv2.INTER_AREA)
        for one in (face, painter([face])[0])
    ]
    assert np.abs(cells[0] - cells[1]).mean() < 1.5


def test_a_painter_that_learned_nothing_is_far_off(painter: Painter, found: Found) -> None:
    assert error_of(painter, lambda _: found[0][1], 0) > 6


def test_a_painter_paints_in_a_worker_process_what_it_paints_here(painter: Painter, found: Found) -> None:
    torch.nn.functional.conv2d(torch.zeros(4, 8, 64, 64), torch.zeros(8, 8, 3, 3))  # threads, before the fork
    samples = ImageSamples(Material(found), Mixture(families={PAINTED: 1.0, "F1": 0.0}), 0, 2, [painter])
    here, there = (next(iter(loader(samples, 1, workers))) for workers in (0, 1))
    assert all(torch.equal(one, other) for one, other in zip(here, there, strict=True))


def test_training_makes_pictures_more_alike_and_is_the_same_for_a_seed(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = found[0][1]
    monkeypatch.setattr(painting, "BATCH", 2)

    def train(steps: int) -> Autoencoder:
        build = Build(2, 8, "nearest", 8)
        return train_autoencoder(build, Lesson(lambda _: track, nn.Identity()), 0, lambda step: step / steps)

    picture = np.asarray(cv2.resize(track.frames([0])[0], (128, 128), interpolation=cv2.INTER_AREA), np.uint8)
    given = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
    errors = [float((net(given).detach() - given).abs().mean()) for net in (train(1), train(15))]
    assert errors[1] < 0.8 * errors[0]
    first, again = train(2).state_dict(), train(2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_painted_clip_is_fake_as_a_whole_and_not_larger(painter: Painter, face: Pixels, landmarks: Landmarks) -> None:
    pair = make_pair([face] * 3, [landmarks] * 3, 0, PAINTED, painter=painter)
    sides = {picture.shape for picture in (*pair.real, *pair.fake)}
    assert len(sides) == 1
    height, width, _ = sides.pop()
    assert height < face.shape[0]
    assert width < face.shape[1]
    assert height % 2 == width % 2 == 0
    assert pair.frame_fake == [True] * 3
    assert all(mask.min() == 1 for mask in pair.masks)
    assert (pair.fake[0] != pair.real[0]).any()


def detail(picture: Pixels) -> float:
    return float(cv2.Laplacian(picture, cv2.CV_32F).std())


@pytest.mark.parametrize("softening", [True, False], ids=["a soft painter", "a sharp painter"])
def test_sharpness_does_not_tell_the_painted(softening: bool, face: Pixels, landmarks: Landmarks) -> None:
    def paint(pictures: Sequence[Pixels]) -> list[Pixels]:
        how = cv2.blur if softening else (lambda picture, _: cv2.filter2D(picture, -1, SHARPEN))
        return [np.asarray(how(picture, (3, 3)), np.uint8) for picture in pictures]

    apart = []
    for seed in range(24):
        pair = make_pair([face], [landmarks], seed, PAINTED, painter=paint)
        apart.append(np.log(detail(pair.fake[0]) / detail(pair.real[0])))
    assert np.mean(np.abs(apart) < 0.25) > 0.7  # all but those left as they are
    assert np.abs(np.median(apart)) < 0.1


def test_a_clip_in_grey_with_a_tint_is_painted_in_luma_only(
    painter: Painter, face: Pixels, landmarks: Landmarks
) -> None:
    luma = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.int16)
    tinted = np.clip(np.stack([luma + 2, luma, luma - 2], axis=2), 0, 255).astype(np.uint8)
    pair = make_pair([tinted], [landmarks], 3, PAINTED, painter=painter)
    tints = [(one[..., 0].astype(float) - one[..., 2]).mean() for one in (pair.real[0], pair.fake[0])]
    assert tints[1] == pytest.approx(tints[0], abs=0.5)


def test_painting_needs_a_painter_and_as_many_landmarks(painter: Painter, face: Pixels, landmarks: Landmarks) -> None:
    with pytest.raises(ConfigError, match="needs a painter"):
        make_pair([face], [landmarks], 0, PAINTED)
    with pytest.raises(ConfigError, match="as many landmarks as frames"):
        make_pair([face] * 2, [landmarks], 0, PAINTED, painter=painter)


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 400, 3), (33, 31, 3)])
def test_odd_pictures_do_not_fail(painter: Painter, shape: tuple[int, int, int], landmarks: Landmarks) -> None:
    for family in (PAINTED, "F5", "F6", "F7"):
        pair = make_pair([np.full(shape, 128, np.uint8)] * 4, [landmarks] * 4, 0, family, painter=painter)
        assert len(pair.fake) == len(pair.real) == 4
        assert {one.shape for one in pair.fake} == {one.shape for one in pair.real}


def test_a_picture_shown_again_and_again_is_painted_once(face: Pixels, landmarks: Landmarks) -> None:
    given: list[int] = []

    def paint(pictures: Sequence[Pixels]) -> list[Pixels]:
        given.append(len(pictures))
        return [255 - picture for picture in pictures]

    pair = make_pair([face] * 16, [landmarks] * 16, 0, PAINTED, painter=paint)
    assert (given, len(pair.fake), len(pair.masks)) == ([1], 16, 16)


@pytest.mark.parametrize("family", ["F5", "F6"])
def test_a_painter_paints_the_face_and_nothing_beside_it(
    family: str, painter: Painter, face: Pixels, landmarks: Landmarks
) -> None:
    plain = make_pair([face], [landmarks], 4, family)
    painted = make_pair([face], [landmarks], 4, family, painter=painter)
    assert (painted.fake[0] != plain.fake[0]).any()
    outside = painted.masks[0] == 0
    np.testing.assert_array_equal(painted.fake[0][outside], painted.real[0][outside])

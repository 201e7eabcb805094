from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from analyzer.datatypes import Pixels
from analyzer.errors import WeightsError
from analyzer.training import painter as painting
from analyzer.training.dataset import Track
from analyzer.training.geometry import Landmarks, is_grey
from analyzer.training.manifest import Row
from analyzer.training.material import Material
from analyzer.training.options import TrainOptions
from analyzer.training.painter import (
    BUILDS,
    PAINTERS,
    Autoencoder,
    Build,
    Painter,
    load_painters,
    make_painters,
    save_painters,
    train_autoencoder,
)
from analyzer.training.synthesis import PAINTED, make_pair

Found = list[tuple[Row, Track]]


@pytest.fixture(scope="module")
def painter() -> Painter:
    """Untrained: what it paints is grey with the colours of the picture, which is all that is needed here."""
    torch.manual_seed(0)
    return Painter(Autoencoder(Build(2, 3, "transposed", 4)))


@pytest.mark.parametrize("build", BUILDS)
def test_every_build_gives_a_picture_of_the_same_size(build: Build) -> None:
    net = Autoencoder(replace(build, width=4))
    assert net(torch.zeros(2, 3, 48, 64)).shape == (2, 3, 48, 64)


@pytest.mark.parametrize("shape", [(128, 128, 3), (9, 30, 3), (101, 64, 3)])
def test_pictures_of_any_side_keep_it_and_their_colours(painter: Painter, shape: tuple[int, int, int]) -> None:
    picture = np.full(shape, (200, 90, 40), np.uint8)
    painted = painter([picture, picture])
    assert [(one.shape, one.dtype) for one in painted] == [(shape, np.dtype(np.uint8))] * 2
    np.testing.assert_allclose(painted[0].mean(axis=(0, 1)), (200, 90, 40), atol=6)


def test_a_grey_picture_stays_grey(painter: Painter, face: Pixels) -> None:
    grey = np.asarray(cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
    assert is_grey(painter([grey])[0])
    assert not is_grey(painter([face])[0])


def test_training_makes_pictures_more_alike_and_is_the_same_for_a_seed(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = found[0][1]
    monkeypatch.setattr(painting, "BATCH", 2)

    def train(steps: int) -> Autoencoder:
        build = Build(2, 8, "nearest", 8)
        return train_autoencoder(build, lambda _: track, nn.Identity(), 0, lambda step: step / steps)

    picture = np.asarray(cv2.resize(track.frames([0])[0], (128, 128), interpolation=cv2.INTER_AREA), np.uint8)
    given = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
    errors = [float((net(given).detach() - given).abs().mean()) for net in (train(1), train(15))]
    assert errors[1] < 0.8 * errors[0]
    first, again = train(2).state_dict(), train(2).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_painters_are_trained_once_for_a_run(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painting, "BUILDS", (Build(2, 3, "shuffle", 4), Build(3, 4, "nearest", 4)))
    monkeypatch.setattr(painting, "BATCH", 2)
    options = TrainOptions(Path("m.tsv"), tmp_path, steps=1, quiet=True)

    def made(options: TrainOptions) -> list[Painter]:
        return make_painters(options, Material(found), nn.Identity(), torch.device("cpu"))

    first, again = made(options), made(options)
    assert len(first) == 2
    for one, same in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.net.parameters(), same.net.parameters(), strict=True))
    assert made(replace(options, painter_share=0.0)) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x04."], ids=["empty", "cut off", "a pickle"])
def test_a_damaged_file_of_painters_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / PAINTERS
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="delete it to train the painters anew"):
        load_painters(path)


def test_painters_are_kept_as_they_are(painter: Painter, tmp_path: Path, face: Pixels) -> None:
    save_painters(tmp_path / PAINTERS, [painter.net])
    np.testing.assert_array_equal(load_painters(tmp_path / PAINTERS)[0]([face])[0], painter([face])[0])


def test_a_painted_clip_is_fake_as_a_whole_and_not_larger(painter: Painter, face: Pixels, landmarks: Landmarks) -> None:
    pair = make_pair([face] * 3, [landmarks] * 3, 0, PAINTED, painter=painter)
    sides = {picture.shape for picture in (*pair.real, *pair.fake)}
    assert len(sides) == 1
    height, width, _ = sides.pop()
    assert height == width <= min(face.shape[:2])
    assert height % 2 == 0
    assert pair.frame_fake == [True] * 3
    assert all(mask.min() == 1 for mask in pair.masks)
    assert (pair.fake[0] != pair.real[0]).any()


def test_about_half_of_the_real_partners_are_as_soft_as_the_painted(
    painter: Painter, face: Pixels, landmarks: Landmarks
) -> None:
    def detail(picture: Pixels) -> float:
        return float(cv2.Laplacian(picture, cv2.CV_32F).std())

    soft = 0
    for seed in range(16):
        pair = make_pair([face], [landmarks], seed, PAINTED, painter=painter)
        plain = cv2.resize(face, pair.real[0].shape[1::-1], interpolation=cv2.INTER_AREA)
        soft += detail(pair.real[0]) < 0.95 * detail(np.asarray(plain, np.uint8))
    assert 3 <= soft <= 13


@pytest.mark.parametrize("family", ["F5", "F6"])
def test_a_painter_paints_the_face_and_nothing_beside_it(
    family: str, painter: Painter, face: Pixels, landmarks: Landmarks
) -> None:
    plain = make_pair([face], [landmarks], 4, family)
    painted = make_pair([face], [landmarks], 4, family, painter=painter)
    assert (painted.fake[0] != plain.fake[0]).any()
    outside = painted.masks[0] == 0
    np.testing.assert_array_equal(painted.fake[0][outside], painted.real[0][outside])

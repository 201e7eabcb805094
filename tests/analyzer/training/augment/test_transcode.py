from __future__ import annotations

import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.training.augment.transcode import through_codec


@pytest.fixture
def square(face: Pixels) -> Pixels:
    return np.ascontiguousarray(face[:200, :200])


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

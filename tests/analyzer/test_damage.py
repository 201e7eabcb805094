from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from av import FFmpegError, Packet

from analyzer.damage import HEALED_AFTER_S, Damage
from analyzer.datatypes import Pixels
from tests.lossy import FPS, KEYFRAMES, Unit, decoder, encoded, lossy
from tests.videos import moving_face


def a_picture(*, corrupt: bool = False, key: bool = False) -> SimpleNamespace:
    return SimpleNamespace(is_corrupt=corrupt, key_frame=key)


def hurts(damage: Damage, picture: SimpleNamespace, now_s: float = 0.0) -> bool:
    return damage.hurts(picture, now_s)  # type: ignore[arg-type]  # the two marks of a VideoFrame


def test_a_picture_is_whole_until_something_is_lost() -> None:
    damage = Damage()
    assert not hurts(damage, a_picture(key=True))
    assert not hurts(damage, a_picture())


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "refused"])
def test_damage_lasts_until_a_key_frame_that_is_whole(marked: bool) -> None:
    damage = Damage()
    if marked:
        assert hurts(damage, a_picture(corrupt=True))
    else:
        damage.lost(0.0)
    assert hurts(damage, a_picture())
    assert hurts(damage, a_picture(corrupt=True, key=True))
    assert hurts(damage, a_picture())
    assert not hurts(damage, a_picture(key=True))
    assert not hurts(damage, a_picture())


def test_without_any_key_frame_a_picture_is_taken_for_renewed_after_a_while() -> None:
    damage = Damage()
    damage.lost(5.0)
    assert hurts(damage, a_picture(), 5.0 + HEALED_AFTER_S)
    assert not hurts(damage, a_picture(), 5.1 + HEALED_AFTER_S)
    assert not hurts(damage, a_picture(), 5.2 + HEALED_AFTER_S)


def decoded(units: Sequence[Unit]) -> list[tuple[Pixels, bool] | None]:
    """For each unit its picture, grey, and whether it is called damaged; None for what cannot be decoded."""
    h264, damage = decoder(), Damage()
    pictures: list[tuple[Pixels, bool] | None] = []
    for index, unit in enumerate(units):
        try:
            (picture,) = h264.decode(Packet(unit.data))
        except FFmpegError:
            damage.lost(index / FPS)
            pictures.append(None)
        else:
            pictures.append(
                (np.asarray(picture.to_ndarray(format="gray"), np.uint8), damage.hurts(picture, index / FPS))
            )
    return pictures


def test_every_picture_that_lost_packets_damage_is_found_and_no_other() -> None:
    # noise, for a picture must be larger than a packet to lose a part of itself
    drawn = np.random.default_rng(0)
    pictures = [
        np.clip(picture.astype(np.int16) + drawn.integers(-12, 13, picture.shape), 0, 255).astype(np.uint8)
        for picture in moving_face(6 * KEYFRAMES)
    ]
    units = encoded(pictures)
    arrived = lossy(units, share=0.01)
    whole, got = decoded(units), decoded(arrived)
    assert sum(unit.lost > 0 for unit in arrived) > 3
    found = []
    for before, after in zip(whole, got, strict=True):
        assert before is not None
        if after is not None:
            differs = bool((before[0].astype(np.int16) != after[0]).any())
            found.append((differs, after[1]))
    assert found.count((True, True)) > 20
    assert found.count((False, False)) > 20
    assert found.count((True, False)) == 0
    assert found.count((False, True)) == 0

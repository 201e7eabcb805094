from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from av import FFmpegError, Packet

from analyzer.datatypes import Pixels
from analyzer.integrity.damage import HEALED_AFTER_S, Damage
from tests.lossy import FPS, KEYFRAMES, Unit, decoder, encoded, lossy
from tests.videos import moving_face


class Stream:
    """A decoder that hands packets on as pictures, in the order that a test says."""

    def __init__(self) -> None:
        self.damage = Damage(decoder())
        self._packets: list[Packet[Any]] = []

    def feed(self, count: int = 1) -> None:
        for _ in range(count):
            self._packets.append(Packet(b""))
            self.damage.fed(self._packets[-1])

    def hurts(self, *, at: int | None = None, corrupt: bool = False, key: bool = False, now_s: float = 0.0) -> bool:
        """The picture of the packet number `at`, by default of the next one."""
        if at is None:
            self.feed()
            at = len(self._packets) - 1
        picture = SimpleNamespace(is_corrupt=corrupt, key_frame=key, opaque=self._packets[at].opaque)
        return self.damage.hurts(picture, now_s)  # type: ignore[arg-type]  # what is asked of a VideoFrame


def test_a_picture_is_whole_until_something_is_lost() -> None:
    stream = Stream()
    assert not stream.hurts(key=True)
    assert not stream.hurts()


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "refused"])
def test_damage_lasts_until_a_key_frame_that_is_whole(marked: bool) -> None:
    stream = Stream()
    if marked:
        assert stream.hurts(corrupt=True)
    else:
        stream.feed()
        stream.damage.lost(0.0)
    assert stream.hurts()
    assert stream.hurts(corrupt=True, key=True)
    assert stream.hurts()
    assert not stream.hurts(key=True)
    assert not stream.hurts()


def test_a_key_frame_from_before_the_loss_heals_nothing_however_late_it_is_shown() -> None:
    stream = Stream()
    stream.feed(2)  # a key frame, which a decoder that reorders keeps for a while, and another picture
    stream.damage.lost(0.0)
    stream.feed()
    assert not stream.hurts(at=0, key=True)
    assert not stream.hurts(at=1)
    assert stream.hurts(at=2)
    assert not stream.hurts(key=True)


def test_what_was_sent_before_the_marked_picture_and_is_shown_after_it_is_whole() -> None:
    stream = Stream()
    stream.feed(3)
    assert stream.hurts(at=1, corrupt=True)
    assert not stream.hurts(at=0)
    assert stream.hurts(at=2)


def test_a_second_loss_does_not_make_whole_what_the_first_one_hurt() -> None:
    stream = Stream()
    stream.damage.lost(0.0)
    stream.feed(2)
    stream.damage.lost(0.1)
    stream.feed(2)
    assert [stream.hurts(at=number) for number in range(4)] == [True] * 4


def test_without_any_key_frame_a_picture_is_taken_for_renewed_after_a_while() -> None:
    stream = Stream()
    stream.damage.lost(5.0)
    assert stream.hurts(now_s=5.0 + HEALED_AFTER_S)
    assert not stream.hurts(now_s=5.1 + HEALED_AFTER_S)
    assert not stream.hurts(now_s=5.2 + HEALED_AFTER_S)


def decoded(units: Sequence[Unit]) -> list[tuple[Pixels, bool] | None]:
    """For each unit its picture, grey, and whether it is called damaged; None for what cannot be decoded."""
    h264 = decoder()
    damage = Damage(h264)
    pictures: list[tuple[Pixels, bool] | None] = []
    for index, unit in enumerate(units):
        packet = Packet(unit.data)
        damage.fed(packet)
        try:
            (picture,) = h264.decode(packet)
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

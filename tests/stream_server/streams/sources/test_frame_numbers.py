from __future__ import annotations

import numpy as np
import pytest
from av import FFmpegError, Packet
from hypothesis import given
from hypothesis import strategies as st

from analyzer.datatypes import Pixels
from analyzer.integrity.damage import Damage
from stream_server.streams.sources.frame_numbers import LISTENED, FrameNumbers
from tests.lossy import FPS, KEYFRAMES, Unit, decoder, encoded, lossy
from tests.videos import moving_face

# What encoders of cameras may do: parameters of x264
KINDS = {
    "high": "",
    "baseline": ":no-8x8dct=1:cabac=0",
    "scaling lists": ":cqm=jvt",
    "many references": ":ref=5",
    "pictures that nothing rests on": ":bframes=2:b-adapt=0:b-pyramid=none:rc-lookahead=0:sync-lookahead=0",
    "a pyramid": ":bframes=3:b-adapt=0:b-pyramid=normal",
    "four slices": ":slices=4",
    "interlaced": ":tff=1",
}


def missing(units: list[Unit]) -> list[int]:
    """Before which of them a picture is missing."""
    numbers = FrameNumbers()
    return [index for index, unit in enumerate(units) if numbers.missing_before(unit.data)]


@pytest.fixture(scope="module", params=list(KINDS))
def units(request: pytest.FixtureRequest) -> list[Unit]:
    return encoded(moving_face(3 * KEYFRAMES), more=KINDS[request.param])


def test_a_whole_stream_has_no_gap(units: list[Unit]) -> None:
    assert missing(units) == []


def rested_on(unit: Unit) -> bool:
    """Whether other pictures are predicted from it."""
    start = unit.data.find(b"\x00\x00\x01")
    while unit.data[start + 3] & 0x1F not in (1, 5):
        start = unit.data.find(b"\x00\x00\x01", start + 3)
    return bool(unit.data[start + 3] & 0x60)


def test_a_picture_that_others_rest_on_is_missed(units: list[Unit]) -> None:
    gone = next(index for index in range(KEYFRAMES + 5, len(units)) if rested_on(units[index]))
    assert missing(units[:gone] + units[gone + 1 :]) == [gone]


def test_numbers_begin_anew_with_a_key_frame(units: list[Unit]) -> None:
    before = units[: KEYFRAMES + 8]
    keys = [
        index
        for index, unit in enumerate(units)
        if b"\x00\x00\x01\x65" in unit.data or b"\x00\x00\x01\x25" in unit.data
    ]
    assert len(keys) >= 3
    assert missing(before[: keys[1] - 3] + units[keys[1] :]) == []


def test_parameter_sets_may_come_with_the_description_only() -> None:
    first, *others = encoded(moving_face(12))
    picture = first.data.find(b"\x00\x00\x01\x65")
    numbers = FrameNumbers(first.data[:picture])
    pictures = [first.data[picture:], *(unit.data for unit in others)]
    assert not any(b"\x00\x00\x01\x67" in data for data in pictures)
    found = [numbers.missing_before(data) for data in pictures[:5] + pictures[6:]]
    assert found == [index == 5 for index in range(len(found))]


def test_a_camera_whose_numbers_leap_all_the_time_is_not_listened_to_for_ever() -> None:
    units = encoded(moving_face(3 * LISTENED))
    every_second = [unit for index, unit in enumerate(units) if index % 2 == 0]
    found = missing(every_second)
    assert len(found) > LISTENED * 0.4
    assert max(found) < LISTENED


def test_without_parameter_sets_nothing_is_missed() -> None:
    bare = [Unit(b"\x00\x00\x01\x41" + bytes([0x9A, number, 0x55])) for number in range(0, 250, 9)]
    assert missing(bare) == []


@given(st.lists(st.binary(max_size=200), max_size=6), st.integers(0, 255))
def test_no_bytes_whatever_raise(rest: list[bytes], kind: int) -> None:
    numbers = FrameNumbers(b"\x00\x00\x01\x67" + bytes([kind]) * 20)
    for data in rest:
        numbers.missing_before(b"\x00\x00\x00\x01" + bytes([kind]) + data + b"\x00\x00\x01")


@given(st.data())
def test_parameter_sets_with_flipped_bytes_raise_nothing(data: st.DataObject) -> None:
    whole = bytearray(_FIRST.data[:120])
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(4, 119))] = data.draw(st.integers(0, 255))
    numbers = FrameNumbers()
    for _ in range(3):
        numbers.missing_before(bytes(whole))


_FIRST = encoded(moving_face(2))[0]


def decoded(units: list[Unit]) -> dict[int, tuple[Pixels, bool]]:
    """By number the pictures that can be decoded, grey, and whether they are called damaged."""
    h264, numbers = decoder(), FrameNumbers()
    damage = Damage(h264)
    pictures = {}
    for index, unit in enumerate(units):
        if not unit.data:
            continue
        if numbers.missing_before(unit.data):
            damage.lost(index / FPS)
        packet = Packet(unit.data)
        packet.pts = index
        damage.fed(packet)
        try:
            frames = h264.decode(packet)
        except FFmpegError:
            damage.lost(index / FPS)
            continue
        for picture in frames:
            assert picture.pts is not None
            grey = np.asarray(picture.to_ndarray(format="gray"), np.uint8)
            pictures[picture.pts] = grey, damage.hurts(picture, index / FPS)
    return pictures


# Where a part of a picture is lost, B-frames that are shown before it are not found: see Damage
@pytest.mark.parametrize(("kind", "wrongly"), [("high", 5), ("a pyramid", 25)])
def test_with_pictures_lost_whole_every_damaged_picture_is_found(kind: str, wrongly: int) -> None:
    units = encoded(moving_face(8 * KEYFRAMES), bit_rate=200_000, more=KINDS[kind])
    arrived = lossy(units, share=0.02, whole=True)
    assert sum(not unit.data for unit in arrived) > 1
    whole, got = decoded(units), decoded(arrived)
    found = [
        ((whole[index][0] != picture).any(), damaged) for index, (picture, damaged) in got.items() if index in whole
    ]
    assert found.count((True, True)) > 20
    assert found.count((True, False)) == 0
    assert found.count((False, True)) <= wrongly  # in a pyramid less rests on each picture than is taken for it


def test_a_loss_right_after_a_key_frame_is_not_forgotten_with_it() -> None:
    units = encoded(moving_face(3 * KEYFRAMES), more=KINDS["a pyramid"])
    keys = [index for index, unit in enumerate(units) if b"\x00\x00\x01\x65" in unit.data]
    gone = keys[1] + 1
    whole, got = decoded(units), decoded([*units[:gone], Unit(b""), *units[gone + 1 :]])
    hurt = [index for index, (picture, _) in got.items() if index in whole and (whole[index][0] != picture).any()]
    assert len(hurt) > 5
    assert all(got[index][1] for index in hurt)

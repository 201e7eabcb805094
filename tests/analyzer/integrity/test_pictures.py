from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from analyzer.datatypes import Box, PictureState, PictureTrouble
from analyzer.integrity.duplicate_watch import DuplicateWatch
from analyzer.integrity.pictures import StreamPictures
from tests.takes import Scene, as_picture, looped, room, take

STEP_S = 1 / 5
HEAD = Box(200, 80, 240, 200)
"""Where most of what moves in a take is, in `as_picture`'s pixels."""


def told(
    pictures: StreamPictures, scene: Scene, seconds: float, *, start_s: float = 0.0, may_repeat: bool = False
) -> list[PictureState]:
    states: Iterable[PictureState | None] = (
        pictures.update(
            as_picture(scene(index * STEP_S)), start_s + index * STEP_S, faces=[HEAD], cut=False, may_repeat=may_repeat
        )
        for index in range(round(seconds / STEP_S))
    )
    return [state for state in states if state is not None]


def test_a_loop_is_told_with_the_time_at_which_it_began_again() -> None:
    first, state = told(StreamPictures("cam", DuplicateWatch()), looped(take(3), 11), 45)
    assert (first.trouble, first.stream_id) == (None, "cam")
    assert (state.trouble, state.same_as) == (PictureTrouble.LOOPED, None)
    assert state.since_s == pytest.approx(11, abs=6)


def test_what_we_replay_ourselves_is_neither_looped_nor_a_duplicate() -> None:
    duplicates = DuplicateWatch()
    for name in ("clip", "the same clip"):
        states = told(StreamPictures(name, duplicates), looped(take(3), 11), 60, may_repeat=True)
        assert [state.trouble for state in states] == [None]


def test_an_upload_is_not_asked_whether_it_is_a_recording() -> None:
    assert [state.trouble for state in told(StreamPictures("upload"), looped(take(3), 11), 60)] == [None]


def test_a_still_is_frozen_and_never_looped() -> None:
    pictures = StreamPictures("cam", DuplicateWatch())
    states = told(pictures, lambda _: room(1), 90)
    assert [state.trouble for state in states] == [None, PictureTrouble.FROZEN]


def test_a_duplicate_names_the_other_stream() -> None:
    duplicates = DuplicateWatch()
    one, other = StreamPictures("one", duplicates), StreamPictures("other", duplicates)
    states: list[PictureState] = []
    for index in range(round(25 / STEP_S)):
        picture, at_s = as_picture(take(3)(index * STEP_S)), index * STEP_S
        smaller = np.ascontiguousarray(picture[::2, ::2])
        for pictures, shown, face in ((one, picture, HEAD), (other, smaller, Box(100, 40, 120, 100))):
            state = pictures.update(shown, at_s, faces=[face], cut=False, may_repeat=False)
            states += [state] if state is not None else []
    assert [state.trouble for state in states[:2]] == [None, None]
    assert {(state.stream_id, state.trouble, state.same_as) for state in states[2:]} == {
        ("one", PictureTrouble.DUPLICATED, "other"),
        ("other", PictureTrouble.DUPLICATED, "one"),
    }
    assert len(states) == 4


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 4000, 3), (4000, 2, 3), (36, 64, 3)])
def test_any_size_will_do(shape: tuple[int, int, int]) -> None:
    pictures = StreamPictures("cam", DuplicateWatch())
    rng = np.random.default_rng(1)
    for index in range(100):
        noise = rng.integers(0, 256, shape, np.uint8)
        state = pictures.update(noise, index * STEP_S, faces=[Box(-9, 1, 50, 70)], cut=False, may_repeat=False)
        assert (state is None) is (index > 0)

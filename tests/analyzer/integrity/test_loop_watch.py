from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from analyzer.integrity.loop_watch import MAX_LAG_S, MIN_LAG_S, MIN_REPEATED_S, LoopWatch
from analyzer.integrity.repeats import OVER_AFTER_S, STILL_FOR_S, Sight, see
from tests.takes import HEAD, SITTING, Scene, looks, looped, nod, room, sitting, take, with_fan, with_slides


def told(watch: LoopWatch, pictures: Iterable[tuple[Sight, float]]) -> list[tuple[float, bool]]:
    """When it became looped, and when no more."""
    changes: list[tuple[float, bool]] = []
    for sight, at_s in pictures:
        before = watch.since_s is not None
        watch.update(sight, at_s, cut=False)
        if (watch.since_s is not None) is not before:
            changes.append((at_s, not before))
    return changes


@pytest.mark.parametrize(
    ("period_s", "rate"), [(4.0, 6), (4.3, 4), (4.3, 12), (8.0, 6), (12.7, 4), (12.7, 12), (60.0, 4), (60.0, 6)]
)
def test_a_loop_is_told_once_it_was_shown_again(period_s: float, rate: float) -> None:
    lag_s = period_s * np.ceil(MIN_LAG_S / period_s)
    seconds = lag_s + max(lag_s, MIN_REPEATED_S)
    watch = LoopWatch()
    ((at_s, looped_now),) = told(watch, looks(looped(take(3), period_s), seconds + 8, rate))
    assert looped_now
    assert at_s >= 0.95 * seconds
    assert watch.since_s == pytest.approx(lag_s, abs=7)


def test_a_loop_of_a_minute_is_told_with_two_looks_a_second() -> None:
    assert told(LoopWatch(), looks(looped(take(3), 60.0), 130, 2))


def test_a_ping_pong_is_a_loop_of_twice_its_length() -> None:
    scene = take(5)
    there_and_back: Scene = lambda at_s: scene(6 - abs(at_s % 12 - 6))  # noqa: E731
    assert told(LoopWatch(), looks(there_and_back, 45, 6))


@pytest.mark.parametrize("rate", [2, 6])
@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(take(1), id="somebody"),
        pytest.param(take(2), id="somebody else"),
        pytest.param(nod(1.6, 1), id="a nod"),
        pytest.param(nod(2.5, 2), id="a slow nod"),
        pytest.param(nod(2.0, 3, unsteady=0.0), id="a nod like a clock's"),
        pytest.param(lambda _: room(1), id="an empty room"),
        pytest.param(lambda _: np.full((36, 64), 128.0, np.float32), id="a test picture"),
        pytest.param(lambda at_s: room(1) * (1 + 0.1 * np.sin(2.1 * at_s)), id="a lamp that flickers"),
    ],
)
def test_what_is_no_loop_is_not_told(scene: Scene, rate: float) -> None:
    assert told(LoopWatch(), looks(scene, 100, rate)) == []


def test_a_loop_longer_than_the_memory_is_not_noticed() -> None:
    assert told(LoopWatch(), looks(looped(take(1), MAX_LAG_S + 5), 2 * MAX_LAG_S + 20, 3)) == []


def test_the_same_way_at_another_pace_is_no_loop() -> None:
    scene = take(1)
    slower: Scene = lambda at_s: scene(at_s if at_s < 20 else (at_s - 20) * 0.93)  # noqa: E731
    assert told(LoopWatch(), looks(slower, 41, 6)) == []


def test_without_a_face_in_it_nothing_is_told() -> None:
    assert told(LoopWatch(), looks(looped(take(3), 10), 60, 6, faces=())) == []


@pytest.mark.parametrize("rate", [3, 6])
@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(with_fan(sitting(1), 8.3), id="a fan"),
        pytest.param(with_fan(sitting(2), 11.7), id="a slow fan"),
        pytest.param(with_slides(sitting(1), 30, 15), id="slides that change every 2 s"),
        pytest.param(with_slides(sitting(2), 40, 8), id="slides that change every 5 s"),
    ],
)
def test_what_repeats_itself_beside_a_living_face_is_not_told(scene: Scene, rate: float) -> None:
    assert told(LoopWatch(), looks(scene, 130, rate, faces=(SITTING,))) == []


def test_a_face_that_never_moves_is_no_evidence() -> None:
    assert told(LoopWatch(), looks(with_fan(lambda _: room(0), 9), 90, 6, faces=(SITTING,))) == []


def test_the_recording_of_somebody_beside_a_fan_is_told() -> None:
    assert told(LoopWatch(), looks(looped(with_fan(sitting(1), 8.3), 13), 60, 6, faces=(SITTING,)))


def test_a_recorded_face_on_a_screen_says_nothing_of_the_living_one() -> None:
    alive, recorded = take(1), looped(take(3), 10)
    halves: Scene = lambda at_s: np.hstack([alive(at_s)[:, ::2], recorded(at_s)[:, ::2]])  # noqa: E731
    left, right = (0.175, 0.25, 0.15, 0.5), (0.675, 0.25, 0.15, 0.5)
    assert told(LoopWatch(), looks(halves, 90, 6, faces=(left, right))) == []
    assert told(LoopWatch(), looks(looped(halves, 10), 60, 6, faces=(left, right)))


def test_a_loop_in_which_somebody_lives_for_a_moment_is_told_once() -> None:
    scene, alive = looped(take(3), 10), take(4)
    broken: Scene = lambda at_s: alive(at_s) if at_s % 25 > 22 and at_s > 40 else scene(at_s)  # noqa: E731
    assert len(told(LoopWatch(), looks(broken, 120, 6))) == 1


def test_a_loop_is_over_soon_after_somebody_is_there_again() -> None:
    watch = LoopWatch()
    recorded = looks(looped(take(3), 10), 60, 6)
    alive = looks(take(4), 20, 6, start_s=60.5)
    (_, first), (over_s, last) = told(watch, chain(recorded, alive))
    assert (first, last) == (True, False)
    assert 60 + OVER_AFTER_S <= over_s < 63 + OVER_AFTER_S


def test_a_loop_that_holds_still_is_over_when_nobody_can_know() -> None:
    recorded = looks(looped(take(3), 10), 60, 6)
    still = looks(lambda _: room(0), 60, 6, start_s=60.5)
    _, (over_s, last) = told(LoopWatch(), chain(recorded, still))
    assert not last
    assert over_s == pytest.approx(60 + STILL_FOR_S, abs=5)


def test_who_comes_into_a_room_after_a_loop_that_held_still_is_not_told_by_it() -> None:
    recorded = looks(looped(take(3), 10), 60, 6)
    still = looks(lambda _: room(0), 60, 6, start_s=60.5)
    alive = looks(take(4), 30, 6, start_s=121)
    assert [on for _, on in told(LoopWatch(), chain(recorded, still, alive))] == [True, False]


def test_a_gap_or_a_clock_that_goes_back_begins_anew() -> None:
    scene = looped(take(3), 10)
    for jump_s in (3.0, -50.0):
        watch = LoopWatch()
        start_s = 25 + jump_s
        assert told(watch, looks(scene, 25, 6)) == []
        assert told(watch, looks(scene, 25, 6, start_s=start_s)) == []
        told(watch, looks(scene, 45, 6, start_s=start_s + 25.1))
        assert watch.since_s is not None
        told(watch, looks(scene, 1, 6, start_s=start_s + 25.1 + 45 + jump_s))
        assert watch.since_s is None


def test_cuts_from_camera_to_camera_are_no_motion() -> None:
    watch = LoopWatch()
    for index, (sight, at_s) in enumerate(looks(lambda at_s: room(int(at_s / 4) % 3), 120, 6)):
        watch.update(sight, at_s, cut=index > 0 and int(at_s / 4) != int((at_s - 0.2) / 4))
        assert watch.since_s is None


def test_looks_that_follow_too_soon_are_passed_over() -> None:
    watch = LoopWatch()
    sight = see(room(1), (HEAD,))
    kept = [watch.update(sight, index / 25, cut=False) is not None for index in range(100)]
    assert 20 <= sum(kept) <= 28


def test_what_cannot_be_evidence_is_a_look_without_motion() -> None:
    watch = LoopWatch()
    seen = looks(take(1), 20, 5)
    moving = [watch.update(sight if at_s < 10 else replace(sight, faces=()), at_s, cut=False) for sight, at_s in seen]
    motions = [(look.at_s, look.motion) for look in moving if look is not None]
    assert all(motion == 0 for at_s, motion in motions if at_s < 0.5 or at_s >= 10)
    assert all(motion > 0 for at_s, motion in motions if 3 < at_s < 10)

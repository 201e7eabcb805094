from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pytest

from analyzer.integrity.duplicate_watch import MAX_APART_S, MIN_SAME_S, WAIT_S, DuplicateWatch, Twin
from analyzer.integrity.loop_watch import LoopWatch
from analyzer.integrity.repeats import OVER_AFTER_S, STILL_FOR_S, Look, Share
from tests.takes import HEAD, SITTING, Scene, looks, nod, room, sitting, take, with_fan, with_slides


def seen(
    scene: Scene, seconds: float, rate: float = 6, *, face: Share = HEAD, seed: int = 0, start_s: float = 0.0
) -> Iterator[Look]:
    watch = LoopWatch()
    for sight, at_s in looks(scene, seconds, rate, faces=(face,), seed=seed, start_s=start_s):
        look = watch.update(sight, at_s, cut=False)
        if look is not None:
            yield look


def later(scene: Scene, by_s: float) -> Scene:
    return lambda at_s: scene(at_s - by_s)


def told(watch: DuplicateWatch, streams: Mapping[str, Iterable[Look]]) -> dict[str, list[tuple[float, str | None]]]:
    """Of each stream when it was told to be the same as which, or no more as any."""
    in_order = sorted(
        ((look.at_s, name, look) for name, its in streams.items() for look in its), key=lambda one: one[:2]
    )
    last: dict[str, str | None] = dict.fromkeys(streams)
    changes: dict[str, list[tuple[float, str | None]]] = {name: [] for name in streams}
    for at_s, name, look in in_order:
        twin = watch.add(name, look)
        other = twin.stream_id if twin is not None else None
        if other != last[name]:
            changes[name].append((at_s, other))
        last[name] = other
    return changes


@pytest.mark.parametrize("behind_s", [0.0, 0.4, -3.7, 9.5])
@pytest.mark.parametrize(("rate", "other"), [(6, 6), (12, 3), (4, 6)])
def test_two_streams_that_show_the_same_are_told_both(behind_s: float, rate: float, other: float) -> None:
    changes = told(
        DuplicateWatch(),
        {"a": seen(take(3), 40, rate, seed=1), "b": seen(later(take(3), behind_s), 40, other, seed=2)},
    )
    assert [name for _, name in changes["a"]] == ["b"]
    assert [name for _, name in changes["b"]] == ["a"]
    assert MIN_SAME_S < changes["a"][0][0] < MIN_SAME_S + abs(behind_s) + 8


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(take(1), take(2), id="two people in rooms that look the same"),
        pytest.param(take(1), take(1, place=5), id="the same movements in another room"),
        pytest.param(take(1), lambda at_s: take(1)(at_s)[:, ::-1], id="mirrored"),
        pytest.param(take(1), later(take(1), 2 * MAX_APART_S), id="too long ago"),
        pytest.param(nod(2.0, 1), nod(2.0, 2), id="two who nod"),
        pytest.param(lambda _: room(1), lambda _: room(1), id="the same room, empty"),
        pytest.param(lambda _: np.zeros((36, 64), np.float32), lambda _: np.zeros((36, 64), np.float32), id="black"),
        pytest.param(take(1), lambda _: room(0), id="somebody, and the room without"),
    ],
)
def test_what_is_not_the_same_is_not_told(one: Scene, other: Scene) -> None:
    assert told(DuplicateWatch(), {"a": seen(one, 60, seed=1), "b": seen(other, 60, seed=2)}) == {"a": [], "b": []}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(with_fan(sitting(1), 8.3), with_fan(sitting(2), 8.3), id="a fan"),
        pytest.param(with_slides(sitting(1), 30, 15), with_slides(sitting(2), 30, 15), id="slides"),
    ],
)
def test_the_same_beside_two_living_faces_makes_no_duplicate(one: Scene, other: Scene) -> None:
    streams = {"a": seen(one, 60, face=SITTING, seed=1), "b": seen(other, 60, face=SITTING, seed=2)}
    assert told(DuplicateWatch(), streams) == {"a": [], "b": []}


def test_a_stream_has_no_twin_in_itself() -> None:
    assert told(DuplicateWatch(), {"a": seen(lambda at_s: take(1)(at_s % 5), 40)}) == {"a": []}


def test_it_is_over_when_one_shows_something_else() -> None:
    watch = DuplicateWatch()
    both = {
        "a": [*seen(take(3), 60, seed=1)],
        "b": [*seen(take(3), 25, seed=2), *seen(take(4), 35, seed=3, start_s=25.2)],
    }
    changes = told(watch, both)
    for name, other in (("a", "b"), ("b", "a")):
        (_, first), (over_s, last) = changes[name]
        assert (first, last) == (other, None)
        assert 25 + OVER_AFTER_S < over_s < 50


def test_it_is_over_when_nobody_can_know() -> None:
    still = [*seen(lambda _: room(0), 60, start_s=25.2)]
    changes = told(
        DuplicateWatch(), {"a": [*seen(take(3), 25, seed=1), *still], "b": [*seen(take(3), 25, seed=2), *still]}
    )
    assert changes["a"][-1][1] is changes["b"][-1][1] is None
    assert changes["a"][-1][0] == pytest.approx(25 + STILL_FOR_S, abs=4)


def test_a_stream_that_is_gone_is_nobodys_twin() -> None:
    watch = DuplicateWatch()
    told(watch, {"a": seen(take(3), 30, seed=1), "b": seen(take(3), 30, seed=2)})
    watch.forget("b")
    watch.forget("nobody")
    changes = told(watch, {"a": seen(take(3), 5, seed=1, start_s=30.1)})
    assert changes == {"a": []}


@pytest.mark.parametrize("jump_s", [5.0, -100.0])
def test_a_gap_or_a_clock_that_goes_back_begins_anew(jump_s: float) -> None:
    watch = DuplicateWatch()
    for start_s in (0.0, 8.0 + jump_s):
        changes = told(
            watch,
            {"a": seen(take(3), 8, seed=1, start_s=start_s), "b": seen(take(3), 8, seed=2, start_s=start_s)},
        )
        assert changes == {"a": [], "b": []}


def test_a_gap_of_one_begins_the_evidence_of_both_anew() -> None:
    watch = DuplicateWatch()
    told(watch, {"a": seen(take(3), 40, seed=1), "b": seen(take(3), 40, seed=2)})
    (first, *_) = seen(take(4), 5, start_s=45.0)
    assert watch.add("b", first) is None
    changes = told(watch, {"a": seen(take(3), 5, seed=1, start_s=41.0)})
    assert changes == {"a": []}


def test_sixteen_streams_find_the_two_that_are_the_same() -> None:
    streams = {f"s{index}": seen(take(index % 15), 40, 4, seed=index) for index in range(16)}
    changes = told(DuplicateWatch(), streams)
    assert {name: [other for _, other in its] for name, its in changes.items() if its} == {"s0": ["s15"], "s15": ["s0"]}


def test_what_comes_while_another_thread_works_is_not_waited_for_and_not_lost() -> None:
    streams = {name: list(seen(take(3), 30, seed=seed)) for seed, name in enumerate("ab")}
    watch = DuplicateWatch()
    with watch._lock:  # as another thread that is at work
        assert [watch.add(name, look) for name, looks in streams.items() for look in looks[:90]] == [None] * 180
    changes = told(watch, {name: looks[90:] for name, looks in streams.items()})
    assert [name for _, name in changes["a"]] == ["b"]
    assert changes["a"][0][0] < streams["a"][90].at_s + 1


def test_threads_may_add_and_forget_at_once() -> None:
    watch = DuplicateWatch()
    twins: list[Twin | None] = []

    def play(name: str) -> None:
        twins.extend(watch.add(name, look) for look in seen(take(3), 20, seed=ord(name)))
        watch.forget(name)

    threads = [threading.Thread(target=play, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(twins) > 4 * (20 - WAIT_S) * 4
    assert watch._streams == {}

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import Box, FaceCrop, FaceEnded, FaceKey, NotScored, Quality
from analyzer.engine.batcher import MAX_JOBS, Batch, Batcher
from analyzer.errors import ScorerError
from analyzer.scorer import Scorer
from tests.fakes import FakeScorer

CONFIG = AnalyzerConfig(max_batch=4, max_delay_s=0.010, max_staleness_s=0.5)
FIT = Quality(reason=None, size_px=120.0, sharpness=100.0, brightness=120.0, yaw=0.0)
BLURRED = replace(FIT, reason=NotScored.BLURRED)
PIXELS = np.zeros((224, 224, 3), dtype=np.uint8)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def batcher(clock: Clock) -> Iterator[Batcher]:
    made = Batcher(CONFIG, clock)
    yield made
    made.close()


def _crop(stream_id: str, face_id: int, at_s: float, quality: Quality = FIT) -> FaceCrop:
    pixels = PIXELS if quality.fit else None
    return FaceCrop(FaceKey(stream_id, face_id), 0, 0, None, at_s, Box(0, 0, 9, 9), quality, pixels)


def _keys(batch: Batch | None) -> list[tuple[str, int]]:
    assert batch is not None
    return [(crop.key.stream_id, crop.key.face_id) for crop in batch.crops]


def test_an_empty_batcher_gives_nothing(batcher: Batcher) -> None:
    assert batcher.take(0) is None


def test_a_batch_closes_when_its_oldest_crop_has_waited_long_enough(batcher: Batcher, clock: Clock) -> None:
    batcher.put(_crop("a", 1, clock.now_s))
    clock.now_s += 0.009
    batcher.put(_crop("b", 1, clock.now_s))
    assert batcher.take(0) is None
    clock.now_s += 0.0011
    assert _keys(batcher.take(0)) == [("a", 1), ("b", 1)]
    assert batcher.take(0) is None


def test_a_full_batch_closes_at_once(batcher: Batcher, clock: Clock) -> None:
    for face_id in range(4):
        batcher.put(_crop("a", face_id, clock.now_s))
    assert len(_keys(batcher.take(0))) == 4


def test_a_newer_crop_of_a_face_replaces_the_older_and_is_counted(batcher: Batcher, clock: Clock) -> None:
    batcher.put(_crop("a", 1, clock.now_s))
    batcher.put(_crop("a", 1, clock.now_s + 0.005))
    clock.now_s += 0.02
    batch = batcher.take(0)
    assert batch is not None
    assert [crop.received_at_s for crop in batch.crops] == [100.005]
    assert batcher.dropped == {"replaced": 1, "stale": 0}


def test_a_crop_replaced_after_a_long_wait_says_that_the_scorer_is_behind(batcher: Batcher, clock: Clock) -> None:
    batcher.put(_crop("a", 1, clock.now_s))
    clock.now_s += 0.04
    batcher.put(_crop("a", 1, clock.now_s))  # a burst of its source
    clock.now_s += 0.04
    batcher.put(_crop("a", 1, clock.now_s))
    batch = batcher.take(0)
    assert batch is not None
    assert batch.overtaken == 1
    assert batcher.dropped["replaced"] == 2
    batcher.put(_crop("a", 1, clock.now_s))
    clock.now_s += 0.02
    batch = batcher.take(0)
    assert batch is not None
    assert batch.overtaken == 0


def test_a_crop_that_is_too_old_when_its_turn_comes_is_dropped_and_counted(batcher: Batcher, clock: Clock) -> None:
    batcher.put(_crop("a", 1, clock.now_s - 0.49))
    batcher.put(_crop("b", 1, clock.now_s))
    clock.now_s += 0.02
    assert _keys(batcher.take(0)) == [("b", 1)]
    assert batcher.dropped["stale"] == 1


def test_an_unfit_crop_travels_beside_and_never_into_the_batch(batcher: Batcher, clock: Clock) -> None:
    batcher.put(_crop("a", 1, clock.now_s, BLURRED))
    batcher.put(_crop("a", 2, clock.now_s))
    batcher.put(_crop("a", 1, clock.now_s + 0.005, BLURRED))
    clock.now_s += 0.02
    batch = batcher.take(0)
    assert _keys(batch) == [("a", 2)]
    assert batch is not None
    assert [crop.received_at_s for crop in batch.unfit] == [100.005]
    assert batcher.dropped["replaced"] == 0


def test_a_face_that_jumped_starts_its_window_again_and_crops_of_before_are_gone(
    batcher: Batcher, clock: Clock
) -> None:
    _used(batcher, clock, ("a", 1), ("a", 2))
    batcher.put(_crop("a", 1, clock.now_s))
    batcher.put(_crop("a", 1, clock.now_s + 0.001, replace(FIT, reason=NotScored.TRACKER_JUMP)))
    batcher.put(_crop("a", 1, clock.now_s + 0.002, BLURRED))  # does not hide the jump
    clock.now_s += 0.02
    batch = batcher.take(0)
    assert batch is not None
    assert (batch.torn, batch.crops) == ((FaceKey("a", 1),), ())
    assert [crop.quality.reason for crop in batch.unfit] == [NotScored.BLURRED]
    batcher.put(_crop("a", 2, clock.now_s))
    batcher.put(_crop("a", 1, clock.now_s))
    clock.now_s += 0.02
    batch = batcher.take(0)
    assert _keys(batch) == [("a", 1), ("a", 2)], "it is new again and goes first"
    assert batch is not None
    assert batch.torn == ()


def test_a_face_that_ended_leaves_nothing_waiting(batcher: Batcher, clock: Clock) -> None:
    batcher.put(_crop("a", 1, clock.now_s))
    batcher.put(_crop("a", 1, clock.now_s, replace(FIT, reason=NotScored.TRACKER_JUMP)))
    batcher.put(_crop("a", 1, clock.now_s))
    batcher.end(FaceEnded(FaceKey("a", 1)))
    batcher.end(FaceEnded(FaceKey("a", 1)))
    clock.now_s += 0.02
    assert batcher.take(0) == Batch(ended=(FaceEnded(FaceKey("a", 1)),))


def _used(batcher: Batcher, clock: Clock, *keys: tuple[str, int]) -> None:
    """These faces are no longer new."""
    for _ in range(16):
        for stream_id, face_id in keys:
            batcher.put(_crop(stream_id, face_id, clock.now_s))
        clock.now_s += 0.02
        while batcher.take(0) is not None:
            pass


def test_nothing_is_kept_of_faces_that_ended(batcher: Batcher, clock: Clock) -> None:
    for face_id in range(100):
        _used(batcher, clock, ("a", face_id))
        batcher.end(FaceEnded(FaceKey("a", face_id)))
        clock.now_s += 0.02
        assert batcher.take(0) is not None
    kept = (batcher._fit, batcher._unfit, batcher._ended, batcher._torn, batcher._taken)
    assert [len(one) for one in kept] == [0] * 5


def test_the_wait_of_each_crop_that_is_taken_is_measured_from_when_it_came(batcher: Batcher, clock: Clock) -> None:
    batcher.put(_crop("a", 1, clock.now_s))
    clock.now_s += 0.25
    batcher.put(_crop("a", 1, clock.now_s))  # a newer one
    clock.now_s += 0.125
    batcher.take(0)
    waits = batcher.waits.histogram()
    assert waits.count == 1
    assert waits.sum_s == pytest.approx(0.125)


def test_streams_take_turns_when_one_has_many_faces(batcher: Batcher, clock: Clock) -> None:
    for face_id in range(6):
        batcher.put(_crop("crowd", face_id, clock.now_s))
        clock.now_s += 0.001
    batcher.put(_crop("lone", 1, clock.now_s))
    batcher.put(_crop("pair", 1, clock.now_s))
    assert _keys(batcher.take(0)) == [("crowd", 0), ("lone", 1), ("pair", 1), ("crowd", 1)]
    assert _keys(batcher.take(0)) == [("crowd", 2), ("crowd", 3), ("crowd", 4), ("crowd", 5)]


def test_suspicious_and_new_faces_go_first_but_leave_a_place(batcher: Batcher, clock: Clock) -> None:
    old = [("a", face_id) for face_id in range(6)]
    _used(batcher, clock, *old)
    for key in old:
        batcher.put(_crop(*key, clock.now_s))
    for face_id in (10, 11):
        batcher.put(_crop("a", face_id, clock.now_s))
    batcher.prefer([FaceKey("a", 4), FaceKey("a", 5)])
    assert _keys(batcher.take(0)) == [("a", 4), ("a", 5), ("a", 10), ("a", 0)]


def test_a_face_that_waited_longer_goes_before_one_that_keeps_replacing(batcher: Batcher, clock: Clock) -> None:
    for face_id in range(5):
        batcher.put(_crop("a", face_id, clock.now_s))
        clock.now_s += 0.001
    batcher.put(_crop("a", 0, clock.now_s))  # replaced, but it came first
    assert _keys(batcher.take(0)) == [("a", 0), ("a", 1), ("a", 2), ("a", 3)]


def test_a_job_runs_when_no_live_face_waits(batcher: Batcher) -> None:
    future = batcher.submit(lambda scorer: scorer.info.backend)
    batch = batcher.take(0)
    assert batch is not None
    assert batch.job is not None
    batch.job.run(FakeScorer())
    assert future.result(0) == "fake"


def test_a_job_waits_for_live_faces_but_never_longer_than_its_turn(batcher: Batcher, clock: Clock) -> None:
    batcher.submit(lambda _: None)
    batcher.submit(lambda _: None)
    ran_at = []
    start = clock.now_s
    for _ in range(30):
        batcher.put(_crop("a", 1, clock.now_s))
        clock.now_s += 0.0105
        batch = batcher.take(0)
        assert _keys(batch) == [("a", 1)]
        assert batch is not None
        if batch.job is not None:
            ran_at.append(clock.now_s - start)
    assert len(ran_at) == 2
    assert 0.1 <= ran_at[0] < 0.12
    assert 0.1 <= ran_at[1] - ran_at[0] < 0.12


def test_what_a_job_raises_reaches_its_uploader_and_nobody_else(batcher: Batcher) -> None:
    future = batcher.submit(lambda _: 1 / 0)
    batch = batcher.take(0)
    assert batch is not None
    assert batch.job is not None
    batch.job.run(FakeScorer())
    assert isinstance(future.exception(0), ZeroDivisionError)


def test_a_device_that_fails_in_a_job_is_told_to_both(batcher: Batcher) -> None:
    def fail(_: Scorer) -> None:
        raise ScorerError("cuda is gone")

    future = batcher.submit(fail)
    batch = batcher.take(0)
    assert batch is not None
    assert batch.job is not None
    with pytest.raises(ScorerError):
        batch.job.run(FakeScorer())
    assert isinstance(future.exception(0), ScorerError)


def test_a_cancelled_job_does_not_run(batcher: Batcher) -> None:
    ran: list[int] = []
    future = batcher.submit(lambda _: ran.append(1))
    assert future.cancel()
    batch = batcher.take(0)
    assert batch is not None
    assert batch.job is not None
    batch.job.run(FakeScorer())
    assert ran == []


def test_one_job_too_many_makes_its_uploader_wait(batcher: Batcher) -> None:
    for _ in range(MAX_JOBS):
        batcher.submit(lambda _: None)
    submitted = threading.Event()

    def upload() -> None:
        batcher.submit(lambda _: None)
        submitted.set()

    uploader = threading.Thread(target=upload)
    uploader.start()
    assert batcher.waiting == (0, MAX_JOBS)
    assert not submitted.is_set()
    batcher.take(0)
    assert submitted.wait(10)
    uploader.join()
    assert batcher.waiting == (0, MAX_JOBS)


def test_closing_fails_waiting_jobs_and_refuses_new_ones(batcher: Batcher) -> None:
    future = batcher.submit(lambda _: None)
    batcher.close()
    batcher.close()
    assert isinstance(future.exception(0), ScorerError)
    with pytest.raises(ScorerError, match="stopped"):
        batcher.submit(lambda _: None)


def test_closing_wakes_the_taker_and_a_waiting_uploader() -> None:
    batcher = Batcher(CONFIG)
    taken: list[Batch | None] = []
    taker = threading.Thread(target=lambda: taken.append(batcher.take(600)))
    taker.start()
    batcher.close()
    taker.join(10)
    assert taken == [None]
    batcher.put(_crop("a", 1, 0.0))
    batcher.end(FaceEnded(FaceKey("a", 1)))
    assert batcher.take(0) is None
    assert batcher.waiting == (0, 0)


def test_a_put_wakes_the_taker() -> None:
    batcher = Batcher(replace(CONFIG, max_staleness_s=1e9))
    taken: list[Batch | None] = []
    taker = threading.Thread(target=lambda: taken.append(batcher.take(600)))
    taker.start()
    batcher.put(_crop("a", 1, 0.0))
    taker.join(10)
    assert [_keys(batch) for batch in taken] == [[("a", 1)]]
    batcher.close()


def test_a_batch_never_holds_more_faces_than_there_are_windows(clock: Clock) -> None:
    batcher = Batcher(replace(CONFIG, max_batch=32, max_windows=2), clock)
    for face_id in range(3):
        batcher.put(_crop("a", face_id, clock.now_s))
    assert len(_keys(batcher.take(0))) == 2
    batcher.close()

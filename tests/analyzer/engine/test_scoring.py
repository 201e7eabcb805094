from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest

from analyzer.alerting.verdict import LATE_S, VerdictPolicy, VerdictRules
from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import (
    AnalyzerEvent,
    Box,
    FaceCrop,
    FaceEnded,
    FaceKey,
    NotScored,
    Observed,
    Quality,
    Score,
    Verdict,
    VerdictState,
    WindowUpdate,
)
from analyzer.engine.batcher import Batch, Batcher, OfflineJob
from analyzer.engine.pace import LoadControl
from analyzer.engine.scoring import ModelThread
from analyzer.errors import ScorerError
from analyzer.scorer import Scorer
from tests.fakes import FakeScorer

PATIENCE_S = 30.0
CONFIG = AnalyzerConfig(max_staleness_s=60.0)
KEY = FaceKey("cam", 1)
WHITE = np.full((224, 224, 3), 255, dtype=np.uint8)


def _white_crop(at_s: float) -> FaceCrop:
    quality = Quality(None, 120.0, 100.0, 120.0, 0.0)
    return FaceCrop(KEY, 0, 0, None, at_s, Box(0, 0, 120, 120), quality, WHITE)


class Bench:
    """A model thread without vision threads."""

    def __init__(self, make_scorer: Callable[[], Scorer]) -> None:
        self.batcher = Batcher(CONFIG)
        self.events: list[AnalyzerEvent] = []
        """But for observations."""
        self.observed: list[Observed] = []
        self.changed = threading.Condition()
        self.thread = ModelThread(make_scorer, self.batcher, LoadControl(CONFIG), self._emit)
        self.thread.start()

    def _emit(self, event: AnalyzerEvent) -> None:
        with self.changed:
            if isinstance(event, Observed):
                self.observed.append(event)
            else:
                self.events.append(event)
            self.changed.notify_all()

    def wait(self, what: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(what, PATIENCE_S)

    def put(self, at_s: float) -> None:
        """One face, once the one before was taken."""
        self.batcher.put(_white_crop(at_s))
        pause = threading.Event()
        while self.batcher.waiting[0]:
            pause.wait(0.001)

    def close(self) -> None:
        self.batcher.close()
        self.thread.join()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(lambda: FakeScorer(CONFIG))
    yield made
    made.close()


def test_a_face_without_a_new_picture_is_told_as_stale_though_nothing_comes(bench: Bench) -> None:
    bench.put(time.monotonic() - CONFIG.max_staleness_s + 1)
    told = [(None, 1), (NotScored.STALE, 1)]
    bench.wait(lambda: [(event.reason, event.filled) for event in bench.events if isinstance(event, Verdict)] == told)
    assert len(bench.events) == 2


def test_a_stream_with_a_suspicious_face_is_looked_at_more_often_until_it_ends(bench: Bench) -> None:
    start_s = time.monotonic()
    for i in range(NUM_FRAMES):
        bench.put(start_s + i * 0.1)
    bench.wait(lambda: any(isinstance(event, Verdict) and event.filled == NUM_FRAMES for event in bench.events))
    bench.batcher.submit(lambda _: None).result(PATIENCE_S)  # the step after the one that told it
    assert bench.thread.concerned_streams == {"cam"}
    assert bench.batcher._suspicious == {KEY}
    bench.batcher.end(FaceEnded(KEY))
    bench.wait(lambda: bench.events[-1] == FaceEnded(KEY))
    bench.batcher.submit(lambda _: None).result(PATIENCE_S)
    assert bench.thread.concerned_streams == frozenset()


def test_a_face_that_jumped_warms_up_again_for_it_may_be_somebody_else(bench: Bench) -> None:
    start_s = time.monotonic()
    for i in range(NUM_FRAMES):
        bench.put(start_s + i * 0.1)
    jump = _white_crop(start_s + 1.6)
    bench.batcher.put(replace(jump, quality=replace(jump.quality, reason=NotScored.TRACKER_JUMP), pixels=None))
    bench.put(start_s + 1.7)
    bench.wait(lambda: isinstance(bench.events[-1], Verdict) and bench.events[-1].filled == 1 and len(bench.events) > 2)
    verdict = bench.events[-1]
    assert isinstance(verdict, Verdict)
    assert (verdict.state, verdict.fake_probability) == (VerdictState.WARMING_UP, None)


def test_the_window_of_a_face_that_ended_is_freed() -> None:
    scorer = FakeScorer(CONFIG)
    bench = Bench(lambda: scorer)
    bench.put(time.monotonic())
    bench.batcher.end(FaceEnded(KEY))
    bench.wait(lambda: FaceEnded(KEY) in bench.events)
    assert scorer.windows == {}
    assert scorer.forgotten == [KEY]
    bench.close()


class DeadScorer(FakeScorer):
    """Its device fails with each live face."""

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        raise ScorerError("cuda is gone")


def test_after_three_failures_in_a_row_the_thread_gives_up_and_says_why() -> None:
    made: list[DeadScorer] = []

    def make() -> Scorer:
        made.append(DeadScorer(CONFIG))
        return made[-1]

    bench = Bench(make)
    while bench.thread.health.alive:
        bench.put(time.monotonic())
    assert bench.thread.health.error == "ScorerError: cuda is gone"
    assert bench.thread.counts["scorer_failures"] == len(made) == 3
    assert all(scorer.closed for scorer in made)
    with pytest.raises(ScorerError):
        bench.batcher.submit(lambda _: None)
    bench.close()


def test_a_new_scorer_without_weights_ends_all_verdicts() -> None:
    scorers: Iterator[Scorer] = iter([DeadScorer(CONFIG), FakeScorer(CONFIG, trained=False)])
    bench = Bench(lambda: next(scorers))
    bench.put(time.monotonic())
    bench.put(time.monotonic())
    bench.wait(lambda: [event.reason for event in bench.events if isinstance(event, Verdict)] == [NotScored.NO_WEIGHTS])
    bench.close()


def test_an_upload_between_failures_starts_the_count_again() -> None:
    bench = Bench(lambda: DeadScorer(CONFIG))
    for failures in range(1, 6):
        bench.put(time.monotonic())
        bench.batcher.submit(lambda _: None).result(PATIENCE_S)
        assert bench.thread.counts["scorer_failures"] == failures
    assert bench.thread.health.alive
    bench.close()


class CrowdedScorer(FakeScorer):
    """Loses a window with each face, and breaks with the third."""

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        self.evicted += 1
        if self.evicted == 3:
            raise ScorerError("cuda is gone")
        return super().push(crops)


def test_lost_windows_are_counted_over_all_scorers_there_were() -> None:
    bench = Bench(lambda: CrowdedScorer(CONFIG))
    for _ in range(4):
        bench.put(time.monotonic())
        bench.batcher.submit(lambda _: None).result(PATIENCE_S)
    bench.close()
    assert bench.thread.counts["scorer_failures"] == 1
    assert bench.thread.counts["window_evicted"] == 3 + 1


def test_an_upload_that_sat_in_the_batch_of_a_failure_hears_of_it() -> None:
    future: Future[int] = Future()
    batch = Batch(crops=(_white_crop(0.0),), job=OfflineJob(lambda _: 1, future, 0.0))
    thread = ModelThread(lambda: DeadScorer(CONFIG), Batcher(CONFIG), LoadControl(CONFIG), lambda _: None)
    with pytest.raises(ScorerError):
        thread._handle(batch, 0.0, DeadScorer(CONFIG), VerdictPolicy(trained=True))
    assert isinstance(future.exception(0), ScorerError)


class BrokenScorer(FakeScorer):
    """Its numbers overflow: every score is `logit`."""

    def __init__(self, logit: float) -> None:
        super().__init__(CONFIG)
        self._logit = logit

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        return [
            replace(update, score=update.score and replace(update.score, logit=self._logit, fake_probability=0.0))
            for update in super().push(crops)
        ]


@pytest.mark.parametrize("logit", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_counted_and_not_emitted(logit: float) -> None:
    bench = Bench(lambda: BrokenScorer(logit))
    start_s = time.monotonic()
    for i in range(NUM_FRAMES + 1):
        bench.put(start_s + i * 0.1)
    bench.batcher.submit(lambda _: None).result(PATIENCE_S)
    assert (bench.thread.counts["scores"], bench.thread.counts["no_number"]) == (0, 2)
    assert bench.thread.latency.histogram().count == 0
    assert not any(isinstance(event, Score) for event in bench.events)
    bench.close()


class SluggishScorer(FakeScorer):
    """Works on a face until its picture is older than what is told as no new picture."""

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        pause, rules = threading.Event(), VerdictRules()
        while time.monotonic() <= crops[0].received_at_s + rules.stale_s + LATE_S:
            pause.wait(0.01)
        return super().push(crops)


def test_a_face_whose_newer_pictures_wait_for_a_busy_scorer_is_not_called_without_a_new_picture() -> None:
    scorer, batcher = SluggishScorer(CONFIG), Batcher(CONFIG)
    events: list[AnalyzerEvent] = []
    thread = ModelThread(lambda: scorer, batcher, LoadControl(CONFIG), events.append)
    policy = VerdictPolicy(trained=True)
    batcher.put(_white_crop(time.monotonic() - 1.0))
    thread._step(scorer, policy)
    assert [event.reason for event in events if isinstance(event, Verdict)] == [None]
    thread._step(scorer, policy)  # looks up again, and by now it is true
    assert [event.reason for event in events if isinstance(event, Verdict)] == [None, NotScored.STALE]


def test_everything_that_was_learnt_of_a_face_is_told_as_an_observation_before_what_follows_from_it() -> None:
    order: list[AnalyzerEvent] = []
    batcher = Batcher(CONFIG)
    thread = ModelThread(FakeScorer, batcher, LoadControl(CONFIG), order.append)
    thread.start()
    pause = threading.Event()
    now_s = time.monotonic()
    for i in range(NUM_FRAMES):
        batcher.put(_white_crop(now_s + i * 0.001))
        while batcher.waiting[0]:
            pause.wait(0.001)
    batcher.close()
    thread.join()
    told = [event.observation for event in order if isinstance(event, Observed)]
    assert [one.filled for one in told] == list(range(1, NUM_FRAMES + 1))
    assert [one.logit is None for one in told] == [True] * (NUM_FRAMES - 1) + [False]
    last = next(
        i for i, event in enumerate(order) if isinstance(event, Observed) and event.observation.logit is not None
    )
    assert isinstance(order[last + 1], Score)

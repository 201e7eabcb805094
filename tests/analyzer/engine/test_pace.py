from __future__ import annotations

import numpy as np
import pytest

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import Box, FaceCrop, FaceKey, Quality
from analyzer.engine.batcher import Batch, Batcher
from analyzer.engine.pace import FacePace, LoadControl, interval_s, next_due_s
from tests.fakes import FakeScorer

CONFIG = AnalyzerConfig()
FIT = Quality(reason=None, size_px=120.0, sharpness=100.0, brightness=120.0, yaw=0.0)
PIXELS = np.zeros((224, 224, 3), dtype=np.uint8)


def test_without_load_faces_come_at_the_configured_rates() -> None:
    assert interval_s(CONFIG, 1.0, suspicious=False) == pytest.approx(1 / 6)
    assert interval_s(CONFIG, 1.0, suspicious=True) == pytest.approx(1 / 12)


def test_the_rate_never_falls_under_its_minimum() -> None:
    assert interval_s(CONFIG, 0.0, suspicious=False) == interval_s(CONFIG, 0.0, suspicious=True) == 0.5


def test_an_operator_may_ask_for_less_than_the_minimum() -> None:
    assert interval_s(AnalyzerConfig(face_rate=1.0), 0.5, suspicious=False) == 1.0


@pytest.mark.parametrize("jitter_s", [0.0, 0.02, 0.04])
def test_in_a_stream_looked_at_for_one_face_the_others_keep_their_own_rate(jitter_s: float) -> None:
    pace, rng = FacePace(), np.random.default_rng(1)
    looks = [i / 12 + rng.uniform(-jitter_s, jitter_s) for i in range(12 * 60)]
    calm = sum(pace.due(1, at_s, 1 / 6, 1 / 12) for at_s in looks)
    suspicious = sum(pace.due(2, at_s, 1 / 12, 1 / 12) for at_s in looks)
    assert calm == pytest.approx(6 * 60, rel=0.05)
    assert suspicious == pytest.approx(12 * 60, rel=0.02)


def test_a_new_face_is_due_at_once_and_a_face_that_has_gone_is_forgotten() -> None:
    pace = FacePace()
    assert pace.due(1, 10.0, 1.0, 0.1)
    assert not pace.due(1, 10.1, 1.0, 0.1)
    pace.forget(1)
    pace.forget(2)
    assert pace.due(1, 10.2, 1.0, 0.1)


def test_where_all_faces_have_the_streams_rate_every_look_counts() -> None:
    pace, rng = FacePace(), np.random.default_rng(2)
    at_s, due_s = 0.0, 0.0
    for _ in range(1000):  # looks as the vision thread makes them: not before they are due, and at the next frame
        at_s = max(at_s, due_s) + rng.uniform(0, 1 / 15)
        due_s = next_due_s(due_s, at_s, 1 / 6)
        assert pace.due(1, at_s, 1 / 6, 1 / 6)


def late(load: LoadControl, seconds: float, *, of_100: int = 100, start_s: float = 0.0) -> list[float]:
    """The shares after each of ten batches a second, of 100 crops of which so many are late."""
    shares = []
    for i in range(round(seconds * 10) + 1):
        now_s = start_s + i * 0.1
        load.on_batch(now_s, [now_s - 0.4] * of_100 + [now_s] * (100 - of_100))
        shares.append(load.share)
    return shares


def test_late_crops_lower_the_share_step_by_step_down_to_the_minimum_rate() -> None:
    shares = late(LoadControl(CONFIG), 10)
    assert shares[4] == 1.0
    assert shares[5] == shares[9] == 0.8  # one step in half a second
    assert shares[10] == pytest.approx(0.64)
    assert shares[-1] == pytest.approx(2 / 12)


@pytest.mark.parametrize(("of_100", "share"), [(1, 1.0), (4, 1.0), (10, 0.96), (25, 0.9), (60, 0.8)])
def test_the_rate_falls_with_the_share_of_late_crops_and_never_for_a_few(of_100: int, share: float) -> None:
    assert late(LoadControl(CONFIG), 0.5, of_100=of_100)[-1] == pytest.approx(share)


def test_a_few_late_crops_keep_the_rate_where_it_is() -> None:
    load = LoadControl(CONFIG)
    late(load, 0.5)
    assert late(load, 5, of_100=4, start_s=0.6)[-1] == pytest.approx(0.8)
    assert late(load, 5, of_100=1, start_s=6.0)[-1] > 0.9


def test_missed_crops_lower_the_share_however_young_the_others_are() -> None:
    load = LoadControl(CONFIG)
    load.on_batch(0.0, [0.0])
    load.on_batch(0.5, [0.5] * 29, missed=10)
    assert load.share == pytest.approx(0.9)
    load.on_batch(1.0, [], missed=20)
    assert load.share == pytest.approx(0.72)


@pytest.mark.parametrize("rate", [1, 4, 6, 12])
def test_one_late_crop_of_a_lone_face_is_nothing(rate: int) -> None:
    load = LoadControl(AnalyzerConfig(face_rate=float(rate)))
    for i in range(10 * rate):
        now_s = i / rate
        load.on_batch(now_s, [now_s - (0.26 if i == 5 * rate else 0.0)])
        assert load.share == 1.0
        assert load.has_room(now_s, 1)


def test_a_lone_face_that_is_always_late_slows_down_within_seconds() -> None:
    load = LoadControl(CONFIG)
    for i in range(30):
        load.on_batch(i / 6, [i / 6 - 0.4])
    assert load.share < 0.5


def test_the_share_comes_back_slowly_and_never_exceeds_one() -> None:
    load = LoadControl(CONFIG)
    late(load, 0.5)
    assert late(load, 2, of_100=0, start_s=0.5)[-1] == pytest.approx(0.9)
    load.on_batch(1000.0, [1000.0])
    assert load.share == 1.0


def test_no_room_is_being_behind_with_too_little_to_share_and_passes() -> None:
    load = LoadControl(CONFIG)
    assert load.has_room(0.0, 100)
    room = []
    for i in range(60):
        load.on_batch(i * 0.1, [i * 0.1 - 0.4] * 4)
        room.append(load.has_room(i * 0.1, 9))
    # 6/s fall to 2.46/s in four steps of half a second: of that, ten streams would get 2.2 each; a step later 1.8
    assert room.index(False) == 25
    assert not any(room[25:])
    assert load.has_room(5.9 + 5.0, 9), "what was long ago refuses nobody, even when no batch came since"


@pytest.mark.parametrize(("streams", "room"), [(1, False), (2, True), (9, True)])
def test_few_streams_leave_less_for_one_more_than_many(streams: int, room: bool) -> None:
    load = LoadControl(CONFIG)
    late(load, 1.5)  # 3.1 looks a second each
    assert load.has_room(1.6, streams) is room


def test_an_operator_who_asks_for_less_than_the_minimum_gets_no_more_under_load() -> None:
    config = AnalyzerConfig(face_rate=1.0, face_rate_suspicious=1.0, face_rate_min=2.0)
    load = LoadControl(config)
    late(load, 0.5)
    assert load.share == 1.0
    assert interval_s(config, load.share, suspicious=False) == 1.0


def test_a_clock_that_goes_back_does_no_harm() -> None:
    load = LoadControl(CONFIG)
    for now_s in (5.0, 1.0, 5.0):
        load.on_batch(now_s, [now_s])
    assert load.share == 1.0


def test_a_source_with_its_own_rhythm_is_still_looked_at_at_the_face_rate() -> None:
    # 15 frames a second for 60 s, 6 looks a second wanted
    due_s = 0.0
    looks = 0
    for frame in range(900):
        now_s = frame / 15
        if now_s >= due_s:
            looks += 1
            due_s = next_due_s(due_s, now_s, 1 / 6)
    assert 340 <= looks <= 361


def test_what_was_missed_is_not_made_up_for() -> None:
    assert next_due_s(10.0, 100.0, 0.25) == 100.0
    assert next_due_s(10.0, 10.125, 0.25) == 10.25


class Simulation:
    """Faces, each of its own stream, that share one slow scorer, on a clock that is turned by hand."""

    def __init__(self, faces: int, push_s: float, face_s: float = 0.0) -> None:
        self.now_s = 100.0
        self.load = LoadControl(CONFIG)
        self.batcher = Batcher(CONFIG, lambda: self.now_s)
        self.filled: list[int] = []
        """Of the windows, after each face that was scored."""
        self.scores = 0
        self._scorer = FakeScorer(CONFIG)
        self._cost_s = (push_s, face_s)
        self._due_s = {FaceKey(f"cam-{i}", 1): self.now_s + 0.01 * i for i in range(faces)}
        self._free_s = self.now_s

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.005)):
            self.now_s += 0.005
            for key, due_s in self._due_s.items():
                if self.now_s >= due_s:
                    self.batcher.put(FaceCrop(key, 0, 0, None, self.now_s, Box(0, 0, 99, 99), FIT, PIXELS))
                    interval = interval_s(CONFIG, self.load.share, suspicious=False)
                    self._due_s[key] = next_due_s(due_s, self.now_s, interval)
            if self.now_s >= self._free_s and (batch := self.batcher.take(0)):
                self._score(batch)

    def _score(self, batch: Batch) -> None:
        self.load.on_batch(self.now_s, [crop.received_at_s for crop in batch.crops], batch.stale + batch.overtaken)
        updates = self._scorer.push(batch.crops)
        self.filled += [update.filled for update in updates]
        self.scores += sum(update.score is not None for update in updates)
        self._free_s = self.now_s + self._cost_s[0] + self._cost_s[1] * len(updates)


@pytest.mark.parametrize(
    ("faces", "push_s", "face_s"),
    [
        pytest.param(1, 0.35, 0.0, id="twice too slow"),
        pytest.param(1, 0.7, 0.0, id="slower than the minimum rate"),
        pytest.param(20, 0.0, 0.02, id="more faces than it can keep up with"),
        pytest.param(20, 0.1, 0.03, id="a batch of all takes most of the gap that ends a window"),
    ],
)
def test_a_scorer_that_cannot_keep_up_still_fills_windows_that_do_not_start_again(
    faces: int, push_s: float, face_s: float
) -> None:
    simulation = Simulation(faces, push_s, face_s)
    simulation.run(30)
    assert simulation.filled.count(1) == faces
    assert simulation.scores > 10 * faces


def test_a_scorer_twice_too_slow_is_given_less_until_few_crops_are_replaced() -> None:
    simulation = Simulation(1, push_s=0.35)
    simulation.run(10)
    before = simulation.batcher.dropped["replaced"]
    simulation.run(30)
    assert simulation.load.share < 0.8
    assert simulation.batcher.dropped["replaced"] - before < 30 * 0.4


def test_a_scorer_fast_enough_is_given_everything() -> None:
    simulation = Simulation(8, push_s=0.01, face_s=0.015)
    simulation.run(20)
    assert simulation.load.share == 1.0
    assert len(simulation.filled) == pytest.approx(8 * 20 * CONFIG.face_rate, rel=0.02)

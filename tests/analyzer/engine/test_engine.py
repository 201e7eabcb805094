from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import av
import numpy as np
import pytest

from analyzer.alerting.series import Series, play
from analyzer.alerting.verdict import Sensitivity, VerdictRules
from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import (
    Alert,
    AnalyzerEvent,
    Box,
    Detection,
    FaceCrop,
    FaceEnded,
    FaceKey,
    Frame,
    FrameFaces,
    NotScored,
    PictureState,
    PictureTrouble,
    Pixels,
    Quality,
    Score,
    Verdict,
    VerdictState,
    WindowUpdate,
)
from analyzer.engine.engine import Engine, FrameSlot
from analyzer.errors import ConflictError, DetectorError, OverloadedError, ScorerError, WeightsError
from analyzer.faces.detector import FaceDetector
from analyzer.scorer import ClipScore, Scorer, ScorerInfo
from tests.fakes import FakeScorer, ScriptedDetector, a_detection
from tests.takes import as_picture, take

E = TypeVar("E", bound=AnalyzerEvent)
PATIENCE_S = 30.0
"""How long a test waits for what must come; on a good day it takes milliseconds."""
# every frame is looked at, and nothing is late on a busy test machine
CONFIG = AnalyzerConfig(
    face_rate=1000.0, face_rate_suspicious=1000.0, face_rate_min=1000.0, max_staleness_s=60.0, max_gap_s=60.0
)
FACE = a_detection(100, 60, 120)
_NOISE = np.random.default_rng(1).integers(60, 196, (240, 320, 3), dtype=np.uint8)


class Listener:
    """Collects what the engine emits, and waits for it."""

    def __init__(self) -> None:
        self.events: list[AnalyzerEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: AnalyzerEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, kind: type[E]) -> list[E]:
        with self._changed:
            return [event for event in self.events if isinstance(event, kind)]

    def wait(self, what: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(what, PATIENCE_S), self.events[-5:]


class Monitor:
    """An engine with a listener, and frames to feed it."""

    def __init__(
        self,
        make_scorer: Callable[[], Scorer] | None = None,
        make_detector: Callable[[], FaceDetector] | None = None,
        listener: Callable[[AnalyzerEvent], None] | None = None,
    ) -> None:
        self.listener = Listener()
        self.engine = Engine(
            make_scorer=make_scorer or (lambda: FakeScorer(CONFIG)),
            make_detector=make_detector or (lambda: ScriptedDetector(lambda _: [FACE])),
            config=CONFIG,
            emit=listener or self.listener,
        )

    def feed(self, slot: FrameSlot, stream_id: str, count: int, start: int = 0) -> None:
        """Frames one by one, each when the one before has come out."""
        for index in range(start, start + count):
            slot.put(_frame(stream_id, index))
            self.listener.wait(
                lambda index=index: any(  # type: ignore[misc]  # bound now, not when called
                    isinstance(event, FrameFaces) and (event.stream_id, event.frame_index) == (stream_id, index)
                    for event in self.listener.events
                )
            )
            # the batcher keeps one crop per face: let this one pass before the next
            self.until(lambda: self.engine.stats().queues["crops"] == 0)

    def until(self, what: Callable[[], bool]) -> None:
        """Wait for a state that nobody announces."""
        deadline = time.monotonic() + PATIENCE_S
        pause = threading.Event()
        while not what():
            assert time.monotonic() < deadline
            pause.wait(0.002)


def _frame(stream_id: str, index: int, pixels: Pixels = _NOISE) -> Frame:
    picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    return Frame(stream_id, 0, index, index / 25, time.monotonic(), picture)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    made = Monitor()
    made.engine.start()
    yield made
    made.engine.stop()


def test_sixteen_faces_give_a_score_and_a_verdict(monitor: Monitor) -> None:
    monitor.feed(monitor.engine.add_stream("cam"), "cam", 17)
    monitor.listener.wait(lambda: len(monitor.listener.of(Score)) == 2)
    first, second = monitor.listener.of(Score)
    assert (first.frame_index, second.frame_index) == (15, 16)
    assert first.key == FaceKey("cam", 1)
    verdicts = monitor.listener.of(Verdict)
    assert [verdict.filled for verdict in verdicts] == list(range(1, 17))
    assert [verdict.state for verdict in verdicts[:15]] == [VerdictState.WARMING_UP] * 15
    assert verdicts[15].fake_probability == pytest.approx(first.fake_probability)
    stats = monitor.engine.stats()
    assert (stats.frames_received, stats.frames_taken, stats.faces, stats.scores) == (17, 17, 17, 2)
    assert stats.latency.count == 2
    assert set(stats.dropped) == {
        "replaced",
        "stale",
        "frame_replaced",
        "bad_frame",
        "no_number",
        "window_evicted",
        "emit_failed",
    }
    assert [(thread.name, thread.alive, thread.error) for thread in stats.threads] == [
        ("model", True, None),
        ("vision-cam", True, None),
    ]


def test_every_frame_shows_its_faces_without_pixels(monitor: Monitor) -> None:
    monitor.feed(monitor.engine.add_stream("cam"), "cam", 3)
    faces = monitor.listener.of(FrameFaces)
    assert [event.frame_index for event in faces] == [0, 1, 2]
    assert all(crop.pixels is None for event in faces for crop in event.crops)


def test_frames_carry_a_picture_only_while_somebody_watches(monitor: Monitor) -> None:
    slot = monitor.engine.add_stream("cam")
    monitor.feed(slot, "cam", 1)
    monitor.engine.watch("cam", True)
    monitor.feed(slot, "cam", 1, start=1)
    monitor.engine.watch("cam", False)
    monitor.feed(slot, "cam", 1, start=2)
    monitor.engine.watch("unknown", True)
    assert [event.jpeg is not None for event in monitor.listener.of(FrameFaces)] == [False, True, False]


def test_a_small_face_is_not_scored_and_says_why() -> None:
    config_face = a_detection(100, 60, 30)
    monitor = Monitor(make_detector=lambda: ScriptedDetector(lambda _: [config_face]))
    monitor.engine.start()
    slot = monitor.engine.add_stream("cam")
    index = 0
    while not monitor.listener.of(Verdict) or monitor.listener.of(Verdict)[-1].state is VerdictState.WARMING_UP:
        monitor.feed(slot, "cam", 1, start=index)
        index += 1
    verdict = monitor.listener.of(Verdict)[-1]
    assert (verdict.state, verdict.reason) == (VerdictState.NOT_SCORED, NotScored.TOO_SMALL)
    monitor.engine.stop()


def test_without_trained_weights_the_verdict_says_so_and_no_score_comes() -> None:
    monitor = Monitor(make_scorer=lambda: FakeScorer(CONFIG, trained=False))
    monitor.engine.start()
    monitor.feed(monitor.engine.add_stream("cam"), "cam", 18)
    monitor.listener.wait(lambda: bool(monitor.listener.of(Verdict)))
    (verdict,) = monitor.listener.of(Verdict)
    assert verdict.reason is NotScored.NO_WEIGHTS
    assert monitor.listener.of(Score) == []
    monitor.engine.stop()


def test_streams_do_not_mix(monitor: Monitor) -> None:
    one, two = monitor.engine.add_stream("one"), monitor.engine.add_stream("two")
    monitor.feed(one, "one", 15)
    monitor.feed(two, "two", 16)
    monitor.listener.wait(lambda: bool(monitor.listener.of(Score)))
    assert {score.key.stream_id for score in monitor.listener.of(Score)} == {"two"}


def test_a_stream_has_its_own_rules_until_it_is_removed(monitor: Monitor) -> None:
    at_once = VerdictRules(alert_above=-9.0, alert_evidence=0.001)
    slots = {stream_id: monitor.engine.add_stream(stream_id) for stream_id in ("eager", "usual")}
    monitor.engine.set_rules("eager", at_once)
    for stream_id, slot in slots.items():
        monitor.feed(slot, stream_id, 20)
    monitor.listener.wait(lambda: bool(monitor.listener.of(Alert)))
    assert {alert.key.stream_id for alert in monitor.listener.of(Alert)} == {"eager"}
    monitor.engine.remove_stream("eager")
    assert monitor.engine._rules_of("eager") == VerdictRules()


def test_what_was_observed_live_tells_the_same_when_it_is_played_again(monitor: Monitor) -> None:
    at_once = VerdictRules(alert_above=-9.0, alert_evidence=0.001)
    slot = monitor.engine.add_stream("cam")
    monitor.engine.set_rules("cam", at_once)
    monitor.feed(slot, "cam", 40)
    monitor.until(lambda: len(monitor.engine.series("cam")) == 40)
    series = Series("cam", Sensitivity.BALANCED, monitor.engine.series("cam"), 0.0)
    monitor.engine.stop()
    live = [event for event in monitor.listener.events if isinstance(event, Alert)]
    assert live
    assert [event for event in play(series, at_once) if isinstance(event, Alert)] == live[:1]


def test_a_picture_that_does_not_move_is_told_and_a_new_connection_begins_anew(monitor: Monitor) -> None:
    slot, start_s = monitor.engine.add_stream("cam"), time.monotonic()
    for index in range(30):  # 15 s, and from 12.5 s on of another connection
        frame = _frame("cam", index)
        slot.put(replace(frame, generation=int(index >= 25), received_at_s=start_s + index * 0.5))
        monitor.until(lambda index=index: slot.taken == index + 1)  # type: ignore[misc]  # bound now
    monitor.listener.wait(lambda: len(monitor.listener.of(PictureState)) == 3)
    assert [(state.stream_id, state.trouble) for state in monitor.listener.of(PictureState)] == [
        ("cam", None), ("cam", PictureTrouble.FROZEN), ("cam", None)
    ]  # fmt: skip


def test_two_streams_that_show_the_same_are_told_until_one_is_removed(monitor: Monitor) -> None:
    scene, start_s = take(3), time.monotonic()
    slots = {stream_id: monitor.engine.add_stream(stream_id) for stream_id in ("door", "hall")}
    for index in range(100):  # 20 s
        picture = as_picture(scene(index * 0.2))
        for stream_id, slot in slots.items():
            frame = _frame(stream_id, index, picture)
            slot.put(replace(frame, received_at_s=start_s + index * 0.2))
            monitor.until(lambda index=index, slot=slot: slot.taken == index + 1)  # type: ignore[misc]  # bound now
    monitor.listener.wait(lambda: len(monitor.listener.of(PictureState)) == 4)
    told = {(state.stream_id, state.same_as) for state in monitor.listener.of(PictureState) if state.trouble}
    assert told == {("door", "hall"), ("hall", "door")}
    monitor.engine.remove_stream("hall")
    monitor.until(lambda: "hall" not in monitor.engine._ports.duplicates._streams)
    slots["door"].put(replace(_frame("door", 100, picture), received_at_s=start_s + 20.0))
    monitor.listener.wait(lambda: len(monitor.listener.of(PictureState)) == 5)
    last = monitor.listener.of(PictureState)[-1]
    assert (last.stream_id, last.trouble) == ("door", None)


def test_a_removed_stream_leaves_no_series_behind(monitor: Monitor) -> None:
    monitor.feed(monitor.engine.add_stream("cam"), "cam", 20)
    monitor.engine.remove_stream("cam")
    monitor.listener.wait(lambda: bool(monitor.listener.of(FaceEnded)))
    assert monitor.engine.series("cam") == ()
    monitor.engine.add_stream("cam")
    assert monitor.engine.series("cam") == ()
    monitor.engine.set_rules("nobody", VerdictRules(alert_above=-9.0))
    assert monitor.engine._rules_of("nobody") == VerdictRules()


def test_a_taken_name_is_refused(monitor: Monitor) -> None:
    monitor.engine.add_stream("cam")
    with pytest.raises(ConflictError, match="cam"):
        monitor.engine.add_stream("cam")


def test_a_scorer_that_cannot_keep_up_takes_no_more_streams(monitor: Monitor) -> None:
    monitor.engine.add_stream("a")
    now_s = time.monotonic()
    for i in range(10):
        monitor.engine._load.on_batch(now_s - 5 + i * 0.5, [], missed=1)
    with pytest.raises(OverloadedError, match="busy with the 1 streams that are there"):
        monitor.engine.add_stream("b")
    monitor.engine.remove_stream("a")
    monitor.engine.add_stream("b")


def test_a_stream_whose_thread_cannot_start_is_refused_and_leaves_nothing(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as context:
        context.setattr(threading.Thread, "start", fail)
        with pytest.raises(OverloadedError, match="'cam': can't start new thread"):
            monitor.engine.add_stream("cam")
    monitor.feed(monitor.engine.add_stream("cam"), "cam", 1)


def test_a_removed_stream_ends_its_faces_and_its_name_is_free_at_once(monitor: Monitor) -> None:
    monitor.feed(monitor.engine.add_stream("cam"), "cam", 5)
    monitor.engine.remove_stream("cam")
    slot = monitor.engine.add_stream("cam")
    monitor.feed(slot, "cam", 1, start=100)
    monitor.listener.wait(lambda: FaceEnded(FaceKey("cam", 1)) in monitor.listener.events)
    stats = monitor.engine.stats()
    assert stats.frames_taken == 6, "counters never go back"
    assert [stream.taken for stream in stats.streams] == [1]
    monitor.listener.wait(lambda: monitor.listener.of(Verdict)[-1].key != FaceKey("cam", 1))
    verdict = monitor.listener.of(Verdict)[-1]
    assert (verdict.state, verdict.filled) == (VerdictState.WARMING_UP, 1)
    monitor.engine.remove_stream("unknown")


def test_face_ids_never_repeat_under_one_name(monitor: Monitor) -> None:
    for i in range(5):
        slot = monitor.engine.add_stream("cam")
        monitor.feed(slot, "cam", 1, start=i)
        monitor.engine.remove_stream("cam")
    ids = [crop.key.face_id for event in monitor.listener.of(FrameFaces) for crop in event.crops]
    assert ids == [1, 2, 3, 4, 5]


class HeldDetector:
    """Finds its face only once it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    def detect(self, rgb: Pixels) -> list[Detection]:
        self.entered.set()
        assert self.release.wait(PATIENCE_S)
        return [FACE]


def test_a_stream_added_again_waits_for_the_end_of_the_one_before() -> None:
    held = HeldDetector()
    detectors: Iterator[FaceDetector] = iter([held, ScriptedDetector(lambda _: [FACE])])
    monitor = Monitor(make_detector=lambda: next(detectors))
    monitor.engine.start()
    monitor.engine.add_stream("cam").put(_frame("cam", 0))
    assert held.entered.wait(PATIENCE_S)
    monitor.engine.remove_stream("cam")
    monitor.engine.add_stream("cam").put(_frame("cam", 1))
    threading.Event().wait(0.05)  # a thread that does not wait would be done by now
    held.release.set()
    monitor.listener.wait(lambda: len(monitor.listener.of(FrameFaces)) == 2)
    seen = [
        (event.frame_index, [crop.key.face_id for crop in event.crops]) for event in monitor.listener.of(FrameFaces)
    ]
    assert seen == [(0, [1]), (1, [2])]
    monitor.engine.stop()


def test_a_face_that_ends_while_the_stream_goes_on_is_told(monitor: Monitor) -> None:
    slot = monitor.engine.add_stream("cam")
    monitor.feed(slot, "cam", 2)
    slot.put(replace(_frame("cam", 2), generation=1))
    monitor.listener.wait(lambda: monitor.listener.of(FaceEnded) == [FaceEnded(FaceKey("cam", 1))])


def test_counters_keep_what_ended_streams_have_counted(monitor: Monitor) -> None:
    monitor.feed(monitor.engine.add_stream("cam"), "cam", 3)
    monitor.engine.remove_stream("cam")
    monitor.until(lambda: not any(thread.name == "vision-cam" for thread in threading.enumerate()))
    monitor.engine.add_stream("other")
    assert monitor.engine._retired == []
    stats = monitor.engine.stats()
    assert (stats.frames_received, stats.frames_taken, stats.faces) == (3, 3, 3)


def test_a_stream_with_a_face_of_concern_is_looked_at_at_the_higher_rate() -> None:
    engine = Engine(
        make_scorer=FakeScorer,
        make_detector=lambda: ScriptedDetector([]),
        config=AnalyzerConfig(face_rate=5.0, face_rate_suspicious=10.0),
        emit=lambda _: None,
    )
    engine._model.concerned_streams = frozenset({"door"})
    engine._model.concerned = frozenset({FaceKey("door", 1)})
    assert [engine._ports.interval_s(name) for name in ("door", "hall")] == [0.1, 0.2]
    assert [engine._ports.face_interval_s(FaceKey("door", face_id)) for face_id in (1, 2)] == [0.1, 0.2]


def test_many_streams_that_come_and_go_leave_nothing_behind(monitor: Monitor) -> None:
    for i in range(30):
        slot = monitor.engine.add_stream(f"cam-{i % 3}")
        slot.put(_frame(f"cam-{i % 3}", 0))
        monitor.engine.remove_stream(f"cam-{i % 3}")
    monitor.until(lambda: sum(thread.name.startswith("vision") for thread in threading.enumerate()) == 0)
    monitor.engine.add_stream("last")
    assert len(monitor.engine._retired) == 0
    assert len(monitor.engine.stats().threads) == 2


class FailingDetector:
    """Fails in its n-th picture."""

    def __init__(self, error: Exception, at: int) -> None:
        self._error = error
        self._at = at
        self._calls = 0

    def detect(self, rgb: Pixels) -> list[Detection]:
        self._calls += 1
        if self._calls == self._at:
            raise self._error
        return [FACE]


def test_a_bad_frame_is_counted_and_skipped() -> None:
    monitor = Monitor(make_detector=lambda: FailingDetector(DetectorError("OpenCV failed"), at=2))
    monitor.engine.start()
    slot = monitor.engine.add_stream("cam")
    monitor.feed(slot, "cam", 1)
    slot.put(_frame("cam", 1))
    monitor.until(lambda: monitor.engine.stats().dropped["bad_frame"] == 1)
    monitor.feed(slot, "cam", 1, start=2)
    assert all(thread.alive for thread in monitor.engine.stats().threads)
    monitor.engine.stop()


def test_a_vision_thread_that_dies_is_reported_and_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    bad, good = FailingDetector(ZeroDivisionError("a bug"), at=1), ScriptedDetector(lambda _: [FACE])
    detectors: Iterator[FaceDetector] = iter([bad, good])
    monitor = Monitor(make_detector=lambda: next(detectors))
    monitor.engine.start()
    monitor.engine.add_stream("bad").put(_frame("bad", 0))
    monitor.until(lambda: not monitor.engine.stats().threads[1].alive)
    health = monitor.engine.stats().threads[1]
    assert (health.name, health.error) == ("vision-bad", "ZeroDivisionError: a bug")
    assert "Traceback" in caplog.text
    monitor.feed(monitor.engine.add_stream("good"), "good", 2)
    monitor.engine.remove_stream("bad")
    assert all(thread.alive for thread in monitor.engine.stats().threads)
    monitor.engine.stop()


def test_a_detector_that_cannot_be_made_is_reported() -> None:
    def make() -> FaceDetector:
        raise DetectorError("the model file was changed")

    monitor = Monitor(make_detector=make)
    monitor.engine.start()
    monitor.engine.add_stream("cam")
    monitor.until(lambda: monitor.engine.stats().threads[1].error is not None)
    assert "the model file was changed" in (monitor.engine.stats().threads[1].error or "")
    monitor.engine.stop()


def test_start_raises_what_making_the_scorer_raised() -> None:
    def make() -> Scorer:
        raise WeightsError("wrong checksum")

    monitor = Monitor(make_scorer=make)
    with pytest.raises(WeightsError, match="wrong checksum"):
        monitor.engine.start()
    with pytest.raises(ScorerError):
        _ = monitor.engine.info
    monitor.engine.stop()


def test_stopping_is_idempotent_and_fine_before_the_start() -> None:
    monitor = Monitor()
    monitor.engine.stop()
    monitor.engine.stop()
    with pytest.raises(RuntimeError):
        monitor.engine.start()
    with pytest.raises(ScorerError, match="stopped"):
        monitor.engine.add_stream("cam")


def test_stopping_closes_the_scorer() -> None:
    scorer = FakeScorer(CONFIG)
    monitor = Monitor(make_scorer=lambda: scorer)
    monitor.engine.start()
    monitor.engine.stop()
    assert scorer.closed
    assert not monitor.engine.stats().threads[0].alive


class BreakingScorer(FakeScorer):
    """Its device fails in the n-th push and ever after."""

    def __init__(self, at: int, error: Exception) -> None:
        super().__init__(CONFIG)
        self._left = at
        self._error = error

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        self._left -= 1
        if self._left <= 0:
            raise self._error
        return super().push(crops)


class CpuScorer(FakeScorer):
    @property
    def info(self) -> ScorerInfo:
        return replace(super().info, note="cuda was not used")


def test_a_scorer_that_fails_is_replaced_and_windows_start_again() -> None:
    broken = BreakingScorer(at=10, error=ScorerError("cuda: out of memory"))
    scorers = iter([broken, CpuScorer(CONFIG)])
    monitor = Monitor(make_scorer=lambda: next(scorers))
    monitor.engine.start()
    slot = monitor.engine.add_stream("cam")
    monitor.feed(slot, "cam", 10)
    monitor.until(lambda: monitor.engine.info.note == "cuda was not used")
    assert broken.closed
    monitor.feed(slot, "cam", NUM_FRAMES, start=10)
    monitor.listener.wait(lambda: bool(monitor.listener.of(Score)))
    assert monitor.listener.of(Score)[0].frame_index == 25
    stats = monitor.engine.stats()
    assert stats.scorer_failures == 1
    assert all(thread.alive for thread in stats.threads)
    monitor.engine.stop()


@pytest.mark.parametrize(
    "error", [ScorerError("cuda is gone"), ZeroDivisionError("a bug")], ids=["device fails for good", "bug"]
)
def test_a_model_thread_that_dies_is_reported_and_nobody_waits_for_it(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Monitor(make_scorer=lambda: BreakingScorer(at=1, error=error))
    monitor.engine.start()
    slot = monitor.engine.add_stream("cam")
    index = 0
    while monitor.engine.stats().threads[0].alive:
        slot.put(_frame("cam", index))
        index += 1
    assert str(error) in (monitor.engine.stats().threads[0].error or "")
    assert "the model thread died" in caplog.text
    with pytest.raises(ScorerError):
        monitor.engine.scorer.forget(FaceKey("upload", 1))
    monitor.engine.stop()


def test_a_listener_that_fails_loses_the_event_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[AnalyzerEvent] = []

    def listen(event: AnalyzerEvent) -> None:
        seen.append(event)
        raise ValueError("the loop is closed")

    monitor = Monitor(listener=listen)
    monitor.engine.start()
    slot = monitor.engine.add_stream("cam")
    slot.put(_frame("cam", 0))
    monitor.until(lambda: len(seen) >= 2)
    slot.put(_frame("cam", 1))
    monitor.until(lambda: len(seen) >= 4)
    monitor.engine.stop()
    stats = monitor.engine.stats()
    assert stats.dropped["emit_failed"] == len(seen)
    assert [thread.error for thread in stats.threads] == [None]
    assert "the loop is closed" in caplog.text


GREY = np.full((224, 224, 3), 51, dtype=np.uint8)


def _upload(count: int) -> list[FaceCrop]:
    """Crops of as many faces of an upload."""
    quality = Quality(None, 120.0, 100.0, 120.0, 0.0)
    return [
        FaceCrop(FaceKey("upload", face_id), 0, 0, None, 1.0, Box(0, 0, 120, 120), quality, GREY)
        for face_id in range(count)
    ]


def test_an_upload_uses_the_scorer_beside_the_live_streams(monitor: Monitor) -> None:
    scorer = monitor.engine.scorer
    slot = monitor.engine.add_stream("cam")
    monitor.feed(slot, "cam", 8)
    updates = scorer.push(_upload(5))
    assert [update.key.face_id for update in updates] == [0, 1, 2, 3, 4]
    assert scorer.push([]) == []
    clip = scorer.score_clip([GREY] * NUM_FRAMES, [i * 0.1 for i in range(NUM_FRAMES)])
    assert clip is not None
    assert clip.fake_probability == pytest.approx(0.2)
    scorer.forget(FaceKey("upload", 0))
    assert scorer.info == monitor.engine.info
    scorer.close()
    monitor.feed(slot, "cam", 8, start=8)
    monitor.listener.wait(lambda: bool(monitor.listener.of(Score)))
    assert {score.key.stream_id for score in monitor.listener.of(Score)} == {"cam"}


def test_what_an_upload_does_wrong_is_told_to_the_upload_alone(monitor: Monitor) -> None:
    with pytest.raises(AssertionError):
        monitor.engine.scorer.score_clip([GREY], [0.0])
    monitor.feed(monitor.engine.add_stream("cam"), "cam", 2)
    assert all(thread.alive for thread in monitor.engine.stats().threads)


class SlowScorer(FakeScorer):
    """Holds on to a clip until released."""

    def __init__(self) -> None:
        super().__init__(CONFIG)
        self.entered = threading.Event()
        self.release = threading.Event()

    def score_clip(self, crops: Sequence[Pixels], at_s: Sequence[float]) -> ClipScore | None:
        self.entered.set()
        assert self.release.wait(PATIENCE_S)
        return super().score_clip(crops, at_s)


def test_stopping_finishes_the_running_upload_call_and_fails_the_next() -> None:
    scorer = SlowScorer()
    monitor = Monitor(make_scorer=lambda: scorer)
    monitor.engine.start()
    outcome: list[object] = []

    def upload() -> None:
        offline = monitor.engine.scorer
        outcome.append(offline.score_clip([GREY] * NUM_FRAMES, [i * 0.1 for i in range(NUM_FRAMES)]))
        try:
            offline.push(_upload(1))
        except ScorerError as error:
            outcome.append(error)

    uploader = threading.Thread(target=upload)
    uploader.start()
    assert scorer.entered.wait(PATIENCE_S)
    monitor.engine._batcher.close()  # as `stop` does, before the running call ends
    scorer.release.set()
    uploader.join()
    monitor.engine.stop()
    assert isinstance(outcome[0], ClipScore)
    assert isinstance(outcome[1], ScorerError)

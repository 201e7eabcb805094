from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from analyzer.config import NUM_FRAMES
from analyzer.datatypes import (
    Alert,
    FaceEnded,
    FaceKey,
    Observation,
    Observed,
    PictureState,
    PictureTrouble,
    Score,
)
from analyzer.scorer import sigmoid
from analyzer.series import play, read_series
from analyzer.verdict import Sensitivity
from stream_server.clock import WallClock
from stream_server.events import Event, EventKind, EventState, Part, ReviewMark
from stream_server.recording import draft, recorder
from stream_server.recording.evidence_parts import MANY_SCORES, NO_FACES, NO_PICTURES, PRIVATE
from stream_server.recording.recorder import TOO_MANY, EventRecorder, Identity, RecorderPorts
from stream_server.sources.base import SourceStatus, StreamState
from stream_server.streams import StreamInfo
from tests.fakes import an_evidence
from tests.recorded import a_jpeg, some_faces

OFFSET = 1_790_000_000.0
"""Between the clocks."""
FACE = FaceKey("cam", 1)


class HeldExecutor(Executor):
    """Runs what it is given at once, or, while it is held, when it is let go."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: list[Callable[[], None]] = []

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()

        def run() -> None:
            done.set_running_or_notify_cancel()
            try:
                done.set_result(call(*arguments, **options))
            except Exception as error:  # noqa: BLE001  # as executors do
                done.set_exception(error)

        if self.held:
            self.waiting.append(run)
        else:
            run()
        return done

    def let_go(self) -> None:
        self.held = False
        while self.waiting:
            self.waiting.pop(0)()


class Desk:
    """A recorder with a clock that a test turns, and what it has told."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.info: StreamInfo | None = StreamInfo(
            "cam", "rtsp", "rtsp://u:***@cam/1", SourceStatus(StreamState.LIVE), 1.0, Sensitivity.EAGER
        )
        self.saved: list[tuple[Event, tuple[Part, ...] | None]] = []
        self.published: list[Event] = []
        self.stored: dict[str, bytes] = {}
        """The files of the evidence, as the store has them."""
        self.executor = HeldExecutor()
        self.recorder = EventRecorder(
            RecorderPorts(
                clock=WallClock(lambda: self.now_s, lambda: self.now_s + OFFSET),
                describe=lambda _: self.info,
                identity=lambda: Identity("m", "ab" * 32, "0.1"),
                save=self._save,
                publish=self.published.append,
                executor=self.executor,
            )
        )
        assert self.info is not None
        self.recorder.on_stream(self.info)

    def _save(self, event: Event, parts: Sequence[Part] | None, kept: frozenset[str]) -> None:
        self.saved.append((event, None if parts is None else tuple(parts)))
        if parts is not None:
            stay = {name: data for name, data in self.stored.items() if name in kept}
            self.stored = {part.name: part.data for part in parts} | stay

    @property
    def parts(self) -> dict[str, bytes]:
        """The files of the evidence, as the store has them."""
        return self.stored

    @property
    def newest(self) -> Event:
        return self.saved[-1][0]

    def look(self, at_s: float, logit: float | None = 1.0, *, jpeg: bool = True, crop: bool = True) -> None:
        """One frame with face 1: its picture, its crop, its score."""
        self.now_s = at_s
        picture = a_jpeg(grey=int(at_s * 7) % 150)
        crops = ((1, a_jpeg(224, 224)),) if crop else ()
        self.recorder.on_event(some_faces(at_s, picture if jpeg else None, face_jpegs=crops))
        self.recorder.on_event(Observed("cam", Observation(at_s, 1, NUM_FRAMES, logit)))
        if logit is not None:
            self.recorder.on_event(
                Score(FACE, 1, int(at_s * 10), None, at_s, at_s, sigmoid(logit), logit, NUM_FRAMES, an_evidence(logit))
            )

    def alert(self, at_s: float, raised: bool = True) -> None:
        self.now_s = at_s
        self.recorder.on_event(Alert(FACE, raised, 0.9, at_s, at_s))

    async def tick(self, at_s: float) -> None:
        """What is due then, done to its end."""
        self.now_s = at_s
        self.recorder.tick(at_s)
        await self.done()

    async def done(self) -> None:
        """Evidence in the making is made, unless it is held."""
        while self.recorder._jobs and not self.executor.held:
            await asyncio.gather(*self.recorder._jobs)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    yield made
    await made.recorder.close()
    made.executor.shutdown()


async def test_an_alert_opens_an_event_at_once_and_its_end_closes_it(desk: Desk) -> None:
    desk.look(100.0, 0.7)
    desk.alert(100.1)
    event, parts = desk.saved[-1]
    assert parts is None
    assert (event.stream_id, event.kind, event.face_id) == ("cam", EventKind.MANIPULATION, 1)
    assert (event.state, event.started_at, event.ended_at) == (EventState.OPEN, OFFSET + 100.1, None)
    assert event.rules is not None
    assert (event.rules.sensitivity, event.rules.alert_above) == (Sensitivity.EAGER, -1.0)
    assert (event.model, event.weights_sha256, event.version) == ("m", "ab" * 32, "0.1")
    assert (event.source_kind, event.source_url) == ("rtsp", "rtsp://u:***@cam/1")
    desk.alert(120.0, raised=False)
    assert (desk.newest.id, desk.newest.state, desk.newest.ended_at) == (event.id, EventState.ENDED, OFFSET + 120)
    assert desk.published[-1] == desk.newest
    assert desk.recorder.open_events == []


async def test_the_peak_is_the_highest_score_from_the_one_that_raised_the_alert_on(desk: Desk) -> None:
    for at_s, logit in ((98.0, 5.0), (100.0, 0.7)):
        desk.look(at_s, logit)
    desk.alert(100.1)
    for at_s, logit in ((101.0, 2.0), (102.0, 1.0)):
        desk.look(at_s, logit)
    desk.alert(103.0, raised=False)
    event = desk.newest
    assert event.peak_probability == pytest.approx(sigmoid(2.0))
    assert (event.peak_at, event.scores) == (OFFSET + 101.0, 3)


async def test_evidence_holds_scores_faces_pictures_and_a_clip_from_before_and_after(desk: Desk) -> None:
    for i in range(100):
        desk.look(90 + 0.2 * i, 0.02 * i)
        if i == 50:
            desk.alert(100.01)
    desk.alert(109.9, raised=False)
    await desk.tick(110.5)
    event, parts = desk.newest, desk.parts
    faces = [f"faces/{number:02}.jpg" for number in range(1, 17)]
    snapshots = ["snapshot-start.jpg", "snapshot-peak.jpg", "snapshot-end.jpg"]
    assert list(parts) == ["scores.jsonl", "strip.jpg", "where.jpg", *faces, *snapshots, "clip.mp4"]
    assert event.notes == ()
    assert [part.name for part in event.parts] == list(parts)
    assert parts["snapshot-start.jpg"] != parts["snapshot-end.jpg"]


async def test_the_scores_of_an_event_can_be_played_again(desk: Desk, tmp_path: Path) -> None:
    for i in range(120):
        desk.look(90 + i / 6, 3.0)
        if i == 60:
            desk.alert(desk.now_s)
    desk.alert(110.1, raised=False)
    await desk.tick(112.2)
    path = tmp_path / "scores.jsonl"
    path.write_bytes(desk.parts["scores.jsonl"])
    series = read_series(path)
    assert (series.stream_id, series.sensitivity) == ("cam", Sensitivity.EAGER)
    assert series.observations[0].at_s == pytest.approx(OFFSET + 90)
    assert len(series.observations) == 120
    raised = [event for event in play(series, series.sensitivity.rules) if isinstance(event, Alert)]
    assert [alert.raised for alert in raised] == [True]


async def test_evidence_of_the_start_is_made_while_the_event_goes_on_and_again_at_its_end(desk: Desk) -> None:
    desk.look(100.0)
    desk.alert(100.1)
    await desk.tick(107.0)
    assert all(parts is None for _, parts in desk.saved)
    desk.look(107.5)
    await desk.tick(108.2)
    assert desk.newest.state is EventState.OPEN
    assert {"snapshot-start.jpg", "clip.mp4"} <= set(desk.parts)
    assert "snapshot-end.jpg" not in desk.parts
    clip = desk.parts["clip.mp4"]
    desk.look(150.0)
    desk.alert(151.0, raised=False)
    await desk.tick(151.5)
    assert "snapshot-end.jpg" in desk.parts
    assert desk.parts["clip.mp4"] == clip


async def test_a_short_event_waits_a_moment_for_the_end_of_its_clip(desk: Desk) -> None:
    desk.look(100.0)
    desk.alert(100.1)
    desk.alert(101.0, raised=False)
    await desk.tick(102.0)
    assert desk.newest.parts == ()
    desk.look(102.5)
    await desk.tick(103.1)
    assert "clip.mp4" in desk.parts


async def test_an_event_that_goes_on_is_saved_again_and_again(desk: Desk) -> None:
    desk.look(100.0)
    desk.alert(100.0)
    await desk.tick(109.0)
    before = len(desk.saved)
    await desk.tick(110.1)
    assert len(desk.saved) == before + 1
    assert desk.newest.updated_at == pytest.approx(OFFSET + 110.1)
    await desk.tick(111.0)
    assert len(desk.saved) == before + 1


async def test_two_alerts_of_one_face_are_two_events(desk: Desk) -> None:
    desk.look(100.0)
    desk.alert(100.0)
    desk.alert(101.0, raised=False)
    desk.alert(101.5)
    desk.alert(102.0, raised=False)
    assert len({event.id for event, _ in desk.saved}) == 2


async def test_a_stream_that_goes_interrupts_its_events(desk: Desk) -> None:
    desk.look(100.0)
    desk.alert(100.0)
    desk.now_s = 104.0
    desk.recorder.on_removed("cam")
    assert (desk.newest.state, desk.newest.ended_at) == (EventState.INTERRUPTED, OFFSET + 104)
    desk.alert(105.0, raised=False)  # what still comes is ignored
    desk.alert(106.0)
    assert desk.newest.ended_at == OFFSET + 104
    await desk.tick(107.0)
    assert "snapshot-end.jpg" in desk.parts


async def test_closing_interrupts_what_goes_on_with_the_evidence_that_there_is(desk: Desk) -> None:
    desk.look(100.0)
    desk.look(100.5)
    desk.alert(100.6)
    await desk.recorder.close()
    assert desk.newest.state is EventState.INTERRUPTED
    assert {"scores.jsonl", "clip.mp4"} <= set(desk.parts)


async def test_a_private_stream_has_scores_and_no_picture(desk: Desk) -> None:
    assert desk.info is not None
    desk.info = replace(desk.info, privacy=True)
    for i in range(20):
        desk.look(100 + 0.1 * i)  # pictures that somebody watches
    desk.alert(102.0)
    desk.look(102.1)
    desk.alert(103.0, raised=False)
    await desk.tick(110.0)
    assert list(desk.parts) == ["scores.jsonl"]
    assert desk.newest.private
    assert desk.newest.notes == (PRIVATE,)


async def test_a_stream_that_becomes_private_loses_what_was_kept_of_it(desk: Desk) -> None:
    assert desk.info is not None
    for i in range(20):
        desk.look(100 + 0.1 * i)
    desk.alert(102.0)
    desk.info = replace(desk.info, privacy=True)
    desk.recorder.on_stream(desk.info)
    desk.look(102.5)
    desk.alert(103.0, raised=False)
    await desk.tick(110.0)
    assert list(desk.parts) == ["scores.jsonl"]
    assert desk.newest.notes == (PRIVATE,)
    assert not desk.recorder._past["cam"].pictures


async def test_what_an_operator_said_while_it_went_on_stays_in_what_is_told(desk: Desk) -> None:
    desk.look(100.0)
    desk.alert(100.0)
    desk.recorder.on_marked(desk.newest.model_copy(update={"mark": ReviewMark.CONFIRMED, "mark_note": "seen"}))
    desk.alert(103.0, raised=False)
    assert (desk.published[-1].mark, desk.published[-1].mark_note) == (ReviewMark.CONFIRMED, "seen")


async def test_what_was_deleted_does_not_come_back_with_its_evidence(desk: Desk) -> None:
    desk.look(100.0)
    desk.alert(100.0)
    desk.alert(103.0, raised=False)
    desk.recorder.drop_event(desk.newest.id)
    before = len(desk.saved)
    await desk.tick(110.0)
    await desk.recorder.close()
    assert len(desk.saved) == before


async def test_a_stream_whose_data_is_deleted_forgets_what_goes_on(desk: Desk) -> None:
    desk.look(100.0)
    desk.alert(100.0)
    desk.recorder.drop("cam")
    before = len(desk.saved)
    desk.alert(103.0, raised=False)
    await desk.tick(110.0)
    assert len(desk.saved) == before
    desk.alert(111.0)
    assert len(desk.saved) == before + 1


async def test_what_is_missing_is_said(desk: Desk) -> None:
    desk.look(100.0, jpeg=False, crop=False)
    desk.alert(100.0)
    desk.alert(101.0, raised=False)
    await desk.tick(104.0)
    assert list(desk.parts) == ["scores.jsonl"]
    assert desk.newest.notes == (NO_PICTURES,)


async def test_faces_that_came_before_anybody_was_concerned_are_missing_and_that_is_said(desk: Desk) -> None:
    for i in range(20):
        desk.look(100 + 0.1 * i, crop=i > 10)
    desk.alert(102.0)
    desk.alert(103.0, raised=False)
    await desk.tick(106.0)
    assert "faces/16.jpg" in desk.parts
    assert "faces/01.jpg" not in desk.parts
    assert desk.newest.notes == (NO_FACES,)


async def test_a_black_picture_is_an_event_without_a_face(desk: Desk) -> None:
    desk.look(100.0)
    desk.recorder.on_event(PictureState("cam", PictureTrouble.BLACK, 99.5))
    event = desk.newest
    assert (event.kind, event.face_id, event.rules) == (EventKind.BLACK, None, None)
    assert event.started_at == OFFSET + 99.5
    desk.recorder.on_event(PictureState("cam", PictureTrouble.BLACK, 99.5))  # told again after a new connection
    assert len({event.id for event, _ in desk.saved}) == 1
    desk.recorder.on_event(PictureState("cam", PictureTrouble.FROZEN, 103.0))
    kinds = {event.id: (event.kind, event.state) for event, _ in desk.saved}
    assert list(kinds.values()) == [(EventKind.BLACK, EventState.ENDED), (EventKind.FROZEN, EventState.OPEN)]
    desk.recorder.on_event(PictureState("cam", None, 105.0))
    assert (desk.newest.state, desk.newest.ended_at) == (EventState.ENDED, OFFSET + 105)


async def test_a_duplicate_names_the_other_stream(desk: Desk) -> None:
    desk.recorder.on_event(PictureState("cam", PictureTrouble.DUPLICATED, 99.5, "hall"))
    assert desk.newest.same_as == "hall"


@pytest.mark.parametrize("trouble", list(PictureTrouble))
def test_every_trouble_of_pictures_is_a_kind_of_event(trouble: PictureTrouble) -> None:
    assert EventKind(trouble.value)


async def test_thousands_of_alerts_at_once_keep_memory_bounded_and_are_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder, "MAX_OPEN", 5)
    monkeypatch.setattr(recorder, "MAX_CLIPS", 2)
    desk.look(100.0)
    for face_id in range(1, 9):
        desk.recorder.on_event(Alert(FaceKey("cam", face_id), True, 0.9, 100.0, 100.0))
    events = desk.recorder.open_events
    assert len(events) == 5
    assert [event.notes for event in events] == [(), (), (TOO_MANY,), (TOO_MANY,), (TOO_MANY,)]
    assert desk.recorder.skipped == 3
    assert "has no event" in caplog.text


async def test_an_endless_event_keeps_its_first_scores_and_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "MAX_OBSERVATIONS", 10)
    monkeypatch.setattr("stream_server.recording.evidence_parts.MAX_OBSERVATIONS", 10)
    desk.alert(100.0)
    for i in range(30):
        desk.look(100 + i)
    desk.alert(140.0, raised=False)
    await desk.tick(150.0)
    assert len(desk.parts["scores.jsonl"].splitlines()) == 11
    assert MANY_SCORES in desk.newest.notes
    assert desk.newest.scores == 30


async def test_faces_that_end_are_forgotten(desk: Desk) -> None:
    desk.look(100.0)
    desk.recorder.on_event(FaceEnded(FACE))
    assert desk.recorder._past["cam"].faces == {}


async def test_events_of_streams_that_nobody_knows_are_ignored(desk: Desk) -> None:
    desk.recorder.on_event(Alert(FaceKey("gone", 1), True, 0.9, 100.0, 100.0))
    desk.recorder.on_event(some_faces(100.0, b"x", stream_id="gone"))
    desk.info = None
    desk.alert(100.0)
    assert desk.saved == []


async def test_a_clock_that_is_set_back_does_not_end_an_event_before_its_start(desk: Desk) -> None:
    desk.look(100.0)
    desk.alert(100.0)
    desk.recorder._ports = replace(
        desk.recorder._ports, clock=WallClock(lambda: desk.now_s, lambda: desk.now_s + OFFSET - 3600)
    )
    desk.alert(110.0, raised=False)
    event = desk.newest
    assert event.ended_at is not None
    assert event.ended_at >= event.started_at


async def test_pictures_that_cannot_be_drawn_are_left_out(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.recorder.on_event(some_faces(99.0, b"no jpeg"))
    desk.recorder.on_event(some_faces(99.5, b"no jpeg"))
    desk.alert(100.0)
    desk.alert(101.0, raised=False)
    await desk.tick(105.0)
    assert list(desk.parts) == ["scores.jsonl"]
    assert desk.newest.notes[-1] == "no clip: it could not be made"
    assert "no snapshot of its start: it could not be made" in desk.newest.notes
    assert "could not be made" in caplog.text


async def _ended(desk: Desk) -> None:
    """An event that is over, its final evidence in the making."""
    for i in range(20):
        desk.look(100 + 0.1 * i)
    desk.alert(102.0)
    desk.look(102.5)
    desk.alert(103.0, raised=False)
    desk.executor.held = True
    await desk.tick(105.1)
    await asyncio.sleep(0)


@pytest.mark.parametrize("how", ["event", "stream"])
async def test_what_is_deleted_while_its_evidence_is_made_does_not_come_back(desk: Desk, how: str) -> None:
    await _ended(desk)
    before = len(desk.saved)
    if how == "event":
        desk.recorder.drop_event(desk.newest.id)
    else:
        desk.recorder.drop("cam")
    desk.executor.let_go()
    await desk.done()
    await desk.tick(120.0)
    assert len(desk.saved) == before
    assert desk.stored == {}


async def test_a_mark_that_comes_while_evidence_is_made_is_not_lost(desk: Desk) -> None:
    await _ended(desk)
    desk.recorder.on_marked(desk.newest.model_copy(update={"mark": ReviewMark.UNSURE}))
    desk.executor.let_go()
    await desk.done()
    assert desk.published[-1].mark is ReviewMark.UNSURE
    assert "clip.mp4" in desk.stored


async def test_a_stream_that_becomes_private_while_evidence_is_made_has_none_of_its_pictures_stored(desk: Desk) -> None:
    assert desk.info is not None
    for i in range(20):
        desk.look(100 + 0.1 * i)
    desk.alert(102.0)
    desk.executor.held = True
    await desk.tick(110.1)  # of its start
    await asyncio.sleep(0)
    desk.info = replace(desk.info, privacy=True)
    desk.recorder.on_stream(desk.info)
    desk.executor.let_go()
    await desk.done()
    assert desk.stored == {}
    await desk.tick(111.0)
    assert list(desk.stored) == ["scores.jsonl"]
    desk.alert(112.0, raised=False)
    await desk.tick(115.0)
    assert list(desk.stored) == ["scores.jsonl"]
    assert desk.newest.notes == (PRIVATE,)


async def test_pictures_that_were_saved_go_when_the_stream_becomes_private_while_the_event_goes_on(desk: Desk) -> None:
    assert desk.info is not None
    for i in range(20):
        desk.look(100 + 0.1 * i)
    desk.alert(102.0)
    await desk.tick(110.1)
    assert "clip.mp4" in desk.stored
    desk.info = replace(desk.info, privacy=True)
    desk.recorder.on_stream(desk.info)
    await desk.tick(111.0)
    assert list(desk.stored) == ["scores.jsonl"]


async def test_a_publisher_that_drops_and_comes_back_takes_nothing_from_the_event_before(desk: Desk) -> None:
    assert desk.info is not None
    for i in range(20):
        desk.look(100 + 0.1 * i)
    desk.alert(102.0)
    desk.recorder.on_removed("cam")
    desk.recorder.on_stream(desk.info)
    (draft,) = desk.recorder._ending
    pictures = len(draft.clip)
    desk.look(102.5)  # somebody else, perhaps
    assert len(draft.clip) == pictures
    await desk.tick(105.0)
    assert {"clip.mp4", "snapshot-start.jpg"} <= set(desk.stored)
    assert not desk.newest.private


async def test_troubles_of_pictures_end_when_the_camera_goes_away(desk: Desk) -> None:
    assert desk.info is not None
    desk.look(100.0)
    desk.recorder.on_event(PictureState("cam", PictureTrouble.BLACK, 99.5))
    desk.now_s = 110.0
    desk.recorder.on_stream(replace(desk.info, status=SourceStatus(StreamState.LOST)))
    assert (desk.newest.state, desk.newest.ended_at) == (EventState.ENDED, OFFSET + 110)


async def test_a_duplicate_of_another_stream_than_before_is_another_event(desk: Desk) -> None:
    for other in ("hall", "hall", "yard"):
        desk.recorder.on_event(PictureState("cam", PictureTrouble.DUPLICATED, 99.5, other))
    assert [event.same_as for event in desk.recorder.open_events] == ["yard"]
    assert len({event.id for event, _ in desk.saved}) == 2


async def test_a_trouble_that_is_told_late_still_has_a_clip_from_before_and_after(desk: Desk) -> None:
    for i in range(40):
        desk.look(90 + 0.25 * i)
    desk.recorder.on_event(PictureState("cam", PictureTrouble.LOOPED, 70.0))
    for i in range(40):
        desk.look(100 + 0.25 * i)
    await desk.tick(108.5)
    clip = desk.stored["clip.mp4"]
    with av.open(io.BytesIO(clip), "r") as container:
        times = [frame.time for frame in container.decode(video=0) if frame.time is not None]
    assert times[-1] - times[0] == pytest.approx(16, abs=1)


async def test_evidence_that_takes_too_long_at_the_end_is_left(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder, "CLOSE_S", 0.01)
    desk.look(100.0)
    desk.alert(100.0)
    desk.executor.held = True
    await desk.recorder.close()
    assert desk.newest.state is EventState.INTERRUPTED
    assert "was not made in time" in caplog.text


async def test_evidence_that_cannot_be_made_at_all_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(recorder, "make_parts", broken)
    desk.look(100.0)
    desk.alert(100.0)
    desk.alert(101.0, raised=False)
    await desk.tick(105.0)
    assert desk.newest.notes == (recorder.NOT_MADE,)

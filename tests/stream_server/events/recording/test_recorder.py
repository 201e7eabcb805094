from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import av
import pytest

from analyzer.alerting.series import play, read_series
from analyzer.alerting.verdict import Sensitivity
from analyzer.config import NUM_FRAMES
from analyzer.datatypes import (
    Alert,
    FaceEnded,
    FaceKey,
    Observation,
    Observed,
    PictureState,
    PictureTrouble,
)
from analyzer.scorer import sigmoid
from stream_server.event import EventKind, EventState, ReviewMark
from stream_server.events.recording import draft, recorder
from stream_server.events.recording.evidence_parts import (
    MANY_SCORES,
    NO_FACES,
    NO_PICTURES,
    PRIVATE,
    TOO_MANY,
)
from stream_server.streams.sources.base import SourceStatus, StreamState
from tests.recorded import some_faces
from tests.stream_server.events.recording.desk import FACE, OFFSET, Desk


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
    assert not any(draft.past.pictures or draft.past.faces for draft in desk.recorder._drafts())
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


async def test_a_mark_of_an_event_that_ended_meanwhile_gives_the_event_as_it_is_now(desk: Desk) -> None:
    desk.look(100.0)
    desk.alert(100.0)
    read = desk.newest.model_copy(update={"mark": ReviewMark.CONFIRMED})
    desk.alert(103.0, raised=False)
    event = desk.recorder.on_marked(read)
    assert (event.state, event.mark) == (EventState.ENDED, ReviewMark.CONFIRMED)
    other = read.model_copy(update={"id": "20260924T143000-1f0c9a3b"})
    assert desk.recorder.on_marked(other) == other


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
    assert [event.id for event in desk.recorder.drop("cam")] == [desk.newest.id]
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
    desk.alert(100.0)
    for i in range(30):
        desk.look(100 + i)
    desk.alert(140.0, raised=False)
    await desk.tick(150.0)
    assert len(desk.parts["scores.jsonl"].splitlines()) == 11
    assert MANY_SCORES in desk.newest.notes
    assert desk.newest.scores == 30


async def test_many_endless_events_share_the_room_for_scores_and_say_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MAX_OBSERVATIONS", 10)
    desk.alert(100.0)
    for i in range(7):
        desk.look(100 + i)
    desk.recorder.on_event(Alert(FaceKey("cam", 2), True, 0.9, 107.0, 107.0))
    for i in range(7):
        desk.recorder.on_event(Observed("cam", Observation(107.0 + i, 2, NUM_FRAMES, 1.0)))
    desk.recorder.on_event(Alert(FaceKey("cam", 2), False, 0.1, 114.0, 114.0))
    await desk.tick(120.0)
    second = next(event for event, parts in reversed(desk.saved) if parts and event.face_id == 2)
    assert MANY_SCORES in second.notes


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


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0], ids=["back", "forward"])
async def test_a_wall_clock_that_is_set_changes_nothing_within_an_event(
    desk: Desk, tmp_path: Path, step_s: float
) -> None:
    for i in range(60):
        desk.look(90 + i / 6, 3.0)
    desk.alert(100.0)
    for i in range(120):
        desk.look(100 + i / 6, 4.0 if i == 18 else 3.0 if i < 30 else -4.0)
        if i == 15:
            desk.step_s = step_s
    desk.alert(120.0, raised=False)
    await desk.tick(122.2)
    event = desk.newest
    assert (event.started_at, event.peak_at, event.ended_at) == (OFFSET + 100, OFFSET + 103, OFFSET + 120)
    path = tmp_path / "scores.jsonl"
    path.write_bytes(desk.parts["scores.jsonl"])
    series = read_series(path)
    played = [one for one in play(series, series.sensitivity.rules) if isinstance(one, Alert)]
    assert [alert.raised for alert in played] == [True, False]


async def test_an_event_does_not_end_before_it_began(desk: Desk) -> None:
    desk.recorder.on_event(PictureState("cam", PictureTrouble.BLACK, 99.5))
    desk.recorder.on_event(PictureState("cam", PictureTrouble.FROZEN, 99.0))
    over = next(event for event, _ in desk.saved if event.state is EventState.ENDED)
    assert over.ended_at == over.started_at


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

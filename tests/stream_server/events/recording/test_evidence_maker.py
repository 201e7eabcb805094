from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from stream_server.event import EventState, ReviewMark
from stream_server.events.recording import evidence_maker, evidence_parts
from stream_server.events.recording.evidence_parts import NO_CLIP, NOT_MADE, PRIVATE, UNTIL
from stream_server.events.recording.past import PastPicture
from tests.stream_server.events.recording.desk import Desk

UNTIL_THEN = UNTIL.format("2026-09-21 14:15:08 UTC")
"""As `Desk` dates what is made at 108 s."""


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


async def _begun(desk: Desk) -> None:
    """An event that goes on, the evidence of its start in the making."""
    for i in range(20):
        desk.look(100 + 0.1 * i)
    desk.alert(102.0)
    desk.executor.held = True
    await desk.tick(110.1)
    await asyncio.sleep(0)


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
    await _begun(desk)
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


async def test_evidence_that_takes_too_long_at_the_end_is_left(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(evidence_maker, "CLOSE_S", 0.01)
    monkeypatch.setattr(evidence_maker, "CLOSE_EACH_S", 0.0)
    desk.look(100.0)
    desk.alert(100.0)
    desk.executor.held = True
    await desk.recorder.close()
    assert desk.newest.state is EventState.INTERRUPTED
    assert "was not made in time" in caplog.text


async def test_evidence_that_cannot_be_made_at_all_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(evidence_maker, "make_parts", broken)
    desk.look(100.0)
    desk.alert(100.0)
    desk.alert(101.0, raised=False)
    await desk.tick(105.0)
    assert desk.newest.notes == (NOT_MADE,)


async def test_an_event_that_ends_while_evidence_of_its_start_is_made_has_all_of_it_in_the_end(desk: Desk) -> None:
    await _begun(desk)
    desk.look(110.5)
    desk.alert(111.0, raised=False)
    await desk.tick(113.5)
    await asyncio.sleep(0)
    assert len(desk.executor.waiting) == 1
    desk.executor.let_go()
    await desk.done()
    await desk.tick(114.0)
    assert desk.newest.state is EventState.ENDED
    assert {"clip.mp4", "snapshot-end.jpg"} <= set(desk.stored)
    assert sorted(part.name for part in desk.newest.parts) == sorted(desk.stored)
    assert desk.newest.notes == ()


async def test_closing_waits_for_evidence_of_the_start_and_then_makes_that_of_the_end(desk: Desk) -> None:
    await _begun(desk)
    closing = asyncio.create_task(desk.recorder.close())
    await asyncio.sleep(0)
    desk.executor.let_go()
    await closing
    assert desk.newest.state is EventState.INTERRUPTED
    assert {"clip.mp4", "snapshot-end.jpg"} <= set(desk.stored)


async def test_a_higher_score_brings_its_own_pictures_once_a_minute_and_the_clip_stays(desk: Desk) -> None:
    desk.look(100.0)
    desk.look(100.1)
    desk.alert(100.1)
    await desk.tick(108.2)
    first = dict(desk.stored)
    desk.look(120.0, 3.0)
    await desk.tick(168.1)
    assert desk.stored == first
    await desk.tick(168.2)
    assert desk.stored["snapshot-peak.jpg"] != first["snapshot-peak.jpg"]
    assert desk.stored["clip.mp4"] == first["clip.mp4"]
    second = dict(desk.stored)
    desk.look(200.0, 2.0)
    await desk.tick(300.0)
    assert desk.stored == second


async def test_evidence_of_an_event_that_goes_on_says_until_when_and_at_its_end_no_more(desk: Desk) -> None:
    desk.look(100.0)
    desk.look(100.1)
    desk.alert(100.0)
    await desk.tick(108.0)
    assert UNTIL_THEN in desk.newest.notes
    desk.alert(120.0, raised=False)
    await desk.tick(125.0)
    assert UNTIL_THEN not in desk.newest.notes


async def test_at_the_end_there_is_time_for_each_event(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_maker, "CLOSE_S", 0.0)
    desk.look(100.0)
    desk.alert(100.0)
    await desk.recorder.close()
    assert "scores.jsonl" in desk.stored


async def test_what_was_made_before_stays_with_its_note_when_the_rest_is_not_made_in_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_maker, "CLOSE_S", 0.01)
    monkeypatch.setattr(evidence_maker, "CLOSE_EACH_S", 0.0)
    desk.look(100.0)
    desk.look(100.1)
    desk.alert(100.0)
    await desk.tick(108.0)
    desk.executor.held = True
    await desk.recorder.close()
    assert desk.newest.state is EventState.INTERRUPTED
    assert UNTIL_THEN in desk.newest.notes
    assert sorted(part.name for part in desk.newest.parts) == sorted(desk.stored)


async def test_a_clip_that_could_not_be_made_is_still_said_at_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Sequence[PastPicture]) -> None:
        raise ValueError

    desk.look(100.0)
    desk.look(100.1)
    desk.alert(100.0)
    with monkeypatch.context() as patched:
        patched.setattr(evidence_parts, "clip_mp4", broken)
        await desk.tick(108.0)
    desk.alert(120.0, raised=False)
    await desk.tick(125.0)
    assert NO_CLIP in desk.newest.notes
    assert "clip.mp4" not in desk.stored


async def test_pictures_of_a_stream_that_became_private_go_also_when_nothing_can_be_made_instead(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    assert desk.info is not None
    desk.look(100.0)
    desk.alert(100.0)
    await desk.tick(108.0)
    desk.recorder.on_stream(replace(desk.info, privacy=True))
    monkeypatch.setattr(evidence_maker, "make_parts", broken)
    await desk.tick(109.0)
    assert desk.stored == {}
    assert desk.newest.notes == (NOT_MADE,)

from __future__ import annotations

import pytest

from stream_server.event import Part
from stream_server.store import backlog
from stream_server.store.backlog import Backlog
from stream_server.store.rows import LEFT_OUT
from tests.events_of import PICTURE, SERIES, START, an_event, observed


def test_the_oldest_observation_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MAX_OBSERVATIONS", 3)
    waiting = Backlog()
    given = [observed(START + i) for i in range(5)]
    for one in given:
        waiting.add_observation(one)
    assert (len(waiting), waiting.lost) == (3, 2)
    assert list(waiting.take().observations) == given[2:]


def test_what_could_not_be_written_goes_before_what_came_since_and_within_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog, "MAX_OBSERVATIONS", 3)
    waiting = Backlog()
    given = [observed(START + i) for i in range(4)]
    for one in given[:2]:
        waiting.add_observation(one)
    batch = waiting.take()
    for one in given[2:]:
        waiting.add_observation(one)
    waiting.put_back(batch)
    assert waiting.lost == 1
    assert list(waiting.take().observations) == given[1:]


def test_an_event_waits_once_in_its_newest_state_and_keeps_the_parts_that_came_with_an_earlier_one() -> None:
    waiting = Backlog()
    event = an_event()
    waiting.add_event(event, [PICTURE])
    later = event.model_copy(update={"scores": 121})
    waiting.add_event(later, None)
    (pending,) = waiting.take().events.values()
    assert (pending.event, pending.parts) == (later, (PICTURE,))


def test_a_newer_state_wins_over_the_one_that_is_put_back() -> None:
    waiting = Backlog()
    event = an_event()
    waiting.add_event(event, [PICTURE])
    batch = waiting.take()
    later = event.model_copy(update={"scores": 121})
    waiting.add_event(later, None)
    waiting.put_back(batch)
    (pending,) = waiting.take().events.values()
    assert (pending.event, pending.parts) == (later, (PICTURE,))


def test_pictures_of_the_oldest_events_go_first_and_the_event_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MAX_PART_BYTES", len(PICTURE.data) + 2)
    waiting = Backlog()
    first, second = an_event(START), an_event(START + 1)
    waiting.add_event(first, [PICTURE])
    waiting.add_event(second, [PICTURE])
    older, newer = waiting.take().events.values()
    assert (older.parts, older.event.notes) == (None, (LEFT_OUT,))
    assert (newer.parts, newer.event.notes) == ((PICTURE,), ())
    assert waiting.lost == 0


def test_events_that_are_too_many_go_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MAX_EVENTS", 2)
    waiting = Backlog()
    events = [an_event(START + i) for i in range(3)]
    for event in events:
        waiting.add_event(event, [SERIES])
    assert waiting.lost == 1
    assert list(waiting.take().events) == [event.id for event in events[1:]]


def test_giving_up_counts_what_is_left() -> None:
    waiting = Backlog()
    waiting.add_observation(observed())
    waiting.add_event(an_event(), None)
    assert waiting.give_up() == 2
    assert (len(waiting), waiting.lost) == (0, 2)


def test_a_part_that_stays_but_is_not_written_yet_is_carried_along() -> None:
    waiting = Backlog()
    event = an_event()
    waiting.add_event(event, [SERIES, PICTURE])
    newer = Part(SERIES.name, SERIES.media_type, b"newer")
    waiting.add_event(event, [newer], frozenset({PICTURE.name}))
    (pending,) = waiting.take().events.values()
    assert (pending.parts, pending.kept) == ((newer, PICTURE), frozenset())
    waiting.add_event(event, [newer], frozenset({PICTURE.name}))
    (pending,) = waiting.take().events.values()
    assert (pending.parts, pending.kept) == ((newer,), frozenset({PICTURE.name}))


def test_that_pictures_went_is_still_said_by_the_next_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MAX_PART_BYTES", 2)
    waiting = Backlog()
    event = an_event()
    waiting.add_event(event, [PICTURE])
    waiting.add_event(event, None)
    waiting.add_event(event, [Part(SERIES.name, SERIES.media_type, b"")], frozenset({PICTURE.name}))
    batch = waiting.take()
    (pending,) = batch.events.values()
    assert pending.event.notes == (LEFT_OUT,)
    waiting.put_back(batch)
    waiting.add_event(event, [])  # all of it anew
    (pending,) = waiting.take().events.values()
    assert (pending.event.notes, pending.parts) == ((), ())


def test_a_part_that_is_both_made_anew_and_kept_is_there_once() -> None:
    waiting = Backlog()
    event = an_event()
    waiting.add_event(event, [PICTURE])
    newer = Part(PICTURE.name, PICTURE.media_type, b"newer")
    waiting.add_event(event, [newer], frozenset({PICTURE.name}))
    (pending,) = waiting.take().events.values()
    assert (pending.parts, pending.kept) == ((newer,), frozenset())


def test_what_was_deleted_does_not_wait_any_more() -> None:
    waiting = Backlog()
    first, second, other = an_event(START), an_event(START + 1), an_event(stream_id="door")
    for event in (first, second, other):
        waiting.add_event(event, [PICTURE])
    waiting.add_observation(observed())
    waiting.add_observation(observed(stream_id="door"))
    waiting.forget_event(first.id)
    assert len(waiting) == 4
    waiting.forget_stream("cam")
    batch = waiting.take()
    assert list(batch.events) == [other.id]
    assert [one.stream_id for one in batch.observations] == ["door"]
    assert waiting.lost == 0

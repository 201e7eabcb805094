from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from analyzer.scorer import sigmoid
from stream_server.event import EventState, Part, ReviewMark
from stream_server.store import rows
from stream_server.store.database import Database
from stream_server.store.reading import (
    Bucket,
    EventFilter,
    buckets_of,
    get_event,
    kept,
    kept_by_stream,
    list_events,
    observations_of,
    parts_of,
)
from stream_server.store.rows import (
    LEFT_OUT,
    NEVER_MADE,
    Removed,
    add_observations,
    delete_event,
    delete_stream,
    interrupt_open_events,
    mark_event,
    save_event,
)
from tests.events_of import PICTURE, SERIES, START, an_event, observed

pytestmark = pytest.mark.usefixtures("database")


def test_observations_come_back_in_order_and_to_the_last_digit(database: Database) -> None:
    given = [observed(START + 0.1 * i, 0.1 * i) for i in range(20)] + [observed(START + 2, None)]
    with database.engine.begin() as connection:
        add_observations(connection, given)
        add_observations(connection, [])
    with database.read() as connection:
        assert list(observations_of(connection, "cam", START, START + 100)) == given
        assert list(observations_of(connection, "cam", START + 0.5, START + 0.6)) == given[5:6]
        assert list(observations_of(connection, "other", START, START + 100)) == []


def test_buckets_add_up_over_batches(database: Database) -> None:
    with database.engine.begin() as connection:
        add_observations(connection, [observed(START + 1, 0.0), observed(START + 2, None), observed(START + 12, 3.0)])
    with database.engine.begin() as connection:
        add_observations(connection, [observed(START + 3, 1.0), observed(START + 3, 1.0, face_id=4)])
        add_observations(connection, [observed(START + 4, -1.0)])
    with database.read() as connection:
        first, other_face, second = buckets_of(connection, "cam", START, START + 60, 100)
    assert (first.start, first.face_id, first.scores, first.unfit) == (int(START), 3, 3, 1)
    assert first.probability_mean == pytest.approx(0.5)
    assert first.probability_max == pytest.approx(sigmoid(1.0))
    assert (other_face.face_id, other_face.scores) == (4, 1)
    assert (second.start, second.scores) == (int(START) + 10, 1)


def test_a_bucket_without_scores_has_no_probability(database: Database) -> None:
    with database.engine.begin() as connection:
        add_observations(connection, [observed(START, None)])
    with database.read() as connection:
        assert buckets_of(connection, "cam", START, START + 1, 1) == (Bucket(int(START), 3, 0, None, None, 1),)


def test_an_event_comes_back_with_its_parts(database: Database) -> None:
    event = an_event()
    with database.engine.begin() as connection:
        save_event(connection, event, [SERIES, PICTURE])
    with database.read() as connection:
        found = get_event(connection, event.id)
        assert parts_of(connection, event.id) == (SERIES, PICTURE)
    assert found.model_copy(update={"parts": ()}) == event
    assert [(part.name, part.size) for part in found.parts] == [("scores.jsonl", 3), ("strip.jpg", len(PICTURE.data))]


def test_a_later_state_replaces_an_earlier_one_and_leaves_the_parts_if_none_are_given(database: Database) -> None:
    event = an_event(state=EventState.OPEN, ended_at=None)
    over = event.model_copy(update={"state": EventState.ENDED, "ended_at": START + 30})
    with database.engine.begin() as connection:
        save_event(connection, event, [PICTURE])
        save_event(connection, over, None)
    with database.read() as connection:
        assert get_event(connection, event.id).ended_at == START + 30
        assert parts_of(connection, event.id) == (PICTURE,)
    with database.engine.begin() as connection:
        save_event(connection, over, [SERIES])
    with database.read() as connection:
        assert parts_of(connection, event.id) == (SERIES,)


def test_what_an_operator_has_marked_survives_a_later_state(database: Database) -> None:
    event = an_event(state=EventState.OPEN, ended_at=None)
    with database.engine.begin() as connection:
        save_event(connection, event, None)
        mark_event(connection, event.id, ReviewMark.FALSE_ALARM, "a poster", START + 5)
        save_event(connection, event.model_copy(update={"state": EventState.ENDED}), None)
    with database.read() as connection:
        found = get_event(connection, event.id)
        assert (found.state, found.mark, found.mark_note) == (EventState.ENDED, ReviewMark.FALSE_ALARM, "a poster")
        assert list_events(connection, EventFilter(mark=ReviewMark.FALSE_ALARM)).events == (found,)


def test_an_interrupted_event_that_has_no_evidence_yet_says_so(database: Database) -> None:
    early, later = (an_event(START + i, state=EventState.OPEN, ended_at=None) for i in range(2))
    with database.engine.begin() as connection:
        save_event(connection, early, None)
        save_event(connection, later, [PICTURE])
        notes = {event.id: event.notes for event in interrupt_open_events(connection)}
    assert notes == {early.id: (NEVER_MADE,), later.id: ()}


def test_a_note_that_is_not_given_stays_and_what_nobody_says_any_more_has_no_time(database: Database) -> None:
    event = an_event()
    with database.engine.begin() as connection:
        save_event(connection, event, None)
        mark_event(connection, event.id, ReviewMark.UNSURE, "a poster", START + 5)
        kept = mark_event(connection, event.id, None, None, START + 6)
        gone = mark_event(connection, event.id, None, "", START + 7)
    assert (kept.mark, kept.mark_note, kept.marked_at) == (None, "a poster", START + 6)
    assert (gone.mark_note, gone.marked_at) == ("", None)


def test_a_file_that_is_to_stay_and_comes_again_is_replaced(database: Database) -> None:
    event = an_event()
    newer = replace(PICTURE, data=b"newer")
    with database.engine.begin() as connection:
        save_event(connection, event, [PICTURE, SERIES])
        save_event(connection, event, [newer], frozenset({PICTURE.name}))
    with database.read() as connection:
        assert parts_of(connection, event.id) == (newer,)


def test_what_an_earlier_process_left_open_is_interrupted(database: Database) -> None:
    left = an_event(state=EventState.OPEN, ended_at=None)
    over = an_event()
    with database.engine.begin() as connection:
        save_event(connection, left, [PICTURE])
        save_event(connection, over, None)
        assert [event.id for event in interrupt_open_events(connection)] == [left.id]
    with database.read() as connection:
        found = get_event(connection, left.id)
        assert (found.state, found.ended_at) == (EventState.INTERRUPTED, left.updated_at)
        assert parts_of(connection, left.id) == (PICTURE,)
        assert get_event(connection, over.id).state is EventState.ENDED


def test_deleting_an_event_takes_its_parts_along(database: Database) -> None:
    event = an_event()
    with database.engine.begin() as connection:
        save_event(connection, event, [PICTURE])
        assert delete_event(connection, event.id)
        assert not delete_event(connection, event.id)
    with database.read() as connection:
        assert parts_of(connection, event.id) == ()


def test_deleting_a_stream_leaves_nothing_of_it_and_all_of_the_others(database: Database) -> None:
    with database.engine.begin() as connection:
        for stream_id in ("cam", "door"):
            save_event(connection, an_event(stream_id=stream_id), [PICTURE])
            add_observations(connection, [observed(stream_id=stream_id), observed(START + 60, stream_id=stream_id)])
        assert delete_stream(connection, "cam") == Removed(observations=2, buckets=2, events=1)
    with database.read() as connection:
        assert list(kept_by_stream(connection)) == ["door"]
        rest = kept(connection)
        assert (rest.events, rest.part_bytes, rest.observations, rest.buckets) == (1, len(PICTURE.data), 2, 2)


def test_a_stream_is_deleted_in_rounds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(rows, "EVENTS_AT_ONCE", 2)
    with database.engine.begin() as connection:
        add_observations(connection, [observed(START + 10 * i) for i in range(6)])
        for i in range(3):
            save_event(connection, an_event(START + i), [PICTURE])
    found: list[Removed] = []
    while not found or found[-1].more:
        with database.engine.begin() as connection:
            found.append(delete_stream(connection, "cam"))
    assert found == [Removed(4, 4, 2), Removed(2, 2, 1)]
    with database.read() as connection:
        assert kept_by_stream(connection) == {}


def test_two_parts_of_one_name_are_refused_as_a_whole(database: Database) -> None:
    event = an_event()
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        save_event(connection, event, [PICTURE, PICTURE])
    with database.read() as connection:
        assert list_events(connection, EventFilter()).events == ()


def test_parts_that_stay_are_left_beside_the_new_ones(database: Database) -> None:
    event = an_event()
    newer = Part(SERIES.name, SERIES.media_type, b"newer and longer")
    with database.engine.begin() as connection:
        save_event(connection, event, [SERIES, PICTURE])
        save_event(connection, event, [newer], frozenset({PICTURE.name}))
    with database.read() as connection:
        assert set(parts_of(connection, event.id)) == {newer, PICTURE}
        assert kept(connection).part_bytes == len(newer.data) + len(PICTURE.data)


def test_that_files_went_while_they_waited_stays_said(database: Database) -> None:
    event = an_event(state=EventState.OPEN)
    with database.engine.begin() as connection:
        save_event(connection, event.model_copy(update={"notes": (LEFT_OUT,)}), None)
        save_event(connection, event, None)
    with database.read() as connection:
        assert get_event(connection, event.id).notes == (LEFT_OUT,)
    with database.engine.begin() as connection:
        save_event(connection, event, [PICTURE])
    with database.read() as connection:
        assert get_event(connection, event.id).notes == ()


def test_a_reader_sees_one_state_of_everything(database: Database) -> None:
    event = an_event()
    with database.engine.begin() as connection:
        save_event(connection, event, [PICTURE])
    with database.read() as reading:
        assert get_event(reading, event.id).parts[0].name == PICTURE.name
        with database.engine.begin() as connection:
            delete_event(connection, event.id)
        assert parts_of(reading, event.id) == (PICTURE,)
    with database.read() as reading:
        assert parts_of(reading, event.id) == ()

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from stream_server.event import EventState, Part
from stream_server.store import keeping
from stream_server.store.database import FILE, Database
from stream_server.store.keeping import BUCKET_BYTES, EVENT_BYTES, OBSERVATION_BYTES, Keeping, give_back, remove_old
from stream_server.store.reading import EventFilter, kept, list_events
from stream_server.store.rows import ROWS_AT_ONCE, add_observations, save_event
from stream_server.store.tables import PARTS
from tests.events_of import PICTURE, START, an_event, observed

DAY = 86400.0


def _fill(database: Database, count: int, step_s: float) -> None:
    with database.engine.begin() as connection:
        add_observations(connection, [observed(START + i * step_s) for i in range(count)])


def test_what_is_young_and_little_stays(database: Database) -> None:
    _fill(database, 10, 60)
    with database.engine.begin() as connection:
        save_event(connection, an_event(), [PICTURE])
        removed = remove_old(connection, Keeping(), START + 600)
        assert (removed.observations, removed.buckets, removed.events, removed.more) == (0, 0, 0, False)


def test_observations_go_after_an_hour_and_buckets_after_thirty_days(database: Database) -> None:
    _fill(database, 10, 600)  # nine tenths of an hour and a half
    with database.engine.begin() as connection:
        removed = remove_old(connection, Keeping(), START + 3600 + 1201)
        assert (removed.observations, removed.buckets) == (3, 0)
        removed = remove_old(connection, Keeping(), START + 30 * DAY + 1201)
        assert (removed.observations, removed.buckets) == (7, 3)


def test_events_go_after_a_year_with_their_parts_but_never_while_they_go_on(database: Database) -> None:
    with database.engine.begin() as connection:
        save_event(connection, an_event(START), [PICTURE])
        save_event(connection, an_event(START + 1, state=EventState.OPEN, ended_at=None), None)
        save_event(connection, an_event(START + DAY), [PICTURE])
        assert remove_old(connection, Keeping(), START + 365 * DAY + 10).events == 1
        assert [event.state for event in list_events(connection, EventFilter()).events] == [
            EventState.ENDED,
            EventState.OPEN,
        ]
        assert connection.execute(select(func.count()).select_from(PARTS)).scalar() == 1


def test_the_oldest_rows_go_when_there_are_too_many(database: Database) -> None:
    _fill(database, 30, 10)
    small = Keeping(score_mb=20 * OBSERVATION_BYTES / 1e6, history_mb=5 * BUCKET_BYTES / 1e6)
    with database.engine.begin() as connection:
        removed = remove_old(connection, small, START)
        assert (removed.observations, removed.buckets) == (10, 25)
        found = kept(connection)
        assert (found.observations, found.buckets) == (20, 5)


def test_the_oldest_events_go_when_they_take_too_much_room(database: Database) -> None:
    events = [an_event(START + i) for i in range(5)]
    with database.engine.begin() as connection:
        for event in events:
            save_event(connection, event, [PICTURE])
        room = 2 * (len(PICTURE.data) + EVENT_BYTES) / 1e6
        assert remove_old(connection, Keeping(event_mb=room), START).events == 3
        left = list_events(connection, EventFilter()).events
        assert [event.id for event in left] == [events[4].id, events[3].id]


def test_much_goes_in_rounds(database: Database) -> None:
    _fill(database, ROWS_AT_ONCE + 10, 0.01)
    with database.engine.begin() as connection:
        first = remove_old(connection, Keeping(), START + 7200)
        assert (first.observations, first.more) == (ROWS_AT_ONCE, True)
        second = remove_old(connection, Keeping(), START + 7200)
        assert (second.observations, second.more) == (10, False)


def test_what_is_deleted_gives_its_room_back(database: Database) -> None:
    big = Part("clip.mp4", "video/mp4", b"x" * 1_000_000)
    with database.engine.begin() as connection:
        save_event(connection, an_event(), [big])
    with database.engine.begin() as connection:
        assert remove_old(connection, Keeping(event_mb=0.001), START).events == 1
    while give_back(database.engine):
        pass
    if database.is_file:
        database.close()  # what is in the log goes into the file
        assert (database.folder / "monitor.db").stat().st_size < 200_000


def test_without_a_clock_that_can_be_believed_only_what_is_too_much_goes(database: Database) -> None:
    _fill(database, 30, 10)
    with database.engine.begin() as connection:
        save_event(connection, an_event(), [PICTURE])
        removed = remove_old(connection, Keeping(score_mb=20 * OBSERVATION_BYTES / 1e6), None)
        assert (removed.observations, removed.buckets, removed.events) == (10, 0, 0)


def test_what_is_dated_ahead_goes_and_holds_up_nothing_that_came_after_it(database: Database) -> None:
    with database.engine.begin() as connection:
        add_observations(connection, [observed(START + 800 * DAY)])  # the clock was ahead for a moment
    _fill(database, 10, 60)
    with database.engine.begin() as connection:
        add_observations(connection, [observed(START + 2 * 3600)])
        assert remove_old(connection, Keeping(), START + 2 * 3600).observations == 11
        assert kept(connection).observations == 1


def test_room_is_given_back_in_rounds_until_all_of_it_is(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "PAGES_AT_ONCE", 100)
    with database.engine.begin() as connection:
        save_event(connection, an_event(), [Part("clip.mp4", "video/mp4", b"x" * 1_000_000)])
        remove_old(connection, Keeping(event_mb=0.001), START)
    rounds = 1
    while give_back(database.engine):
        rounds += 1
    assert rounds >= 3 if database.is_file else rounds == 1


def test_a_file_that_is_locked_gives_its_room_back_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_server.store.database.BUSY_S", 0.05)
    database = Database(tmp_path)
    database.prepare()
    with database.engine.begin() as connection:
        save_event(connection, an_event(), [Part("clip.mp4", "video/mp4", b"x" * 1_000_000)])
        remove_old(connection, Keeping(event_mb=0.001), START)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert give_back(database.engine) is False
    while give_back(database.engine):
        pass
    assert (tmp_path / FILE).stat().st_size < 200_000
    database.close()

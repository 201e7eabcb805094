from __future__ import annotations

import itertools
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy import event as listening
from sqlalchemy.exc import OperationalError

from analyzer.errors import NotFoundError, StoreError
from stream_server.event import Event, EventState, Part
from stream_server.store import rows, work, writer
from stream_server.store.backlog import Backlog
from stream_server.store.database import FILE, Database
from stream_server.store.keeping import Keeping, give_back, remove_old
from stream_server.store.postgresql import ADVISORY_LOCK
from stream_server.store.reading import EventFilter, Observed, get_event, kept, list_events, parts_of
from stream_server.store.rows import delete_event
from stream_server.store.writer import StoreWriter
from tests.events_of import PICTURE, START, an_event, observed
from tests.postgres import Postgres

WAIT_S = 20


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FLUSH_S", 0.02)
    monkeypatch.setattr(writer, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(writer, "LONGEST_RETRY_S", 0.1)
    monkeypatch.setattr("stream_server.store.database.BUSY_S", 0.05)


@contextmanager
def running(database: Database, keeping: Keeping = Keeping(), now: float = START) -> Iterator[StoreWriter]:  # noqa: B008  # frozen
    store = StoreWriter(database, keeping, now=lambda: now)
    try:
        store.start()
        yield store
    finally:
        store.stop()


@pytest.fixture
def store(url: str | None, tmp_path: Path) -> Iterator[StoreWriter]:
    with running(Database(tmp_path / "data", url)) as made:
        yield made


def _database(store: StoreWriter) -> Database:
    return store._database


def _kept(store: StoreWriter) -> tuple[int, int]:
    with _database(store).read() as connection:
        found = kept(connection)
    return found.observations, found.events


def test_what_is_put_is_written_soon(store: StoreWriter) -> None:
    for i in range(100):
        store.observe(observed(START + i))
    event = an_event()
    store.save_event(event, [PICTURE])
    until(lambda: store.status.written == 101)
    assert _kept(store) == (100, 1)
    status = store.status
    assert (status.ok, status.error, status.waiting, status.lost) == (True, None, 0, 0)


def test_stopping_writes_what_waits(url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FLUSH_S", 100)
    with running(Database(tmp_path, url)) as store:
        store.observe(observed())
        store.save_event(an_event(), [PICTURE])
    store.stop()
    store.observe(observed())  # too late, and no error
    assert store.status.lost == 1
    again = Database(tmp_path, url)
    with again.read() as connection:
        assert (kept(connection).observations, kept(connection).events) == (1, 1)
    again.close()


def test_a_command_sees_everything_that_was_put_before_it(store: StoreWriter) -> None:
    event = an_event()
    store.save_event(event, None)
    assert store.submit(lambda connection: delete_event(connection, event.id)).result(WAIT_S)
    assert _kept(store) == (0, 0)


def test_what_a_command_raises_comes_back_and_its_changes_do_not_stay(store: StoreWriter) -> None:
    store.save_event(an_event(), None)

    def fail(connection: Connection) -> None:
        connection.execute(text("DELETE FROM events"))
        raise NotFoundError("no such thing")

    with pytest.raises(NotFoundError, match="no such thing"):
        store.submit(fail).result(WAIT_S)
    with pytest.raises(ZeroDivisionError):
        store.submit(lambda _: 1 // 0).result(WAIT_S)
    assert _kept(store) == (0, 1)
    assert store.status.ok
    assert store.health.alive


def test_what_no_database_takes_is_lost_alone_and_counted(store: StoreWriter, caplog: pytest.LogCaptureFixture) -> None:
    event = an_event()
    store.observe(observed())
    store.save_event(event, [PICTURE, PICTURE])  # two of one name
    store.save_event(an_event(START + 1), [PICTURE])
    until(lambda: store.status.lost == 1 and store.status.written == 2)
    assert _kept(store) == (1, 1)
    assert store.status.ok
    assert "cannot be kept" in caplog.text


def test_open_events_of_an_earlier_process_are_interrupted(
    url: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    event = an_event(state=EventState.OPEN, ended_at=None)
    with running(Database(tmp_path, url)) as first:
        first.save_event(event, [PICTURE])
    with running(Database(tmp_path, url)) as second, _database(second).read() as connection:
        assert get_event(connection, event.id).state is EventState.INTERRUPTED
        assert parts_of(connection, event.id) == (PICTURE,)
    assert "1 events were still open" in caplog.text


def test_what_is_too_old_goes_while_the_monitor_runs(url: str | None, tmp_path: Path) -> None:
    with running(Database(tmp_path, url), Keeping(score_hours=1), now=START + 7200) as store:
        store._work._keep_at_s = time.monotonic() + 1e9  # not before everything is there
        store.observe(observed(START))
        store.observe(observed(START + 7000))
        until(lambda: store.status.written == 2)
        store._work._keep_at_s = 0
        until(lambda: _kept(store) == (1, 0))


def test_a_newer_database_keeps_the_store_from_starting(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    store = StoreWriter(database)
    with pytest.raises(StoreError, match="newer"):
        store.start()
    store.stop()


def test_a_locked_file_is_waited_for_and_nothing_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    event = an_event()
    with running(Database(tmp_path)) as store, closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for i in range(50):
            store.observe(observed(START + i))
        store.save_event(event, [PICTURE])
        until(lambda: not store.status.ok)
        assert "locked" in str(store.status.error)
        assert store.status.waiting == 51
        with pytest.raises(StoreError, match="locked"):
            store.submit(lambda _: None).result(WAIT_S)
        store.observe(observed(START + 50))
        other.execute("ROLLBACK")
        until(lambda: store.status.written == 52 and store.status.ok)
        assert store.status.lost == 0
        assert _kept(store) == (51, 1)
    assert "can be written again" in caplog.text


def test_a_full_disk_degrades_and_heals(tmp_path: Path) -> None:
    database = Database(tmp_path)
    pages = [1_000_000]
    # SQLite then says what it says of a disk without room
    listening.listen(database.engine, "checkout", lambda raw, *_: raw.execute(f"PRAGMA max_page_count = {pages[0]}"))
    event, clip = an_event(), Part("clip.mp4", "video/mp4", b"x" * 1_000_000)
    with running(database) as store:
        pages[0] = 60
        store.observe(observed())
        store.save_event(event, [clip])
        until(lambda: not store.status.ok)
        assert "full" in str(store.status.error)
        assert (store.status.waiting, store.status.written) == (1, 1), "the event waits, and holds up no score"
        store.observe(observed(START + 1))
        until(lambda: store.status.written == 2)
        assert not store.status.ok
        pages[0] = 1_000_000
        until(lambda: store.status.written == 3)
        with database.read() as connection:
            assert parts_of(connection, event.id) == (clip,)
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        until(lambda: store.status.ok)
        assert store.status.lost == 0


def test_a_lost_server_is_waited_for_and_nothing_is_lost(
    server: Postgres, postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(Database(tmp_path, postgres_url)) as store:
        store.observe(observed(START))
        until(lambda: store.status.written == 1)
        server.stop()
        try:
            store.observe(observed(START + 1))
            store.save_event(an_event(), [PICTURE])
            until(lambda: not store.status.ok)
            assert "secret-word" not in f"{store.status} {caplog.text}"
            store.observe(observed(START + 2))
        finally:
            server.start()
        until(lambda: store.status.written == 4 and store.status.ok)
        assert _kept(store) == (3, 1)
        assert store.status.lost == 0


def test_a_server_that_comes_later_is_prepared_then(server: Postgres, postgres_url: str, tmp_path: Path) -> None:
    server.stop()
    try:
        store = StoreWriter(Database(tmp_path, postgres_url), now=lambda: START)
        store.start()
        assert not store.status.ok
        store.observe(observed())
    finally:
        server.start()
    until(lambda: store.status.written == 1 and store.status.ok)
    store.stop()


def test_what_could_never_be_written_is_told_at_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(Database(tmp_path, "postgresql://u:secret-word@127.0.0.1:1/d")) as store:
        store.observe(observed())
    assert store.status.lost == 1
    assert "1 observations and events were never written" in caplog.text
    assert "secret-word" not in caplog.text


def test_an_unexpected_error_ends_the_thread_and_health_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(work, "add_observations", broken)
    with running(Database(tmp_path)) as store:
        store.observe(observed())
        until(lambda: not store.health.alive)
        assert store.health.error == "ValueError: a bug"
        assert (store.status.ok, store.status.error) == (False, "ValueError: a bug")
        with pytest.raises(StoreError):
            store.submit(lambda _: None).result(WAIT_S)
        store.observe(observed())
        store.save_event(an_event(), [PICTURE])
        assert (store.status.waiting, store.status.lost) == (0, 3), "what it had, and what came after"
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_events_are_listed_while_others_are_written(store: StoreWriter) -> None:
    for i in range(200):
        store.save_event(an_event(START + i), [PICTURE])
        with _database(store).read() as connection:
            list_events(connection, EventFilter(limit=5))
    until(lambda: store.status.written >= 200)
    assert _kept(store) == (0, 200)


def test_a_command_goes_after_what_was_put_before_it_also_while_another_batch_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    real = rows.add_observations

    def slow(connection: Connection, observations: Sequence[Observed]) -> None:
        if observations and not reached.is_set():
            reached.set()
            assert go_on.wait(WAIT_S)
        real(connection, observations)

    monkeypatch.setattr(work, "add_observations", slow)
    event = an_event()
    with running(Database(tmp_path)) as store:
        store.observe(observed())
        assert reached.wait(WAIT_S)
        store.save_event(event, [PICTURE])
        deleted = store.submit(lambda connection: delete_event(connection, event.id))
        go_on.set()
        assert deleted.result(WAIT_S) is True
        assert _kept(store) == (1, 0)


def test_readers_that_hold_every_connection_do_not_stop_the_writer(store: StoreWriter) -> None:
    with ExitStack() as held:
        for _ in range(12):
            held.enter_context(_database(store).read())
        store.observe(observed())
        until(lambda: store.status.written == 1)
    assert store.status.ok


def test_a_database_that_does_not_answer_is_told_as_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SILENT_S", 0.0)
    go_on = threading.Event()
    monkeypatch.setattr(work, "add_observations", lambda *_: go_on.wait(WAIT_S))
    with running(Database(tmp_path)) as store:
        store.observe(observed())
        until(lambda: "has not answered" in str(store.status.error))
        go_on.set()


def test_what_was_written_singly_is_not_written_twice_when_the_database_goes_away_midway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = rows.save_event, itertools.count()

    def failing(connection: Connection, event: Event, *rest: Any) -> None:
        if next(calls) == 2:
            raise OperationalError("", {}, Exception("server closed the connection"))
        real(connection, event, *rest)

    monkeypatch.setattr(work, "save_event", failing)
    with running(Database(tmp_path)) as store:
        with store._wake:  # in one batch
            store._backlog.add_observation(observed())
            store._backlog.add_event(an_event(), [PICTURE, PICTURE])  # two of one name: singly, then
            store._backlog.add_event(an_event(START + 1), [PICTURE])
        until(lambda: store.status.written == 2 and store.status.ok)
        assert _kept(store) == (1, 1)
        assert store.status.lost == 1


def _deletion(event: Event) -> tuple[Callable[[Connection], bool], Callable[[Backlog], object]]:
    return lambda connection: delete_event(connection, event.id), lambda backlog: backlog.forget_event(event.id)


def test_a_file_that_is_locked_while_room_is_given_back_does_not_end_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database, tries = Database(tmp_path), itertools.count(1)

    def locked(engine: Engine) -> bool:
        with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            next(tries)
            return give_back(engine)

    monkeypatch.setattr(work, "give_back", locked)
    monkeypatch.setattr(work, "KEEP_EVERY_S", 0)
    with running(database, Keeping(event_mb=0.001)) as store:
        store.save_event(an_event(), [Part("clip.mp4", "video/mp4", b"x" * 1_000_000)])
        until(lambda: _kept(store) == (0, 0) and "give their room back" in caplog.text)
        store.observe(observed())
        until(lambda: store.status.written == 2)
        assert store.health.alive


def test_a_lock_while_old_rows_are_removed_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()

    def locked_at_first(*arguments: Any) -> Any:
        if next(calls) == 0:
            raise OperationalError("", {}, sqlite3.OperationalError("database is locked"))
        return remove_old(*arguments)

    monkeypatch.setattr(work, "remove_old", locked_at_first)
    with running(Database(tmp_path), Keeping(score_hours=1), now=START + 7200) as store:
        store.observe(observed())
        until(lambda: store.status.written == 1 and store.status.ok and next(calls) > 1)
        until(lambda: _kept(store) == (0, 0))


def test_a_clock_that_jumps_takes_nothing_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "KEEP_EVERY_S", 0)
    now, looks = [START], itertools.count()

    def wall() -> float:
        next(looks)
        return now[0]

    store = StoreWriter(Database(tmp_path), now=wall, steady=lambda: 100.0)
    store.start()
    try:
        store.save_event(an_event(), [PICTURE])
        store.observe(observed())
        until(lambda: store.status.written == 2)
        now[0] += 3 * 365 * 86_400
        before = next(looks)
        until(lambda: next(looks) > before + 100)
        assert _kept(store) == (1, 1)
    finally:
        store.stop()


def test_an_event_can_be_deleted_while_the_disk_is_full_and_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Part("clip.mp4", "video/mp4", b"x" * 1_000_000)
    stored, waiting = an_event(), an_event(START + 1)
    with running(Database(tmp_path)) as store:
        store.save_event(stored, [clip])
        until(lambda: store.status.written == 1)
        monkeypatch.setattr("stream_server.store.database.ROOM_BYTES", 10**18)
        store.save_event(stored, [clip])
        store.save_event(waiting, [clip])
        until(lambda: not store.status.ok)
        assert "the disk is full" in str(store.status.error)
        with pytest.raises(StoreError, match="the disk is full"):
            store.submit(lambda _: None).result(WAIT_S)
        assert store.submit(*_deletion(stored)).result(WAIT_S) is True
        monkeypatch.setattr("stream_server.store.database.ROOM_BYTES", 0)
        until(lambda: store.status.ok)
        with _database(store).read() as connection:
            assert [event.id for event in list_events(connection, EventFilter()).events] == [waiting.id]
        assert store.status.lost == 0


def test_a_disk_that_events_have_filled_heals_by_what_is_deleted(small_disk: Path) -> None:
    clip = Part("clip.mp4", "video/mp4", bytes(range(256)) * 4000)
    with running(Database(small_disk)) as store:
        events = [an_event(START + i) for i in range(60)]
        for event in events:
            store.save_event(event, [clip])
        until(lambda: not store.status.ok)
        assert "full" in str(store.status.error)
        store.observe(observed())
        for event in events[:40]:
            store.submit(*_deletion(event)).result(WAIT_S)
        until(lambda: store.status.ok and store.status.waiting == 0)
        assert store.status.lost == 0
        with _database(store).read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_a_disk_that_events_have_filled_heals_by_its_own_rules(small_disk: Path) -> None:
    clip = Part("clip.mp4", "video/mp4", bytes(range(256)) * 4000)
    with running(Database(small_disk)) as store:
        for i in range(40):
            store.save_event(an_event(START + i), [clip])
        until(lambda: not store.status.ok)
    with running(Database(small_disk), Keeping(event_mb=5)) as store:
        store.observe(observed())
        until(lambda: store.status.ok and store.status.written == 1)
        until(lambda: _kept(store)[1] <= 5)


def test_a_file_that_is_removed_is_told_and_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(Database(tmp_path)) as store:
        store.observe(observed())
        until(lambda: store.status.written == 1)
        for path in tmp_path.glob(f"{FILE}*"):
            path.unlink()
        until(lambda: "removed or replaced" in caplog.text)
        store.save_event(an_event(), [PICTURE])
        until(lambda: store.status.ok and store.status.written == 2)
        assert _kept(store) == (0, 1)
    with closing(sqlite3.connect(tmp_path / FILE)) as plain:
        assert plain.execute("SELECT count(*) FROM events").fetchone() == (1,)


def test_after_a_restart_of_the_server_other_monitors_are_kept_off_as_before(
    server: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    going_on = an_event(state=EventState.OPEN, ended_at=None)
    with running(Database(tmp_path / "one", postgres_url)) as store:
        store.save_event(going_on, None)
        until(lambda: store.status.written == 1)
        server.stop()
        server.start()
        store.observe(observed())
        until(lambda: store.status.written == 2 and store.status.ok)
        other = Database(tmp_path / "two", postgres_url)
        with pytest.raises(StoreError, match="another monitor"):
            other.prepare()
        other.close()
        with _database(store).read() as connection:
            assert get_event(connection, going_on.id).state is EventState.OPEN


def test_a_lock_that_is_lost_to_another_monitor_is_waited_for(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream_server.store.postgresql.RELEASED_S", 0.1)
    with (
        running(Database(tmp_path, postgres_url)) as store,
        psycopg.connect(postgres_url, autocommit=True) as other,
        psycopg.connect(postgres_url, autocommit=True) as admin,
    ):
        # it stands in line, and the session that has the lock ends
        taking = threading.Thread(target=other.execute, args=(f"SELECT pg_advisory_lock({ADVISORY_LOCK})",))
        taking.start()
        locks = "FROM pg_locks WHERE locktype = 'advisory' AND"
        until(lambda: admin.execute(f"SELECT count(*) {locks} NOT granted").fetchone() == (1,))
        admin.execute(f"SELECT pg_terminate_backend(pid) {locks} granted")
        taking.join(WAIT_S)
        until(lambda: "another monitor" in str(store.status.error))
        store.observe(observed())
        other.execute("SELECT pg_advisory_unlock_all()")
        until(lambda: store.status.written == 1 and store.status.ok)
        assert store.health.alive


def test_a_server_that_answers_nobody_does_not_keep_the_monitor_from_stopping(
    server: Postgres, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "STOP_S", 0.2)
    store = StoreWriter(Database(tmp_path, postgres_url), now=lambda: START)
    store.start()
    with server.frozen():
        store.observe(observed())
        store.stop()
        assert (store.status.waiting, store.status.lost) == (0, 1)
        assert store.health.alive
    monkeypatch.setattr(writer, "STOP_S", WAIT_S)
    store.stop()
    assert not store.health.alive


def test_a_server_that_answers_nobody_is_given_up_and_nothing_is_lost(
    server: Postgres, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Database(tmp_path, postgres_url)) as store:
        store.observe(observed())
        until(lambda: store.status.written == 1)
        monkeypatch.setattr("stream_server.store.postgresql.SILENT_S", 0.3)
        with server.frozen():
            store.observe(observed())
            until(lambda: not store.status.ok)
        monkeypatch.setattr("stream_server.store.postgresql.SILENT_S", WAIT_S)
        until(lambda: store.status.written == 2 and store.status.ok)
        assert store.status.lost == 0

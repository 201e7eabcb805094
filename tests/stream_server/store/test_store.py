from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from analyzer.errors import OverloadedError, StoreError
from stream_server.store import rows, store
from stream_server.store.keeping import Keeping
from stream_server.store.reading import kept, kept_by_stream
from stream_server.store.rows import Removed
from stream_server.store.store import Store
from tests.events_of import PICTURE, START, an_event, observed
from tests.postgres import Postgres

WAIT_S = 20


@pytest.fixture
def running(url: str | None, tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "data", url, Keeping(score_hours=8760, history_days=3650, event_days=3650))
    made.start()
    yield made
    made.stop()


async def test_a_stream_is_deleted_in_rounds_for_good(running: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(rows, "EVENTS_AT_ONCE", 2)
    for i in range(5):
        running.writer.observe(observed(START + 10 * i))
        running.writer.save_event(an_event(START + i), [PICTURE])
    running.writer.observe(observed(stream_id="door"))
    assert await running.delete_stream("cam") == Removed(observations=5, buckets=5, events=5)
    assert list(await running.read(kept_by_stream)) == ["door"]


async def test_readers_that_hang_hold_up_neither_exports_nor_the_loops_own_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_READS", 8)
    made = Store(tmp_path, None, Keeping())
    made.start()
    go_on = threading.Event()

    def hang(_: Connection) -> bool:
        return go_on.wait(WAIT_S)

    reads = [asyncio.create_task(made.read(hang)) for _ in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="8 others"):
        await made.read(kept)
    assert await made.export(lambda: made.read_now(kept).events) == 0
    assert await asyncio.to_thread(lambda: True)
    go_on.set()
    assert all(await asyncio.gather(*reads))
    assert (await made.read(kept)).events == 0
    made.stop()


async def test_a_server_that_answers_nobody_does_not_keep_readers_for_ever(
    server: Postgres, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Store(tmp_path, postgres_url, Keeping())
    made.start()
    await made.read(kept)
    monkeypatch.setattr("stream_server.store.postgresql.SILENT_S", 0.3)
    with server.frozen():
        with pytest.raises(StoreError, match="cannot be read now"):
            await made.read(kept)
        monkeypatch.setattr(store, "READ_S", 0.01)
        with pytest.raises(StoreError, match="has not answered"):
            await made.read(kept)
    monkeypatch.setattr(store, "READ_S", WAIT_S)
    monkeypatch.setattr("stream_server.store.postgresql.SILENT_S", WAIT_S)
    assert (await made.read(kept)).events == 0
    made.stop()


async def test_after_the_end_nothing_is_read(tmp_path: Path) -> None:
    made = Store(tmp_path, None, Keeping())
    made.start()
    made.stop()
    with pytest.raises(StoreError, match="stops"):
        await made.read(kept)

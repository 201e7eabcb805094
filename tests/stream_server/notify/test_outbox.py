from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from analyzer.errors import StoreError
from stream_server.event import Event
from stream_server.notify import outbox as outbox_module
from stream_server.notify.delivery import Delivery, delivery_of
from stream_server.notify.notification import Reason, notification_of
from stream_server.notify.outbox import Outbox
from stream_server.notify.policy import Gate
from stream_server.store.keeping import Keeping
from stream_server.store.store import Store
from tests.events_of import START, an_event
from tests.postgres import Postgres
from tests.stream_server.notify.rules_of import NoDatabase


class Stuck:
    """A writer that never answers."""

    interrupted: tuple[Event, ...] = ()

    def __init__(self) -> None:
        self.asked: list[Future[Any]] = []

    def submit(self, run: Callable[[Connection], Any]) -> Future[Any]:
        self.asked.append(Future())
        return self.asked[-1]


def a_delivery(at: float = START) -> Delivery:
    return delivery_of(notification_of(an_event(), "all", Reason.ENDED, at), 1, "1: fake://***", at)


@pytest.fixture
def store(url: str | None, tmp_path: Path) -> Any:
    made = Store(tmp_path / "data", url, Keeping())
    made.start()
    yield made
    made.stop()


def test_of_each_delivery_the_newest_state_is_stored(store: Store) -> None:
    outbox = Outbox(store.writer, now=lambda: START)
    first, second = a_delivery(), a_delivery()
    outbox.keep(first)
    outbox.keep(second)
    outbox.keep(first.model_copy(update={"tries": 1}))
    outbox.forget(second.id)
    outbox.keep_gate(("all", "cam"), Gate(opens_at=START))
    assert outbox.unwritten == 3
    assert outbox.close(30)
    assert [(one.id, one.tries) for one in outbox.load_waiting("", 30).items] == [(first.id, 1)]
    assert list(outbox.load_gates(30)) == [("all", "cam")]
    assert outbox.unwritten == 0


def test_what_comes_while_it_writes_is_written_after(store: Store) -> None:
    outbox = Outbox(store.writer, now=lambda: START)
    for i in range(50):
        outbox.keep(a_delivery(START + i))
        outbox.flush()
    assert outbox.close(30)
    assert len(outbox.load_waiting("", 30).items) == 50


def test_without_the_database_changes_wait_and_none_is_forgotten() -> None:
    outbox = Outbox(NoDatabase())
    deliveries = [a_delivery() for _ in range(3)]
    for delivery in deliveries:
        outbox.keep(delivery)
        outbox.flush()
    assert outbox.unwritten == 3
    assert not outbox.close(1)
    with pytest.raises(StoreError):
        outbox.load_waiting("", 1)


def test_too_many_changes_go_the_oldest_first_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MAX_UNWRITTEN", 2)
    outbox = Outbox(NoDatabase())
    for _ in range(5):
        outbox.keep(a_delivery())
        outbox.flush()
    assert (outbox.unwritten, outbox.lost) == (2, 3)


def test_what_a_lost_database_missed_is_written_when_it_is_back(server: Postgres, tmp_path: Path) -> None:
    store = Store(tmp_path / "data", server.url, Keeping())
    store.start()
    outbox = Outbox(store.writer)
    outbox.load_gates(30)
    server.stop()
    try:
        delivery = a_delivery()
        outbox.keep(delivery)
        assert not outbox.close(30)
        assert outbox.unwritten == 1
    finally:
        server.start()
    waiting: list[Delivery] = []
    pause = threading.Event()
    while delivery not in waiting:  # the writer tries again by itself; pytest's time-out ends a wait in vain
        if outbox.close(5):
            waiting = list(outbox.load_waiting("", 30).items)
        pause.wait(0.1)
    store.stop()


def test_a_writer_that_never_answers_does_not_keep_the_end_waiting() -> None:
    outbox = Outbox(Stuck())
    outbox.keep(a_delivery())
    assert outbox.close(0.05) is False


def test_what_was_asked_for_in_vain_is_not_read_when_nobody_waits_any_more() -> None:
    writer = Stuck()
    with pytest.raises(StoreError, match="could not be read"):
        Outbox(writer).load_waiting("", 0.05)
    (asked,) = writer.asked
    assert asked.cancelled()


def test_what_waits_is_read_page_by_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "PAGE", 2)
    outbox = Outbox(store.writer, now=lambda: START)
    kept = [a_delivery(START + i) for i in range(5)]
    for one in kept:
        outbox.keep(one)
    assert outbox.close(30)
    found: list[Delivery] = []
    after: str | None = ""
    while after is not None:
        page = outbox.load_waiting(after, 30)
        assert len(page.items) <= 2
        found += page.items
        after = page.next
    assert found == kept


def test_what_was_sent_meanwhile_is_not_read_as_waiting(store: Store) -> None:
    outbox = Outbox(store.writer, now=lambda: START)
    sent, waits = a_delivery(), a_delivery()
    outbox.keep(sent)
    outbox.keep(waits)
    assert outbox.close(30)
    outbox.forget(sent.id)  # and the database does not know it yet
    assert [one.id for one in outbox.load_waiting("", 30).items] == [waits.id]

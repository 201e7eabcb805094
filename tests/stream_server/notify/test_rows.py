from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, insert

from analyzer.errors import ConflictError, NotFoundError
from stream_server.notify import rows
from stream_server.notify.delivery import Delivery, DeliveryError, delivery_of, failed
from stream_server.notify.notification import Reason, notification_of
from stream_server.notify.policy import Gate
from stream_server.store.database import Database
from stream_server.store.rows import delete_stream
from stream_server.store.tables import DELIVERIES, GATES
from tests.events_of import START, an_event

DAY = 86_400.0


def a_delivery(at: float = START, number: int = 1, **event: Any) -> Delivery:
    return delivery_of(notification_of(an_event(**event), "all", Reason.ENDED, at), number, "1: fake://***", at)


def a_dead(at: float = START) -> Delivery:
    return failed(a_delivery(at), DeliveryError("it answered 403", final=True), at, 0.0)


def waiting_in(connection: Connection) -> tuple[Delivery, ...]:
    return rows.load_waiting(connection, "", 100, START).items


def test_what_waits_and_what_is_held_comes_back(database: Database) -> None:
    delivery, dead = a_delivery(), a_dead()
    gate = Gate(opens_at=START + 60, held=2, newest=delivery.notification)
    with database.engine.begin() as connection:
        rows.save_delivery(connection, delivery)
        rows.save_delivery(connection, delivery.model_copy(update={"tries": 3}))
        rows.save_delivery(connection, dead)
        rows.save_gate(connection, ("all", "cam"), gate)
    with database.read() as connection:
        assert waiting_in(connection) == (delivery.model_copy(update={"tries": 3}),)
        assert rows.load_gates(connection) == {("all", "cam"): gate}


def test_a_gate_that_opens_and_a_delivery_that_arrived_leave_nothing(database: Database) -> None:
    delivery = a_delivery()
    with database.engine.begin() as connection:
        rows.save_delivery(connection, delivery)
        rows.save_gate(connection, ("all", "cam"), Gate(opens_at=START))
        assert rows.remove_delivery(connection, delivery.id)
        rows.save_gate(connection, ("all", "cam"), None)
        assert (waiting_in(connection), rows.load_gates(connection)) == ((), {})


def test_a_row_that_cannot_be_read_does_not_keep_the_others_back(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with database.engine.begin() as connection:
        connection.execute(insert(DELIVERIES), {"id": "0", "rule": "a", "stream_id": "b", "body": '{"new": 1}'})
        connection.execute(insert(GATES), {"rule": "a", "stream_id": "b", "body": '{"new": 1}'})
        rows.save_delivery(connection, a_delivery())
        assert len(waiting_in(connection)) == 1
        assert rows.load_gates(connection) == {}
        assert rows.count_dead(connection) == {"a": 1}, "it is given up"
    assert "1 notifications of another version" in caplog.text
    assert "of 1 streams is of another version" in caplog.text


def test_a_dead_letter_of_another_version_is_counted_and_can_be_deleted(database: Database) -> None:
    dead = a_dead()
    with database.engine.begin() as connection:
        rows.save_delivery(connection, dead)
        other = {"id": "9", "rule": "all", "stream_id": "b", "dead_at": START, "body": '{"new": 1}'}
        connection.execute(insert(DELIVERIES), other)
        page = rows.dead_letters(connection, None, 1)
        assert (page.items, page.next, page.unreadable) == ((), "9", 1)
        assert rows.dead_letters(connection, page.next, 1) == rows.DeadPage((dead,), None)
        with pytest.raises(ConflictError, match="delete it instead"):
            rows.dead_letter(connection, "9")
        rows.remove_dead_letter(connection, "9")
        assert rows.count_dead(connection) == {"all": 1}


def test_dead_letters_are_listed_page_by_page_the_newest_first(database: Database) -> None:
    letters = [a_dead(START + i) for i in range(5)]
    with database.engine.begin() as connection:
        rows.save_delivery(connection, a_delivery())
        for letter in letters:
            rows.save_delivery(connection, letter)
        first = rows.dead_letters(connection, None, 3)
        second = rows.dead_letters(connection, first.next, 3)
        assert rows.count_dead(connection) == {"all": 5}
    assert [one.id for one in (*first.items, *second.items)] == [one.id for one in reversed(letters)]
    assert second.next is None


def test_only_a_dead_letter_is_taken_out_as_one(database: Database) -> None:
    waiting, dead = a_delivery(), a_dead()
    with database.engine.begin() as connection:
        rows.save_delivery(connection, waiting)
        rows.save_delivery(connection, dead)
        rows.remove_dead_letter(connection, dead.id)
        for unknown in (waiting.id, dead.id):
            with pytest.raises(NotFoundError, match="no dead letter"):
                rows.remove_dead_letter(connection, unknown)


def test_old_dead_letters_go_and_what_waits_stays(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_DEAD", 3)
    old = [a_dead(START + i) for i in range(2)]
    new = [a_dead(START + 31 * DAY + i) for i in range(5)]
    waiting = a_delivery()
    with database.engine.begin() as connection:
        for one in (*old, *new, waiting):
            rows.save_delivery(connection, one)
        assert rows.remove_old_dead(connection, START + 31 * DAY) == 4
        assert {one.id for one in rows.dead_letters(connection, None, 10).items} == {one.id for one in new[2:]}
        assert len(waiting_in(connection)) == 1


def test_deleting_a_stream_deletes_what_would_be_told_of_it(database: Database) -> None:
    with database.engine.begin() as connection:
        rows.save_delivery(connection, a_delivery())
        rows.save_delivery(connection, a_delivery(stream_id="door"))
        rows.save_gate(connection, ("all", "cam"), Gate(opens_at=START))
        delete_stream(connection, "cam")
        assert [one.notification.event.stream_id for one in waiting_in(connection)] == ["door"]
        assert rows.load_gates(connection) == {}


def test_deleting_an_event_deletes_what_would_be_told_of_it(database: Database) -> None:
    waiting, dead, other = a_delivery(), a_dead(), a_delivery()
    with database.engine.begin() as connection:
        for one in (waiting, dead, other):
            rows.save_delivery(connection, one)
        for one in (waiting, dead):
            rows.remove_event(connection, one.notification.event.id)
        assert waiting_in(connection) == (other,)
        assert rows.count_dead(connection) == {}

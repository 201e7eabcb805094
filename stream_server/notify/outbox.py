"""Keeps in the database what waits, so that it outlives the process; without the database it goes on from memory."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from analyzer.errors import StoreError
from stream_server.event import Event
from stream_server.notify import rows
from stream_server.notify.delivery import Delivery
from stream_server.notify.policy import Gate
from stream_server.notify.rows import GateKey, WaitingPage

MAX_UNWRITTEN: Final = 20_000
"""Changes that wait for the database; beyond, the oldest is never written: it is sent, but not after a restart."""

PAGE: Final = 500
"""Deliveries that are read at once: tens of milliseconds, for which the writing of everything else waits."""

T = TypeVar("T")
_Change: TypeAlias = Callable[[Connection], object]
_Key: TypeAlias = str | GateKey


class Writer(Protocol):
    """What does the writing: `StoreWriter`."""

    @property
    def interrupted(self) -> Sequence[Event]:
        """Events that an earlier process left open, as they were closed; known once a `submit` was answered."""

    def submit(self, run: Callable[[Connection], Any], /) -> Future[Any]:
        """Run it in a transaction. Never waits."""


class Outbox:
    """Every method may be called from any thread; all but `load_...` and `close` return at once.

    Of each delivery and gate only the newest change waits. What could not be written is tried again by `flush`.
    """

    def __init__(self, writer: Writer, now: Callable[[], float] = time.time) -> None:
        """`now`: Unix seconds, for what is too old."""
        self.lost = 0
        """Changes that will never be written."""
        self._writer = writer
        self._now = now
        self._lock = threading.Lock()  # guards all that follow
        self._changes: dict[_Key, _Change] = {}
        self._in_work = 0
        self._writing: Future[Any] | None = None

    @property
    def unwritten(self) -> int:
        """Changes that the database does not have yet."""
        with self._lock:
            return len(self._changes) + self._in_work

    @property
    def interrupted(self) -> Sequence[Event]:
        """See `Writer`."""
        return self._writer.interrupted

    def keep(self, delivery: Delivery) -> None:
        """As it is now: waiting, or dead."""
        self._note(delivery.id, lambda connection: rows.save_delivery(connection, delivery))

    def forget(self, delivery_id: str) -> None:
        """It was sent."""
        self._note(delivery_id, lambda connection: rows.remove_delivery(connection, delivery_id))

    def keep_gate(self, key: GateKey, gate: Gate | None) -> None:
        """As it is now; None: it is open."""
        self._note(key, lambda connection: rows.save_gate(connection, key, gate))

    def drop_event(self, event_id: str) -> None:
        """It was deleted: nothing of it that waits, or is dead, stays."""
        # no delivery has such a key
        self._note(f"event {event_id}", lambda connection: rows.remove_event(connection, event_id))

    def load_gates(self, timeout_s: float) -> Mapping[GateKey, Gate]:
        """What an earlier process held back. Waits for the database. Raises `StoreError`."""
        return self._ask(rows.load_gates, timeout_s)

    def load_waiting(self, after: str, timeout_s: float) -> WaitingPage:
        """A page of what waits, see `rows.load_waiting`. Waits for the database. Raises `StoreError`."""
        with self._lock:
            newer = set(self._changes)
        page = self._ask(lambda connection: rows.load_waiting(connection, after, PAGE, self._now()), timeout_s)
        with self._lock:
            newer |= set(self._changes)
        # what this process has sent already, and the database does not know it yet
        return WaitingPage(tuple(one for one in page.items if one.id not in newer), page.next)

    def _ask(self, run: Callable[[Connection], T], timeout_s: float) -> T:
        done: Future[T] = self._writer.submit(run)
        try:
            return done.result(timeout_s)
        except (TimeoutError, CancelledError, SQLAlchemyError, OSError) as error:
            done.cancel()  # where it has not begun nobody needs it any more
            raise StoreError(f"what waits to be sent could not be read ({type(error).__name__})") from None

    def flush(self) -> None:
        """Have everything written that waits, unless that is going on."""
        with self._lock:
            if self._writing is not None or not self._changes:
                return
            changes, self._changes = self._changes, {}
            self._in_work = len(changes)
            writing = self._writing = Future()
        done = self._writer.submit(lambda connection: self._apply(connection, changes))
        done.add_done_callback(lambda future: self._on_written(future, changes, writing))

    def close(self, timeout_s: float) -> bool:
        """Write what waits. Waits for the database; whether all of it is written."""
        ends_s = time.monotonic() + timeout_s
        while True:
            self.flush()
            with self._lock:
                writing = self._writing
            if writing is None:
                return not self.unwritten
            with contextlib.suppress(TimeoutError):
                writing.result(max(ends_s - time.monotonic(), 0))
            if time.monotonic() >= ends_s or (writing.done() and writing.result() is False):
                return not self.unwritten

    def _note(self, key: _Key, change: _Change) -> None:
        with self._lock:
            self._changes.pop(key, None)
            self._changes[key] = change
            self._bound()

    def _bound(self) -> None:
        while len(self._changes) > MAX_UNWRITTEN:
            del self._changes[next(iter(self._changes))]
            self.lost += 1

    def _apply(self, connection: Connection, changes: dict[_Key, _Change]) -> None:
        for change in changes.values():
            change(connection)
        rows.remove_old_dead(connection, self._now())

    def _on_written(self, done: Future[Any], changes: dict[_Key, _Change], writing: Future[Any]) -> None:
        failed = done.cancelled() or done.exception() is not None
        self._after(changes, failed=failed)
        writing.set_result(not failed)
        if not failed:
            self.flush()  # what came meanwhile

    def _after(self, changes: dict[_Key, _Change], *, failed: bool) -> None:
        with self._lock:
            self._writing, self._in_work = None, 0
            if failed:
                self._changes = {**changes, **self._changes}
                self._bound()

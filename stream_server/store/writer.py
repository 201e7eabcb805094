"""The one thread that writes: what comes waits in memory for half a second, or until the database is there again.

Nothing that scores ever waits for a disk. What cannot be written now is kept, up to a bound, and tried again; what goes
over the bound is counted as lost, and everybody can see that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from analyzer.engine_stats import ThreadHealth
from analyzer.errors import DeepfakeMonitorError, StoreError
from stream_server.events import Event, Part
from stream_server.store.backlog import Backlog, Batch
from stream_server.store.database import Database
from stream_server.store.keeping import Keeping, give_back, remove_old
from stream_server.store.reading import Observed
from stream_server.store.rows import add_observations, interrupt_open_events, save_event

logger = logging.getLogger(__name__)

T = TypeVar("T")

FLUSH_S: Final = 0.5
"""What was put since the last one is lost when the process is killed: with the commit, less than a second."""
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
KEEP_EVERY_S: Final = 60.0
MAX_COMMANDS: Final = 1000
SILENT_S: Final = 20.0
"""A round of writing that takes longer than this is told as trouble."""
_NEVER: Final = (DataError, IntegrityError)
"""What no second attempt will mend."""
_AGAIN: Final = (SQLAlchemyError, OSError)
"""What may pass."""


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Whether what happens is being kept."""

    ok: bool
    error: str | None
    """Why not, without any password."""
    waiting: int
    """Observations and events not written yet."""
    lost: int
    """Those that never will be."""
    written: int
    place: str


@dataclass(frozen=True, slots=True)
class _Command:
    run: Callable[[Connection], Any]
    done: Future[Any]


class StoreWriter:
    """Owns every write. `observe`, `save_event` and `submit` may be called from any thread and never wait."""

    def __init__(
        self,
        database: Database,
        keeping: Keeping = Keeping(),  # noqa: B008  # frozen
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now`: Unix seconds, for what is too old."""
        self._database = database
        self._keeping = keeping
        self._now = now
        self._wake = threading.Condition()  # guards all that follow
        self._backlog = Backlog()
        self._commands: deque[_Command] = deque()
        self._written = 0
        self._in_work = 0
        self._began_s: float | None = None
        """When the round that goes on began; monotonic."""
        self._failure: str | None = None
        self._died: str | None = None
        self._stopping = False
        # the thread's own
        self._prepared = False
        self._retry_s = 0.0
        self._keep_at_s = 0.0
        self._thread = threading.Thread(target=self._guard, name="store")

    def start(self) -> None:
        """Bring the tables up to date and start the thread.

        Raises `StoreError` for a database that no retry will mend (newer, or none at all). One that cannot be reached,
        is locked or full, is tried again by the thread, and `status` says so.
        """
        try:
            self._prepare()
        except _AGAIN as error:
            self._on_failure(error)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, once, and end the thread. Fine to call again, also when never started."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        self._database.close()

    def observe(self, observed: Observed) -> None:
        """Keep it. When too many wait the oldest goes, and is counted."""
        with self._wake:
            if not self._closed():
                self._backlog.add_observation(observed)

    def save_event(self, event: Event, parts: Sequence[Part] | None = None, kept: frozenset[str] = frozenset()) -> None:
        """Keep the event as it is now; `parts`: None leaves those saved before, `kept` names those that stay."""
        with self._wake:
            if not self._closed():
                self._backlog.add_event(event, parts, kept)

    def submit(self, run: Callable[[Connection], T]) -> Future[T]:
        """Do this in a transaction of its own, after everything that was put before has been written.

        The future raises `StoreError` where that is not possible now, or what `run` raised.
        """
        done: Future[T] = Future()
        with self._wake:
            if self._failure is not None:
                done.set_exception(_refused(self._failure))
            elif self._closed() or len(self._commands) >= MAX_COMMANDS:
                done.set_exception(StoreError("the database is not being written: the monitor stops, or is too busy"))
            else:
                self._commands.append(_Command(run, done))
                self._wake.notify_all()
        return done

    @property
    def status(self) -> StoreStatus:
        """As of now."""
        with self._wake:
            error = self._died or self._failure
            if error is None and self._began_s is not None and time.monotonic() - self._began_s > SILENT_S:
                error = f"the database has not answered for {time.monotonic() - self._began_s:.0f} s"
            return StoreStatus(
                ok=error is None,
                error=error,
                waiting=len(self._backlog) + self._in_work,
                lost=self._backlog.lost,
                written=self._written,
                place=self._database.place,
            )

    @property
    def health(self) -> ThreadHealth:
        return ThreadHealth(self._thread.name, self._thread.is_alive(), self._died)

    def _closed(self) -> bool:
        return self._stopping or self._died is not None

    def _guard(self) -> None:
        try:
            self._run()
        except Exception as error:
            logger.exception("the store thread died")
            with self._wake:
                self._died = f"{type(error).__name__}: {error}"
        finally:
            self._fail_commands(StoreError("the database is no longer written"))

    def _run(self) -> None:
        last = False
        while not last:
            with self._wake:
                self._wake.wait_for(
                    lambda: self._stopping or (bool(self._commands) and not self._retry_s), self._retry_s or FLUSH_S
                )
                last = self._stopping
                self._began_s = time.monotonic()
            try:
                self._round()
            except _AGAIN as error:
                self._on_failure(error)
            else:
                self._on_success()
            with self._wake:
                self._began_s = None
        with self._wake:
            rest = self._backlog.give_up()
        if rest:
            logger.error("%d observations and events were never written: %s", rest, self._failure)

    def _round(self) -> None:
        if not self._prepared:
            self._prepare()
        # what was put before a command goes before it, so both are taken at once
        with self._wake:
            batch = self._backlog.take()
            commands, self._commands = self._commands, deque()
            self._in_work = len(batch)
        try:
            self._flush(batch)
            while commands:
                self._run_command(commands.popleft())
        except _AGAIN as error:
            _fail(commands, _refused(_reason(error)))
            raise
        if time.monotonic() >= self._keep_at_s:
            self._keep()

    def _prepare(self) -> None:
        self._database.prepare()
        with self._database.engine.begin() as connection:
            interrupted = interrupt_open_events(connection)
        if interrupted:
            logger.warning("%d events were still open when the monitor was last ended", interrupted)
        self._prepared = True

    def _flush(self, batch: Batch) -> None:
        if not batch:
            return
        try:
            try:
                self._write(batch)
            except _NEVER:
                self._write_singly(batch)
            else:
                self._count_written(batch)
        except _AGAIN:
            with self._wake:
                self._in_work = 0
                self._backlog.put_back(batch)
            raise
        with self._wake:
            self._in_work = 0

    def _write(self, batch: Batch) -> None:
        with self._database.engine.begin() as connection:
            add_observations(connection, batch.observations)
            for pending in batch.events.values():
                save_event(connection, pending.event, pending.parts, pending.kept)

    def _write_singly(self, batch: Batch) -> None:
        """One of them is what no database takes: the others must not wait for it for ever. Leaves what is not done."""
        while batch:
            single = batch.first()
            try:
                self._write(single)
                self._count_written(single)
            except _NEVER:
                logger.exception("this cannot be kept")
                with self._wake:
                    self._backlog.lost += 1
            batch.remove_first()

    def _count_written(self, batch: Batch) -> None:
        with self._wake:
            self._written += len(batch)
            self._in_work -= len(batch)

    def _run_command(self, command: _Command) -> None:
        if not command.done.set_running_or_notify_cancel():
            return
        try:
            with self._database.engine.begin() as connection:
                result = command.run(connection)
        except _AGAIN as error:
            command.done.set_exception(_refused(_reason(error)))
            if not isinstance(error, _NEVER):
                raise
        except DeepfakeMonitorError as error:
            command.done.set_exception(error)
        except Exception as error:  # noqa: BLE001  # told to whoever asked; the thread goes on
            command.done.set_exception(error)
        else:
            command.done.set_result(result)

    def _keep(self) -> None:
        """Remove what is too old or too much, one round at a time: the next batch must not wait for it."""
        with self._database.engine.begin() as connection:
            removed = remove_old(connection, self._keeping, self._now())
        give_back(self._database.engine)
        self._keep_at_s = time.monotonic() + (0 if removed.more else KEEP_EVERY_S)

    def _on_failure(self, error: SQLAlchemyError | OSError) -> None:
        reason = _reason(error)
        with self._wake:
            if self._failure is None:
                logger.error("the database cannot be written and is tried again: %s", reason)
            self._failure = reason
        self._retry_s = min(max(2 * self._retry_s, FIRST_RETRY_S), LONGEST_RETRY_S)
        self._fail_commands(_refused(reason))

    def _on_success(self) -> None:
        self._retry_s = 0.0
        with self._wake:
            if self._failure is not None:
                lost = self._backlog.lost
                logger.warning("the database can be written again; %d observations and events were lost so far", lost)
            self._failure = None

    def _fail_commands(self, error: StoreError) -> None:
        with self._wake:
            commands, self._commands = self._commands, deque()
        _fail(commands, error)


def _fail(commands: Iterable[_Command], error: StoreError) -> None:
    for command in commands:
        if command.done.set_running_or_notify_cancel():
            command.done.set_exception(error)


def _reason(error: SQLAlchemyError | OSError) -> str:
    """What the database said, in one line. Drivers never repeat the password."""
    text = str(error.orig if isinstance(error, DBAPIError) else error)
    return text.strip().partition("\n")[0] or type(error).__name__


def _refused(reason: str) -> StoreError:
    return StoreError(f"the database cannot be used now: {reason}; try again later")

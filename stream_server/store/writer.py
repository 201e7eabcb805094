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
from sqlalchemy.exc import SQLAlchemyError

from analyzer.engine.engine_stats import ThreadHealth
from analyzer.errors import DeepfakeMonitorError, StoreError
from stream_server.event import Event, Part
from stream_server.store.backlog import Backlog, Batch
from stream_server.store.database import Database
from stream_server.store.keeping import Keeping
from stream_server.store.reading import Observed
from stream_server.store.wall_watch import awake_or_asleep_s
from stream_server.store.work import AGAIN, NEVER, DatabaseWork, Passing, reason

logger = logging.getLogger(__name__)

T = TypeVar("T")

FLUSH_S: Final = 0.5
"""What was put since the last one is lost when the process is killed: with the commit, less than a second."""
FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 30.0
MAX_COMMANDS: Final = 1000
SILENT_S: Final = 20.0
"""A round of writing that takes longer than this is told as trouble."""
STOP_S: Final = 20.0
"""That stopping waits for a database that may never answer. A last second of scores is not worth a hanging monitor."""


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
    forget: Callable[[Backlog], object] | None
    """Of one that makes room: drops what waits and was deleted by it."""


class StoreWriter:
    """Owns every write. `observe`, `save_event` and `submit` may be called from any thread and never wait."""

    def __init__(
        self,
        database: Database,
        keeping: Keeping = Keeping(),  # noqa: B008  # frozen
        now: Callable[[], float] = time.time,
        steady: Callable[[], float] = awake_or_asleep_s,
    ) -> None:
        """`now`: Unix seconds, for what is too old; `steady`: seconds that nobody sets."""
        self._database = database
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
        self._given_up = False
        # the thread's own
        self._work = DatabaseWork(database, keeping, now, steady)
        self._retry_s = 0.0
        # one that hangs must not keep the process from ending
        self._thread = threading.Thread(target=self._guard, name="store", daemon=True)

    def start(self) -> None:
        """Bring the tables up to date and start the thread.

        Raises `StoreError` for a database that no retry will mend (newer, or none at all). One that cannot be reached,
        is locked or full, is tried again by the thread, and `status` says so.
        """
        try:
            self._work.make_ready()
        except (SQLAlchemyError, OSError) as error:
            self._on_failure(error)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, once, and end the thread. Fine to call again, also when never started.

        A database that does not answer within `STOP_S` is left, and what waits for it is lost.
        """
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)
        if self._thread.is_alive():
            with self._wake:
                self._given_up = True
            # its connections are in use: the end of the process closes them
            logger.error("the database does not answer: %d observations and events are lost", self.status.lost)
        else:
            self._database.close()

    def observe(self, observed: Observed) -> None:
        """Keep it. When too many wait the oldest goes, and is counted."""
        with self._wake:
            if self._closed():
                self._backlog.lost += 1
            else:
                self._backlog.add_observation(observed)

    def save_event(self, event: Event, parts: Sequence[Part] | None = None, kept: frozenset[str] = frozenset()) -> None:
        """Keep the event as it is now; `parts`: None leaves those saved before, `kept` names those that stay."""
        with self._wake:
            if self._closed():
                self._backlog.lost += 1
            else:
                self._backlog.add_event(event, parts, kept)

    def submit(self, run: Callable[[Connection], T], forget: Callable[[Backlog], object] | None = None) -> Future[T]:
        """Do this in a transaction of its own, after everything that was put before has been written.

        The future raises `StoreError` where that is not possible now, or what `run` raised. `forget` makes it a
        deletion, which is tried also while nothing else can be written: it drops from what waits what `run` deletes.
        """
        done: Future[T] = Future()
        with self._wake:
            if self._failure is not None and forget is None:
                done.set_exception(_refused(self._failure))
            elif self._closed() or len(self._commands) >= MAX_COMMANDS:
                done.set_exception(StoreError("the database is not being written: the monitor stops, or is too busy"))
            else:
                self._commands.append(_Command(run, done, forget))
                self._wake.notify_all()
        return done

    @property
    def status(self) -> StoreStatus:
        """As of now."""
        with self._wake:
            error = self._died or self._failure
            if error is None and self._began_s is not None and time.monotonic() - self._began_s > SILENT_S:
                error = f"the database has not answered for {time.monotonic() - self._began_s:.0f} s"
            waiting = len(self._backlog) + self._in_work
            return StoreStatus(
                ok=error is None,
                error=error,
                waiting=0 if self._given_up else waiting,
                lost=self._backlog.lost + (waiting if self._given_up else 0),
                written=self._written,
                place=self._database.place,
            )

    @property
    def interrupted(self) -> tuple[Event, ...]:
        """What an earlier process left open, as it was closed; known once a `submit` was answered."""
        return self._work.interrupted

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
            with self._wake:
                rest = self._backlog.give_up()
                commands, self._commands = self._commands, deque()
            _fail(commands, StoreError("the database is no longer written"))
            if rest:
                logger.error("%d observations and events were never written: %s", rest, self._died or self._failure)

    def _run(self) -> None:
        last = False
        while not last:
            with self._wake:
                # in trouble only commands that make room wait here
                self._wake.wait_for(lambda: self._stopping or self._commands, self._retry_s or FLUSH_S)
                last = self._stopping
                self._began_s = time.monotonic()
            try:
                self._round()
            except AGAIN as error:
                self._on_failure(error)
            else:
                self._on_success()
            with self._wake:
                self._began_s = None

    def _round(self) -> None:
        # what was put before a command goes before it, so both are taken at once
        with self._wake:
            batch = self._backlog.take()
            commands, self._commands = self._commands, deque()
            self._in_work = len(batch)
        trouble: Passing | None = None
        try:
            trouble = self._try_to_write(batch)
            if self._work.ready:
                self._run_commands(commands, trouble)
                if (trouble is not None or self._work.keep_is_due) and self._work.keep():
                    self._retry_s = 0.0  # there may be room now
        except AGAIN as error:
            trouble = trouble or error
        finally:
            _fail(
                commands,
                StoreError("the database is no longer written") if trouble is None else _refused(reason(trouble)),
            )
        if trouble is not None:
            raise trouble

    def _try_to_write(self, batch: Batch) -> Passing | None:
        """What kept some of it from being written: that waits again."""
        try:
            self._work.make_ready()
            self._write(batch)
        except AGAIN as error:
            return error
        finally:
            with self._wake:
                self._in_work = 0
                self._backlog.put_back(batch)
        return None

    def _write(self, batch: Batch) -> None:
        """Scores in one transaction, each event in its own: one that is too large for the disk holds up no score.

        What is written, or never can be, is taken off.
        """
        try:
            self._write_some(batch.all_observations())
        except NEVER:
            pass  # one of them is what no database takes: the others must not wait for it for ever
        else:
            batch.observations.clear()
        while batch:
            try:
                self._write_some(batch.first())
            except NEVER:
                logger.exception("this cannot be kept")
                with self._wake:
                    self._backlog.lost += 1
            batch.remove_first()

    def _write_some(self, some: Batch) -> None:
        if not some:
            return
        self._work.write(some)
        with self._wake:
            self._written += len(some)
            self._in_work -= len(some)

    def _run_commands(self, commands: deque[_Command], trouble: Passing | None) -> None:
        """In trouble only those that make room: a disk that is full of our own data heals by them alone."""
        while commands:
            command = commands.popleft()
            if trouble is None or command.forget is not None:
                self._run_command(command)
            else:
                _fail([command], _refused(reason(trouble)))

    def _run_command(self, command: _Command) -> None:
        if not command.done.set_running_or_notify_cancel():
            return
        try:
            result = self._work.run(command.run)
        except DeepfakeMonitorError as error:
            command.done.set_exception(error)
        except AGAIN as error:
            command.done.set_exception(_refused(reason(error)))
            if not isinstance(error, NEVER):
                raise
        except Exception as error:  # noqa: BLE001  # told to whoever asked; the thread goes on
            command.done.set_exception(error)
        else:
            if command.forget is not None:
                with self._wake:
                    command.forget(self._backlog)
            command.done.set_result(result)

    def _on_failure(self, error: Passing) -> None:
        why = reason(error)
        self._work.doubt()
        self._retry_s = min(max(2 * self._retry_s, FIRST_RETRY_S), LONGEST_RETRY_S)
        with self._wake:
            if self._failure is None:
                logger.error("the database cannot be written and is tried again: %s", why)
            self._failure = why
            refused = [one for one in self._commands if one.forget is None]
            self._commands = deque(one for one in self._commands if one.forget is not None)
        _fail(refused, _refused(why))

    def _on_success(self) -> None:
        self._retry_s = 0.0
        with self._wake:
            if self._failure is not None:
                lost = self._backlog.lost
                logger.warning("the database can be written again; %d observations and events were lost so far", lost)
            self._failure = None


def _fail(commands: Iterable[_Command], error: StoreError) -> None:
    for command in commands:
        if command.done.set_running_or_notify_cancel():
            command.done.set_exception(error)


def _refused(reason: str) -> StoreError:
    return StoreError(f"the database cannot be used now: {reason}; try again later")

"""What the writing thread does to its database: makes it ready, writes, runs, removes what is too old."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from analyzer.errors import StoreError
from stream_server.event import Event
from stream_server.store.backlog import Batch
from stream_server.store.database import Database
from stream_server.store.keeping import Keeping, give_back, remove_old
from stream_server.store.rows import Removed, add_observations, interrupt_open_events, save_event
from stream_server.store.wall_watch import WallWatch

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEEP_EVERY_S: Final = 60.0
NEVER: Final = (DataError, IntegrityError)
"""What no second attempt will mend."""
AGAIN: Final = (SQLAlchemyError, OSError, StoreError)
"""What may pass, also by what an operator does: another monitor that has the database is ended, a file put back."""
Passing: TypeAlias = SQLAlchemyError | OSError | StoreError


class DatabaseWork:
    """One thread's own. Every method waits for the disk and raises `AGAIN`; what it was doing is then not done."""

    def __init__(
        self, database: Database, keeping: Keeping, now: Callable[[], float], steady: Callable[[], float]
    ) -> None:
        """`now`: Unix seconds; `steady`: seconds that nobody sets, to see when somebody sets the others."""
        self._database = database
        self._keeping = keeping
        self._now = now
        self._steady = steady
        self._watch = WallWatch()
        self._keep_at_s = 0.0
        self._closed_open_ones = False
        self.interrupted: tuple[Event, ...] = ()
        """Events that an earlier process left open, as they were closed."""
        self.ready = False
        """Whether it is this monitor's own database, with the newest tables."""

    def make_ready(self) -> None:
        """Look whether it is, and have it so; events that an earlier process left open are closed."""
        ready, self.ready = self.ready, False
        if ready:
            self._database.check()
        elif self._database.prepare():
            self._closed_open_ones = False
        self.ready = True
        if not self._closed_open_ones:
            with self._database.engine.begin() as connection:
                self.interrupted = interrupt_open_events(connection)
            if self.interrupted:
                logger.warning("%d events were still open when the monitor was last ended", len(self.interrupted))
            self._closed_open_ones = True

    def doubt(self) -> None:
        """Something failed: the server may have lost our lock by it, or the file may be another."""
        self.ready = False

    def write(self, some: Batch) -> None:
        """All of it, in one transaction."""
        # first into the log, then into the file
        self._database.check_room(2 * sum(pending.part_bytes for pending in some.events.values()))
        with self._database.engine.begin() as connection:
            add_observations(connection, some.observations)
            for pending in some.events.values():
                save_event(connection, pending.event, pending.parts, pending.kept)

    def run(self, change: Callable[[Connection], T]) -> T:
        """A change in a transaction of its own; raises what it raises, too."""
        with self._database.engine.begin() as connection:
            return change(connection)

    @property
    def keep_is_due(self) -> bool:
        """Whether it is time for `keep`."""
        return self._steady() >= self._keep_at_s

    def keep(self) -> bool:
        """Remove what is too old or too much, one round: the next batch must not wait for all.

        Whether that made room, or will.
        """
        now = self._now()
        believed = self._watch.believes(now, self._steady())
        with self._database.engine.begin() as connection:
            removed = remove_old(connection, self._keeping, now if believed else None)
        more = give_back(self._database.engine) or removed.more
        self._keep_at_s = self._steady() + (0 if more else KEEP_EVERY_S)
        return more or removed != Removed()


def reason(error: Passing) -> str:
    """What the database said, in one line. Drivers never repeat the password."""
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    text = str(error.orig if isinstance(error, DBAPIError) else error)
    return text.strip().partition("\n")[0] or type(error).__name__

"""PostgreSQL: how it is connected to, what keeps other monitors out, when a silent server is given up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError

from analyzer.errors import StoreError

T = TypeVar("T")

CONNECT_S: Final = 5
STATEMENT_MS: Final = 30_000
"""A server that takes longer for one statement is as good as gone. Exports and deletions ask for a little at a time."""
SILENT_S: Final = 35.0
"""A server that had to end the statement itself, and has not said even that, is gone; see `PatientConnection`."""
RELEASED_S: Final = 2.0
"""A server takes a moment to notice that a monitor that had its database is gone."""
ADVISORY_LOCK: Final = 0x6466_6D6F_6E31
"""Any number that nobody else takes: `dfmon1`."""
_CLIENT: Final = {
    "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000,
}  # fmt: skip
"""Of libpq: a network that went without a word (a pulled cable) is noticed in half a minute, not in 15."""
_SERVER: Final = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
"""The same for the server: the lock of a monitor whose machine is gone is free again after half a minute."""


def connect_arguments() -> dict[str, Any]:
    """For `PatientConnection.connect`, beside the address."""
    return {"connect_timeout": CONNECT_S, "options": f"-c statement_timeout={STATEMENT_MS} {_SERVER}", **_CLIENT}


class PatientConnection(psycopg.Connection[Any]):
    """One that waits `SILENT_S` for a word of the server, and no longer.

    What a stopped process or a stalled disk does not answer, its kernel still acknowledges: neither keepalives nor
    `statement_timeout`, which the server itself would have to heed, end such a wait.
    """

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **options: Any) -> T:
        """As psycopg's; raises `OperationalError` and is closed then."""
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        heard_s = time.monotonic()
        ready = None
        while True:
            try:
                wanted = gen.send(ready)
            except StopIteration as end:
                result: T = end.value
                return result
            ready = yield wanted  # every 0.1 s: 0 where nothing came
            if ready:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > SILENT_S:
                self.pgconn.finish()
                raise psycopg.OperationalError(f"the server has said nothing for {SILENT_S:.0f} s")


class SessionLock:
    """Keeps other monitors off a database, for as long as the server's session lasts. One thread's own."""

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self._place = place
        self._held: Connection | None = None

    def hold(self) -> None:
        """Take it, or see that it is still held: after a restart of the server it is not.

        Raises `StoreError` where another monitor has it, and SQLAlchemy's `DBAPIError`.
        """
        if self._held is not None and not self._held.invalidated:
            with contextlib.suppress(DBAPIError):
                self._held.execute(select(1))
                return
        self.release()
        held = self._held = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        lock = select(func.pg_try_advisory_lock(ADVISORY_LOCK))
        deadline_s = time.monotonic() + RELEASED_S
        while not held.execute(lock).scalar():
            if time.monotonic() > deadline_s:
                self.release()  # or the next look would take this session for one that holds it
                raise StoreError(f"{self._place}: another monitor uses this database; give this one another")
            time.sleep(0.1)

    def release(self) -> None:
        """Let other monitors in: the lock is the session's, so the session itself must end, not wait in the pool."""
        if self._held is not None:
            with contextlib.suppress(DBAPIError):
                self._held.invalidate()
                self._held.close()
            self._held = None

"""The store as the rest of the server sees it: start, stop, read and write from the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from analyzer.errors import OverloadedError, StoreError
from stream_server.store import rows
from stream_server.store.backlog import Backlog
from stream_server.store.database import Database
from stream_server.store.keeping import Keeping
from stream_server.store.rows import Removed
from stream_server.store.writer import StoreWriter

T = TypeVar("T")

EXPORT_PREFIX: Final = "export-"
"""Of files in the folder that are being sent to somebody."""
READERS: Final = 4
EXPORTERS: Final = 2
"""Threads apart from the readers', for minutes each."""
MOST_READS: Final = 64
"""That go on or wait; more are refused."""
READ_S: Final = 40.0
"""That one read takes or waits at most, before whoever asked is told: a silent server is given up a little sooner."""


class Store:
    """One database with its writing thread, and threads that read: those of the event loop have other things to do."""

    def __init__(self, folder: Path, url: str | None, keeping: Keeping) -> None:
        """See `Database` for the errors."""
        self._database = Database(folder, url)
        self.writer = StoreWriter(self._database, keeping)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._exporters = ThreadPoolExecutor(EXPORTERS, thread_name_prefix="store-export")
        self._free_reads = threading.BoundedSemaphore(MOST_READS)

    @property
    def folder(self) -> Path:
        """Where the database's file and the signing key are."""
        return self._database.folder

    def start(self) -> None:
        """See `StoreWriter.start`. Waits for the disk."""
        for left in self.folder.glob(f"{EXPORT_PREFIX}*.zip"):  # by a process that was killed
            left.unlink(missing_ok=True)
        self.writer.start()

    def stop(self) -> None:
        """Write what waits. Idempotent. Reads that go on may take `READ_S` to end, and are not waited for."""
        for executor in (self._readers, self._exporters):
            executor.shutdown(wait=False, cancel_futures=True)
        self.writer.stop()

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` in a thread. What was put in the last half second may be missing.

        Raises what it raises, `OverloadedError` when too many wait, and `StoreError`.
        """
        if not self._free_reads.acquire(blocking=False):
            raise OverloadedError(f"{MOST_READS} others are waiting for the database: try again later")
        try:
            reading = _submitted(self._readers, self.read_now, query)
        except StoreError:
            self._free_reads.release()
            raise
        # one that nobody waits for any more still takes its thread
        reading.add_done_callback(lambda _: self._free_reads.release())
        try:
            async with asyncio.timeout(READ_S):
                return await asyncio.wrap_future(reading)
        except TimeoutError:
            raise StoreError(f"the database has not answered for {READ_S:.0f} s; try again later") from None

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """The same for threads. Waits for the disk."""
        try:
            with self._database.read() as connection:
                return query(connection)
        except (SQLAlchemyError, OSError) as error:
            reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
            raise StoreError(f"the database cannot be read now: {reason}; try again later") from error

    async def export(self, write: Callable[[], T]) -> T:
        """Run what takes minutes (it may call `read_now`) where it holds up no reader. Raises what it raises."""
        return await asyncio.wrap_future(_submitted(self._exporters, write))

    async def write(self, change: Callable[[Connection], T], forget: Callable[[Backlog], object] | None = None) -> T:
        """Run `change` in a transaction of the writing thread; see `StoreWriter.submit`, for deletions too.

        Raises what it raises, and `StoreError`.
        """
        return await asyncio.wrap_future(self.writer.submit(change, forget))

    async def delete_stream(self, stream_id: str) -> Removed:
        """Everything of a stream, for good, a little at a time: what happens meanwhile is written in between.

        Raises `StoreError`; what had gone by then stays gone.
        """
        total = Removed()
        while True:
            some = await self.write(
                lambda connection: rows.delete_stream(connection, stream_id),
                lambda backlog: backlog.forget_stream(stream_id),
            )
            total += some
            if not some.more:
                return total


def _submitted(executor: ThreadPoolExecutor, run: Callable[..., T], *arguments: object) -> Future[T]:
    try:
        return executor.submit(run, *arguments)
    except RuntimeError:
        raise StoreError("the database is not read any more: the monitor stops") from None

"""The store as the rest of the server sees it: start, stop, read and write from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from analyzer.errors import StoreError
from stream_server.store.database import Database
from stream_server.store.keeping import Keeping
from stream_server.store.writer import StoreWriter

T = TypeVar("T")

EXPORT_PREFIX: Final = "export-"
"""Of files in the folder that are being sent to somebody."""


class Store:
    """One database with its writing thread."""

    def __init__(self, folder: Path, url: str | None, keeping: Keeping) -> None:
        """See `Database` for the errors."""
        self._database = Database(folder, url)
        self.writer = StoreWriter(self._database, keeping)

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
        """Write what waits. Idempotent."""
        self.writer.stop()

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` in a thread. What was put in the last half second may be missing.

        Raises what it raises, and `StoreError`.
        """
        return await asyncio.to_thread(self.read_now, query)

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """The same for threads. Waits for the disk."""
        try:
            with self._database.read() as connection:
                return query(connection)
        except (SQLAlchemyError, OSError) as error:
            reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
            raise StoreError(f"the database cannot be read now: {reason}; try again later") from error

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run `change` in a transaction of the writing thread. Raises what it raises, and `StoreError`."""
        return await asyncio.wrap_future(self.writer.submit(change))

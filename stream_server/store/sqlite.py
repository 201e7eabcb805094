"""SQLite: how a connection to the file behaves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

WAL_BYTES: Final = 16_000_000
"""That SQLite's log keeps once it has been written into the file: what made it larger is over."""
_INCREMENTAL: Final = 2


def listen(engine: Engine, *, writing: bool) -> None:
    """Have its connections behave so. `writing`: of the one thread that writes."""
    event.listen(engine, "connect", _on_connect)
    if writing:
        event.listen(engine, "connect", _on_connect_to_write)
    # Python's module begins no transaction for a CREATE TABLE, nor for a SELECT: half a migration would stay, and
    # two reads would see two states
    event.listen(engine, "begin", _begin_to_write if writing else _begin)


@contextlib.contextmanager
def without_cascades(connection: Connection) -> Iterator[None]:
    """To alter most of a table SQLite makes a new one and drops the old: the parts of every event would go with it.

    To be entered before the transaction, within which SQLite would not hear it.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_to_write(connection: Connection) -> None:
    # at once: whoever begins to write after reading may find that another has written meanwhile
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says
    cursor = connection.cursor()
    # a killed process loses nothing that was committed; a power failure may lose the last commits, and tears nothing
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _on_connect_to_write(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    # deleted rows give their room back by `incremental_vacuum`; only heard before the first table is made. It writes:
    # readers would wait for the writer, and need room on the disk, to say it again
    if cursor.execute("PRAGMA auto_vacuum").fetchone() != (_INCREMENTAL,):
        cursor.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
    cursor.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer; the file remembers it
    cursor.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    # deleting a clip must not write it once more, least of all on a full disk: its pages are given back, not blanked
    cursor.execute("PRAGMA secure_delete = FAST")
    cursor.close()

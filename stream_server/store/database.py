"""The database: where it is, its tables brought up to date, connections to read."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from analyzer.errors import ConfigError, StoreError
from stream_server.store import sqlite
from stream_server.store.postgresql import PatientConnection, SessionLock, connect_arguments

logger = logging.getLogger(__name__)

FILE: Final = "monitor.db"
LOGS: Final = (f"{FILE}-wal", f"{FILE}-shm")
LOCK: Final = "monitor.lock"
BUSY_S: Final = 5.0
"""How long SQLite waits for whoever else holds the file, before it says that it is locked."""
ROOM_BYTES: Final = 32_000_000
"""That stay free on the disk of a file: its log and a round of deleting take less."""
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Database:
    """One database of one monitor. Readers may use `read` from any thread; only `StoreWriter` writes."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        """`folder` is made where it is not there, for its owner alone. `url`: PostgreSQL instead of a file in it.

        Raises `ConfigError` for a folder that cannot be used, that another monitor uses, or an impossible URL.
        Connects to nothing yet.
        """
        self.folder = folder
        self.url = _url(folder, url)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
            self._lock.acquire()
        except Timeout:
            raise ConfigError(
                f"{folder}: another monitor keeps its data there; stop it, or give this one a folder of its own "
                "(--data-dir)"
            ) from None
        except OSError as error:
            raise ConfigError(
                f"{folder}: cannot keep data there ({error.strerror or error}): choose another folder with --data-dir"
            ) from error
        self.engine = _engine(self.url, writing=True)
        """Of the writing thread alone: readers, who may hold a connection for minutes, have their own."""
        self._reading = _engine(self.url, writing=False)
        self._session = None if self.is_file else SessionLock(self.engine, self.place)
        self._opened: tuple[int, int] | None = None
        """Device and number of the file: its name may be another's by now."""
        self._logs: dict[str, tuple[int, int] | None] = {}
        """The same of the logs beside it, as they were at the last look."""
        self._is_new = True

    @property
    def is_file(self) -> bool:
        """SQLite, not a server."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def place(self) -> str:
        """For people: the file, or the server and its database."""
        return _place(self.url)

    def prepare(self) -> bool:
        """Bring the tables to their newest form; whether this is another database than the one prepared before.

        Raises `StoreError` for a file that is no database, one of a newer version, or a server's database that another
        monitor uses, and SQLAlchemy's `OperationalError` for what may pass by itself: locked, full, nobody there.
        Broken off at any moment it has changed nothing.
        """
        try:
            if self._session is not None:
                self._session.hold()
            elif self._opened is None or self._identity() != self._opened:
                self._begin_anew()
            with self.engine.connect() as connection, sqlite.without_cascades(connection), connection.begin():
                self._migrate(connection)
        except OperationalError:
            raise
        except DatabaseError as error:
            raise _unusable(self.place, error) from error
        self._remember_logs()
        is_new, self._is_new = self._is_new, False
        return is_new

    def check(self) -> None:
        """See that this is still the database that was prepared, and still ours.

        Raises `StoreError` where the file was removed or replaced, or another monitor uses the database, and
        `DBAPIError`; `prepare` is to be called then.
        """
        if self._session is not None:
            self._session.hold()
        elif self._identity() != self._opened:
            raise StoreError(f"{self.place} was removed or replaced while it was used: what was in it is not there now")
        self._remember_logs()

    def check_room(self, needed: int) -> None:
        """See that so many bytes can be added to the file, and enough stay free to delete.

        Raises `OSError`: deleting, too, writes into the log first, so that a disk that is quite full never heals.
        """
        if self.is_file and (free := shutil.disk_usage(self.folder).free) < needed + ROOM_BYTES:
            left = (
                f"{free // 1_000_000} MB are left on its disk, of which {ROOM_BYTES // 1_000_000} stay free to delete"
            )
            raise OSError(errno.ENOSPC, f"the disk is full: {left}")

    def _identity(self, name: str = FILE) -> tuple[int, int] | None:
        """Of the file that has the name now."""
        try:
            found = (self.folder / name).stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _remember_logs(self) -> None:
        if self.is_file:
            self._logs = {name: self._identity(name) for name in LOGS}

    def _begin_anew(self) -> None:
        """With the file that has the name now, or a new one."""
        self._dispose()
        alone = self._identity() is None
        for name in LOGS:
            # of a file that is gone it would be played over the one there is now, which may have brought its own
            if alone or self._identity(name) == self._logs.get(name):
                (self.folder / name).unlink(missing_ok=True)
        self._make_private()
        self._opened, self._is_new = self._identity(), True

    def _make_private(self) -> None:
        """Faces are nobody else's business: the file is its owner's alone, as are the logs beside it."""
        os.close(os.open(self.folder / FILE, os.O_CREAT | os.O_RDWR, 0o600))
        for name in (FILE, *LOGS):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).chmod(0o600)

    def _migrate(self, connection: Connection) -> None:
        found, newest = _known_heads(connection, self.place)
        if found == newest:
            return
        command.upgrade(_alembic(connection), "head")
        if self.is_file:
            orphans = len(connection.exec_driver_sql("PRAGMA foreign_key_check").all())
            if orphans:
                raise StoreError(f"{self.place} cannot be brought up to date: {orphans} rows would belong to nothing")

    def read(self) -> Connection:
        """A connection to read, which sees one state of everything; close it. Raises `SQLAlchemyError`."""
        return self._reading.connect()

    def close(self) -> None:
        """Let go of everything. Idempotent."""
        if self._session is not None:
            self._session.release()
        self._dispose()
        self._lock.release()

    def _dispose(self) -> None:
        self.engine.dispose()
        self._reading.dispose()


def look(folder: Path, url: str | None = None) -> str:
    """What is there, in words, without changing or locking anything. Raises as `Database` and `prepare` do."""
    place = _url(folder, url)
    if place.get_backend_name() == "sqlite":
        if not (folder / FILE).exists():
            return f"{folder / FILE}: not there yet"
        address = (folder / FILE).absolute().as_uri()
        place = URL.create("sqlite", database=address, query={"mode": "ro", "uri": "true"})
    engine = create_engine(place, **_options(place, writing=False))
    shown = _place(place) if url else str(folder / FILE)
    try:
        with engine.connect() as connection:
            found, _ = _known_heads(connection, shown)
            return f"{shown}: tables {', '.join(found)}" if found else f"{shown}: empty"
    except OperationalError:
        raise
    except DatabaseError as error:
        raise _unusable(shown, error) from error
    finally:
        engine.dispose()


def _known_heads(connection: Connection, place: str) -> tuple[list[str], list[str]]:
    """Which tables there are, and which there should be. Raises `StoreError` for those of a newer version."""
    scripts = ScriptDirectory.from_config(_alembic(connection))
    known = {script.revision for script in scripts.walk_revisions()}
    found = sorted(MigrationContext.configure(connection).get_current_heads())
    if not known.issuperset(found):
        raise StoreError(
            f"{place} was written by a newer deepfake-monitor (tables {', '.join(found)}): use that version, or "
            "another folder or database"
        )
    return found, sorted(scripts.get_heads())


def _alembic(connection: Connection) -> Config:
    config = Config()
    # alembic reads its settings as an INI file, in which % begins a variable
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _unusable(place: str, error: DatabaseError) -> StoreError:
    return StoreError(f"{place} is not a database that can be used ({error.orig}): move it away, and a new one is made")


def _url(folder: Path, url: str | None) -> URL:
    if url is None:
        return URL.create("sqlite", database=str(folder / FILE))
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # what came may hold a password
        raise ConfigError("the database URL is none: expected postgresql://USER:PASSWORD@HOST/DATABASE") from None
    if parsed.get_backend_name() != "postgresql":
        raise ConfigError(
            f"expected a database URL of postgresql://, got {parsed.get_backend_name()}:// (leave it out for a file)"
        )
    return parsed.set(drivername="postgresql+psycopg")


def _place(url: URL) -> str:
    """Without the user, the password and whatever else the address holds."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{url.host or ''}{port}/{url.database or ''}"


def _engine(url: URL, *, writing: bool) -> Engine:
    engine = create_engine(url, **_options(url, writing=writing))
    if url.get_backend_name() == "postgresql":
        event.listen(engine, "do_connect", _connect_patiently)
    else:
        sqlite.listen(engine, writing=writing)
    return engine


def _options(url: URL, *, writing: bool) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_S}}
    # a connection that broke while nobody used it is noticed before it is used
    options: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 4, "connect_args": connect_arguments()}
    return options if writing else {**options, "isolation_level": "REPEATABLE READ"}


def _connect_patiently(_: object, __: object, arguments: tuple[Any, ...], options: dict[str, Any]) -> PatientConnection:
    return PatientConnection.connect(*arguments, **options)

"""The database: where it is, its tables brought up to date, connections to read."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError

from analyzer.errors import ConfigError, StoreError

logger = logging.getLogger(__name__)

FILE: Final = "monitor.db"
LOCK: Final = "monitor.lock"
BUSY_S: Final = 5.0
"""How long SQLite waits for whoever else holds the file, before it says that it is locked."""
CONNECT_S: Final = 5
STATEMENT_MS: Final = 60_000
"""A server that takes longer for one statement of the writing thread is as good as gone."""
_NOTICE_SILENCE: Final = {
    "keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000,
}  # fmt: skip
"""Of libpq: a server that went without a word (a pulled cable) is noticed in half a minute, not in 15."""
RELEASED_S: Final = 2.0
"""A server takes a moment to notice that a monitor that had its database is gone."""
_ADVISORY_LOCK: Final = 0x6466_6D6F_6E31
"""Any number that nobody else takes: `dfmon1`."""
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
        self._held: Connection | None = None

    @property
    def is_file(self) -> bool:
        """SQLite, not a server."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def place(self) -> str:
        """For people: the file, or the server and its database."""
        return _place(self.url)

    def prepare(self) -> None:
        """Bring the tables to their newest form.

        Raises `StoreError` for a file that is no database, one of a newer version, or a server's database that another
        monitor uses, which no retry will mend, and SQLAlchemy's `OperationalError` for what may pass: locked, full,
        nobody there. Broken off at any moment it has changed nothing.
        """
        try:
            if self.is_file:
                self._make_private()
            else:
                self._hold()
            with self.engine.begin() as connection:
                _known_heads(connection, self.place)
                command.upgrade(_alembic(connection), "head")
        except OperationalError:
            raise
        except DatabaseError as error:
            raise _unusable(self.place, error) from error

    def _make_private(self) -> None:
        """Faces are nobody else's business: the file is its owner's alone, as are the logs beside it."""
        os.close(os.open(self.folder / FILE, os.O_CREAT | os.O_RDWR, 0o600))
        for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).chmod(0o600)

    def _hold(self) -> None:
        """Keep other monitors off a server's database, for as long as this connection lasts."""
        if self._held is not None and not self._held.invalidated:
            with contextlib.suppress(DBAPIError):
                self._held.execute(select(1))
                return
        self._release()
        self._held = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        lock = select(func.pg_try_advisory_lock(_ADVISORY_LOCK))
        deadline_s = time.monotonic() + RELEASED_S
        while not self._held.execute(lock).scalar():
            if time.monotonic() > deadline_s:
                raise StoreError(f"{self.place}: another monitor uses this database; give this one another")
            time.sleep(0.1)

    def _release(self) -> None:
        """Let other monitors in: the lock is the session's, so the session itself must end, not wait in the pool."""
        if self._held is not None:
            with contextlib.suppress(DBAPIError):
                self._held.invalidate()
                self._held.close()
            self._held = None

    def read(self) -> Connection:
        """A connection to read, which sees one state of everything; close it. Raises `SQLAlchemyError`."""
        return self._reading.connect()

    def close(self) -> None:
        """Let go of everything. Idempotent."""
        self._release()
        self.engine.dispose()
        self._reading.dispose()
        self._lock.release()


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
            return f"{shown}: {_known_heads(connection, shown)}"
    except OperationalError:
        raise
    except DatabaseError as error:
        raise _unusable(shown, error) from error
    finally:
        engine.dispose()


def _known_heads(connection: Connection, place: str) -> str:
    """Which tables there are. Raises `StoreError` for those of a newer version."""
    known = {script.revision for script in ScriptDirectory.from_config(_alembic(connection)).walk_revisions()}
    found = sorted(MigrationContext.configure(connection).get_current_heads())
    if not known.issuperset(found):
        raise StoreError(
            f"{place} was written by a newer deepfake-monitor (tables {', '.join(found)}): use that version, or "
            "another folder or database"
        )
    return f"tables {', '.join(found)}" if found else "empty"


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
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _on_connect)
        # Python's module begins no transaction for a CREATE TABLE, nor for a SELECT: half a migration would stay, and
        # two reads would see two states
        event.listen(engine, "begin", _begin_to_write if writing else _begin)
    return engine


def _options(url: URL, *, writing: bool) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_S}}
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_S, **_NOTICE_SILENCE}
    if writing:
        arguments["options"] = f"-c statement_timeout={STATEMENT_MS}"
    # a connection that broke while nobody used it is noticed before it is used
    options: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 4, "connect_args": arguments}
    return options if writing else {**options, "isolation_level": "REPEATABLE READ"}


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_to_write(connection: Connection) -> None:
    # at once: whoever begins to write after reading may find that another has written meanwhile
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says
    cursor = connection.cursor()
    # deleted rows give their room back by `incremental_vacuum`; only heard before the first table is made
    cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")
    cursor.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer
    # a killed process loses nothing that was committed; a power failure may lose the last commits, and tears nothing
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()

"""How long what is stored stays: by age and by size, the oldest going first, a little at a time."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, false, func, or_, select, tuple_

from stream_server.store.rows import EVENTS_AT_ONCE, ROWS_AT_ONCE, Removed, delete_event
from stream_server.store.tables import BUCKETS, EVENTS, OBSERVATIONS

OBSERVATION_BYTES: Final = 100
"""That one takes with its index, at most: 63 in SQLite for a stream with a name of 7 letters (docs/storage.md)."""
BUCKET_BYTES: Final = 140
"""Likewise: 119."""
EVENT_BYTES: Final = 2000
"""Of an event without its parts."""
PAGES_AT_ONCE: Final = 1000
"""Of 4 KiB, given back to the disk in one go, or fewer:"""
GIVING_S: Final = 0.2
"""SQLite looks for each page among all that are free, which may take it milliseconds; nothing is written meanwhile."""
_PAGES_OF_A_STEP: Final = 50
_AHEAD_S: Final = 86_400.0
"""An observation that is dated further ahead was made while the clock was wrong."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What stays, by age and by size (MB: 10^6 bytes); whichever is reached first."""

    score_hours: float = 1.0
    """Every observation."""
    score_mb: float = 500.0
    history_days: float = 30.0
    """Buckets of ten seconds."""
    history_mb: float = 2000.0
    event_days: float = 365.0
    event_mb: float = 10_000.0


def remove_old(connection: Connection, keeping: Keeping, now: float | None) -> Removed:
    """One round, in one transaction. An event that goes on stays.

    `now`: Unix seconds; None where no clock can be believed: then nothing goes by its age.
    """
    hour, day = 3600.0, 86400.0
    observed, start = OBSERVATIONS.c.at, BUCKETS.c.start
    never = false()
    return Removed(
        observations=_rows(
            connection,
            OBSERVATIONS,
            # one from the future would otherwise stand before all others, which go in the order that they came
            never if now is None else or_(observed < now - keeping.score_hours * hour, observed > now + _AHEAD_S),
            int(keeping.score_mb * 1e6 / OBSERVATION_BYTES),
        ),
        buckets=_rows(
            connection,
            BUCKETS,
            never if now is None else start < now - keeping.history_days * day,
            int(keeping.history_mb * 1e6 / BUCKET_BYTES),
        ),
        events=_events(connection, keeping, None if now is None else now - keeping.event_days * day),
    )


def _rows(connection: Connection, table: Table, too_old: ColumnElement[bool], most: int) -> int:
    """Delete the oldest rows: those that are too old, and those beyond the `most`."""
    key = tuple_(*table.primary_key.columns)
    order = table.c.id if table is OBSERVATIONS else table.c.start
    oldest = select(*table.primary_key.columns).order_by(order)
    # the one that came first tells whether any is too old: the whole table is not looked through for it
    first = select(order).order_by(order).limit(1).scalar_subquery()
    old = connection.execute(select(func.count()).select_from(table).where(order == first, too_old)).scalar()
    removed = 0
    if old:
        removed = connection.execute(delete(table).where(key.in_(oldest.where(too_old).limit(ROWS_AT_ONCE)))).rowcount
    over = min(_number(connection, table) - most, ROWS_AT_ONCE - removed)
    if over > 0:
        removed += connection.execute(delete(table).where(key.in_(oldest.limit(over)))).rowcount
    return removed


def _number(connection: Connection, table: Table) -> int:
    if table is OBSERVATIONS:  # its ids count up, and go in that order
        query = select(func.max(table.c.id) - func.min(table.c.id) + 1)
    else:
        query = select(func.count()).select_from(table)
    return int(connection.execute(query).scalar() or 0)


def _events(connection: Connection, keeping: Keeping, before: float | None) -> int:
    ended = EVENTS.c.state != "open"
    over = _event_bytes(connection) - keeping.event_mb * 1e6
    oldest = select(EVENTS.c.id, EVENTS.c.started_at, EVENTS.c.part_bytes).where(ended).order_by(EVENTS.c.id)
    removed = 0
    for row in connection.execute(oldest.limit(EVENTS_AT_ONCE)).all():
        if (before is None or row.started_at >= before) and over <= 0:
            break
        removed += delete_event(connection, row.id)
        over -= row.part_bytes + EVENT_BYTES
    return removed


def _event_bytes(connection: Connection) -> int:
    query = select(func.coalesce(func.sum(EVENTS.c.part_bytes + EVENT_BYTES), 0))
    return int(connection.execute(query).scalar() or 0)


def give_back(engine: Engine) -> bool:
    """Return pages that deleting left free to the disk; whether there are more. PostgreSQL does so by itself.

    Moving pages takes room itself: where there is none, or another program holds the file, that is told in the log
    and left for the next round.
    """
    if engine.dialect.name != "sqlite":
        return False
    raw = engine.raw_connection()
    driver: Any = raw.driver_connection
    try:
        ends_s = time.monotonic() + GIVING_S
        for _ in range(0, PAGES_AT_ONCE, _PAGES_OF_A_STEP):
            # each step gives one page back, and `execute` takes only the first
            driver.executescript(f"PRAGMA incremental_vacuum({_PAGES_OF_A_STEP})").close()
            if time.monotonic() >= ends_s:
                break
        driver.execute("PRAGMA wal_checkpoint").close()  # until then the file is as long as before
        (left,) = driver.execute("PRAGMA freelist_count").fetchone()
    except driver.DatabaseError as error:  # SQLAlchemy, which would wrap it, is not asked here
        logger.warning("deleted rows do not give their room back yet: %s", error)
        return False
    finally:
        raw.close()
    return bool(left)

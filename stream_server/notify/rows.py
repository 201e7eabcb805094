"""Notifications in the database: what waits, dead letters, gates. Inside a transaction, like `store.rows`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from sqlalchemy import Connection, delete, func, insert, select, update

from analyzer.errors import ConflictError, NotFoundError
from stream_server.notify.delivery import Delivery
from stream_server.notify.policy import Gate
from stream_server.store.tables import DELIVERIES, GATES

logger = logging.getLogger(__name__)

DEAD_S: Final = 30 * 86_400.0
MAX_DEAD: Final = 10_000
"""Dead letters that are kept, for so long; the oldest go first."""

GateKey = tuple[str, str]
"""Rule and stream."""


@dataclass(frozen=True, slots=True)
class WaitingPage:
    """Some of what waits, the oldest first, and where the next page begins."""

    items: tuple[Delivery, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class DeadPage:
    """Some dead letters, the newest first, and where the next page begins."""

    items: tuple[Delivery, ...]
    next: str | None
    unreadable: int = 0
    """Of this page: written by another version, and left out of `items`."""


def save_delivery(connection: Connection, delivery: Delivery) -> None:
    """Add it, or replace what was known of it."""
    remove_delivery(connection, delivery.id)
    connection.execute(
        insert(DELIVERIES),
        {
            "id": delivery.id,
            "rule": delivery.notification.rule,
            "stream_id": delivery.notification.event.stream_id,
            "dead_at": delivery.dead_at,
            "body": delivery.model_dump_json(),
        },
    )


def remove_delivery(connection: Connection, delivery_id: str) -> bool:
    """Whether it was there."""
    return connection.execute(delete(DELIVERIES).where(DELIVERIES.c.id == delivery_id)).rowcount > 0


def save_gate(connection: Connection, key: GateKey, gate: Gate | None) -> None:
    """Replace it; None: it is open."""
    rule, stream_id = key
    connection.execute(delete(GATES).where(GATES.c.rule == rule, GATES.c.stream_id == stream_id))
    if gate is not None:
        row = {"rule": rule, "stream_id": stream_id, "body": gate.model_dump_json()}
        connection.execute(insert(GATES), row)


def load_waiting(connection: Connection, after: str, limit: int, now: float) -> WaitingPage:
    """A page of what waits, after the one that ended with the id `after` (empty for the first).

    A row that this version cannot read becomes a dead letter, at `now` (Unix seconds), and is logged.
    """
    table = DELIVERIES.c
    query = select(table.id, table.body).where(table.dead_at.is_(None), table.id > after).order_by(table.id)
    found = connection.execute(query.limit(limit + 1)).all()
    page = [(row.id, _read(row.body)) for row in found[:limit]]
    unread = [name for name, delivery in page if delivery is None]
    if unread:
        connection.execute(update(DELIVERIES).where(table.id.in_(unread)), {"dead_at": now})
        logger.warning("%d notifications of another version cannot be read, and are given up", len(unread))
    return WaitingPage(
        tuple(delivery for _, delivery in page if delivery is not None), page[-1][0] if len(found) > limit else None
    )


def load_gates(connection: Connection) -> dict[GateKey, Gate]:
    """What is held back. A row that this version cannot read is left where it is, and logged."""
    gates: dict[GateKey, Gate] = {}
    unread = 0
    for row in connection.execute(select(GATES.c.rule, GATES.c.stream_id, GATES.c.body)):
        try:
            gates[(row.rule, row.stream_id)] = Gate.model_validate_json(row.body)
        except ValidationError:
            unread += 1
    if unread:
        logger.warning("what is held back of %d streams is of another version, and is not told", unread)
    return gates


def dead_letters(connection: Connection, before: str | None, limit: int) -> DeadPage:
    """One page, after the one that ended with the id `before`."""
    table = DELIVERIES.c
    query = select(table.id, table.body).where(table.dead_at.is_not(None)).order_by(table.id.desc())
    if before is not None:
        query = query.where(table.id < before)
    found = connection.execute(query.limit(limit + 1)).all()
    page = found[:limit]
    items = tuple(delivery for row in page if (delivery := _read(row.body)) is not None)
    return DeadPage(items, page[-1].id if len(found) > limit else None, len(page) - len(items))


def dead_letter(connection: Connection, delivery_id: str) -> Delivery:
    """One of them. Raises `NotFoundError`, and `ConflictError` for one of another version."""
    query = select(DELIVERIES.c.body).where(DELIVERIES.c.id == delivery_id, DELIVERIES.c.dead_at.is_not(None))
    body = connection.execute(query).scalar()
    if body is None:
        raise _no_letter(delivery_id)
    delivery = _read(body)
    if delivery is None:
        raise ConflictError("this version cannot read the dead letter: delete it instead")
    return delivery


def remove_dead_letter(connection: Connection, delivery_id: str) -> None:
    """Take it out, whatever it holds. Raises `NotFoundError`."""
    table = DELIVERIES.c
    if connection.execute(delete(DELIVERIES).where(table.id == delivery_id, table.dead_at.is_not(None))).rowcount == 0:
        raise _no_letter(delivery_id)


def remove_event(connection: Connection, event_id: str) -> None:
    """What waits to be told of an event, and its dead letters."""
    # ids of events are drawn by chance, and so found nowhere else
    connection.execute(
        delete(DELIVERIES).where(DELIVERIES.c.body.contains(f'"event":{{"id":"{event_id}"', autoescape=True))
    )


def _read(body: str) -> Delivery | None:
    """None for what another version wrote."""
    try:
        return Delivery.model_validate_json(body)
    except ValidationError:
        return None


def _no_letter(delivery_id: str) -> NotFoundError:
    return NotFoundError(f"there is no dead letter {delivery_id[:60]!r}")


def count_dead(connection: Connection) -> dict[str, int]:
    """How many there are, by rule."""
    query = select(DELIVERIES.c.rule, func.count()).where(DELIVERIES.c.dead_at.is_not(None)).group_by(DELIVERIES.c.rule)
    return {rule: int(count) for rule, count in connection.execute(query)}


def remove_old_dead(connection: Connection, now: float) -> int:
    """Those that are too old, and the oldest of too many; how many that was. `now` in Unix seconds."""
    table = DELIVERIES.c
    removed = connection.execute(delete(DELIVERIES).where(table.dead_at < now - DEAD_S)).rowcount
    over = select(table.id).where(table.dead_at.is_not(None)).order_by(table.dead_at.desc(), table.id.desc())
    ids = list(connection.execute(over.offset(MAX_DEAD)).scalars())
    # in pieces: databases bound how many values one statement may have
    for start in range(0, len(ids), 500):
        removed += connection.execute(delete(DELIVERIES).where(table.id.in_(ids[start : start + 500]))).rowcount
    return removed

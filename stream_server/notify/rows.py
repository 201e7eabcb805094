"""Notifications in the database: what waits, dead letters, gates. Inside a transaction, like `store.rows`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from sqlalchemy import Connection, delete, func, insert, select

from analyzer.errors import NotFoundError
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
class Stored:
    """What an earlier process left."""

    waiting: tuple[Delivery, ...]
    gates: Mapping[GateKey, Gate]


@dataclass(frozen=True, slots=True)
class DeadPage:
    """Some dead letters, the newest first, and where the next page begins."""

    items: tuple[Delivery, ...]
    next: str | None


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


def load(connection: Connection) -> Stored:
    """What waits. A row that this version cannot read is left where it is, and logged."""
    waiting: list[Delivery] = []
    gates: dict[GateKey, Gate] = {}
    unread = 0
    for body in connection.execute(
        select(DELIVERIES.c.body).where(DELIVERIES.c.dead_at.is_(None)).order_by(DELIVERIES.c.id)
    ).scalars():
        try:
            waiting.append(Delivery.model_validate_json(body))
        except ValidationError:
            unread += 1
    for row in connection.execute(select(GATES.c.rule, GATES.c.stream_id, GATES.c.body)):
        try:
            gates[(row.rule, row.stream_id)] = Gate.model_validate_json(row.body)
        except ValidationError:
            unread += 1
    if unread:
        logger.warning("%d notifications of another version cannot be read, and are not sent", unread)
    return Stored(tuple(waiting), gates)


def dead_letters(connection: Connection, before: str | None, limit: int) -> DeadPage:
    """One page, after the one that ended with the id `before`."""
    query = select(DELIVERIES.c.body).where(DELIVERIES.c.dead_at.is_not(None)).order_by(DELIVERIES.c.id.desc())
    if before is not None:
        query = query.where(DELIVERIES.c.id < before)
    rows = connection.execute(query.limit(limit + 1)).scalars()
    found = [Delivery.model_validate_json(body) for body in rows]
    page = tuple(found[:limit])
    return DeadPage(page, page[-1].id if len(found) > limit else None)


def dead_letter(connection: Connection, delivery_id: str) -> Delivery:
    """One of them. Raises `NotFoundError`."""
    query = select(DELIVERIES.c.body).where(DELIVERIES.c.id == delivery_id, DELIVERIES.c.dead_at.is_not(None))
    body = connection.execute(query).scalar()
    if body is None:
        raise NotFoundError(f"there is no dead letter {delivery_id[:60]!r}")
    return Delivery.model_validate_json(body)


def remove_dead_letter(connection: Connection, delivery_id: str) -> Delivery:
    """Take it out. Raises `NotFoundError`."""
    found = dead_letter(connection, delivery_id)
    remove_delivery(connection, delivery_id)
    return found


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

"""What is written: observations with the buckets that they fill, events with their parts. Inside a transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table, case, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from analyzer.scorer import sigmoid
from stream_server.event import EVIDENCE_UNTIL, NO_EVIDENCE, Event, EventState, Part, PartInfo, ReviewMark
from stream_server.store.reading import Observed, get_event
from stream_server.store.tables import BUCKETS, DELIVERIES, EVENTS, GATES, OBSERVATIONS, PARTS

BUCKET_S: Final = 10
LEFT_OUT: Final = "pictures and scores: the database could not be written for too long"
"""A note of an event whose files went while they waited."""
NEVER_MADE: Final = "no evidence: the monitor was ended before any was made"
ROWS_AT_ONCE: Final = 5000
"""Deleted in one transaction: some 20 ms, and the next batch is written after it."""
EVENTS_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class Removed:
    """What went, in one round or several."""

    observations: int = 0
    buckets: int = 0
    events: int = 0

    @property
    def more(self) -> bool:
        """Of one round: there may be more to remove, for it was full."""
        return max(self.observations, self.buckets) >= ROWS_AT_ONCE or self.events >= EVENTS_AT_ONCE

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.observations + other.observations, self.buckets + other.buckets, self.events + other.events)


def part_info(part: Part) -> PartInfo:
    """Name, size and checksum of a part."""
    sha256 = hashlib.sha256(part.data).hexdigest()
    return PartInfo(name=part.name, media_type=part.media_type, size=len(part.data), sha256=sha256)


def add_observations(connection: Connection, observed: Sequence[Observed]) -> None:
    """Add them at full rate, and to their buckets of ten seconds: both or, in a transaction, neither."""
    if not observed:
        return
    connection.execute(
        insert(OBSERVATIONS),
        [
            {"stream_id": o.stream_id, "face_id": o.face_id, "at": o.at, "logit": o.logit, "unfit": o.unfit}
            for o in observed
        ],
    )
    new = _upsert(connection, BUCKETS)
    old, given = BUCKETS.c, new.excluded
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[old.stream_id, old.start, old.face_id],
            set_={
                "scores": old.scores + given.scores,
                "probability_sum": old.probability_sum + given.probability_sum,
                "probability_max": case(
                    (given.probability_max > old.probability_max, given.probability_max), else_=old.probability_max
                ),
                "unfit": old.unfit + given.unfit,
            },
        ),
        _buckets(observed),
    )


def _buckets(observed: Iterable[Observed]) -> list[dict[str, Any]]:
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for one in observed:
        key = (one.stream_id, int(one.at // BUCKET_S) * BUCKET_S, one.face_id)
        bucket = found.setdefault(
            key,
            {
                "stream_id": key[0], "start": key[1], "face_id": key[2],
                "scores": 0, "probability_sum": 0.0, "probability_max": 0.0, "unfit": 0,
            },
        )  # fmt: skip
        if one.logit is None:
            bucket["unfit"] += 1
        else:
            probability = sigmoid(one.logit)
            bucket["scores"] += 1
            bucket["probability_sum"] += probability
            bucket["probability_max"] = max(bucket["probability_max"], probability)
    return list(found.values())


def save_event(
    connection: Connection, event: Event, parts: Sequence[Part] | None, kept: frozenset[str] = frozenset()
) -> None:
    """Add the event, or replace what was known of it. `parts`: None leaves those that are there.

    `kept`: names of parts that were saved before and stay beside the new ones.

    What an operator has made of it meanwhile stays: `mark_event` alone changes that.
    """
    row = {
        "id": event.id,
        "stream_id": event.stream_id,
        "kind": event.kind.value,
        "state": event.state.value,
        "started_at": event.started_at,
    }
    before = connection.execute(select(EVENTS.c.body, EVENTS.c.part_bytes).where(EVENTS.c.id == event.id)).first()
    if before is not None:
        known = Event.model_validate_json(before.body)
        reviewed = {"mark": known.mark, "mark_note": known.mark_note, "marked_at": known.marked_at}
        event = event.model_copy(update=reviewed)
        # parts that stay may be the very ones that went
        if (parts is None or kept) and LEFT_OUT in known.notes and LEFT_OUT not in event.notes:
            event = event.model_copy(update={"notes": (*event.notes, LEFT_OUT)})
    values = {**row, "body": _body(event), "part_bytes": before.part_bytes if before else 0}
    if before is None:
        connection.execute(insert(EVENTS), {**values, "mark": event.mark})
    else:
        connection.execute(update(EVENTS).where(EVENTS.c.id == event.id), values)
    if parts is not None:
        _save_parts(connection, event.id, parts, kept)


def _save_parts(connection: Connection, event_id: str, parts: Sequence[Part], kept: frozenset[str]) -> None:
    of_event = PARTS.c.event_id == event_id
    stay = kept - {part.name for part in parts}  # one that comes again replaces the one that is there
    connection.execute(delete(PARTS).where(of_event, PARTS.c.name.not_in(sorted(stay))))
    rows = [
        {"event_id": event_id, "position": place, "data": part.data, **part_info(part).model_dump()}
        for place, part in enumerate(parts)
    ]
    if rows:
        connection.execute(insert(PARTS), rows)
    total = connection.execute(select(func.coalesce(func.sum(PARTS.c.size), 0)).where(of_event)).scalar()
    connection.execute(update(EVENTS).where(EVENTS.c.id == event_id), {"part_bytes": int(total or 0)})


def mark_event(connection: Connection, event_id: str, mark: ReviewMark | None, note: str | None, now: float) -> Event:
    """Write what an operator made of it; the event as it is then. Raises `NotFoundError`.

    `note`: None leaves the one that is there. `now` in Unix seconds.
    """
    event = get_event(connection, event_id)
    note = event.mark_note if note is None else note
    marked_at = None if mark is None and not note else now
    event = event.model_copy(update={"mark": mark, "mark_note": note, "marked_at": marked_at})
    values = {"mark": None if mark is None else mark.value, "body": _body(event)}
    connection.execute(update(EVENTS).where(EVENTS.c.id == event_id), values)
    return event


def interrupt_open_events(connection: Connection) -> tuple[Event, ...]:
    """Close what an earlier process left open; those events, as they are then."""
    wanted = select(EVENTS.c.id, EVENTS.c.body, EVENTS.c.part_bytes).where(EVENTS.c.state == EventState.OPEN.value)
    rows = connection.execute(wanted).all()
    closed: list[Event] = []
    for row in rows:
        event = Event.model_validate_json(row.body)
        ended = event.model_copy(update={"state": EventState.INTERRUPTED, "ended_at": event.updated_at})
        # that of a private stream has no files
        told = any(note.startswith((EVIDENCE_UNTIL, NO_EVIDENCE, LEFT_OUT)) for note in event.notes)
        if not row.part_bytes and not told:
            ended = ended.model_copy(update={"notes": (*event.notes, NEVER_MADE)})
        connection.execute(
            update(EVENTS).where(EVENTS.c.id == row.id), {"state": ended.state.value, "body": _body(ended)}
        )
        closed.append(ended)
    return tuple(closed)


def delete_event(connection: Connection, event_id: str) -> bool:
    """With its parts; whether it was there."""
    connection.execute(delete(PARTS).where(PARTS.c.event_id == event_id))
    return connection.execute(delete(EVENTS).where(EVENTS.c.id == event_id)).rowcount > 0


def delete_stream(connection: Connection, stream_id: str) -> Removed:
    """One round of deleting everything of a stream; to be called until there is no `more`.

    A year of it in one transaction would keep all others from being written for minutes. Notifications that had not
    got out go as well, and are not counted.
    """
    for table in (DELIVERIES, GATES):
        connection.execute(delete(table).where(table.c.stream_id == stream_id))
    # the oldest first: what lies last in SQLite's file is then freed last, and given back without a long search
    some = select(EVENTS.c.id).where(EVENTS.c.stream_id == stream_id).order_by(EVENTS.c.id).limit(EVENTS_AT_ONCE)
    return Removed(
        observations=_delete_rows(connection, OBSERVATIONS, stream_id),
        buckets=_delete_rows(connection, BUCKETS, stream_id),
        events=sum(delete_event(connection, event_id) for event_id in connection.execute(some).scalars().all()),
    )


def _delete_rows(connection: Connection, table: Table, stream_id: str) -> int:
    columns = table.primary_key.columns
    some = select(*columns).where(table.c.stream_id == stream_id).limit(ROWS_AT_ONCE)
    return connection.execute(delete(table).where(tuple_(*columns).in_(some))).rowcount


def _body(event: Event) -> str:
    return event.model_copy(update={"parts": ()}).model_dump_json()


def _upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Both speak `ON CONFLICT`, each by a class of its own."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)

"""What is read: events page by page, their parts, the history of scores. Any thread, on `Database.read`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, func, select

from analyzer.errors import NotFoundError
from stream_server.event import Event, EventKind, EventState, Part, PartInfo, ReviewMark
from stream_server.store.tables import BUCKETS, EVENTS, OBSERVATIONS, PARTS


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; everything by default, the newest first."""

    stream_id: str | None = None
    kind: EventKind | None = None
    state: EventState | None = None
    mark: ReviewMark | None = None
    marked: bool | None = None
    """Whether an operator has said anything about it."""
    since: float | None = None
    """Unix seconds; those that started then or later."""
    until: float | None = None
    """Those that started before."""
    before: str | None = None
    """The id after which the last page ended."""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, and where the next page begins."""

    events: tuple[Event, ...]
    next: str | None
    """For `EventFilter.before`; None where there are no more."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One thing that was learnt of one face, as history keeps it: a score, or why there is none."""

    stream_id: str
    face_id: int
    at: float
    """Unix seconds."""
    logit: float | None
    """Calibrated and finite; None with `unfit`."""
    unfit: str | None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Ten seconds of one face."""

    start: int
    """Unix seconds."""
    face_id: int
    scores: int
    probability_mean: float | None
    """None without scores."""
    probability_max: float | None
    unfit: int
    """Pictures that could not be judged."""


def list_events(connection: Connection, which: EventFilter) -> EventPage:
    """One page. Ids sort by time, so that a page is found without counting what came before."""
    query = select(EVENTS.c.body).where(*_conditions(which)).order_by(EVENTS.c.id.desc()).limit(which.limit + 1)
    events = [Event.model_validate_json(body) for body in connection.execute(query).scalars()]
    page = tuple(events[: which.limit])
    more = len(events) > which.limit
    return EventPage(_with_parts(connection, page), page[-1].id if more else None)


def _conditions(which: EventFilter) -> Iterator[ColumnElement[bool]]:
    for name in ("stream_id", "kind", "state", "mark"):
        value = getattr(which, name)
        if value is not None:
            yield EVENTS.c[name] == value
    if which.marked is not None:
        yield EVENTS.c.mark.is_not(None) if which.marked else EVENTS.c.mark.is_(None)
    if which.since is not None:
        yield EVENTS.c.started_at >= which.since
    if which.until is not None:
        yield EVENTS.c.started_at < which.until
    if which.before is not None:
        yield EVENTS.c.id < which.before


def get_event(connection: Connection, event_id: str) -> Event:
    """One event, with the names of its parts. Raises `NotFoundError`."""
    body = connection.execute(select(EVENTS.c.body).where(EVENTS.c.id == event_id)).scalar()
    if body is None:
        raise NotFoundError(f"there is no event {event_id[:40]!r}")
    return _with_parts(connection, [Event.model_validate_json(body)])[0]


def _with_parts(connection: Connection, events: Sequence[Event]) -> tuple[Event, ...]:
    columns = (PARTS.c.event_id, PARTS.c.name, PARTS.c.media_type, PARTS.c.size, PARTS.c.sha256)
    query = select(*columns).where(PARTS.c.event_id.in_([event.id for event in events])).order_by(PARTS.c.position)
    parts: dict[str, list[PartInfo]] = {}
    for row in connection.execute(query):
        info = PartInfo(name=row.name, media_type=row.media_type, size=row.size, sha256=row.sha256)
        parts.setdefault(row.event_id, []).append(info)
    return tuple(event.model_copy(update={"parts": tuple(parts.get(event.id, ()))}) for event in events)


def parts_of(connection: Connection, event_id: str) -> tuple[Part, ...]:
    """Everything that an event's evidence consists of, in order; nothing of an unknown event."""
    columns = (PARTS.c.name, PARTS.c.media_type, PARTS.c.data)
    query = select(*columns).where(PARTS.c.event_id == event_id).order_by(PARTS.c.position)
    return tuple(Part(row.name, row.media_type, row.data) for row in connection.execute(query))


def part_of(connection: Connection, event_id: str, name: str) -> Part:
    """One of them. Raises `NotFoundError`."""
    query = select(PARTS.c.media_type, PARTS.c.data).where(PARTS.c.event_id == event_id, PARTS.c.name == name)
    row = connection.execute(query).first()
    if row is None:
        raise NotFoundError(f"the event {event_id[:40]!r} has no {name[:64]!r}")
    return Part(name, row.media_type, row.data)


def buckets_of(connection: Connection, stream_id: str, since: float, until: float, limit: int) -> tuple[Bucket, ...]:
    """Those that begin between the two, by time and face, `limit` at most."""
    table = BUCKETS.c
    query = (
        select(table.start, table.face_id, table.scores, table.probability_sum, table.probability_max, table.unfit)
        .where(table.stream_id == stream_id, table.start >= since, table.start < until)
        .order_by(table.start, table.face_id)
        .limit(limit)
    )
    return tuple(
        Bucket(
            start=row.start,
            face_id=row.face_id,
            scores=row.scores,
            probability_mean=row.probability_sum / row.scores if row.scores else None,
            probability_max=row.probability_max if row.scores else None,
            unfit=row.unfit,
        )
        for row in connection.execute(query)
    )


def observations_of(connection: Connection, stream_id: str, since: float, until: float) -> Iterator[Observed]:
    """At full rate, by time; read while the connection is open."""
    table = OBSERVATIONS.c
    query = (
        select(table.face_id, table.at, table.logit, table.unfit)
        .where(table.stream_id == stream_id, table.at >= since, table.at < until)
        .order_by(table.at, table.id)
    )
    for row in connection.execute(query.execution_options(yield_per=1000)):
        yield Observed(stream_id, row.face_id, row.at, row.logit, row.unfit)


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is of one stream, or of all."""

    events: int
    part_bytes: int
    observations: int
    buckets: int


def kept_by_stream(connection: Connection) -> dict[str, Kept]:
    """Count it, stream by stream, by name."""
    events = {
        row.stream_id: (row.number, int(row.total))
        for row in connection.execute(
            select(
                EVENTS.c.stream_id, func.count().label("number"), func.sum(EVENTS.c.part_bytes).label("total")
            ).group_by(EVENTS.c.stream_id)
        )
    }
    observations, buckets = _counted(connection, OBSERVATIONS), _counted(connection, BUCKETS)
    return {
        name: Kept(*events.get(name, (0, 0)), observations.get(name, 0), buckets.get(name, 0))
        for name in sorted(events.keys() | observations.keys() | buckets.keys())
    }


def _counted(connection: Connection, table: Table) -> dict[str, int]:
    query = select(table.c.stream_id, func.count().label("number")).group_by(table.c.stream_id)
    return {row.stream_id: row.number for row in connection.execute(query)}


def kept(connection: Connection) -> Kept:
    """Count all of it."""
    each = kept_by_stream(connection).values()
    return Kept(
        events=sum(one.events for one in each),
        part_bytes=sum(one.part_bytes for one in each),
        observations=sum(one.observations for one in each),
        buckets=sum(one.buckets for one in each),
    )

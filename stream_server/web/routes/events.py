"""`/api/events`: what alerts have opened, page by page; their evidence; what operators make of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Depends, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import Response

from analyzer.errors import NotFoundError
from stream_server.event import EVENT_EXAMPLE, EVENT_ID, Event, EventKind, EventState, ReviewMark
from stream_server.events.archive import Archive
from stream_server.events.evidence_zip.pack import pack
from stream_server.live.messages import EventMessage
from stream_server.store import reading, rows
from stream_server.store.backlog import Backlog
from stream_server.web import byte_range
from stream_server.web.http_errors import ApiError, error_docs
from stream_server.web.monitor import Monitor, TheMonitor

T = TypeVar("T")

router = APIRouter(prefix="/api", tags=["events"])

MOST: Final = 500
"""Events of one page."""
_UNKNOWN: Final = error_docs(s404="no such event, or nothing is kept", s422="not an event id")
_AWAY: Final = error_docs(s503="the database cannot be used now")
_NOT_STORED: Final = {"Cache-Control": "no-store"}
"""Evidence is made anew while an event goes on and at its end, and a deleted one's must not stay in a browser."""

EventId = Annotated[
    str,
    Path(alias="event_id", pattern=f"^{EVENT_ID.pattern}$", examples=["20260924T143000-1f0c9a3b"]),
]


class EventQuery(BaseModel):
    """Which events."""

    model_config = ConfigDict(extra="forbid")

    stream_id: str | None = Field(
        None, max_length=64, pattern=r"^[^\x00]*$", description="Of one stream only.", examples=["door"]
    )
    kind: EventKind | None = Field(None, examples=["suspected manipulation"])
    state: EventState | None = Field(None, examples=["ended"])
    mark: ReviewMark | None = Field(None, examples=["confirmed"])
    marked: bool | None = Field(None, description="Whether anybody has marked it.")
    since: float | None = Field(
        None, allow_inf_nan=False, description="Unix seconds; those that started then or later.", examples=[1790208000]
    )
    until: float | None = Field(
        None, allow_inf_nan=False, description="Unix seconds; started before.", examples=[1790294400]
    )
    before: str | None = Field(
        None,
        pattern=f"^{EVENT_ID.pattern}$",
        description="`next` of the page before.",
        examples=[EVENT_EXAMPLE["id"]],
    )
    limit: int = Field(50, ge=1, le=MOST)


class EventList(BaseModel):
    """One page of events, the newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EVENT_EXAMPLE], "next": EVENT_EXAMPLE["id"]}]})

    items: list[Event]
    next: str | None = Field(description="Give it as `before` for the next page; null where there are no more.")


class Review(BaseModel):
    """What an operator makes of an event."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"mark": "false alarm", "note": "a poster"}, {"mark": None}]}
    )

    mark: ReviewMark | None = Field(description="Null takes it back.")
    note: str | None = Field(
        None, max_length=2000, pattern=r"^[^\x00]*$", description="Left out, the one that is there stays."
    )


class EvidenceKey(BaseModel):
    """The public half of the key that signs this monitor's evidence."""

    algorithm: str = Field("Ed25519", examples=["Ed25519"])
    fingerprint: str = Field(
        description="To compare with what `deepfake-monitor verify` prints.",
        examples=["861c-5b3f-592a-76d6-b7be-1cfa-7e1d-9cb1"],
    )
    public_key: str = Field(
        description="PEM.",
        examples=[
            "-----BEGIN PUBLIC KEY-----\n"
            "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
            "-----END PUBLIC KEY-----\n"
        ],
    )


def _archive(monitor: TheMonitor) -> Archive:
    if monitor.archive is None:
        raise ApiError(404, "nothing_kept", "nothing is kept: storage.enabled is off in the settings")
    return monitor.archive


TheArchive = Annotated[Archive, Depends(_archive)]


async def _read(archive: Archive, query: Callable[[Connection], T]) -> T:
    """What was told a moment ago may not be written yet: what is not found is looked for again after that."""
    try:
        return await archive.store.read(query)
    except NotFoundError:
        await archive.store.write(lambda _: None)
        return await archive.store.read(query)


@router.get(
    "/events",
    summary="Events",
    responses={**_AWAY, **error_docs(s404="nothing is kept", s422="not a question that can be asked")},
)
async def list_events(archive: TheArchive, query: Annotated[EventQuery, Query()]) -> EventList:
    """What alerts have opened, the newest first, page by page."""
    which = reading.EventFilter(**query.model_dump())
    page = await archive.store.read(lambda connection: reading.list_events(connection, which))
    return EventList(items=list(page.events), next=page.next)


@router.get("/events/{event_id}", summary="One event", responses={**_UNKNOWN, **_AWAY})
async def get_event(event_id: EventId, archive: TheArchive) -> Event:
    """One event, with the names of its files."""
    return await _read(archive, lambda connection: reading.get_event(connection, event_id))


@router.patch("/events/{event_id}", summary="Mark an event", responses={**_UNKNOWN, **_AWAY})
async def mark_event(event_id: EventId, review: Review, archive: TheArchive, monitor: TheMonitor) -> Event:
    """Say what it was: confirmed, a false alarm, unsure; null takes that back. Marks help the next weights."""
    now = monitor.clock.now()
    event = await archive.store.write(
        lambda connection: rows.mark_event(connection, event_id, review.mark, review.note, now)
    )
    event = archive.recorder.on_marked(event)
    _publish(monitor, event)
    return event


@router.delete("/events/{event_id}", status_code=204, summary="Delete an event", responses={**_UNKNOWN, **_AWAY})
async def delete_event(event_id: EventId, archive: TheArchive, monitor: TheMonitor) -> None:
    """With its evidence, for good. One that goes on cannot be deleted (409)."""
    if archive.open_event(event_id) is not None:
        raise ApiError(409, "still_open", "the event still goes on: delete it when it has ended")

    found: list[Event] = []  # written, or, while nothing can be, still waiting for that

    def take_out(connection: Connection) -> None:
        with contextlib.suppress(NotFoundError):
            found.append(reading.get_event(connection, event_id))
        rows.delete_event(connection, event_id)

    def forget(backlog: Backlog) -> None:
        if (event := backlog.forget_event(event_id)) is not None:
            found.append(event)

    await archive.store.write(take_out, forget)
    archive.recorder.drop_event(event_id)
    if monitor.notifier is not None:
        monitor.notifier.drop_event(event_id)
    # what was on its way meanwhile
    await archive.store.write(take_out, forget)
    if not found:
        raise NotFoundError(f"there is no event {event_id!r}")
    _publish(monitor, found[-1], deleted=True)


@router.get(
    "/events/{event_id}/evidence.zip",
    summary="Evidence",
    response_class=Response,
    responses={
        200: {"content": {"application/zip": {}}, "description": "A signed zip (docs/evidence.md)."},
        **_UNKNOWN,
        **_AWAY,
    },
)
async def get_evidence(event_id: EventId, archive: TheArchive, monitor: TheMonitor) -> Response:
    """Report, scores, pictures and clip in one signed zip; `deepfake-monitor verify` checks it (docs/evidence.md)."""
    event, parts = await _read(
        archive, lambda connection: (reading.get_event(connection, event_id), reading.parts_of(connection, event_id))
    )
    data = await asyncio.to_thread(pack, event, parts, archive.key, monitor.clock.now())
    name = f'attachment; filename="evidence-{event_id}.zip"'
    return Response(data, media_type="application/zip", headers={"Content-Disposition": name, **_NOT_STORED})


@router.get(
    "/events/{event_id}/parts/{name:path}",
    summary="One file of the evidence",
    response_class=Response,
    responses={
        200: {"description": "The file."},
        206: {"description": "The part of it that was asked for."},
        416: {"description": "It has no such part."},
        **_UNKNOWN,
        **_AWAY,
    },
)
async def get_part(
    event_id: EventId,
    name: Annotated[str, Path(max_length=64, examples=["strip.jpg"])],
    archive: TheArchive,
    range_: Annotated[str | None, Header(alias="Range", description="`bytes=FIRST-LAST`, as players ask.")] = None,
) -> Response:
    """A picture, the clip or the scores by name, as `parts` of the event lists them."""
    if "\x00" in name:
        raise NotFoundError("no file has such a name")
    part = await _read(archive, lambda connection: reading.part_of(connection, event_id, name))
    return byte_range.answer(part.data, part.media_type, range_, _NOT_STORED)


@router.get("/evidence-key", summary="What signs evidence", responses=error_docs(s404="nothing is kept"))
async def get_key(archive: TheArchive) -> EvidenceKey:
    """The public key of this monitor; the private one never leaves the data folder."""
    public = archive.key.public
    return EvidenceKey(fingerprint=public.fingerprint, public_key=public.pem)


def _publish(monitor: Monitor, event: Event, *, deleted: bool = False) -> None:
    monitor.hub.publish(EventMessage(event=event, deleted=deleted))

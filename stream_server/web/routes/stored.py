"""What is stored: the history of scores, everything of a stream to take or to delete, clips that operators marked."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from analyzer.errors import NotFoundError
from stream_server.live.messages import EventMessage
from stream_server.settings.section import STREAM_ID_PATTERN
from stream_server.store import exporting, reading
from stream_server.web.export_answer import export_answer
from stream_server.web.http_errors import error_docs
from stream_server.web.monitor import TheMonitor
from stream_server.web.routes.events import TheArchive

router = APIRouter(prefix="/api", tags=["stored"])


MOST_BUCKETS: Final = 20_000
"""Of one answer: two and a third days of one face."""
TOLD: Final = 100
"""Deleted events that every browser hears of; a list that is older is fetched anew anyway."""
_ZIP: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/zip": {}}, "description": "A zip."}}
_AWAY: Final = error_docs(s404="nothing is kept", s422="not a stream id", s503="the database cannot be used now")
_NO_EXPORT: Final = error_docs(
    s404="nothing is kept, or nothing of that", s503="the database cannot be used now, too many exports, or no room"
)

StreamPath = Annotated[
    str,
    Path(
        alias="stream_id",
        pattern=STREAM_ID_PATTERN,
        description="Name of the stream; it need not be there any more.",
        examples=["door"],
    ),
]


class Span(BaseModel):
    """From when to when."""

    model_config = ConfigDict(extra="forbid")

    since: float = Field(allow_inf_nan=False, description="Unix seconds.", examples=[1790208000])
    until: float = Field(allow_inf_nan=False, description="Unix seconds.", examples=[1790294400])


class HistoryBucket(BaseModel):
    """Ten seconds of one face."""

    start: int = Field(description="Unix seconds.", examples=[1790260210])
    face_id: int = Field(examples=[3])
    scores: int = Field(examples=[58])
    probability_mean: float | None = Field(description="Null without scores.", examples=[0.71])
    probability_max: float | None = Field(examples=[0.93])
    unfit: int = Field(description="Pictures of the face that could not be judged.", examples=[2])


class History(BaseModel):
    """Scores in steps of ten seconds, by time."""

    items: list[HistoryBucket]
    complete: bool = Field(description="False where there are more: ask again from the last start on.")


class StoredStream(BaseModel):
    """What is stored of one stream."""

    stream_id: str = Field(examples=["door"])
    events: int = Field(examples=[12])
    evidence_bytes: int = Field(examples=[18_400_000])
    observations: int = Field(description="Of the last hour, at full rate.", examples=[21_600])
    buckets: int = Field(description="Ten seconds of one face each.", examples=[43_200])


class StoredStreams(BaseModel):
    """What is stored, by stream, of those that are gone too."""

    items: list[StoredStream]


class Deleted(BaseModel):
    """How much was deleted."""

    events: int = Field(examples=[12])
    observations: int = Field(examples=[21_600])
    buckets: int = Field(examples=[43_200])


@router.get("/stored", summary="What is stored", responses=_AWAY)
async def list_stored(archive: TheArchive) -> StoredStreams:
    """What is stored of each stream; docs/privacy.md says how long."""
    found = await archive.store.read(reading.kept_by_stream)
    return StoredStreams(
        items=[
            StoredStream(
                stream_id=stream_id,
                events=one.events,
                evidence_bytes=one.part_bytes,
                observations=one.observations,
                buckets=one.buckets,
            )
            for stream_id, one in found.items()
        ]
    )


@router.get("/streams/{stream_id}/history", summary="Scores of the past", responses=_AWAY)
async def get_history(stream_id: StreamPath, span: Annotated[Span, Query()], archive: TheArchive) -> History:
    """Scores in steps of ten seconds, for a chart of days; kept for `storage.history_days`."""
    found = await archive.store.read(
        lambda connection: reading.buckets_of(connection, stream_id, span.since, span.until, MOST_BUCKETS + 1)
    )
    items = [
        HistoryBucket(
            start=one.start,
            face_id=one.face_id,
            scores=one.scores,
            probability_mean=one.probability_mean,
            probability_max=one.probability_max,
            unfit=one.unfit,
        )
        for one in found[:MOST_BUCKETS]
    ]
    return History(items=items, complete=len(found) <= MOST_BUCKETS)


@router.get(
    "/streams/{stream_id}/data.zip",
    summary="Everything of a stream",
    response_class=Response,
    responses={**_ZIP, **_AWAY, **_NO_EXPORT},
)
async def get_data(stream_id: StreamPath, archive: TheArchive) -> Response:
    """Events with their evidence, observations, the history, undelivered notifications: all that is stored of it."""
    expected = await archive.store.read(lambda connection: exporting.stream_bytes(connection, stream_id))
    if expected is None and not archive.recorder.knows(stream_id):
        raise NotFoundError(f"nothing is stored of a stream {stream_id!r}, and there is none of that name")
    return await export_answer(
        archive.store,
        f"{stream_id}.zip",
        expected or 0,
        lambda connection, file: exporting.write_stream(connection, stream_id, file),
    )


@router.delete("/streams/{stream_id}/data", summary="Delete everything of a stream", responses=_AWAY)
async def delete_data(stream_id: StreamPath, archive: TheArchive, monitor: TheMonitor) -> Deleted:
    """Everything that is stored of a stream, for good; an event that goes on is dropped. The stream itself stays."""
    which = reading.EventFilter(stream_id=stream_id, limit=TOLD)
    gone = (await archive.store.read(lambda connection: reading.list_events(connection, which))).events
    removed = await archive.store.delete_stream(stream_id)
    dropped = archive.recorder.drop(stream_id)
    monitor.history.forget(stream_id)
    if monitor.notifier is not None:
        monitor.notifier.drop_stream(stream_id)
    # what was on its way meanwhile
    removed += await archive.store.delete_stream(stream_id)
    # one that went on may not have been written when the others were read
    for event in {event.id: event for event in (*gone, *dropped)}.values():
        monitor.hub.publish(EventMessage(event=event, deleted=True))
    return Deleted(events=removed.events, observations=removed.observations, buckets=removed.buckets)


@router.get("/marks.zip", summary="Marked clips", response_class=Response, responses={**_ZIP, **_NO_EXPORT})
async def get_marks(archive: TheArchive) -> Response:
    """Clips of suspected manipulations marked confirmed (fakes) or false alarm (real), with a manifest for `train`.

    And for `evaluate`; docs/training.md says how.
    """
    expected = await archive.store.read(exporting.marks_bytes)
    return await export_answer(archive.store, "marks.zip", expected, exporting.write_marks)

"""What is stored: the history of scores, everything of a stream to take or to delete, clips that operators marked."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import IO, Annotated, Any, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from analyzer.errors import OverloadedError
from stream_server.http_errors import error_docs
from stream_server.messages import EventMessage
from stream_server.monitor import TheMonitor
from stream_server.routes.events import TheArchive
from stream_server.settings_section import STREAM_ID_PATTERN
from stream_server.store import exporting, reading, rows
from stream_server.store.store import EXPORT_PREFIX, Store

router = APIRouter(prefix="/api", tags=["stored"])


MOST_BUCKETS: Final = 20_000
"""Of one answer: two and a third days of one face."""
TOLD: Final = 100
"""Deleted events that every browser hears of; a list that is older is fetched anew anyway."""
EXPORTS: Final = 2
"""At once: each reads, and writes a file, for minutes."""
_exporting = asyncio.Semaphore(EXPORTS)
ROOM_BYTES: Final = 500_000_000
"""That an export leaves on the disk, for what happens meanwhile."""
_ZIP: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/zip": {}}, "description": "A zip."}}
_AWAY: Final = error_docs(s404="nothing is kept", s422="not a stream id", s503="the database cannot be used now")

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

    since: float = Field(allow_inf_nan=False, description="Unix seconds.")
    until: float = Field(allow_inf_nan=False, description="Unix seconds.")


class HistoryBucket(BaseModel):
    """Ten seconds of one face."""

    start: int = Field(description="Unix seconds.")
    face_id: int
    scores: int
    probability_mean: float | None = Field(description="Null without scores.")
    probability_max: float | None
    unfit: int = Field(description="Pictures of the face that could not be judged.")


class History(BaseModel):
    """Scores in steps of ten seconds, by time."""

    items: list[HistoryBucket]
    complete: bool = Field(description="False where there are more: ask again from the last start on.")


class StoredStream(BaseModel):
    """What is stored of one stream."""

    stream_id: str
    events: int
    evidence_bytes: int
    observations: int
    buckets: int


class StoredStreams(BaseModel):
    """What is stored, by stream, of those that are gone too."""

    items: list[StoredStream]


class Deleted(BaseModel):
    """How much was deleted."""

    events: int
    observations: int
    buckets: int


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
    responses={**_ZIP, **_AWAY},
)
async def get_data(stream_id: StreamPath, archive: TheArchive) -> Response:
    """Events with their evidence, every observation, the history: all that is stored of a stream."""
    return await _zip(
        archive.store, f"{stream_id}.zip", lambda connection, file: exporting.write_stream(connection, stream_id, file)
    )


@router.delete("/streams/{stream_id}/data", summary="Delete everything of a stream", responses=_AWAY)
async def delete_data(stream_id: StreamPath, archive: TheArchive, monitor: TheMonitor) -> Deleted:
    """Everything that is stored of a stream, for good; an event that goes on is dropped. The stream itself stays."""
    which = reading.EventFilter(stream_id=stream_id, limit=TOLD)
    gone = (await archive.store.read(lambda connection: reading.list_events(connection, which))).events
    counts = await archive.store.write(lambda connection: rows.delete_stream(connection, stream_id))
    archive.recorder.drop(stream_id)
    monitor.history.forget(stream_id)
    if monitor.notifier is not None:
        monitor.notifier.drop_stream(stream_id)
    # what was on its way meanwhile
    more = await archive.store.write(lambda connection: rows.delete_stream(connection, stream_id))
    for event in gone:
        monitor.hub.publish(EventMessage(event=event, deleted=True))
    return Deleted(**{name: count + more[name] for name, count in counts.items()})


@router.get("/marks.zip", summary="Marked clips", response_class=Response, responses={**_ZIP, **_AWAY})
async def get_marks(archive: TheArchive) -> Response:
    """Clips of events marked confirmed (fakes) or false alarm (real), with a manifest for `evaluate` and `train`."""
    return await _zip(archive.store, "marks.zip", exporting.write_marks)


async def _zip(store: Store, name: str, write: Callable[[Connection, IO[bytes]], None]) -> FileResponse:
    """Made in a file beside the database, which has room for it, and deleted when it was sent."""

    def make() -> FilePath:
        with tempfile.NamedTemporaryFile(dir=store.folder, prefix=EXPORT_PREFIX, suffix=".zip", delete=False) as file:
            path = FilePath(file.name)
            try:
                store.read_now(lambda connection: write(connection, file))
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        return path

    if _exporting.locked():
        raise OverloadedError(f"{EXPORTS} exports are being made already: try again when they are done")
    async with _exporting:
        each = await store.read(reading.kept)
        if shutil.disk_usage(store.folder).free < each.part_bytes + ROOM_BYTES:
            raise OverloadedError(f"there may be no room for it in {store.folder}: free some space first")
        path = await asyncio.to_thread(make)
    return FileResponse(
        path,
        media_type="application/zip",
        filename=name,
        background=BackgroundTask(path.unlink, missing_ok=True),
    )

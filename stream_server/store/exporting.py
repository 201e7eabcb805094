"""What is stored, taken out as a zip: everything of a stream, or the clips that operators have marked. Any thread."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import IO, Final

from sqlalchemy import Connection, func, select

from analyzer.errors import NotFoundError
from stream_server.event import Event, EventKind, ReviewMark
from stream_server.store.reading import (
    EventFilter,
    buckets_of,
    kept_by_stream,
    list_events,
    observations_of,
    part_of,
)
from stream_server.store.tables import DELIVERIES, EVENTS, PARTS

MANIFEST: Final = "manifest.tsv"
_COLUMNS: Final = ("file", "kind", "method", "family", "group", "source", "label_of", "event", "note")
_KINDS: Final = {ReviewMark.CONFIRMED: "fake", ReviewMark.FALSE_ALARM: "real"}
"""What a mark says of the clip; unsure says nothing."""
_CLIP: Final = "clip.mp4"
_EVER: Final = 1e12
"""Unix seconds, far beyond any."""
_ROW_BYTES: Final = 150
"""Of an observation or ten seconds as text; packed they are much less."""
_LETTER_BYTES: Final = 4000


def stream_bytes(connection: Connection, stream_id: str) -> int | None:
    """How much `write_stream` will write at most, or about; None where nothing is stored of the stream."""
    kept = kept_by_stream(connection).get(stream_id)
    query = select(func.count()).select_from(DELIVERIES).where(DELIVERIES.c.stream_id == stream_id)
    letters = int(connection.execute(query).scalar_one())
    if kept is None:
        return letters * _LETTER_BYTES or None
    return kept.part_bytes + (kept.observations + kept.buckets) * _ROW_BYTES + letters * _LETTER_BYTES


def marks_bytes(connection: Connection) -> int:
    """The same of `write_marks`."""
    query = (
        select(func.sum(PARTS.c.size))
        .join(EVENTS, EVENTS.c.id == PARTS.c.event_id)
        .where(
            PARTS.c.name == _CLIP,
            EVENTS.c.kind == EventKind.MANIPULATION.value,
            EVENTS.c.mark.in_([mark.value for mark in _KINDS]),
        )
    )
    return int(connection.execute(query).scalar() or 0)


def write_stream(connection: Connection, stream_id: str, file: IO[bytes]) -> None:
    """Everything of one stream: events with their files, observations, buckets of ten seconds, notifications."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for event in _events(connection, EventFilter(stream_id=stream_id)):
            out.writestr(f"events/{event.id}/event.json", event.model_dump_json(indent=2))
            for info in event.parts:
                out.writestr(f"events/{event.id}/{info.name}", part_of(connection, event.id, info.name).data)
        with out.open("observations.jsonl", "w", force_zip64=True) as rows:
            for one in observations_of(connection, stream_id, 0, _EVER):
                entry = {"at": one.at, "face_id": one.face_id, "logit": one.logit, "unfit": one.unfit}
                rows.write(json.dumps(entry).encode() + b"\n")
        with out.open("history.csv", "w", force_zip64=True) as rows:
            for line in _history(connection, stream_id):
                rows.write(line)
        out.writestr("notifications.json", json.dumps(_notifications(connection, stream_id), indent=1))


def write_marks(connection: Connection, file: IO[bytes]) -> None:
    """The clips of marked alerts about faces, with a manifest that `evaluate` and `train` read.

    Confirmed ones are fakes, false alarms are real; unsure ones, events without a clip, and troubles of pictures, which
    say nothing of a face, are left out. A mark is of one face, a clip shows all: `label_of` has those that show several
    left out by whoever reads it. Each stream is a group of its own: what was seen there is never divided between parts.
    Raises `NotFoundError` without any.
    """
    rows: list[dict[str, str]] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:
        for event in _events(connection, EventFilter(marked=True, kind=EventKind.MANIPULATION)):
            kind = None if event.mark is None else _KINDS.get(event.mark)
            if kind is None or all(part.name != _CLIP for part in event.parts):
                continue
            name = f"clips/{event.id}.mp4"
            out.writestr(name, part_of(connection, event.id, _CLIP).data)
            rows.append(
                {
                    "file": name,
                    "kind": kind,
                    "method": "seen live",
                    "family": "seen live",
                    "group": event.stream_id,
                    "source": "operators",
                    "label_of": "one face",
                    "event": event.id,
                    "note": " ".join(event.mark_note.split()),
                }
            )
        out.writestr(MANIFEST, _manifest(rows))
    if not rows:
        raise NotFoundError(
            f"no {EventKind.MANIPULATION} with a clip is marked confirmed or false alarm yet: mark some first"
        )


def _events(connection: Connection, which: EventFilter) -> Iterator[Event]:
    """Page by page: a year of them need not fit into memory."""
    before: str | None = None
    while True:
        page = list_events(connection, replace(which, before=before, limit=200))
        yield from page.events
        if page.next is None:
            return
        before = page.next


def _notifications(connection: Connection, stream_id: str) -> list[object]:
    """Those that wait and those that could not be delivered, as they are stored: without any address."""
    query = select(DELIVERIES.c.body).where(DELIVERIES.c.stream_id == stream_id).order_by(DELIVERIES.c.id)
    return [json.loads(body) for body in connection.execute(query).scalars()]


def _manifest(rows: Iterable[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _history(connection: Connection, stream_id: str) -> Iterator[bytes]:
    yield b"start,face_id,scores,probability_mean,probability_max,unfit\n"
    since = 0.0
    while True:
        page = buckets_of(connection, stream_id, since, _EVER, 5000)
        # the last second of a full page may go on in the next one
        whole = page if len(page) < 5000 else tuple(one for one in page if one.start < page[-1].start)
        for one in whole:
            cells = (one.start, one.face_id, one.scores, one.probability_mean, one.probability_max, one.unfit)
            yield (",".join("" if cell is None else str(cell) for cell in cells) + "\n").encode()
        if len(page) < 5000 or not whole:
            return
        since = page[-1].start

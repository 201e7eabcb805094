"""What is stored, taken out as a zip: everything of a stream, or the clips that operators have marked. Any thread."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, Final

from sqlalchemy import Connection

from analyzer.errors import NotFoundError
from stream_server.events import Event, ReviewMark
from stream_server.store.reading import (
    EventFilter,
    buckets_of,
    list_events,
    observations_of,
    part_of,
)

MANIFEST: Final = "manifest.tsv"
_COLUMNS: Final = ("file", "kind", "method", "family", "group", "source", "event", "note")
_KINDS: Final = {ReviewMark.CONFIRMED: "fake", ReviewMark.FALSE_ALARM: "real"}
"""What a mark says of the clip; unsure says nothing."""
_CLIP: Final = "clip.mp4"
_EVER: Final = 1e12
"""Unix seconds, far beyond any."""


def write_stream(connection: Connection, stream_id: str, file: IO[bytes]) -> None:
    """Everything of one stream: events with their files, every observation, the buckets of ten seconds."""
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


def write_marks(connection: Connection, file: IO[bytes]) -> None:
    """The clips of marked events with a manifest that `evaluate` and `train` read.

    Confirmed ones are fakes, false alarms are real; unsure ones, and events without a clip, are left out. Each stream
    is a group of its own: what was seen there is never divided between parts. Raises `NotFoundError` without any.
    """
    rows: list[dict[str, str]] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:
        for event in _events(connection, EventFilter(marked=True)):
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
                    "event": event.id,
                    "note": " ".join(event.mark_note.split()),
                }
            )
        out.writestr(MANIFEST, _manifest(rows))
    if not rows:
        raise NotFoundError("no event with a clip is marked confirmed or false alarm yet: mark some first")


def _events(connection: Connection, which: EventFilter) -> Iterator[Event]:
    """Page by page: a year of them need not fit into memory."""
    before: str | None = None
    while True:
        page = list_events(
            connection, EventFilter(stream_id=which.stream_id, marked=which.marked, before=before, limit=200)
        )
        yield from page.events
        if page.next is None:
            return
        before = page.next


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

"""From what was gathered of an event to the files of its evidence. Takes up to a second; not on the event loop."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

import av
import cv2

from analyzer.alerting.series import Series
from analyzer.alerting.verdict import Sensitivity
from analyzer.config import NUM_FRAMES
from analyzer.datatypes import Observation
from stream_server.event import EVIDENCE_UNTIL, EventKind, EventState, Part
from stream_server.events.recording.clip import clip_mp4
from stream_server.events.recording.draft import Material
from stream_server.events.recording.drawing import annotated, strip
from stream_server.events.recording.past import PastPicture

logger = logging.getLogger(__name__)

JPEG: Final = "image/jpeg"
CLIP: Final = "clip.mp4"
PRIVATE: Final = "no pictures: the stream is set so that none are kept"
TOO_MANY: Final = "no pictures: too many alerts at once"
NO_PICTURES: Final = "no pictures: none were at hand"
NO_FACES: Final = "not all faces of the highest window: the face was not yet of concern when they came"
MANY_SCORES: Final = "not all scores: the event went on for very long, or many others did at once"
UNTIL: Final = f"{EVIDENCE_UNTIL} {{}} only: the event went on after that"
COULD_NOT: Final = "no {}: it could not be made"
NO_CLIP: Final = COULD_NOT.format("clip")
NOT_MADE: Final = COULD_NOT.format("evidence")


def make_parts(material: Material) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The files, and in words what is missing from them. What cannot be drawn is left out and said, never raised."""
    parts: list[Part] = []
    notes: list[str] = list(_notes(material))

    def add(what: str, make: Callable[[], Iterable[Part]]) -> None:
        try:
            parts.extend(make())
        except (ValueError, cv2.error, av.FFmpegError) as error:
            logger.warning("%s of %s could not be made: %s", what, material.event.id, error)
            notes.append(COULD_NOT.format(what))

    if material.event.kind is EventKind.MANIPULATION:
        parts.append(_scores(material))
        add("strip of faces", lambda: _faces(material))
    for name, picture in (("start", material.start), ("peak", material.peak), ("end", material.end)):
        if picture is not None:
            add(f"snapshot of its {name}", functools.partial(_snapshot, f"snapshot-{name}.jpg", picture, material))
    if not material.clip_known:
        add("clip", lambda: _clip(material))
    return tuple(parts), tuple(notes)


def _notes(material: Material) -> Iterator[str]:
    event = material.event
    if event.private:
        yield PRIVATE
    elif material.start is None and not material.clip and not material.clip_known:
        yield NO_PICTURES
    elif event.kind is EventKind.MANIPULATION and (
        len(material.peak_faces) < NUM_FRAMES or not all(material.peak_faces)
    ):
        yield NO_FACES
    if material.cut:
        yield MANY_SCORES
    if event.state is EventState.OPEN:
        # evidence is made anew at the end; if the monitor is killed before, this is what there is
        yield UNTIL.format(_told(material.at))


def _scores(material: Material) -> Part:
    """In the form that `deepfake-monitor replay` reads; times are Unix seconds."""
    event = material.event
    sensitivity = event.rules.sensitivity if event.rules else Sensitivity.BALANCED
    observations: tuple[Observation, ...] = material.observations
    until = max(event.updated_at, observations[-1].at_s if observations else 0.0)
    lines = Series(event.stream_id, sensitivity, observations, until).lines()
    return Part("scores.jsonl", "application/jsonl", "".join(lines).encode())


def _faces(material: Material) -> Iterator[Part]:
    drawn = strip(material.peak_faces, material.peak_evidence)
    if drawn is None:
        return
    grid, where = drawn
    yield Part("strip.jpg", JPEG, grid)
    yield Part("where.jpg", JPEG, where)
    for number, jpeg in enumerate(material.peak_faces, start=1):
        if jpeg is not None:
            yield Part(f"faces/{number:02}.jpg", JPEG, jpeg)


def _snapshot(name: str, picture: PastPicture, material: Material) -> list[Part]:
    event = material.event
    caption = f"{event.stream_id}  {_told(material.unix(picture.at_s))}  {event.kind}"
    return [Part(name, JPEG, annotated(picture, event.face_id, caption))]


def _clip(material: Material) -> list[Part]:
    encoded = clip_mp4(material.clip)
    if encoded is not None:
        return [Part(CLIP, "video/mp4", encoded)]
    if len(material.clip) > 1:
        raise ValueError("FFmpeg has no encoder for it")
    return []


def _told(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M:%S} UTC"

"""Events with the files of their evidence, and the zips made of them, for tests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from analyzer.alerting.series import Series
from analyzer.alerting.verdict import Sensitivity
from analyzer.datatypes import NotScored, Observation
from stream_server.event import Event, Part
from stream_server.events.evidence_zip.keys import SigningKey, load_or_make_key
from stream_server.events.evidence_zip.pack import pack
from tests import events_of

START: Final = 1_795_435_200.0
"""2026-11-23 12:00:00 UTC."""
MADE_AT: Final = START + 60
EVENT_ID: Final = "20261123T120000-1a2b3c4d"


def an_event(**changes: Any) -> Event:
    """An alert about face 3, over after 14 seconds."""
    values: dict[str, Any] = {
        "id": EVENT_ID,
        "stream_id": "front-door",
        "started_at": START,
        "updated_at": START + 14,
        "ended_at": START + 14,
        "peak_at": START + 6,
        "scores": 84,
        "weights_sha256": "5f0c" * 16,
    }
    return Event.model_validate(events_of.an_event(START).model_dump() | values | changes)


def a_series(observations: tuple[Observation, ...] | None = None) -> Part:
    """Six scores a second from 10 s before the start to 4 s after the end, the highest at 6 s; blurred for a while."""
    if observations is None:
        moments = [i / 6 for i in range(-60, 108)]
        observations = tuple(
            Observation(START + at_s, 3, unfit=NotScored.BLURRED)
            if 9 < at_s < 10.5
            else Observation(START + at_s, 3, 16, 3.4 * math.exp(-(((at_s - 6) / 6) ** 2)) - 0.8)
            for at_s in moments
        )
    text = "".join(Series("front-door", Sensitivity.BALANCED, observations, START + 30).lines())
    return Part("scores.jsonl", "application/jsonl", text.encode())


def a_picture(name: str, width: int = 64, height: int = 48) -> Part:
    """A drawn face, as JPEG."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    middle, scale = (width // 2, height // 2), height // 3
    cv2.ellipse(pixels, middle, (scale * 3 // 4, scale), 0, 0, 360, (150, 180, 220), -1)
    for side in (-1, 1):
        cv2.circle(
            pixels, (middle[0] + side * scale // 3, middle[1] - scale // 4), max(1, scale // 10), (40, 30, 30), -1
        )
    cv2.ellipse(pixels, (middle[0], middle[1] + scale // 2), (scale // 3, scale // 8), 0, 0, 180, (60, 60, 160), -1)
    return Part(name, "image/jpeg", cv2.imencode(".jpg", pixels)[1].tobytes())


def some_parts() -> tuple[Part, ...]:
    """Small ones of every kind but a clip."""
    return (a_series(), a_picture("strip.jpg", 128, 32), a_picture("snapshot-peak.jpg"), a_picture("faces/01.jpg"))


def a_key(folder: Path) -> SigningKey:
    """Kept in this folder."""
    return load_or_make_key(folder)


def a_zip(folder: Path, event: Event | None = None, parts: tuple[Part, ...] | None = None) -> Path:
    """Packed and written into this folder, signed with the key kept there."""
    path = folder / "evidence.zip"
    event = event or an_event()
    path.write_bytes(pack(event, some_parts() if parts is None else parts, a_key(folder), MADE_AT))
    return path

"""Evidence that people look at: a frame with its faces marked, the sixteen faces of a window in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from analyzer.config import FACE_SIZE, NUM_FRAMES
from analyzer.datatypes import Evidence, Pixels
from analyzer.video.report import Peak
from analyzer.video.strips import GRID, WHERE, strips_of
from stream_server.events.recording.past import PastPicture

INK: Final = (0, 140, 255)
"""BGR, orange, for the face that the event is about; the outline of text is black, so that it stands on anything."""
OTHERS: Final = (200, 200, 200)
QUALITY: Final = 88
MISSING: Final = np.full((FACE_SIZE, FACE_SIZE, 3), 96, np.uint8)
"""Stands for a face of which no picture was kept: grey."""


def annotated(picture: PastPicture, face_id: int | None, caption: str) -> bytes:
    """The frame with a box around each face, and one line of text below it. Raises `ValueError` for no JPEG."""
    decoded = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("expected a JPEG")
    frame = np.asarray(decoded, np.uint8)
    scale = frame.shape[1] / picture.width
    for other, box, _ in sorted(picture.faces, key=lambda face: face[0] == face_id):
        colour = INK if other == face_id else OTHERS
        corner = (round(box.x * scale), round(box.y * scale))
        opposite = (round((box.x + box.width) * scale), round((box.y + box.height) * scale))
        cv2.rectangle(frame, corner, opposite, (0, 0, 0), 4)
        cv2.rectangle(frame, corner, opposite, colour, 2)
        _write(frame, f"face {other}", (corner[0], max(corner[1] - 6, 14)), colour)
    below: Pixels = np.zeros((26, frame.shape[1], 3), np.uint8)
    _write(below, caption, (8, 18), (255, 255, 255))
    return _jpeg(np.vstack([frame, below]))


def strip(faces: Sequence[bytes | None], evidence: Evidence | None) -> tuple[bytes, bytes] | None:
    """The faces of a window as a grid, oldest first, and the newest with where the network looked; None without any.

    `faces`: sixteen JPEGs; None, of which no picture was kept, is grey.
    """
    if len(faces) != NUM_FRAMES or not any(faces):
        return None
    pictures = tuple(_face(jpeg) for jpeg in faces)
    drawn = strips_of(Peak(at_s=0.0, fake_probability=0.0, evidence=evidence, pictures=pictures))
    return drawn[GRID], drawn[WHERE]


def _face(jpeg: bytes | None) -> Pixels:
    if jpeg is None:
        return MISSING
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return MISSING if decoded is None else np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


def _write(frame: Pixels, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    for ink, thickness in (((0, 0, 0), 4), (colour, 1)):
        cv2.putText(frame, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, thickness, cv2.LINE_AA)


def _jpeg(frame: Pixels) -> bytes:
    done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"expected a picture that JPEG can hold, got {frame.shape}")
    return bytes(data.tobytes())

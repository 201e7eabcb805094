"""Pictures and faces as the recorder gets them."""

from __future__ import annotations

import cv2
import numpy as np

from analyzer.datatypes import Box, FaceCrop, FaceKey, FrameFaces
from stream_server.events.recording.past import PastPicture
from tests.nets import FIT


def a_jpeg(width: int = 96, height: int = 54, grey: int = 90) -> bytes:
    """A picture of one colour with a lighter square."""
    picture = np.full((height, width, 3), grey, np.uint8)
    picture[height // 4 : height // 2, width // 4 : width // 2] = min(grey + 90, 255)
    done, data = cv2.imencode(".jpg", picture)
    assert done
    return bytes(data.tobytes())


def some_faces(
    at_s: float,
    jpeg: bytes | None,
    *,
    stream_id: str = "cam",
    face_ids: tuple[int, ...] = (1,),
    face_jpegs: tuple[tuple[int, bytes], ...] = (),
) -> FrameFaces:
    """The faces of one frame of 192 x 108 pixels."""
    crops = tuple(
        FaceCrop(FaceKey(stream_id, face_id), 1, int(at_s * 10), None, at_s, Box(40, 20, 60, 60), FIT, None)
        for face_id in face_ids
    )
    return FrameFaces(stream_id, 1, int(at_s * 10), None, at_s, 192, 108, crops, jpeg, face_jpegs)


def a_past_picture(at_s: float, jpeg: bytes | None = None) -> PastPicture:
    """One picture with face 1 in it."""
    return PastPicture(1, int(at_s * 10), at_s, 192, 108, ((1, Box(40, 20, 60, 60), True),), jpeg or a_jpeg())

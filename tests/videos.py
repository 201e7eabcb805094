"""Real pictures and real video files for tests, made on the spot from a picture that scikit-image ships."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import skimage.data
from av.video.stream import VideoStream

from analyzer.datatypes import Pixels

ASTRONAUT_FACE = (224, 115, 105)
"""x and y of the face's middle in `astronaut()` and its height, in pixels."""


@cache
def astronaut() -> Pixels:
    """A real face, (512, 512, 3) RGB, read-only; YuNet finds one face, about 80 x 105 pixels."""
    picture: Pixels = skimage.data.astronaut()  # type: ignore[no-untyped-call]  # scikit-image ships no types
    picture.setflags(write=False)
    return picture


def face_on_canvas(x: float, y: float, size: tuple[int, int] = (640, 360), face_px: float = 105) -> Pixels:
    """A grey picture of `size` (width, height) with the astronaut's face `face_px` high, its middle at (x, y)."""
    center_x, center_y, height = ASTRONAUT_FACE
    factor = face_px / height
    shift = np.array([[factor, 0, x - center_x * factor], [0, factor, y - center_y * factor]], np.float32)
    return np.asarray(cv2.warpAffine(astronaut(), shift, size, borderValue=(90, 90, 90)), np.uint8)


def moving_face(frames: int, size: tuple[int, int] = (640, 360), face_px: float = 105) -> Iterable[Pixels]:
    """The face going round a small circle once in 100 pictures."""
    for i in range(frames):
        angle = 2 * np.pi * i / 100
        x, y = size[0] / 2 + 40 * np.cos(angle), size[1] / 2 + 20 * np.sin(angle)
        yield face_on_canvas(float(x), float(y), size, face_px)


def write_video(
    path: Path,
    pictures: Iterable[Pixels],
    fps: int = 25,
    codec: str = "libx264",
    *,
    rotation: int = 0,
    live: bool = False,
) -> Path:
    """Encode pictures of one size into the container that the path's suffix names.

    `rotation`: degrees counter-clockwise by which a player shall turn the picture. `live`: as a browser records, no
    duration in the header (Matroska and WebM).
    """
    with av.open(str(path), "w", container_options={"live": "1"} if live else {}) as container:
        stream: VideoStream | None = None
        for i, picture in enumerate(pictures):
            if stream is None:
                stream = cast(VideoStream, container.add_stream(codec, rate=fps))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.thread_count = 1
                if rotation:
                    stream.set_display_rotation(rotation)
                if codec == "libx264":
                    stream.options = {"preset": "ultrafast", "crf": "20"}
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())
    return path

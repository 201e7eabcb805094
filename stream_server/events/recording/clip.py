"""A few seconds of pictures as an MP4 that every browser plays."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import av
import cv2
import numpy as np

from stream_server.events.recording.past import PastPicture

CODECS: Final = ("libx264", "libopenh264", "mpeg4")
"""The first that FFmpeg was built with; all browsers play the first two."""
CLOCK_HZ: Final = 1000
"""Pictures come unevenly; their times are kept to the millisecond."""
BITRATE: Final = 1_500_000
"""At most, per second: 16 s are 3 MB."""
SMALLEST: Final = 16
"""Pixels of a side; encoders take even numbers only."""
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's markers before the size of a picture (ITU-T T.81, table B.1)."""


def clip_mp4(pictures: Sequence[PastPicture]) -> bytes | None:
    """Encode them with the times that they had; None for fewer than two, or where FFmpeg has no encoder.

    All get the size of the largest. One is decoded at a time: all at once are 150 MB. Raises `ValueError` for pictures
    that are none, `av.FFmpegError` where encoding fails.
    """
    codec = next((name for name in CODECS if name in av.codecs_available), None)
    if len(pictures) < 2 or codec is None:
        return None
    width, height = max((_size(picture.jpeg) for picture in pictures), key=lambda size: size[0] * size[1])
    width, height = max(width - width % 2, SMALLEST), max(height - height % 2, SMALLEST)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=Fraction(CLOCK_HZ))
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, CLOCK_HZ)
        stream.thread_count = 1  # the streams fill the cores
        if codec == "libx264":
            stream.options = {"preset": "veryfast", "crf": "25", "maxrate": str(BITRATE), "bufsize": str(2 * BITRATE)}
        else:
            stream.bit_rate = BITRATE
        last = -1
        for picture in pictures:
            resized = cv2.resize(_decoded(picture.jpeg), (width, height), interpolation=cv2.INTER_AREA)
            video_frame = av.VideoFrame.from_ndarray(np.asarray(resized, np.uint8), format="bgr24")
            last = max(round((picture.at_s - pictures[0].at_s) * CLOCK_HZ), last + 1)
            video_frame.pts = last
            video_frame.time_base = Fraction(1, CLOCK_HZ)
            container.mux(stream.encode(video_frame))
        container.mux(stream.encode())
    return file.getvalue()


def _size(jpeg: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header alone."""
    at = 2
    while jpeg[:2] == b"\xff\xd8" and at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        if jpeg[at + 1] in _FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", jpeg, at + 5)
            return width, height
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    raise _no_jpeg(jpeg)


def _decoded(jpeg: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    frame = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if frame is None:
        raise _no_jpeg(jpeg)
    return np.asarray(frame, np.uint8)


def _no_jpeg(data: bytes) -> ValueError:
    return ValueError(f"expected a JPEG, got {len(data)} bytes that are none")

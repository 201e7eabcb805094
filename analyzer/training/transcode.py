"""Encoding and decoding a short clip with real codecs, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import cv2
import numpy as np

from analyzer.datatypes import Pixels

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext


def through_codec(frames: Sequence[Pixels], codec: str, strength: int) -> list[Pixels]:
    """Encode and decode a clip of one even size: "none", "jpeg" (quality), "h264" (CRF) or "vp8" (quantiser)."""
    if codec == "none":
        return list(frames)
    if codec == "jpeg":
        return [_jpeg(frame, strength) for frame in frames]
    if codec == "h264":
        options = {"crf": str(strength), "preset": "veryfast", "tune": "zerolatency"}
        return _Video("libx264", "h264", options).round_trip(frames)
    options = {"quality": "realtime", "cpu-used": "8", "qmin": str(strength), "qmax": str(strength + 5), "b": "2M"}
    return _Video("libvpx", "vp8", options).round_trip(frames)


def _jpeg(frame: Pixels, quality: int) -> Pixels:
    _, buffer = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(buffer, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8) if decoded is not None else frame


@dataclass(frozen=True, slots=True)
class _Video:
    encoder: str
    decoder: str
    options: dict[str, str] = field(default_factory=dict)

    def round_trip(self, frames: Sequence[Pixels]) -> list[Pixels]:
        height, width = frames[0].shape[:2]
        encoder = cast("VideoCodecContext", av.CodecContext.create(self.encoder, "w"))
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.framerate, encoder.thread_count, encoder.options = Fraction(25), 1, self.options
        decoder = cast("VideoCodecContext", av.CodecContext.create(self.decoder, "r"))
        decoder.thread_count = 1
        out: list[Pixels] = []
        for index, frame in enumerate([*frames, None]):
            picture = None if frame is None else av.VideoFrame.from_ndarray(frame, format="rgb24")
            if picture is not None:
                picture.pts = index
            for packet in encoder.encode(picture):
                out += [np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in decoder.decode(packet)]
        out += [np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in decoder.decode(None)]
        # an encoder may drop a frame: the one before it stays on the screen
        while len(out) < len(frames):
            out.append(out[-1] if out else frames[len(out)])
        return out

"""Encoding and decoding a short clip with real codecs, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

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
    # below 0 the speed is fixed; above, the encoder chooses by its clock, and the same clip is not the same twice
    options = {"quality": "realtime", "cpu-used": "-8", "qmin": str(strength), "qmax": str(strength + 5), "b": "2M"}
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
        # kept for the clip: each new one would start a thread per core
        there, back = VideoReformatter(), VideoReformatter()

        def pictures(decoded: Sequence[av.VideoFrame]) -> list[Pixels]:
            return [
                np.asarray(back.reformat(frame, format="rgb24", threads=1).to_ndarray(), np.uint8) for frame in decoded
            ]

        out: list[Pixels] = []
        for index, frame in enumerate([*frames, None]):
            picture = None
            if frame is not None:
                rgb = av.VideoFrame.from_ndarray(frame, format="rgb24")
                picture = there.reformat(rgb, format="yuv420p", threads=1)
                picture.pts = index
            for packet in encoder.encode(picture):
                out += pictures(decoder.decode(packet))
        out += pictures(decoder.decode(None))
        # an encoder may drop a frame: the one before it stays on the screen
        while len(out) < len(frames):
            out.append(out[-1] if out else frames[len(out)])
        return out

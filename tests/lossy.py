"""H.264 that lost packets on its way, put together as an RTP receiver does: what is left of a picture is handed on."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from analyzer.datatypes import Pixels

FPS = 25
RTP_PAYLOAD = 1400
KEYFRAMES = 25
"""Frames from one to the next."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One encoded picture."""

    data: bytes
    lost: int = 0
    """RTP packets that did not arrive."""


def encoded(
    pictures: Iterable[Pixels], size: tuple[int, int] = (640, 360), *, bit_rate: int = 2_000_000, more: str = ""
) -> list[Unit]:
    """As cameras encode: one slice a picture, no picture that waits for a later one. `more`: parameters of x264."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.bit_rate = bit_rate
    encoder.width, encoder.height = size
    x264 = f"keyint={KEYFRAMES}:min-keyint={KEYFRAMES}:scenecut=0:slices=1:sliced-threads=0:repeat-headers=1{more}"
    encoder.options = {"tune": "zerolatency", "preset": "veryfast", "x264-params": x264}
    units = []
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        units += [Unit(bytes(packet)) for packet in encoder.encode(frame)]
    return units + [Unit(bytes(packet)) for packet in encoder.encode(None)]


def lossy(units: Sequence[Unit], share: float, *, whole: bool = False) -> list[Unit]:
    """Each RTP packet is lost with that probability; unless `whole`, none that alone holds a picture."""
    drawn = random.Random(1)
    arrived = []
    for unit in units:
        left, lost = b"", 0
        for nal in re.split(rb"\x00\x00\x00?\x01", unit.data)[1:]:
            parts = [nal[at : at + RTP_PAYLOAD] for at in range(0, len(nal), RTP_PAYLOAD)]
            kept = [at for at in range(len(parts)) if drawn.random() >= share or (len(parts) == 1 and not whole)]
            lost += len(parts) - len(kept)
            # a fragment that does not begin a unit is added to what came before
            left += b"".join((b"" if at else b"\x00\x00\x00\x01") + parts[at] for at in kept)
        arrived.append(Unit(left, lost))
    return arrived


def decoder() -> VideoCodecContext:
    """As sources set it up."""
    made = av.CodecContext.create("h264", "r")
    assert isinstance(made, VideoCodecContext)
    made.thread_count = 1
    made.flags |= Flags.low_delay.value
    return made

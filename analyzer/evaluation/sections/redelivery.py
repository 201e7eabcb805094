"""A video file as a viewer gets it: the same pictures once more, scaled, thinned out and through a real codec.

What is done is a `Recipe`; the named ones are in `cells`. Pictures pass one by one, so memory does not grow with the
video; nothing but the new file is written.
"""

from __future__ import annotations

import errno
import hashlib
import io
import math
import re
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError, MediaError
from analyzer.faces.detector import FaceDetector
from analyzer.video.video_file import VideoFile, VideoLimits

Planes = npt.NDArray[np.uint8]
"""A picture in YUV 4:2:0, limited range: (height * 3 / 2, width), luma first, then the chroma planes at half size."""

Change = Callable[[Planes], Planes]
"""Makes another picture of the same size out of one; called in order, so it may remember."""

LOOK_EVERY_S: Final = 0.5
"""How often a face is measured to know how wide faces are in a video."""

KEPT_FORMATS: Final = frozenset({"yuv420p", "yuv422p", "yuv444p"})
"""Pixel formats that a lossless copy may have; everything else becomes 4:2:0 of 8 bits, as services send."""

MIB: Final = 2**20

_LIMITS: Final = VideoLimits(max_seconds=math.inf)
"""A film may be long: only its first seconds are read."""

_TIME_BASE: Final = Fraction(1, 1000)  # Matroska's own
_START_CODE: Final = re.compile(rb"\x00?\x00\x00\x01")
_SLICE: Final = 1
"""NAL unit type of a slice that is not of a key frame (ITU-T H.264, table 7-1)."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec and what it is told."""

    codec: str
    """FFmpeg's name of the encoder."""
    options: Mapping[str, str] = field(hash=False)
    lost: float = 0.0
    """Share of network packets that do not arrive; H.264 only. Key frames always do, as after a request for one."""


LOSSLESS: Final = Encoding("libx264", MappingProxyType({"qp": "0", "preset": "ultrafast", "tune": "zerolatency"}))
"""Not one pixel changes: what a cell then shows is the doing of its other parts alone."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a recipe may depend on."""

    width: int
    height: int
    """Of the upright picture, pixels, even."""
    fps: float
    face_px: float | None
    """Median over time of the largest face's longer box side; None where the detector finds none."""
    seed: int
    """From the file's bytes: chance falls the same way each time, and differently for each video."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done to one video."""

    encoding: Encoding = LOSSLESS
    scale: float = 1.0
    """Sides are multiplied by this, at most 1: nothing is ever enlarged."""
    max_fps: float | None = None
    """Pictures a second that are kept, evenly; None for all."""
    change: Change | None = None
    """What happens to the pixels after scaling."""
    shake: float = 0.0
    """For `ShakyDetector`: nothing that a file could hold."""
    untouched: bool = False
    """The video is already at or below what was asked for, and is left as it is."""

    @property
    def keeps_pixels(self) -> bool:
        """Whether each picture that is kept is to come out as it went in."""
        return self.encoding is LOSSLESS and self.scale == 1 and self.change is None


def look_at(path: Path, seconds: float, detector: FaceDetector) -> Known:
    """Measure the first seconds of a video. Raises `MediaError` when it cannot be read."""
    reformatter = VideoReformatter()
    sides: list[float] = []
    due_s = 0.0
    size = (0, 0)
    with VideoFile(path, _LIMITS) as video:
        for frame, at_s in _upright(video, seconds, reformatter):
            size = size if any(size) else (frame.width, frame.height)
            if at_s >= due_s:
                due_s = at_s + LOOK_EVERY_S
                found = detector.detect(_rgb(frame, reformatter))
                sides += [max(face.box.longer_side for face in found)] if found else []
        return Known(*size, video.fps, statistics.median(sides) if sides else None, int(fingerprint(path)[:8], 16))


def fingerprint(path: Path) -> str:
    """What tells a file from another without reading all of it: SHA-256 of its size and its first and last MiB.

    For chance alone: twins may have one. Raises `MediaError` when it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():  # opening a FIFO would wait for ever
            raise MediaError(f"{path.name} is no plain file")
        with path.open("rb") as file:
            digest = hashlib.sha256(file.read(MIB))
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - MIB))
            digest.update(file.read(MIB))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise MediaError(f"{path.name!r} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    digest.update(str(size).encode())
    return digest.hexdigest()


def redeliver(source: Path, recipe: Recipe, known: Known, folder: Path, seconds: float) -> Path:
    """Write the first `seconds` of a video into `folder`, as `recipe` says; returns the new file.

    Upright, from time 0, pictures of an even size and without sound; 4:2:0 of 8 bits, but see `KEPT_FORMATS`. A video
    that changes its size on the way keeps the first one. Raises `MediaError` when the video cannot be read or encoded,
    `TooLargeError`, `ConfigError` when the disk is full.
    """
    # Damaged H.264 needs a container that keeps no list of what ought to be there.
    target = folder / ("redelivered.ts" if recipe.encoding.lost else "redelivered.mkv")
    try:
        with VideoFile(source, _LIMITS) as video, av.open(str(target), "w") as container:
            _Writer(container, recipe, known).write(video, seconds)
    except (av.FFmpegError, OSError, ValueError) as error:
        if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
            raise ConfigError(f"no room in {folder} for a re-delivered video") from error
        raise MediaError(f"{source.name} cannot be re-delivered with {recipe.encoding.codec}: {error}") from error
    return target


class _Writer:
    """Encodes one video by one recipe."""

    def __init__(self, container: OutputContainer, recipe: Recipe, known: Known) -> None:
        self._container = container
        self._recipe = recipe
        self._size = _even(known.width * recipe.scale), _even(known.height * recipe.scale)
        self._reformatter = VideoReformatter()
        self._loss = np.random.default_rng(known.seed)
        fps = min(known.fps, recipe.max_fps or known.fps)
        encoding = recipe.encoding
        # Streaming services put a key frame every two seconds.
        options = {"g": str(max(1, round(2 * fps))), **encoding.options}
        stream = container.add_stream(encoding.codec, rate=Fraction(fps).limit_denominator(1001), options=options)
        self._stream = cast(VideoStream, stream)
        self._stream.width, self._stream.height = self._size
        self._stream.time_base = self._stream.codec_context.time_base = _TIME_BASE
        self._stream.codec_context.thread_count = 1  # the cores belong to the other jobs

    def write(self, video: VideoFile, seconds: float) -> None:
        due_s = 0.0
        step_s = 1 / self._recipe.max_fps if self._recipe.max_fps else 0.0
        for frame, at_s in _upright(video, seconds, self._reformatter):
            if at_s < due_s - 0.5 / video.fps:  # half a picture early is nearer than half a picture late
                continue
            due_s = max(due_s + step_s, at_s + 0.5 * step_s)
            picture = self._picture(frame)
            picture.pts, picture.time_base = round(at_s / _TIME_BASE), _TIME_BASE
            self._encode(picture)
        self._encode(None)

    def _picture(self, frame: VideoFrame) -> VideoFrame:
        width, height = self._size
        kind = frame.format.name if self._recipe.keeps_pixels and frame.format.name in KEPT_FORMATS else "yuv420p"
        scaled = self._reformatter.reformat(
            frame, width, height, kind, interpolation=Interpolation.AREA, dst_color_range=ColorRange.MPEG, threads=1
        )
        if self._recipe.change is None:
            return scaled
        changed = VideoFrame.from_ndarray(self._recipe.change(np.asarray(scaled.to_ndarray(), np.uint8)), "yuv420p")
        changed.colorspace, changed.color_range = scaled.colorspace, scaled.color_range
        return changed

    def _encode(self, picture: VideoFrame | None) -> None:
        context = self._stream.codec_context
        if picture is not None and not context.is_open:
            context.pix_fmt = picture.format.name
            # a player must turn it into RGB as it would the original
            context.colorspace, context.color_range = picture.colorspace, picture.color_range
        for packet in self._stream.encode(picture):
            self._container.mux(self._damaged(packet) if self._recipe.encoding.lost else packet)

    def _damaged(self, packet: Packet[VideoStream]) -> Packet[Stream]:
        """The packet of one picture without those of its slices that got lost."""
        kept = [
            unit
            for unit in nal_units(bytes(packet))
            if nal_type(unit) != _SLICE or self._loss.random() >= self._recipe.encoding.lost
        ]
        left = Packet(b"".join(kept))
        left.pts, left.dts, left.time_base = packet.pts, packet.dts, packet.time_base
        left.is_keyframe, left.stream = packet.is_keyframe, packet.stream
        return left


def nal_units(data: bytes) -> list[bytes]:
    """The NAL units of an H.264 byte stream, each with its start code (ITU-T H.264, annex B)."""
    starts = [found.start() for found in _START_CODE.finditer(data)]
    return [data[start:end] for start, end in pairwise([*starts, len(data)])]


def nal_type(unit: bytes) -> int:
    """What a NAL unit with its start code holds."""
    return unit[unit.index(b"\x01") + 1] & 0x1F


def _upright(video: VideoFile, seconds: float, reformatter: VideoReformatter) -> Iterator[tuple[VideoFrame, float]]:
    """Pictures and their times up to `seconds`, turned as the container says, with even sides. `MediaError`."""
    for timed in video.frames():
        if timed.at_s >= seconds:
            return
        frame = timed.video_frame
        if min(frame.width, frame.height) < 2:
            raise MediaError(f"pictures of {frame.width} x {frame.height} cannot have even sides")
        quarters = round(frame.rotation / 90) % 4  # counter-clockwise, as NumPy turns
        if quarters or frame.width % 2 or frame.height % 2:
            rgb = np.rot90(_rgb(frame, reformatter), quarters)
            even = np.ascontiguousarray(rgb[: len(rgb) // 2 * 2, : rgb.shape[1] // 2 * 2], np.uint8)
            frame = VideoFrame.from_ndarray(even, format="rgb24")
        yield frame, timed.at_s


def _rgb(frame: VideoFrame, reformatter: VideoReformatter) -> Pixels:
    try:
        return np.asarray(reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray(), np.uint8)
    except (av.FFmpegError, ValueError) as error:
        raise MediaError(f"pictures of the format {frame.format.name} cannot be converted: {error}") from error


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)

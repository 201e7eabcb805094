"""One video file on disk: opened safely, its frames in order on a clock that does not lie."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av
from av import VideoFrame
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from analyzer.engine.pipeline import MAX_PIXELS
from analyzer.errors import MediaError, NotAVideoError, TooLargeError
from analyzer.integrity.damage import Damage

# Demuxers by FFmpeg's names. Playlists and scripts (hls, dash, concat, imf, image2 ...) are left out on purpose: they
# make FFmpeg open other files, and an uploaded one must not reach beyond itself.
CONTAINERS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf,gif"

# What people call them, for messages.
KNOWN_AS: Final = "MP4, MOV, AVI, FLV, MKV, WebM, MPEG or Ogg"

# A film has one to ten; thousands are an attack on the memory that each one takes.
MAX_STREAMS: Final = 32

# For files that say nothing believable of their frame rate.
DEFAULT_FPS: Final = 25.0

# Believable frame rates. Matroska without a default duration claims 1000, broken files 90000.
FPS_RANGE: Final = (0.5, 240.0)

# A screen recording may rest on one picture for seconds. A longer leap in time is a broken timestamp.
MAX_LEAP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """What one video may take; beyond it is a `TooLargeError`."""

    max_seconds: float = 1800.0
    """Media time. Half an hour is some ten minutes of work on one core."""
    max_pixels: int = MAX_PIXELS
    """Pixels of one frame: 8K."""
    max_frames: int = 120_000
    """Half an hour at 60 frames a second, and some."""


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """One decoded picture."""

    video_frame: VideoFrame
    index: int
    """Counts decoded pictures from 0."""
    at_s: float
    """Media time since the first picture, seconds, always rising."""
    progress: float
    """Share of the file read so far, 0 to 1, never falling."""
    damaged: bool = False
    """It rests on something that could not be decoded whole."""


class MediaClock:
    """Makes rising seconds from 0 out of timestamps that may be missing, stand still, run backwards or leap.

    A believable step is taken as it is; any other one counts as one frame at the container's rate, and what follows is
    measured from there.
    """

    def __init__(self, fps: float) -> None:
        self._step_s = 1 / fps
        self._at_s: float | None = None
        self._shift_s: float | None = None
        """What is added to a timestamp; None until the first one."""

    @property
    def now_s(self) -> float:
        """The media time of the newest frame."""
        return self._at_s or 0.0

    def tick(self, pts_s: float | None) -> float:
        """The media time of the next frame, whose timestamp in seconds is `pts_s`."""
        at_s = 0.0 if self._at_s is None else self._at_s + self._step_s
        if pts_s is not None and math.isfinite(pts_s):
            if (
                self._at_s is not None
                and self._shift_s is not None
                and 0 < pts_s + self._shift_s - self._at_s <= MAX_LEAP_S
            ):
                at_s = pts_s + self._shift_s
            else:
                self._shift_s = at_s - pts_s
        self._at_s = at_s
        return at_s


class VideoFile:
    """A local video file, open for reading once from its start; a context manager that always closes it.

    Raises `NotAVideoError` for anything but a readable container with a video stream, `TooLargeError` where the header
    alone says so, `MediaError` when there is no such file.
    """

    def __init__(self, path: Path, limits: VideoLimits | None = None) -> None:
        self._path = path
        self._limits = limits or VideoLimits()
        self._bytes = _check_file(path)
        self.damaged = 0
        """Packets and pictures left out so far because they could not be decoded whole."""
        try:
            # An absolute path can be no protocol, and no other one may be used from inside.
            self._container: InputContainer = av.open(
                str(path.absolute()),
                "r",
                container_options={
                    "protocol_whitelist": "file",
                    "format_whitelist": CONTAINERS,
                    "max_streams": str(MAX_STREAMS),
                },
                metadata_errors="replace",  # titles are in any encoding, and nobody reads them here
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise NotAVideoError(
                f"{path.name} is not a video that we can read: expected {KNOWN_AS}, got something else or a file that "
                f"was cut off before its index ({_reason(error)})"
            ) from error
        try:
            self._stream = self._choose_stream()
            self._read_header()
        except BaseException:
            self._container.close()
            raise

    def _read_header(self) -> None:
        context = self._stream.codec_context
        # Threads would take the cores from the live streams.
        context.thread_count = 1
        self.width, self.height = context.width, context.height
        rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        self.fps = rate if FPS_RANGE[0] <= rate <= FPS_RANGE[1] else DEFAULT_FPS
        """Frames per second as the header says, or 25 where it says nothing believable."""
        seconds = self._container.duration / av.time_base if self._container.duration else 0.0
        self.duration_s = seconds if math.isfinite(seconds) and seconds > 0 else None
        """As the header says; None where it is silent (live recordings)."""
        self._check_size(self.width, self.height)
        self._check_seconds(self.duration_s or 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._container.close()

    def frames(self) -> Iterator[TimedFrame]:
        """All pictures that can be decoded, in order.

        What is damaged is left out and counted in `damaged`; what rests on it is marked.

        Raises `TooLargeError` as soon as a limit is passed, `NotAVideoError` when not one picture can be decoded.
        """
        clock, damage = MediaClock(self.fps), Damage(self._stream.codec_context)
        index, progress = 0, 0.0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError):  # the file ends in the middle of something
                self.damaged += 1
                break
            if packet is None:
                break
            if packet.pos is not None and packet.pos > 0:
                progress = max(progress, min(1.0, packet.pos / self._bytes))
            damage.fed(packet)
            try:
                pictures = packet.decode()
            except (av.FFmpegError, ValueError):
                self.damaged += 1
                damage.lost(clock.now_s)
                continue
            for picture in pictures:
                hurt = damage.hurts(picture, clock.now_s)
                if picture.is_corrupt:  # the decoder has patched holes: not what a camera or a forger made
                    self.damaged += 1
                    continue
                self._check_size(picture.width, picture.height)
                at_s = clock.tick(None if picture.pts is None else picture.time)
                self._check_seconds(at_s)
                if index >= self._limits.max_frames:
                    raise TooLargeError(f"{self._path.name} has more than {self._limits.max_frames} frames")
                yield TimedFrame(picture, index, at_s, progress, hurt)
                index += 1
        if index == 0:
            raise NotAVideoError(
                f"{self._path.name} has a video stream ({self._stream.codec_context.name}), but not one picture of it "
                f"can be decoded: the file is damaged or cut off"
            )

    def _choose_stream(self) -> VideoStream:
        streams = [s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            kinds = ", ".join(sorted({str(stream.type) for stream in self._container.streams}))
            raise NotAVideoError(f"{self._path.name} has no video stream, only {kinds or 'an empty container'}")
        stream = max(streams, key=lambda s: bool(s.disposition & Disposition.default))
        if stream.codec_context is None:  # what PyAV says of a codec that this build of FFmpeg does not know
            raise NotAVideoError(f"{self._path.name} uses a video codec that we cannot decode")
        return stream

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._limits.max_pixels:
            raise TooLargeError(
                f"{self._path.name} has frames of {width} x {height}: at most {self._limits.max_pixels} pixels are read"
            )

    def _check_seconds(self, seconds: float) -> None:
        if seconds > self._limits.max_seconds:
            raise TooLargeError(
                f"{self._path.name} is longer than {self._limits.max_seconds:g} s; cut out the part that matters"
            )


def _check_file(path: Path) -> int:
    """The size in bytes of a regular file that is not empty."""
    try:
        if not path.is_file():  # a FIFO or device would block for ever
            raise MediaError(f"there is no file {path.name}" if not path.exists() else f"{path.name} is no plain file")
        size = path.stat().st_size
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise MediaError(f"{path.name!r} cannot be opened: {_reason(error)}") from error
    if size == 0:
        raise NotAVideoError(f"{path.name} is empty (0 bytes)")
    return size


def _reason(error: BaseException) -> str:
    """What FFmpeg or the system said, without the path."""
    return getattr(error, "strerror", None) or str(error)

"""A video file played in real time, over and over: for demos, tests and recordings."""

from __future__ import annotations

import time
from typing import Final

import av
from av.container import InputContainer
from av.error import FFmpegError

from analyzer.errors import SourceError, SourceErrorKind
from stream_server.streams.sources.address import AddressRules, SourceAddress
from stream_server.streams.sources.base import Backoff, OnFrame, OnStatus
from stream_server.streams.sources.pacer import Pacer
from stream_server.streams.sources.thread import ThreadSource

FORMATS: Final = "mov,matroska,avi,flv,mpegts,mpeg,ogg,asf,h264,hevc,ivf,obu,m4v,gif,mjpeg,mpegvideo,yuv4mpegpipe"
"""FFmpeg's readers of plain video files; none that opens further files named inside (hls, concat, dash, sdp)."""

_DEFAULT_FPS: Final = 25.0  # for files without time stamps (raw H.264), FFmpeg's own default


class FileSource(ThreadSource):
    """Plays a file by its time stamps, from the start again at its end.

    The cut from end to start is a jump, so each round is a new generation and windows do not span it. With `seamless`
    (the demo clips, whose last frame leads into the first) the generation stays and `pts_s` goes on rising.

    A file that is missing, no video, or vanishes shows as lost with the reason and is tried again.
    """

    def __init__(
        self,
        stream_id: str,
        address: SourceAddress,
        rules: AddressRules,
        *,
        on_frame: OnFrame,
        on_status: OnStatus,
        seamless: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(stream_id, "file", on_frame, on_status, backoff or Backoff())
        self._address = address
        self._rules = rules
        self._seamless = seamless
        self._pacer = Pacer()
        self._pts_offset_s = 0.0

    def _attempt(self) -> SourceError:
        self._begin()
        self._pts_offset_s = 0.0
        rounds = 0
        while not self._stopping.is_set():
            path = self._address.open_path(self._rules)
            if rounds and not self._seamless:
                self._begin()
            try:
                # "file:" and the white-lists: neither a file's name nor what stands in it may make FFmpeg open another
                options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
                with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
                    self._play(container)
            except FFmpegError as error:
                raise SourceError(
                    SourceErrorKind.NO_MEDIA,
                    f"{self._address.masked} is not a video that can be read: {error.strerror}",
                ) from None
            rounds += 1
        return SourceError(SourceErrorKind.NO_MEDIA, "stopped")

    def _play(self, container: InputContainer) -> None:
        """One round, from the first frame to the last."""
        if not container.streams.video:
            raise SourceError(SourceErrorKind.NO_MEDIA, f"{self._address.masked} holds no video")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise SourceError(SourceErrorKind.CODEC, f"the video in {self._address.masked} is of an unknown codec")
        context.thread_count = 1
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate else _DEFAULT_FPS
        count = 0
        first_s = last_s = 0.0
        for frame in container.decode(stream):
            media_s = frame.time if frame.time is not None else count / fps
            if count == 0:
                first_s = media_s
            last_s = media_s - first_s
            pts_s = self._pts_offset_s + last_s
            # the wait ends early when the stream is stopped
            if self._stopping.wait(self._pacer.wait_s(pts_s, time.monotonic())):
                return
            self._deliver(frame, pts_s, context.name, fps)
            count += 1
        if count == 0:
            raise SourceError(SourceErrorKind.CODEC, f"no picture in {self._address.masked} can be decoded")
        self._pts_offset_s += last_s + 1 / fps

"""What camera and file sources share: one thread that tries, waits and tries again until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import traceback
from dataclasses import replace
from typing import Final

from av import VideoFrame

from analyzer.datatypes import Frame
from analyzer.errors import SourceError, SourceErrorKind
from stream_server.streams.sources.address import redact
from stream_server.streams.sources.base import Backoff, OnFrame, OnStatus, SourceStatus, StreamState
from stream_server.streams.sources.interrupt import interruptible

_FOR_PEOPLE: Final = (SourceErrorKind.AUTH, SourceErrorKind.FORBIDDEN)

log = logging.getLogger(__name__)


class ThreadSource:
    """Runs `_attempt` again and again on its own thread `source-<stream_id>`, with growing pauses between.

    A subclass writes `_attempt`, which calls `_deliver` for each picture and polls `_stopping`. Everything with an
    underscore belongs to the thread.
    """

    def __init__(self, stream_id: str, kind: str, on_frame: OnFrame, on_status: OnStatus, backoff: Backoff) -> None:
        self.kind = kind
        self._stream_id = stream_id
        self._on_frame = on_frame
        self._on_status = on_status
        self._backoff = backoff
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"source-{stream_id}", daemon=True)
        self._status = SourceStatus(StreamState.CONNECTING)
        self._generation = 0
        self._index = 0

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    async def stop(self) -> None:
        """Tell the thread to end and wait for it without holding up the event loop. Fine to call again."""
        self._stopping.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        with interruptible(self._stopping):
            while not self._stopping.is_set():
                self._report(replace(self._status, state=StreamState.CONNECTING, retry_in_s=None), force=True)
                error = self._try()
                if self._stopping.is_set():
                    return
                kind = error.kind if isinstance(error, SourceError) else None
                pause_s = self._backoff.pause_s(slow=kind in _FOR_PEOPLE)
                self._report(
                    replace(
                        self._status,
                        state=StreamState.LOST,
                        error_kind=kind,
                        message=str(error),
                        retry_in_s=round(pause_s, 3),
                    )
                )
                self._stopping.wait(pause_s)

    def _try(self) -> Exception:
        """One attempt and how it ended. The root guard of the thread: a bug in one attempt must not end the stream."""
        try:
            return self._attempt()
        except SourceError as error:
            return error
        except Exception as error:  # noqa: BLE001 - root guard
            # not log.exception: FFmpeg's exceptions, which hold the address, may be anywhere in the chain
            log.error("stream %s: %s", self._stream_id, redact(traceback.format_exc()))  # noqa: TRY400
            return RuntimeError(f"internal error ({type(error).__name__}), see the log")

    def _attempt(self) -> SourceError:
        """Connect and deliver until it ends; returns or raises why it did. `_stopping` ends it too."""
        raise NotImplementedError

    def _begin(self) -> None:
        """The frames that follow belong to a new connection."""
        self._generation += 1
        self._index = 0

    def _deliver(
        self, video_frame: VideoFrame, pts_s: float | None, codec: str, fps: float | None, *, damaged: bool = False
    ) -> float:
        """Hand one picture on, say that the stream is live; returns when it was received (monotonic seconds)."""
        now = time.monotonic()
        self._backoff.frame(now)
        self._report(
            SourceStatus(
                StreamState.LIVE,
                width=video_frame.width,
                height=video_frame.height,
                codec=codec,
                fps=fps,
                generation=self._generation,
            )
        )
        may_repeat = self.kind == "file"
        self._on_frame(
            Frame(self._stream_id, self._generation, self._index, pts_s, now, video_frame, may_repeat, damaged)
        )
        self._index += 1
        return now

    def _report(self, status: SourceStatus, *, force: bool = False) -> None:
        if force or status != self._status:
            self._status = status
            self._on_status(status)

"""Stands where the engine and the registry stand for a source: remembers what it delivered and said."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from analyzer.datatypes import Frame
from stream_server.streams.sources.base import Source, SourceStatus, StreamState

PATIENCE_S = 30.0
"""A test gives up after this; never what it measures."""


class Recorder:
    """Any thread may deliver; the waiting methods block the calling thread (a source needs no event loop to run)."""

    def __init__(self) -> None:
        self.frames: deque[Frame] = deque(maxlen=40)
        """The newest ones only: a picture is half a megabyte."""
        self.count = 0
        self.statuses: list[SourceStatus] = []
        self._changed = threading.Condition()

    def on_frame(self, frame: Frame) -> None:
        with self._changed:
            self.frames.append(frame)
            self.count += 1
            self._changed.notify_all()

    def on_status(self, status: SourceStatus) -> None:
        with self._changed:
            self.statuses.append(status)
            self._changed.notify_all()

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_S), f"{what} did not come; statuses: {self.statuses}"

    def wait_frames(self, count: int) -> Frame:
        """`count` more frames; the newest."""
        wanted = self.count + count
        self.wait(f"{count} frames", lambda: self.count >= wanted)
        return self.frames[-1]

    def wait_state(self, state: StreamState, generation: int = 0) -> SourceStatus:
        """Until the newest status is `state`, of that generation or a later one."""
        self.wait(f"{state} {generation}", lambda: self._is(state, generation))
        return self.statuses[-1]

    def _is(self, state: StreamState, generation: int) -> bool:
        return bool(self.statuses) and self.statuses[-1].state is state and self.statuses[-1].generation >= generation

    def said(self) -> str:
        """Everything that it said, as text."""
        return repr(self.statuses)


@asynccontextmanager
async def running(source: Source) -> AsyncIterator[None]:
    """Start it, and stop it at the end whatever happens; no thread of it may be left."""
    before = set(threading.enumerate())
    source.start()
    try:
        yield
    finally:
        await source.stop()
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("source-")]
    assert not left, f"threads left behind: {left}"

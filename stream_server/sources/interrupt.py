"""Lets a source's thread leave a blocking FFmpeg call as soon as it is told to stop.

While FFmpeg waits for the network it asks PyAV every 0.1 s whether its time is up, and PyAV answers from
`time.monotonic()`. Closing a container from another thread hangs the reader, so the clock is the only way in: for a
thread that is told to stop, PyAV's clock runs away and FFmpeg returns. The clock lives in a private place of PyAV
(`av.container.core.time`, seen in 18.1, pinned by a test); were it gone, stopping would take one read time-out.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import av.container.core

_RUNAWAY_S: Final = 1e9  # further than any time-out, at each look at the clock: the next one counts from this one


class _Clock:
    """What `av.container.core` sees as its `time` module."""

    def __init__(self) -> None:
        self._stopping: dict[int, threading.Event] = {}
        self._runaway = itertools.count(1)

    def monotonic(self) -> float:
        stopping = self._stopping.get(threading.get_ident())
        now = time.monotonic()
        return now + next(self._runaway) * _RUNAWAY_S if stopping is not None and stopping.is_set() else now

    @contextmanager
    def watched(self, stopping: threading.Event) -> Iterator[None]:
        # only the thread itself writes its key, and single dict operations are atomic
        thread = threading.get_ident()
        self._stopping[thread] = stopping
        try:
            yield
        finally:
            del self._stopping[thread]


_clock: Final = _Clock()
installed: Final = vars(av.container.core).get("time") is time
"""False when PyAV has changed: stopping then takes up to one time-out."""
if installed:
    vars(av.container.core)["time"] = _clock


def interruptible(stopping: threading.Event) -> AbstractContextManager[None]:
    """Within this context the calling thread's FFmpeg calls that have a time-out end soon after `stopping` is set."""
    return _clock.watched(stopping)

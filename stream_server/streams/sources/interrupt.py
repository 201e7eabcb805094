"""Lets a source's thread leave a blocking FFmpeg call as soon as it is told to stop.

While FFmpeg waits for the network it asks PyAV every 0.1 s whether its time is up, and PyAV answers from
`time.monotonic()`. Closing a container from another thread hangs the reader, so the clock is the only way in: for a
thread that is told to stop, PyAV's clock runs away and FFmpeg returns. The clock lives in a private place of PyAV
(`av.container.core.time`, seen in 18.1, pinned by a test); were it gone, stopping would take one read time-out.

That is how opening ends. Reading is another matter: FFmpeg asks at each small read, some 2 000 times a second for a
camera of 720p, and each answer takes the GIL: with 10 cameras, their threads waited for it half of the time. For a
container without a time-out, PyAV answers without Python. So cameras are read without one, and what would have been the
time-out is written into the open container from outside (`quiet_reads`).
"""

from __future__ import annotations

import ctypes
import io
import itertools
import logging
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import av
import av.container.core
from av.container import Container, InputContainer

logger = logging.getLogger(__name__)

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


WATCH_EVERY_S: Final = 0.1
"""Between two looks at all reads."""

_NO_TIMEOUT: Final = -1.0  # what PyAV writes for None


def _place_of_timeout(container: Container, opened_s: float) -> int | None:
    """Where in the object PyAV keeps the time-out of `container`, opened since `opened_s`; None when that is not clear.

    `struct { double start_time, timeout; }` in `av/container/core.pxd`: found by what is in it, the time of the last
    look at the clock and no time-out, so that a PyAV that keeps it elsewhere, or not at all, is noticed.
    """
    if sys.implementation.name != "cpython":
        return None  # elsewhere id() is no address
    memory = ctypes.string_at(id(container), type(container).__basicsize__)
    size = struct.calcsize("d")
    places = [
        place + size
        for place in range(0, len(memory) - 2 * size + 1, size)
        for start_s, timeout in [struct.unpack_from("dd", memory, place)]
        if timeout == _NO_TIMEOUT and opened_s <= start_s <= time.monotonic()
    ]
    return places[0] if len(places) == 1 else None


def _quiet_place() -> int | None:
    opened_s = time.monotonic()
    with av.open(io.BytesIO(bytes(4096)), format="s16le", timeout=(60.0, None)) as container:
        return _place_of_timeout(container, opened_s)


_place: Final = _quiet_place()
quiet: Final = _place is not None
"""Whether `quiet_reads` works with this PyAV; otherwise reads need a time-out of their own."""


class QuietReads:
    """The reads of one open container, broken off from outside when one takes too long or the source is told to stop.

    A read that is broken off ends within 0.2 s with `av.error.ExitError`; a new `demux` reads on.
    """

    def __init__(self, container: InputContainer, opened_s: float, limit_s: float, stopping: threading.Event) -> None:
        self._container = container  # alive as long as its memory may be written
        self._limit_s = limit_s
        self._stopping = stopping
        self._since_s: float | None = None
        """When the read began that runs."""
        if quiet and _place_of_timeout(container, opened_s) != _place:
            raise RuntimeError("PyAV keeps the time-out of a container in another place than before")

    def begin(self) -> None:
        """A read begins now. Reader's thread, as `end`."""
        self._write(_NO_TIMEOUT)  # what was written too late is not for this read
        self._since_s = time.monotonic()

    def end(self) -> None:
        """It has ended; what is done with the packet may take as long as it likes."""
        self._since_s = None

    def look(self) -> None:
        """Break off a read whose time is up. Any thread."""
        since_s = self._since_s
        late = since_s is not None and (self._stopping.is_set() or time.monotonic() - since_s > self._limit_s)
        if late and self._since_s == since_s:
            self._write(0.0)

    def _write(self, timeout_s: float) -> None:
        if _place is not None:
            # one aligned store of eight bytes, which FFmpeg's callback in the reader's thread only reads
            ctypes.c_double.from_address(id(self._container) + _place).value = timeout_s


class _Watchdog:
    """One thread for all reads; runs while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._reads: list[QuietReads] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, reads: QuietReads) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._ended = threading.Event()
                thread = threading.Thread(target=self._run, args=(self._ended,), name="reads", daemon=True)
                thread.start()
                self._thread = thread
            self._reads = [*self._reads, reads]

    def remove(self, reads: QuietReads) -> None:
        with self._lock:
            self._reads = [other for other in self._reads if other is not reads]
            thread = self._thread
            if self._reads or thread is None:
                return
            self._thread = None
            self._ended.set()
        thread.join()

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(WATCH_EVERY_S):
            for reads in self._reads:
                try:
                    reads.look()
                except Exception:
                    logger.exception("looking at a read failed")


_watchdog: Final = _Watchdog()


@contextmanager
def quiet_reads(
    container: InputContainer, opened_s: float, limit_s: float, stopping: threading.Event
) -> Iterator[QuietReads]:
    """Within this context no read of `container` takes longer than `limit_s`, or goes on once `stopping` is set.

    For a container opened since `opened_s`, without a read time-out where `quiet`; where not, it does nothing. The
    reader says `begin` before and `end` after each read. Raises `RuntimeError` where a container is not as the first
    one was.
    """
    reads = QuietReads(container, opened_s, limit_s, stopping)
    _watchdog.add(reads)
    try:
        yield reads
    finally:
        _watchdog.remove(reads)

"""What every source of live video promises, whatever it speaks.

A source owns what delivers its frames (a thread, a peer connection). It calls `on_frame` for each decoded picture
and `on_status` whenever what an operator sees of it changes; both may be called from any thread and never block.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from analyzer.datatypes import Frame
from analyzer.errors import SourceErrorKind

STALLED_AFTER_S: Final = 4.0
"""Connected, but no frame for so long: shown as stalled. With a look each second that is said within 5 s."""


class StreamState(StrEnum):
    """Where a live video stands."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What an operator is told about a source; sent whenever any of it changes. No text in it holds a password."""

    state: StreamState
    error_kind: SourceErrorKind | None = None
    """Why it is not live; None while there is nothing to complain of."""
    message: str | None = None
    """The same for people: what happened and what to do."""
    retry_in_s: float | None = None
    """Pause before the next attempt, counted from this status; only with LOST."""
    width: int | None = None
    """Of the newest frame, pixels; may change in mid-stream. None before the first frame."""
    height: int | None = None
    codec: str | None = None
    """FFmpeg's short name: `h264`, `hevc`, `vp8` ..."""
    fps: float | None = None
    """Frames per second that the source announces; None when it does not."""
    generation: int = 0
    """Grows by one with each connection that delivers frames; 0 before the first one."""


OnFrame: TypeAlias = Callable[[Frame], None]
OnStatus: TypeAlias = Callable[[SourceStatus], None]


class Source(Protocol):
    """Delivers the frames of one video until it is stopped.

    Made as `XSource(stream_id, ..., on_frame=..., on_status=...)`; nothing happens before `start`.
    """

    kind: str
    """`webrtc`, `rtsp`, `rtmp`, `http` or `file`."""

    def start(self) -> None:
        """Begin to connect; returns at once. Called once, on the event loop."""
        ...

    async def stop(self) -> None:
        """Free everything: thread joined, peer closed. No callback comes after it. Fine to call again."""
        ...


class Backoff:
    """How long to wait before the next attempt: 1, 2, 4 ... 60 s, each +-20 % lest many cameras are tried at once.

    Starts over after the first good second of frames. Pure: time is an argument (any monotonic clock, seconds).
    Not thread-safe; belongs to the source's thread.
    """

    def __init__(
        self,
        first_s: float = 1.0,
        longest_s: float = 60.0,
        jitter: float = 0.2,
        good_s: float = 1.0,
        slow_s: float = 30.0,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._jitter = jitter
        self._good_s = good_s
        self._slow_s = slow_s
        self._uniform = uniform
        self._attempts = 0
        self._good_since: float | None = None

    def pause_s(self, *, slow: bool = False) -> float:
        """The pause after one more failure, in seconds; the next one is longer.

        `slow` for what only a person can mend, such as a wrong password: knocking often gets accounts locked.
        """
        self._good_since = None
        # 2**20 s is beyond any sensible longest pause; the cap keeps the power from overflowing after weeks of failures
        base = min(self._longest_s, self._first_s * 2.0 ** min(self._attempts, 20))
        base = max(base, self._slow_s) if slow else base
        self._attempts += 1
        return base * self._uniform(1 - self._jitter, 1 + self._jitter)

    def frame(self, at_s: float) -> None:
        """A frame came at `at_s`; a second of them since the last failure forgives all failures."""
        if self._good_since is None:
            self._good_since = at_s
        elif at_s - self._good_since >= self._good_s:
            self._attempts = 0

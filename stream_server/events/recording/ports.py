"""What the recorder needs of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from stream_server.event import Event, Part
from stream_server.live.clock import WallClock
from stream_server.streams.stream import StreamInfo


@dataclass(frozen=True, slots=True)
class Identity:
    """Who says so."""

    model: str
    weights_sha256: str | None
    version: str


@dataclass(frozen=True, slots=True)
class RecorderPorts:
    """Handed in by whoever starts the recorder."""

    clock: WallClock
    describe: Callable[[str], StreamInfo | None]
    """Of a stream that is there."""
    identity: Callable[[], Identity]
    save: Callable[[Event, Sequence[Part] | None, frozenset[str]], None]
    """Without parts those that were saved before stay; with them, those that are named. Must not block."""
    publish: Callable[[Event], None]
    executor: Executor
    """Where evidence is made, one at a time, in order."""

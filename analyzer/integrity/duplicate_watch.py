"""Notices that two streams show the same video at about the same time: one camera's picture in place of another's."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from analyzer.integrity.picture_watch import MAX_GAP_S
from analyzer.integrity.repeats import LAG_STEP_S, Look, Past, Repetition

MAX_APART_S: Final = 10.0
"""One stream may be so far behind the other: buffers, a relay, another protocol."""
WAIT_S: Final = 1.0
"""A look is compared so much later: the other streams' looks of just after it are then there too."""
MIN_SAME_S: Final = 10.0
"""For so long must one show what the other does."""
COMPARED: Final = 2
"""Others that a look is compared with, in turns, and as many again that looked the same so far: it bounds the cost."""
MAX_WAITING: Final = 1024
"""Looks that nobody has worked on yet; the oldest go. One thread works on them while the others bring theirs."""


@dataclass(frozen=True, slots=True)
class Twin:
    """Another stream that shows the same."""

    stream_id: str
    since_s: float
    """When the two began to."""


def _none() -> Repetition:
    return Repetition(np.arange(-WAIT_S, MAX_APART_S, LAG_STEP_S), MIN_SAME_S)


@dataclass(slots=True, eq=False)
class _Stream:
    past: Past = field(default_factory=lambda: Past(MAX_APART_S + 2 * WAIT_S))
    waiting: deque[Look] = field(default_factory=deque)
    pairs: dict[str, Repetition] = field(default_factory=dict)
    """What speaks for it that this stream shows what another has shown: by the other, and only where something does."""
    turn: int = 0
    last_s: float = float("-inf")


class DuplicateWatch:
    """Compares the looks of all streams with each other; thread-safe, and nobody waits for anybody.

    Whoever finds the work free does what has come by then, for all: a thread that waited for a lock, on a machine that
    is too busy, would wait for one that waits for a core.

    A look costs 0.1 ms of CPU with two streams, 0.25 with 16 different ones, 1 with 16 of the same room, whose faces
    must be compared too (2026-11-29, two busy cores); a stream holds 0.1 MB.
    """

    def __init__(self) -> None:
        self._come: deque[tuple[str, Look]] = deque(maxlen=MAX_WAITING)
        self._lock = threading.Lock()  # guards all that follow
        self._streams: dict[str, _Stream] = {}
        self._twins: dict[str, Twin | None] = {}

    def add(self, stream_id: str, look: Look) -> Twin | None:
        """One more look of a stream; the one that shows the same, if any, as far as is known by now."""
        self._come.append((stream_id, look))
        if self._lock.acquire(blocking=False):
            try:
                self._work()
            finally:
                self._lock.release()
        return self._twins.get(stream_id)

    def forget(self, stream_id: str) -> None:
        """The stream is gone, and brings nothing more. Unknown names are fine."""
        with self._lock:
            self._work()
            self._forget_pairs(stream_id)
            self._streams.pop(stream_id, None)
            self._twins.pop(stream_id, None)

    def _work(self) -> None:
        """On what has come by now, and not on what comes meanwhile: nobody works for the others for ever."""
        for _ in range(len(self._come)):
            stream_id, look = self._come.popleft()
            self._twins[stream_id] = self._add(stream_id, look)

    def _add(self, stream_id: str, look: Look) -> Twin | None:
        stream = self._streams.setdefault(stream_id, _Stream())
        if not 0.0 < look.at_s - stream.last_s <= MAX_GAP_S:
            stream.past.clear()
            stream.waiting.clear()
            self._forget_pairs(stream_id)
        stream.last_s = look.at_s
        stream.past.add(look.sight, look.at_s)
        stream.waiting.append(look)
        while stream.waiting[0].at_s <= look.at_s - WAIT_S:
            self._compare(stream_id, stream.waiting.popleft(), look.at_s)
        return self._twin(stream_id, look.at_s)

    def _forget_pairs(self, stream_id: str) -> None:
        for name, stream in self._streams.items():
            if name == stream_id:
                stream.pairs.clear()
            else:
                stream.pairs.pop(stream_id, None)

    def _compare(self, stream_id: str, look: Look, now_s: float) -> None:
        stream = self._streams[stream_id]
        others = [name for name in self._streams if name != stream_id]
        if not look.motion or not others:
            return
        in_turn = [others[(stream.turn + i) % len(others)] for i in range(COMPARED)]
        stream.turn += COMPARED
        for name in dict.fromkeys([*list(stream.pairs)[:COMPARED], *in_turn]):
            pair = stream.pairs.setdefault(name, _none())
            past = self._streams[name].past
            pair.add(past, past.compare(look.sight), look, now_s)
            pair.judge(now_s)
            if pair.since_s is None and not pair.evidence.sums.any():
                del stream.pairs[name]

    def _twin(self, stream_id: str, now_s: float) -> Twin | None:
        """Either may have been found to show what the other does."""
        found = [(name, pair) for name, pair in self._streams[stream_id].pairs.items()]
        found += [(name, other.pairs[stream_id]) for name, other in self._streams.items() if stream_id in other.pairs]
        for name, pair in found:
            if pair.since_s is not None:
                pair.judge(now_s)
            if pair.since_s is not None:
                return Twin(name, pair.since_s)
        return None

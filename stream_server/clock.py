"""Where the two clocks meet: monotonic seconds order everything inside, Unix seconds are for people and JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WallClock:
    """Turns monotonic seconds into Unix seconds.

    The distance between the clocks is measured anew each time: it changes when the machine sleeps or its time is set.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time

    def unix(self, monotonic_s: float) -> float:
        return round(self.wall() - (self.monotonic() - monotonic_s), 6)

    def now(self) -> float:
        return round(self.wall(), 6)

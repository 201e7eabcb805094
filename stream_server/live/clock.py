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
        return self.unix_pair(monotonic_s, monotonic_s)[0]

    def unix_pair(self, first_s: float, second_s: float) -> tuple[float, float]:
        """Two times of one message, by one measurement: what came first stays first, to the last digit."""
        distance = self.wall() - self.monotonic()
        return round(distance + first_s, 6), round(distance + second_s, 6)

    def now(self) -> float:
        return round(self.wall(), 6)

"""Whether the wall clock may be believed where something is deleted by its age."""

from __future__ import annotations

import logging
import time
from typing import Final

logger = logging.getLogger(__name__)

STEP_S: Final = 300.0
"""Clocks are corrected by less all the time; a jump by more is told and waited out."""
WARY_S: Final = 86_400.0
"""Time for a clock that was set wrongly to be put right, before a year of events goes by it."""


def awake_or_asleep_s() -> float:
    """Seconds that nobody can set, those asleep included where the system counts them: sleep is no jump."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class WallWatch:
    """Compares the wall clock with a steady one from round to round; pure, and one thread's own."""

    def __init__(self) -> None:
        self._believed: float | None = None
        """Wall minus steady seconds, as long as nothing is the matter."""
        self._jumped: float | None = None
        """The same since a jump."""
        self._since_s = 0.0

    def believes(self, wall_s: float, steady_s: float) -> bool:
        """Whether nothing has jumped, or a day ago, or it has jumped back; once for each round."""
        distance = wall_s - steady_s
        if self._believed is None or abs(distance - self._believed) <= STEP_S:
            if self._jumped is not None:
                logger.warning("the clock is right again: what is too old goes as before")
            self._believed, self._jumped = distance, None
            return True
        if self._jumped is None or abs(distance - self._jumped) > STEP_S:
            logger.warning(
                "the clock jumped by %.0f s: nothing is deleted by its age for a day, or until it jumps back",
                distance - self._believed,
            )
            self._since_s = steady_s
        self._jumped = distance
        if steady_s - self._since_s < WARY_S:
            return False
        self._believed, self._jumped = distance, None
        return True

"""Plays what could be read faster than it was filmed at the pace at which it was filmed."""

from __future__ import annotations

from typing import Final

MAX_LATE_S: Final = 1.0
"""Later than this the schedule starts anew: the missed time is not caught up with a burst."""
MAX_JUMP_S: Final = 10.0
"""A longer gap between two frames is an error of the file's clock, not a pause to wait for."""


class Pacer:
    """Says how long to hold each frame back. Pure: both clocks are arguments, in seconds."""

    def __init__(self) -> None:
        self._origin_s: float | None = None
        self._last_pts_s = 0.0

    def wait_s(self, pts_s: float, now_s: float) -> float:
        """How long before the frame of media time `pts_s` is due, seen at `now_s` (monotonic); 0 or more."""
        jumped = not 0 <= pts_s - self._last_pts_s <= MAX_JUMP_S
        self._last_pts_s = pts_s
        if self._origin_s is None or jumped or now_s - (self._origin_s + pts_s) > MAX_LATE_S:
            self._origin_s = now_s - pts_s
        return max(0.0, self._origin_s + pts_s - now_s)

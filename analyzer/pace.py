"""How often each stream's faces are looked at: often enough to notice, seldom enough to keep up. Pure."""

from __future__ import annotations

from analyzer.config import AnalyzerConfig

SLOW_DOWN = 0.8
"""The rate is multiplied by this when the scorer falls behind ..."""
SLOW_DOWN_EVERY_S = 0.5
"""... at most this often: what it changes shows only after the crops already waiting are gone."""
SPEED_UP_PER_S = 0.05
"""Share of the full rate that comes back per quiet second: 20 s from nothing to all."""
LATE_SHARE = 0.5
"""A crop older than this share of `max_staleness_s` when its turn comes means falling behind."""
OVERLOAD_LASTS_S = 5.0
"""Nothing more to give up and behind within this time: there is no room for another stream."""


class LoadControl:
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989) of all face rates together.

    The model thread tells how late crops come; vision threads read `share`, one float.
    """

    def __init__(self, config: AnalyzerConfig) -> None:
        self.share = 1.0
        """Of the wanted face rates, 0 to 1."""
        self._lowest = config.face_rate_min / config.face_rate
        self._late_s = config.max_staleness_s * LATE_SHARE
        self._floor = min(config.face_rate_min / max(config.face_rate, config.face_rate_suspicious), 1.0)
        self._told_s: float | None = None
        self._slowed_s = float("-inf")

    def on_batch(self, now_s: float, oldest_s: float, *, dropped: bool) -> None:
        """A batch was taken whose oldest crop came in at `oldest_s`.

        `dropped`: since the batch before some crops got too old to be scored, or a newer one came while they waited.
        """
        elapsed_s = 0.0 if self._told_s is None else max(now_s - self._told_s, 0.0)
        self._told_s = now_s
        if dropped or now_s - oldest_s > self._late_s:
            if now_s - self._slowed_s >= SLOW_DOWN_EVERY_S:
                self._slowed_s = now_s
                self.share = max(self.share * SLOW_DOWN, self._floor)
        else:
            self.share = min(self.share + SPEED_UP_PER_S * elapsed_s, 1.0)

    def overloaded(self, now_s: float) -> bool:
        """Whether the scorer fell behind just now although ordinary faces come at their lowest rate already."""
        return self.share <= self._lowest and now_s - self._slowed_s < OVERLOAD_LASTS_S


def interval_s(config: AnalyzerConfig, share: float, *, suspicious: bool) -> float:
    """Seconds between two frames of one stream that are looked at."""
    wanted = config.face_rate_suspicious if suspicious else config.face_rate
    # never under the minimum, unless the operator wants less than that anyway
    return 1 / max(wanted * share, min(wanted, config.face_rate_min))


class FacePace:
    """Which faces of a look are due: where a stream is looked at more often for one face, the others keep their rate.

    Belongs to one thread.
    """

    def __init__(self) -> None:
        self._due_s: dict[int, float] = {}

    def due(self, face_id: int, at_s: float, interval: float, look_interval: float) -> bool:
        """Whether this face, wanted every `interval` seconds, is to be scored in the look at `at_s`.

        Looks come every `look_interval` seconds, or a little sooner or later: the one next to the due time counts.
        """
        due_s = self._due_s.get(face_id, at_s)
        if at_s < due_s - look_interval / 2:
            return False
        self._due_s[face_id] = next_due_s(due_s, at_s, interval)
        return True

    def forget(self, face_id: int) -> None:
        """The face is gone; unknown ones are fine."""
        self._due_s.pop(face_id, None)


def next_due_s(due_s: float, taken_s: float, interval: float) -> float:
    """When the next frame may be taken, after one that was due at `due_s` was taken at `taken_s`.

    Counts from when it was due, so that a source's own rhythm does not lower the rate; but what was missed is missed.
    """
    return max(due_s + interval, taken_s)

"""How often each stream's faces are looked at: often enough to notice, seldom enough to keep up. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.config import AnalyzerConfig

PERIOD_S = 0.5
"""How often the rate is set: what a change brings shows only after the crops already waiting are gone."""
LATE_SHARE = 0.5
"""A crop older than this share of `max_staleness_s` when its turn comes is late."""
ENOUGH_CROPS = 20
"""A period goes on until it has so many crops, ..."""
LONGEST_PERIOD_S = 1.0
"""... or for so long."""
MANY_LATE = 0.05
"""More than so many of a period's crops late, or missed, mean falling behind ..."""
TWO_LATE = 2
"""... if they are two at least, or one was missed: one crop is a little late on any busy machine."""
FEW_LATE = 0.02
"""Not more than so many: the rate may rise."""
SLOW_DOWN = 0.4
"""The rate falls by the share of late crops times this, ..."""
SLOW_DOWN_MOST = 0.2
"""... by a fifth at most."""
SPEED_UP_PER_S = 0.05
"""Share of the full rate that comes back per quiet second: 20 s from nothing to all."""
OVERLOAD_LASTS_S = 5.0
"""Behind within this time, and less than this ago: nothing is left to share with another stream."""


class LoadControl:
    """Additive increase, multiplicative decrease (Chiu and Jain, 1989) of all face rates together.

    It holds down the share of late crops, not the slowest one: on a busy machine some crop is always late, whatever the
    rate. The model thread tells how late crops come; vision threads read `share`, and whoever adds a stream asks
    `has_room`: one float each.
    """

    def __init__(self, config: AnalyzerConfig) -> None:
        self.share = 1.0
        """Of the wanted face rates, 0 to 1."""
        self._lowest = config.face_rate_min / config.face_rate
        self._late_s = config.max_staleness_s * LATE_SHARE
        self._floor = min(config.face_rate_min / max(config.face_rate, config.face_rate_suspicious), 1.0)
        self._began_s: float | None = None
        """The period."""
        self._crops = 0
        self._late = 0
        self._missed = 0
        self._slowed_s = float("-inf")

    def on_batch(self, now_s: float, received_s: Iterable[float], missed: int = 0) -> None:
        """A batch was taken, of crops whose frames came in at `received_s`.

        `missed`: crops that, since the batch before, got too old to be scored, or that a newer one replaced while they
        waited.
        """
        if self._began_s is None:
            self._began_s = now_s
        ages_s = [now_s - one for one in received_s]
        self._crops += len(ages_s) + missed
        self._late += sum(age_s > self._late_s for age_s in ages_s) + missed
        self._missed += missed
        elapsed_s = now_s - self._began_s
        enough_s = PERIOD_S if self._crops >= ENOUGH_CROPS else LONGEST_PERIOD_S
        if 0 <= elapsed_s < enough_s or not self._crops:
            return
        late = self._late / self._crops
        by_chance = self._late < TWO_LATE and not self._missed
        if late > MANY_LATE and not by_chance:
            self._slowed_s = now_s
            self.share = max(self.share * (1 - min(SLOW_DOWN * late, SLOW_DOWN_MOST)), self._floor)
        elif late <= FEW_LATE or by_chance:
            self.share = min(self.share + SPEED_UP_PER_S * max(elapsed_s, 0.0), 1.0)
        self._began_s, self._crops, self._late, self._missed = now_s, 0, 0, 0

    def has_room(self, now_s: float, streams: int) -> bool:
        """Whether one more like the `streams` that are there would leave ordinary faces their lowest rate.

        Where the scorer falls behind, what it does now is what it can: that many looks, shared by one more.
        """
        behind = now_s - self._slowed_s < OVERLOAD_LASTS_S
        return not behind or self.share * streams / (streams + 1) > self._lowest


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

"""Quiet hours: the same hours of the clock on the wall every day, over midnight and over changes of the clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def time_zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises `ValueError`; what came is not repeated."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder, a path out of the database, no text at all
        raise ValueError("expected the name of a time zone, such as Europe/Berlin or UTC") from None


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` up to, not including, `end`, by the clock in `zone`; an end before the start is on the next day."""

    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> QuietHours:
        """From `22:00-06:00`. Raises `ValueError`; what came is not repeated."""
        match = _HOURS.fullmatch(text.strip())
        if match is None:
            raise ValueError("expected quiet_hours such as 22:00-06:00")
        hours = [int(group) for group in match.groups()]
        start, end = time(hours[0], hours[1]), time(hours[2], hours[3])
        if start == end:
            raise ValueError("expected quiet_hours that end at another time than they start")
        return cls(start, end, zone)

    def until(self, now: float) -> float | None:
        """When the quiet time that holds `now` ends, after `now`; None outside of it. Unix seconds."""
        today = datetime.fromtimestamp(now, self.zone).date()
        for day in (today - timedelta(days=1), today):
            last = day + timedelta(days=self.end < self.start)
            if min(self._instants(day, self.start)) <= now < (end := max(self._instants(last, self.end))):
                return end
        return None

    def _instants(self, day: date, wall: time) -> tuple[float, float]:
        """An hour that the clock shows twice, or never, can be read in two ways: the quiet time is the longer one."""
        there = datetime.combine(day, wall, tzinfo=self.zone)
        return there.replace(fold=0).timestamp(), there.replace(fold=1).timestamp()

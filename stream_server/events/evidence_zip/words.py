"""Times and lengths as the report and the check write them. They may come from anybody, so none of them is trusted."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

UNKNOWN: Final = "not known"


def utc(seconds: float | None) -> str:
    """Unix seconds as ISO 8601 in UTC, to the millisecond; what is no time is shown as it is."""
    if seconds is None:
        return UNKNOWN
    try:
        told = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):  # NaN, the year 10 000
        return f"{seconds} s after 1970"
    return told.replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """`8.4 s`, `3 min 20 s`, `2 h 5 min`."""
    if not 0 <= seconds < 1e9:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: int) -> str:
    """Bytes, in units of 1000 as file managers do."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def percent(probability: float | None) -> str:
    """As the dashboard writes a score: under the threshold is never rounded to it."""
    if probability is None or not math.isfinite(probability):
        return UNKNOWN
    rounded = round(100 * probability)
    return f"{49 if probability < 0.5 and rounded == 50 else rounded} %"

from __future__ import annotations

import math

import pytest

from stream_server.events.evidence_zip.words import UNKNOWN, duration, percent, size, utc


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_435_200.1234, "2026-11-23T12:00:00.123Z"),
        (None, UNKNOWN),
        (math.nan, "nan s after 1970"),
        (1e20, "1e+20 s after 1970"),
        (-math.inf, "-inf s after 1970"),
    ],
)
def test_times_are_in_utc_and_what_is_no_time_is_shown(seconds: float | None, text: str) -> None:
    assert utc(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8.44, "8.4 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (0, "0.0 s"), (-1, UNKNOWN), (math.nan, UNKNOWN)],
)
def test_lengths_are_in_the_units_of_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1500, "1.5 kB"), (8_000_000, "8.0 MB")])
def test_sizes_are_in_the_units_of_file_managers(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("probability", "text"), [(0.934, "93 %"), (0.499, "49 %"), (0.5, "50 %"), (None, UNKNOWN), (math.nan, UNKNOWN)]
)
def test_scores_are_written_as_the_dashboard_does(probability: float | None, text: str) -> None:
    assert percent(probability) == text

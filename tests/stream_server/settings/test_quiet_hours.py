from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_server.settings.quiet_hours import QuietHours, time_zone

UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = UTC, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


@pytest.mark.parametrize(
    ("hours", "now", "end"),
    [
        pytest.param("22:00-06:00", "2026-05-01T21:59:59", None, id="before"),
        pytest.param("22:00-06:00", "2026-05-01T22:00:00", "2026-05-02T06:00:00", id="the start belongs to it"),
        pytest.param("22:00-06:00", "2026-05-02T00:00:00", "2026-05-02T06:00:00", id="midnight"),
        pytest.param("22:00-06:00", "2026-05-02T05:59:59", "2026-05-02T06:00:00", id="the last second"),
        pytest.param("22:00-06:00", "2026-05-02T06:00:00", None, id="the end does not"),
        pytest.param("12:00-13:30", "2026-05-02T13:00:00", "2026-05-02T13:30:00", id="within a day"),
        pytest.param("12:00-13:30", "2026-05-02T11:00:00", None, id="within a day, before"),
        pytest.param("00:00-00:01", "2026-05-02T00:00:30", "2026-05-02T00:01:00", id="one minute"),
        pytest.param("00:01-00:00", "2026-05-02T00:00:30", None, id="all but one minute"),
        pytest.param(" 22:00 - 06:00 ", "2026-05-02T00:00:00", "2026-05-02T06:00:00", id="with spaces"),
    ],
)
def test_quiet_hours_end_when_they_say(hours: str, now: str, end: str | None) -> None:
    quiet = QuietHours.parse(hours, UTC)
    assert quiet.until(at(now)) == (None if end is None else at(end))


@pytest.mark.parametrize(
    ("hours", "night", "length_h"),
    [
        pytest.param("22:00-06:00", "2026-01-10T22:00:00", 8, id="an ordinary night"),
        pytest.param("22:00-06:00", "2026-03-28T22:00:00", 7, id="the clock goes forward"),
        pytest.param("22:00-06:00", "2026-10-24T22:00:00", 9, id="the clock goes back"),
        pytest.param("22:00-02:30", "2026-10-24T22:00:00", 5.5, id="the end comes twice: the later one"),
        pytest.param(
            "22:00-02:30", "2026-03-28T22:00:00", 4.5, id="the end never comes: as long as it would have been"
        ),
    ],
)
def test_a_night_in_which_the_clock_changes_ends_by_the_clock(hours: str, night: str, length_h: float) -> None:
    begin = at(night, BERLIN)
    assert QuietHours.parse(hours, BERLIN).until(begin) == begin + length_h * 3600


def test_the_hour_that_comes_twice_is_quiet_from_its_first_start_on() -> None:
    quiet = QuietHours.parse("02:30-04:00", BERLIN)
    end = at("2026-10-25T04:00:00", BERLIN)
    assert quiet.until(at("2026-10-25T02:30:00", BERLIN, fold=0)) == end
    assert quiet.until(at("2026-10-25T02:10:00", BERLIN, fold=1)) == end


@given(
    start=st.integers(0, 1439),
    length=st.integers(1, 1439),
    minute=st.integers(0, 2 * 365 * 1440),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_quiet_time_always_ends_and_then_it_is_not_quiet(start: int, length: int, minute: int, zone: str) -> None:
    end = (start + length) % 1440
    quiet = QuietHours.parse(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}", ZoneInfo(zone))
    now = at("2026-01-01T00:00:00") + minute * 60
    until = quiet.until(now)
    if until is None:
        return
    assert now < until <= now + timedelta(hours=26).total_seconds()
    again = quiet.until(until)  # a gap of minutes may vanish where the clock goes forward: then two nights touch
    assert again is None or again > until


@pytest.mark.parametrize(
    "text", ["", "22:00", "24:00-06:00", "22-06", "22:00-22:00", "22:60-06:00", "9:00-10:00", "a-b"]
)
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected quiet_hours"):
        QuietHours.parse(text, UTC)


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Atlantis", "slack://token"]
)
def test_what_is_no_time_zone_is_refused_without_repeating_it(name: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a time zone") as refused:
        time_zone(name)
    assert not name or name not in str(refused.value)

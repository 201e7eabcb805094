from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_server.streams.sources.base import Backoff


def _exact(low: float, high: float) -> float:
    return (low + high) / 2


def test_the_pauses_double_from_one_second_to_a_minute() -> None:
    backoff = Backoff(uniform=_exact)
    assert [backoff.pause_s() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(st.integers(0, 3000))
def test_every_pause_lies_within_a_fifth_of_its_nominal_length(failures: int) -> None:
    backoff = Backoff()
    for _ in range(failures % 12):
        backoff.pause_s()
    nominal = min(60, 2 ** (failures % 12))
    assert 0.8 * nominal <= backoff.pause_s() <= 1.2 * nominal


def test_a_good_second_of_frames_forgives_all_failures() -> None:
    backoff = Backoff(uniform=_exact)
    for _ in range(4):
        backoff.pause_s()
    for tenth in range(11):
        backoff.frame(100 + tenth / 10)
    assert backoff.pause_s() == 1


def test_frames_for_less_than_a_second_forgive_nothing() -> None:
    backoff = Backoff(uniform=_exact)
    for _ in range(3):
        backoff.pause_s()
    for tenth in range(10):
        backoff.frame(100 + tenth / 10)
    assert backoff.pause_s() == 8


def test_short_lives_of_a_flapping_camera_do_not_add_up_to_a_good_second() -> None:
    backoff = Backoff(uniform=_exact)
    pauses = []
    for life in range(4):
        for tenth in range(6):
            backoff.frame(100 * life + tenth / 10)
        pauses.append(backoff.pause_s())
    assert pauses == [1, 2, 4, 8]


def test_what_only_a_person_can_mend_is_tried_slowly_from_the_start() -> None:
    backoff = Backoff(uniform=_exact)
    assert backoff.pause_s(slow=True) == 30


@pytest.mark.parametrize("failures", [1_000, 5_000])
def test_weeks_of_failures_do_not_overflow(failures: int) -> None:
    backoff = Backoff(uniform=_exact)
    for _ in range(failures):
        backoff.pause_s()
    assert backoff.pause_s() == 60

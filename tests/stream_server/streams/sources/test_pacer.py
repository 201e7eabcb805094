from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_server.streams.sources.pacer import MAX_JUMP_S, Pacer

SECONDS = st.floats(-1e6, 1e6, allow_nan=False)


def test_the_first_frame_is_due_at_once() -> None:
    assert Pacer().wait_s(pts_s=37.5, now_s=1000) == 0


def test_a_frame_read_too_early_waits_for_its_time() -> None:
    pacer = Pacer()
    pacer.wait_s(5.0, 1000.0)
    assert round(pacer.wait_s(5.5, 1000.1), 6) == 0.4


def test_waiting_does_not_drift() -> None:
    pacer = Pacer()
    now = 1000.0
    for index in range(100):
        now += pacer.wait_s(index / 10, now) + 0.01
    assert abs(now - (1000 + 9.9)) < 0.02


def test_a_backward_jump_of_the_media_clock_starts_a_new_schedule() -> None:
    pacer = Pacer()
    pacer.wait_s(100.0, 1000.0)
    assert pacer.wait_s(0.0, 1000.1) == 0
    assert round(pacer.wait_s(0.5, 1000.1), 6) == 0.5


def test_a_reader_that_fell_behind_does_not_race_to_catch_up() -> None:
    pacer = Pacer()
    pacer.wait_s(0.0, 1000.0)
    assert pacer.wait_s(0.1, 1005.0) == 0
    assert round(pacer.wait_s(0.2, 1005.0), 6) == 0.1


@given(st.lists(st.tuples(SECONDS, SECONDS), max_size=30))
def test_no_clock_however_mad_makes_it_wait_longer_than_the_largest_pause(steps: list[tuple[float, float]]) -> None:
    pacer = Pacer()
    now = 0.0
    for pts, step in steps:
        now += abs(step)
        wait = pacer.wait_s(pts, now)
        assert 0 <= wait <= MAX_JUMP_S * 1.001
        now += wait

from __future__ import annotations

import pytest

from stream_server.store.wall_watch import WARY_S, WallWatch

WALL = 1_790_000_000.0
YEAR = 365 * 86_400.0


def test_a_clock_that_goes_on_is_believed_though_it_drifts() -> None:
    watch = WallWatch()
    assert all(watch.believes(WALL + 61 * i, 60.0 * i) for i in range(1000))


@pytest.mark.parametrize("step", [-YEAR, -600, 600, YEAR])
def test_after_a_jump_it_is_not_believed_for_a_day(step: float, caplog: pytest.LogCaptureFixture) -> None:
    watch = WallWatch()
    assert watch.believes(WALL, 0)
    assert not watch.believes(WALL + step + 60, 60)
    assert not watch.believes(WALL + step + WARY_S, WARY_S)
    assert caplog.text.count("the clock jumped") == 1
    assert watch.believes(WALL + step + 60 + WARY_S, 60 + WARY_S)
    assert watch.believes(WALL + step + 120 + WARY_S, 120 + WARY_S)


def test_a_clock_that_is_put_right_again_is_believed_at_once() -> None:
    watch = WallWatch()
    watch.believes(WALL, 0)
    assert not watch.believes(WALL + YEAR, 60)
    assert watch.believes(WALL + 120, 120)


def test_each_further_jump_begins_another_day() -> None:
    watch = WallWatch()
    watch.believes(WALL, 0)
    watch.believes(WALL + YEAR + 60, 60)
    watch.believes(WALL + 2 * YEAR + 3600, 3600)
    assert not watch.believes(WALL + 2 * YEAR + 3540 + WARY_S, 3540 + WARY_S)
    assert watch.believes(WALL + 2 * YEAR + 3660 + WARY_S, 3660 + WARY_S)

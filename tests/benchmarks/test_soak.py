from __future__ import annotations

import pytest

from benchmarks.soak import measure, slope
from tests.cameras import require


@pytest.mark.parametrize(
    ("readings", "expected"),
    [([], 0.0), ([5.0], 0.0), ([1.0, 1.0, 1.0], 0.0), ([1.0, 3.0, 5.0], 2.0), ([4.0, 2.0], -2.0)],
)
def test_growth_is_the_slope_of_the_readings(readings: list[float], expected: float) -> None:
    assert slope(readings) == pytest.approx(expected)


@pytest.mark.rtsp
def test_a_monitor_is_read_again_and_again_while_it_watches_a_camera() -> None:
    require()
    said: list[str] = []
    found = measure(1, 0.1, said.append, read_every_s=2.0)
    assert len(found.readings_mb) == len(said) == 3
    assert min(found.readings_mb) > 100
    assert found.scores > 10
    assert found.slowest_scores_per_s > 1
    assert found.stored > 10
    assert found.lost == 0
    assert found.database_mb > 0
    assert min(*found.threads, *found.descriptors) > 1

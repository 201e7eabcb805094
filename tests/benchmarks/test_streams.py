from __future__ import annotations

import pytest

from benchmarks.streams import judge, largest
from tests.monitor_process import Watched


@pytest.mark.parametrize(("truth", "most"), [(0, 8), (1, 8), (5, 8), (6, 16), (7, 7), (8, 8), (16, 16), (20, 12)])
def test_the_search_finds_the_largest_number_and_asks_no_more_than_it_needs(truth: int, most: int) -> None:
    asked: list[int] = []

    def holds(streams: int) -> bool:
        asked.append(streams)
        return streams <= truth

    assert largest(holds, most) == min(truth, most)
    assert len(asked) == len(set(asked)) <= 10
    assert all(1 <= streams <= most for streams in asked)


def watched(scores: dict[str, int], latencies_ms: tuple[float, ...]) -> Watched:
    return Watched(10.0, scores, latencies_ms, cpu_cores=1.0, rss_mb=500.0)


@pytest.mark.parametrize(
    ("scores", "latency_ms", "held"),
    [
        pytest.param({"a": 60, "b": 59}, 100.0, True, id="all promised scores in time"),
        pytest.param({"a": 60, "b": 50}, 100.0, False, id="one stream gets too few"),
        pytest.param({"a": 60}, 100.0, False, id="one stream gets none"),
        pytest.param({"a": 60, "b": 60}, 600.0, False, id="too late"),
        pytest.param({}, 100.0, False, id="nothing at all"),
    ],
)
def test_streams_are_held_when_each_gets_its_scores_in_time(
    scores: dict[str, int], latency_ms: float, held: bool
) -> None:
    latencies = (latency_ms,) * sum(scores.values())
    assert judge(watched(scores, latencies), streams=2, busy=1.5, limit_ms=500.0).held is held

from __future__ import annotations

from contextlib import nullcontext

import pytest

from benchmarks import streams
from benchmarks.streams import Attempt, judge, largest, search, stages_between
from tests.monitor_process import Stages, Watched


@pytest.mark.parametrize(("truth", "most"), [(0, 8), (1, 8), (5, 8), (6, 16), (7, 7), (8, 8), (16, 16), (20, 12)])
def test_the_search_finds_the_largest_number_and_asks_no_more_than_it_needs(truth: int, most: int) -> None:
    asked: list[int] = []

    def holds(streams: int) -> bool:
        asked.append(streams)
        return streams <= truth

    assert largest(holds, most) == min(truth, most)
    assert len(asked) == len(set(asked)) <= 10
    assert all(1 <= streams <= most for streams in asked)


def watched(scores: dict[str, int], latencies_ms: tuple[float, ...], decoded: float = 1.0) -> Watched:
    return Watched(
        10.0, scores, latencies_ms, latencies_ms, dict.fromkeys(scores, 25 * decoded), cpu_cores=1.0, rss_mb=500.0
    )


@pytest.mark.parametrize(
    ("scores", "latency_ms", "held"),
    [
        pytest.param({"a": 60, "b": 41}, 100.0, True, id="enough scores in time"),
        pytest.param({"a": 60, "b": 39}, 100.0, False, id="one stream gets too few"),
        pytest.param({"a": 60}, 100.0, False, id="one stream gets none"),
        pytest.param({"a": 60, "b": 60}, 600.0, False, id="too late"),
        pytest.param({}, 100.0, False, id="nothing at all"),
    ],
)
def test_streams_are_held_when_each_gets_its_scores_in_time(
    scores: dict[str, int], latency_ms: float, held: bool
) -> None:
    latencies = (latency_ms,) * sum(scores.values())
    seen = judge(watched(scores, latencies), streams=2, fps=25, busy=1.5, stages_ms={})
    assert seen.held(500.0) is held
    assert seen.scores_per_s_mean == pytest.approx(sum(scores.values()) / 20)


def test_streams_whose_decoders_fall_behind_are_not_held() -> None:
    seen = judge(watched({"a": 60}, (50.0,) * 60, decoded=0.8), streams=1, fps=25, busy=1.0, stages_ms={})
    assert seen.decoded_share_min == pytest.approx(0.8)
    assert not seen.held(500.0)


def test_stages_are_read_between_two_looks() -> None:
    before: Stages = {"look": ((0.01, 0.02), (5, 5, 0)), "score": ((0.01, 0.02), (1, 0, 0))}
    after: Stages = {"look": ((0.01, 0.02), (5, 15, 0)), "score": ((0.01, 0.02), (1, 0, 0))}
    found = stages_between(before, after)
    assert set(found) == {"look"}
    assert found["look"].p50 == pytest.approx(15.0)
    assert found["look"].p95 == pytest.approx(19.5)


def test_the_search_keeps_what_is_held_within_each_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(monitor: object, feed: object, streams: int, fps: float, seconds: float) -> Attempt:
        del monitor, feed, fps, seconds
        rate = 6.0 if streams <= 11 else 2.0
        return Attempt(streams, rate, rate, 1.0, 50.0, 60.0 * streams, {}, 1.0, 0.1, 900.0)

    monkeypatch.setattr(streams, "attempt", attempt)
    monkeypatch.setattr(streams, "MonitorProcess", lambda environment: nullcontext())
    said: list[int] = []
    found = search("cameras", lambda monitor, count: nullcontext(), 25, 1.0, 32, lambda one: said.append(one.streams))
    assert found.held_by_limit_ms == {500.0: 8, 300.0: 5}
    assert found.held == 8
    assert found.best is not None
    assert found.best.streams == 8
    assert len(said) == len(set(said)), "no number is tried twice"

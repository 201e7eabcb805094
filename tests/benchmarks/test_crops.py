from __future__ import annotations

import time
from collections.abc import Sequence

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import FaceCrop, WindowUpdate
from benchmarks.crops import CropAttempt, attempt, measure
from tests.fakes import FakeScorer


class SlowScorer(FakeScorer):
    """50 ms for each face: 20 a second, so 3 streams of 6."""

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        time.sleep(0.05 * len(crops))
        return super().push(crops)


def test_a_scorer_fast_enough_holds_its_streams() -> None:
    found = attempt(FakeScorer(AnalyzerConfig(max_windows=4)), 4, seconds=1.0)
    assert found.streams == 4
    assert 0 < found.crops_per_s < 26  # 24, where this machine can offer them
    assert found.scored_share > 0.5
    assert 0 < found.p50_ms <= found.p95_ms


def test_what_a_scorer_cannot_hold_is_not_called_held() -> None:
    said: list[CropAttempt] = []
    found = measure(SlowScorer, 1.0, said.append)
    assert [one.streams for one in said] == [4]
    assert said[0].scored_share < 0.95 or said[0].p95_ms > 100
    assert found.held == 0
    assert found.device == SlowScorer().info.device
    assert found.attempts == tuple(said)

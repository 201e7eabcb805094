from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest
import torch

from benchmarks.score_cost import measure


@pytest.fixture
def threads() -> Iterator[None]:
    """torch's thread count is one for the process: put it back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_both_ways_to_score_are_timed_and_counted(threads: None) -> None:
    measured = measure(quick=True, device="cpu", threads=1)
    assert measured.naive_over_cached_macs > 8
    assert measured.rounds == 10
    # by ratio, in one run: whoever encodes faces twice again breaks this, a busy machine does not
    assert measured.naive_over_cached > 4
    assert min(measured.cached_ms, measured.cached_batch_ms, measured.naive_ms) > 0
    assert json.loads(json.dumps(asdict(measured)))["device"] == "cpu"

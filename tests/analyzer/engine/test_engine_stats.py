from __future__ import annotations

from analyzer.engine.engine_stats import LATENCY_BOUNDS_S, LatencyMeter


def test_latencies_are_sorted_into_buckets_up_to_and_including_their_bound() -> None:
    meter = LatencyMeter()
    for latency_s in (0.01, 0.025, 0.026, 0.5, 60.0):
        meter.add(latency_s)
    histogram = meter.histogram()
    assert histogram.counts[0] == 2
    assert histogram.counts[1] == 1
    assert histogram.counts[LATENCY_BOUNDS_S.index(0.5)] == 1
    assert histogram.counts[-1] == 1
    assert (histogram.count, round(histogram.sum_s, 3)) == (5, 60.561)
    assert len(histogram.counts) == len(histogram.bounds_s) + 1

from __future__ import annotations

import pytest

from analyzer.evaluation.report.numerals import interval, of, percent, short, signed
from analyzer.evaluation.results.section_figures import Interval
from analyzer.training.reporting.metrics import Estimate


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1, "1.00"), (0.996, ">.99"), (0.9949, ".99"), (0.5, ".50"), (0.004, "<.01"), (0.0, "0.00")],
)
def test_only_what_is_perfect_is_written_as_that(value: float | None, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1.0, "100 %"), (399 / 400, "99.8 %"), (0.9999, ">99.9 %"), (0.0, "0 %"), (0.0001, "<0.1 %")],
)
def test_a_percentage_is_not_rounded_to_all_or_none(value: float | None, text: str) -> None:
    assert percent(value) == text


def test_counts_stand_with_shares_that_are_not_rounded_to_all_or_none() -> None:
    assert of(399, 400, Estimate(399 / 400, (0.986, 0.9999))) == "399/400 >99% [99-100]"
    assert of(1, 400, Estimate(1 / 400, (0.0001, 0.014))) == "1/400 <1% [0-1]"
    assert of(400, 400, Estimate(1.0, (0.996, 1.0))) == "400/400 100% [99-100]"


@pytest.mark.parametrize(
    ("ends", "text"),
    [(None, ""), ((0.724, 0.88), " [.72-.88]"), ((0.997, 1.0), " [.99-1.00]"), ((0.0, 0.003), " [0.00-.01]")],
)
def test_no_interval_is_rounded_to_certainty(ends: Interval | None, text: str) -> None:
    assert interval(ends) == text


def test_differences_are_rounded_as_numbers_are() -> None:
    assert (signed(0.004), signed(-0.03), signed(0)) == ("+.00", "-.03", "+0.00")

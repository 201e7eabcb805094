from __future__ import annotations

import math

import pytest

from analyzer.scorer import sigmoid


@pytest.mark.parametrize(
    ("logit", "probability"),
    [(0, 0.5), (2, 0.880797), (-2, 0.119203), (900, 1), (-900, 0), (math.inf, 1), (-math.inf, 0)],
)
def test_sigmoid_of_any_logit(logit: float, probability: float) -> None:
    assert sigmoid(logit) == pytest.approx(probability, abs=1e-6)


def test_what_is_no_number_is_no_probability() -> None:
    assert math.isnan(sigmoid(math.nan))

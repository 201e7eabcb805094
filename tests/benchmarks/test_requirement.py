from __future__ import annotations

import pytest

from analyzer.errors import ConfigError
from benchmarks.requirement import Requirement

RESULTS = {"a": {"b": 2.0, "n": 3, "nan": float("nan"), "yes": True, "word": "6"}, "empty": None}


@pytest.mark.parametrize("text", ["a.b>=2", "a.b<=2.0", " a.b >= 1.5 ", "a.n<=3"])
def test_a_figure_that_is_as_required_is_met(text: str) -> None:
    assert Requirement.parse(text).missed(RESULTS) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a.b>=2.5", "a.b is 2, required is >= 2.5"),
        ("a.n<=2", "a.n is 3, required is <= 2"),
        ("a.gone>=1", "a.gone was not measured"),
        ("a.b.c>=1", "a.b.c was not measured"),
        ("empty.b>=1", "empty.b was not measured"),
        ("a>=1", "a was not measured"),
        ("a.nan<=1", "a.nan was not measured"),
        ("a.yes>=1", "a.yes was not measured"),
        ("a.word>=1", "a.word was not measured"),
    ],
)
def test_one_that_is_not_is_named_with_what_was_found(text: str, why: str) -> None:
    assert Requirement.parse(text).missed(RESULTS) == why


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b=2", "a.b>2", "a.b>=", ">=2", "a.b>=x", "a.b>=1.2.3", "a.b>=-1", "a" * 10**6]
)
def test_what_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected KEY>=NUMBER"):
        Requirement.parse(text)

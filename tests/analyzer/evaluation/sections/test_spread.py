from __future__ import annotations

import pytest

from analyzer.evaluation.sections.spread import left_out, spread_over_groups
from tests.analyzer.evaluation.tables import a_row

LARGE = [a_row(f"large{i}", fake=False, group="large") for i in range(50)]
SMALL = [a_row(f"small{i}", fake=False, group=f"small{i}") for i in range(3)]


def test_every_source_is_there_before_one_comes_twice() -> None:
    chosen = spread_over_groups([*LARGE, *SMALL], 6)
    assert len(chosen) == 6
    assert chosen[-3:] == SMALL
    assert {row.group for row in chosen[:3]} == {"large"}
    assert chosen == spread_over_groups([*LARGE, *SMALL], 6)
    assert chosen[:3] != LARGE[:3], "the first of a list are often of one kind"


def test_few_rows_are_all_taken_and_the_same_file_twice_is_not_one_too_many() -> None:
    assert spread_over_groups(SMALL, 3) == SMALL
    assert spread_over_groups([], 3) == []
    assert len(spread_over_groups([SMALL[0]] * 5, 3)) == 3


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((5, 5, 5), ""),
        ((5, 5, 4), "1 of 5 real videos without 16 usable faces were left out"),
        ((900, 120, 120), "120 of 900 real videos, spread over the sources"),
    ],
    ids=["all", "one without a face", "many"],
)
def test_what_was_not_used_is_told(counts: tuple[int, int, int], words: str) -> None:
    assert left_out(*counts) == words

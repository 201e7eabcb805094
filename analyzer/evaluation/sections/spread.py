"""Which of many files stand for all of them, where looking at each would take days."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest

from analyzer.evaluation.results.kept import key_of
from analyzer.training.data.manifest import Row


def spread_over_groups(rows: Sequence[Row], most: int) -> list[Row]:
    """At most `most` rows in their order: one of each group, then a second of each, and so on.

    Within a group chance decides, the same for the same names: lists are often sorted by what matters.
    """
    if len(rows) <= most:
        return list(rows)
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: key_of(row.file)):
        groups.setdefault(row.group, []).append(row)
    turns = chain.from_iterable(zip_longest(*groups.values()))
    chosen = {row.file for row in [row for row in turns if row is not None][:most]}
    return [row for row in rows if row.file in chosen][:most]


def left_out(reals: int, chosen: int, usable: int) -> str:
    """What a reader must know of the choice; empty when every real video was used."""
    parts = [f"{chosen} of {reals} real videos, spread over the sources"] if chosen < reals else []
    if usable < chosen:
        parts.append(f"{chosen - usable} of {chosen} real videos without 16 usable faces were left out")
    return "; ".join(parts)

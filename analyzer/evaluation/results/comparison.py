"""Two weights side by side on the same files: the figures of each, and the difference of their AUC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.evaluation.results.outcomes import Scored
from analyzer.evaluation.results.quality import Quality, quality
from analyzer.evaluation.results.rows import FIXED, POOLED, rows_of
from analyzer.training.reporting.metrics import Estimate, auc_difference


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """The fakes of one row of section A against every real file, by both weights."""

    name: str
    ours: Quality
    """By the weights that the report is about."""
    other: Quality
    gain: Estimate
    """AUC of ours minus that of the other, sources drawn once for both."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What other weights make of the same files, each at the threshold of its own card."""

    model: str
    sha256: str
    threshold: float
    """Of the other weights."""
    rows: tuple[ComparedRow, ...]
    left_out: int
    """Files that only one of the two could score: they are in no row."""


def compare(
    scored: Sequence[Scored], other: Sequence[Scored], thresholds: tuple[float, float], model: str, sha256: str
) -> Comparison:
    """Compare the scores of two weights. `thresholds`: ours, the other's; `model`, `sha256`: of the other."""
    theirs = {one.row.file: one for one in other}
    pairs = [(one, theirs[one.row.file]) for one in scored if one.row.file in theirs]
    names = {name for one, _ in pairs if one.row.fake for name in rows_of(one.row)}
    ordered = [name for name in FIXED if name in names] + sorted(names - set(FIXED))
    rows = [_row(name, pairs, thresholds) for name in [*ordered, POOLED]]
    return Comparison(model, sha256, thresholds[1], tuple(rows), len(scored) + len(other) - 2 * len(pairs))


def _row(name: str, pairs: Sequence[tuple[Scored, Scored]], thresholds: tuple[float, float]) -> ComparedRow:
    chosen = [pair for pair in pairs if not pair[0].row.fake or name == POOLED or name in rows_of(pair[0].row)]
    ours, other = [pair[0] for pair in chosen], [pair[1] for pair in chosen]
    gain = auc_difference(
        [one.fake_probability for one in ours],
        [one.fake_probability for one in other],
        [one.row.fake for one in ours],
        [one.row.group for one in ours],
    )
    return ComparedRow(name, quality(ours, thresholds[0]), quality(other, thresholds[1]), gain)

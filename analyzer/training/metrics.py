"""How well scores tell fake from real. Plain numpy; ties count half; groups are what intervals are drawn over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Values = npt.NDArray[np.float64]


def auc(scores: Sequence[float] | Values, fake: Sequence[bool] | npt.NDArray[np.bool_]) -> float | None:
    """Chance that a fake scores above a real, ties counting half (Mann-Whitney U); None without both kinds."""
    truth = np.asarray(fake, bool)
    fakes, reals = int(truth.sum()), int((~truth).sum())
    if not fakes or not reals:
        return None
    ranks = rankdata(np.asarray(scores, np.float64))
    return float((ranks[truth].sum() - fakes * (fakes + 1) / 2) / (fakes * reals))


def auc_interval(
    scores: Sequence[float], fake: Sequence[bool], groups: Sequence[str], *, draws: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """95 % bootstrap interval of the AUC, whole groups drawn with replacement; None without both kinds.

    A draw that happens to hold one kind only is left out; with fewer than 20 draws left there is no interval.
    """
    values, truth = np.asarray(scores, np.float64), np.asarray(fake, bool)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(index == i) for i in range(len(names))]
    if truth.all() or not truth.any():
        return None
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        chosen = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        value = auc(values[chosen], truth[chosen])
        if value is not None:
            found.append(value)
    if len(found) < 20:
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """Rates at a fixed threshold; None where there is nothing of that kind."""

    fpr: float | None
    tpr: float | None


def at_threshold(scores: Sequence[float] | Values, fake: Sequence[bool], threshold: float) -> AtThreshold:
    """Share of reals (fpr) and of fakes (tpr) whose score reaches the threshold."""
    called, truth = np.asarray(scores, np.float64) >= threshold, np.asarray(fake, bool)
    return AtThreshold(
        fpr=float(called[~truth].mean()) if (~truth).any() else None,
        tpr=float(called[truth].mean()) if truth.any() else None,
    )

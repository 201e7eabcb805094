"""How well scores tell fake from real, with one bootstrap over source groups for every figure. Plain numpy and scipy.

A bootstrap draw is a weight for each sample: how often its group was drawn. All figures are written for weights, so
that thousands of draws are a few array operations, and a figure and its interval come from the same formula.

    auc                chance that a fake scores above a real, ties counting half
    eer                error rate where as many reals as fakes are called wrong (linear between two thresholds)
    average_precision  mean precision over the fakes, as in information retrieval: no interpolation
    tpr_at_1           share of fakes found with at most 1 % of reals called fake, by a threshold that exists
    fpr, tpr           shares of reals and of fakes at or above the given threshold
    ece                expected calibration error: 10 bins of equal width over 0 to 1 (Guo et al., ICML 2017, there 15)
    brier              mean squared distance of the score from the truth
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, rankdata

Values = npt.NDArray[np.float64]
Truth = Sequence[bool] | npt.NDArray[np.bool_]

DRAWS: Final = 2000
MIN_DRAWS: Final = 20
"""With fewer usable draws (those with both kinds) there is no interval."""
MIN_SOURCES: Final = 3
"""Of fewer there is no bootstrap interval: one or two sources cannot show how sources differ."""
ECE_BINS: Final = 10
MAX_FPR: Final = 0.01
"""Of `tpr_at_1`."""
_CHUNK: Final = 2_000_000
"""Weights (draws x samples) held at once: 16 MB for each array."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure of one set of samples."""

    value: float | None
    """None where it is not defined: a kind is missing."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval; None where it cannot be told."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Every figure of one set of samples; names as in the module's head."""

    auc: Estimate
    eer: Estimate
    average_precision: Estimate
    tpr_at_1: Estimate
    fpr: Estimate
    tpr: Estimate
    ece: Estimate
    brier: Estimate


NAMES: Final = ("auc", "eer", "average_precision", "tpr_at_1", "fpr", "tpr", "ece", "brier")


class _Sorted:
    """Samples sorted by score, falling, with equal scores joined: what every figure is computed from."""

    def __init__(self, scores: Sequence[float] | Values, fake: Truth, threshold: float) -> None:
        values, truth = np.asarray(scores, np.float64), np.asarray(fake, bool)
        if values.shape != truth.shape or values.ndim != 1:
            raise ValueError(f"expected as many scores as truths, got {values.shape} and {truth.shape}")
        if not np.isfinite(values).all():
            raise ValueError("expected finite scores")
        self.order = np.argsort(-values, kind="stable")
        self.scores, self.fake = values[self.order], truth[self.order]
        distinct = np.append(True, np.diff(self.scores) != 0)
        self.starts = np.flatnonzero(distinct) if len(values) else np.zeros(0, np.int64)
        self.flagged = self.scores >= threshold
        self.bins = np.clip((self.scores * ECE_BINS).astype(np.int64), 0, ECE_BINS - 1)

    def figures(self, weights: Values) -> dict[str, Values]:
        """`weights` (draws, samples in the order given) -> each figure (draws,), NaN where it is not defined."""
        ordered = weights[:, self.order]
        fakes, reals = ordered * self.fake, ordered * ~self.fake
        n_fake, n_real = fakes.sum(axis=1), reals.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):  # a draw without one kind is NaN, and left out
            out = self._ranked(fakes, reals, n_fake, n_real)
            out["fpr"] = reals[:, self.flagged].sum(axis=1) / n_real
            out["tpr"] = fakes[:, self.flagged].sum(axis=1) / n_fake
            total = n_fake + n_real
            out["ece"] = self._ece(ordered, fakes) / total
            out["brier"] = (ordered * (self.scores - self.fake) ** 2).sum(axis=1) / total
        return out

    def _ranked(self, fakes: Values, reals: Values, n_fake: Values, n_real: Values) -> dict[str, Values]:
        """What depends on the order alone, from the step curve over all thresholds."""
        here_fake = np.add.reduceat(fakes, self.starts, axis=1)
        here_real = np.add.reduceat(reals, self.starts, axis=1)
        found, wrong = here_fake.cumsum(axis=1), here_real.cumsum(axis=1)  # at or above each distinct score
        tpr, fpr = found / n_fake[:, None], wrong / n_real[:, None]
        below = n_real[:, None] - wrong
        auc_values = (here_fake * (below + here_real / 2)).sum(axis=1) / (n_fake * n_real)
        precision = np.where(found + wrong > 0, found / np.maximum(found + wrong, 1e-300), 0.0)
        # Both kinds must be there for any of them, or "no fake missed" would pass for a figure.
        both = np.where((n_fake > 0) & (n_real > 0), 1.0, np.nan)
        return {
            "auc": auc_values,
            "eer": _eer(tpr, fpr) * both,
            "average_precision": (here_fake * precision).sum(axis=1) / n_fake * both,
            "tpr_at_1": np.where(fpr <= MAX_FPR + 1e-12, tpr, 0.0).max(axis=1) * both,
        }

    def _ece(self, ordered: Values, fakes: Values) -> Values:
        total = np.zeros(len(ordered))
        for index in np.unique(self.bins):
            inside = self.bins == index
            total += np.abs((ordered[:, inside] @ self.scores[inside]) - fakes[:, inside].sum(axis=1))
        return total


def _eer(tpr: Values, fpr: Values) -> Values:
    """Where the curve from (0, 0) meets fpr = 1 - tpr."""
    start = np.zeros((len(tpr), 1))
    fpr, miss = np.hstack([start, fpr]), 1 - np.hstack([start, tpr])
    gap = fpr - miss  # rises from -1 to 1
    after = np.maximum((gap >= 0).argmax(axis=1), 1)
    rows = np.arange(len(gap))
    low, high = gap[rows, after - 1], gap[rows, after]
    share = np.clip(-low / (high - low), 0, 1)
    # between the two thresholds both rates go in a straight line
    return np.asarray(fpr[rows, after - 1] + share * (fpr[rows, after] - fpr[rows, after - 1]))


def _alone(scores: Sequence[float] | Values, fake: Truth, name: str, threshold: float = 0.5) -> float | None:
    if not len(scores):
        return None
    value = float(_Sorted(scores, fake, threshold).figures(np.ones((1, len(scores))))[name][0])
    return None if np.isnan(value) else value


def auc(scores: Sequence[float] | Values, fake: Truth) -> float | None:
    """Chance that a fake scores above a real, ties counting half (Mann-Whitney U); None without both kinds."""
    truth = np.asarray(fake, bool)
    fakes, reals = int(truth.sum()), int((~truth).sum())
    if not fakes or not reals:
        return None
    ranks = rankdata(np.asarray(scores, np.float64))
    return float((ranks[truth].sum() - fakes * (fakes + 1) / 2) / (fakes * reals))


def eer(scores: Sequence[float] | Values, fake: Truth) -> float | None:
    """Equal error rate, 0 to 1; None without both kinds."""
    return _alone(scores, fake, "eer")


def average_precision(scores: Sequence[float] | Values, fake: Truth) -> float | None:
    """Mean precision over the fakes; None without both kinds. Chance level is the share of fakes."""
    return _alone(scores, fake, "average_precision")


def ece(scores: Sequence[float] | Values, fake: Truth) -> float | None:
    """Expected calibration error of scores 0 to 1, 10 bins of equal width; None without samples.

    Small sets cannot reach 0: see `ece_floor`.
    """
    return _alone(scores, fake, "ece")


def brier(scores: Sequence[float] | Values, fake: Truth) -> float | None:
    """Mean squared distance of scores 0 to 1 from the truth; None without samples. Always .5 gives .25."""
    return _alone(scores, fake, "brier")


def ece_floor(scores: Sequence[float] | Values, *, draws: int = 500, seed: int = 0) -> float | None:
    """What `ece` would be on average if these very scores were true: chance alone, at this number of samples."""
    values = np.asarray(scores, np.float64)
    if not len(values):
        return None
    truth = np.random.default_rng(seed).random((draws, len(values))) < values
    bins = np.clip((values * ECE_BINS).astype(np.int64), 0, ECE_BINS - 1)
    total = np.zeros(draws)
    for index in np.unique(bins):
        total += np.abs((values - truth)[:, bins == index].sum(axis=1))
    return float(total.mean() / len(values))


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


def figures(
    scores: Sequence[float] | Values,
    fake: Truth,
    groups: Sequence[str],
    *,
    threshold: float = 0.5,
    draws: int = DRAWS,
    seed: int = 0,
) -> Figures:
    """Every figure with its 95 % interval: whole groups drawn with replacement, `draws` times, the same for a seed.

    A draw that holds one kind only has no AUC and is left out of its interval. With fewer than `MIN_SOURCES` groups (of
    the rarer kind, for what depends on both) there is none. Where little or nothing was ever wrong, drawing again shows
    too little doubt: the intervals of `fpr` and `tpr` reach at least as far as `binomial_interval` of so many sources.
    For the others no width means no interval, but at 0 and 1, where the bound of a share of so many sources (of the
    rarer kind) stands in: an AUC or EER is no share, so it is a reminder of doubt and no exact interval. Raises
    `ValueError` for unequal lengths or scores that are not finite.
    """
    if not len(scores):
        return Figures(*(Estimate(None, None) for _ in NAMES))
    sample = _Sorted(scores, fake, threshold)
    point = {name: float(value[0]) for name, value in sample.figures(np.ones((1, len(scores)))).items()}
    names = np.asarray(groups)
    reals, fakes = _sources(fake, names)
    sources = {"fpr": reals, "tpr": fakes, "ece": len(set(names)), "brier": len(set(names))}
    rarer = min(reals, fakes)
    drawn = _bootstrap(sample, names, draws, seed)
    found = {name: _estimate(point[name], drawn[name], sources.get(name, rarer)) for name in NAMES}
    shares = {name: _at_least_binomial(found[name], sources[name]) for name in ("fpr", "tpr")}
    return Figures(**(found | shares))


def _sources(fake: Truth, names: npt.NDArray[np.str_]) -> tuple[int, int]:
    truth = np.asarray(fake, bool)
    return len(set(names[~truth])), len(set(names[truth]))


def _bootstrap(sample: _Sorted, groups: npt.NDArray[np.str_], draws: int, seed: int) -> Mapping[str, Values]:
    names, index = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    each = max(1, _CHUNK // max(len(index), 1))
    parts: list[dict[str, Values]] = []
    for start in range(0, draws, each):
        chosen = rng.integers(len(names), size=(min(each, draws - start), len(names)))
        # how often each group was drawn in each draw, counted in one go
        flat = (chosen + np.arange(len(chosen))[:, None] * len(names)).ravel()
        counts = np.bincount(flat, minlength=len(chosen) * len(names)).reshape(len(chosen), len(names))
        parts.append(sample.figures(counts[:, index].astype(np.float64)))
    return {name: np.concatenate([part[name] for part in parts]) for name in NAMES}


def _estimate(value: float, drawn: Values, sources: int) -> Estimate:
    if np.isnan(value):
        return Estimate(None, None)
    usable = drawn[~np.isnan(drawn)]
    if len(usable) < MIN_DRAWS or sources < 1:
        return Estimate(value, None)
    low, high = (float(end) for end in np.quantile(usable, [0.025, 0.975]))
    if high - low > 1e-12 and sources >= MIN_SOURCES:
        return Estimate(value, (low, high))
    if value not in {0.0, 1.0}:
        return Estimate(value, None)
    return Estimate(value, binomial_interval(value, sources))


def _at_least_binomial(rate: Estimate, sources: int) -> Estimate:
    if rate.value is None or rate.interval is None:
        exact = rate.value is not None and sources >= MIN_SOURCES  # every source had this very share
        return Estimate(rate.value, binomial_interval(rate.value or 0.0, sources) if exact else None)
    low, high = binomial_interval(rate.value, sources)
    return Estimate(rate.value, (min(low, rate.interval[0]), max(high, rate.interval[1])))


def binomial_interval(share: float, n: int) -> tuple[float, float]:
    """Exact 95 % interval of a share of `n` independent trials (Clopper and Pearson, 1934).

    `share * n` need not be whole: a source may have files of either verdict.
    """
    found = share * n
    low = float(beta.ppf(0.025, found, n - found + 1)) if share > 0 else 0.0
    high = float(beta.ppf(0.975, found + 1, n - found)) if share < 1 else 1.0
    return low, high


def auc_difference(
    first: Sequence[float], second: Sequence[float], fake: Sequence[bool], groups: Sequence[str], *, draws: int = DRAWS
) -> Estimate:
    """AUC of the first scores minus that of the second, of the same samples: groups drawn once for both.

    The two are far more alike than two sets would be, so the interval is much narrower than that of either AUC. Where
    every draw gives the same (two perfect rankings), nothing is known of its doubt: no interval.
    """
    names, samples = np.asarray(groups), [_Sorted(scores, fake, 0.5) for scores in (first, second)]
    before, after = (_alone(scores, fake, "auc") for scores in (first, second))
    if before is None or after is None:
        return Estimate(None, None)
    drawn = np.subtract(*(_bootstrap(sample, names, draws, 0)["auc"] for sample in samples))
    usable = drawn[~np.isnan(drawn)]
    if len(usable) < MIN_DRAWS or min(_sources(fake, names)) < MIN_SOURCES:
        return Estimate(before - after, None)
    low, high = (float(end) for end in np.quantile(usable, [0.025, 0.975]))
    return Estimate(before - after, (low, high) if high - low > 1e-12 else None)


def auc_interval(
    scores: Sequence[float], fake: Sequence[bool], groups: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float] | None:
    """95 % bootstrap interval of the AUC alone; as in `figures`, None without both kinds."""
    return figures(scores, fake, groups, draws=draws, seed=seed).auc.interval

"""From raw logits to a probability whose 0.5 is a chosen false-positive rate on real faces.

Every group (a person, a source) weighs the same here: one long clip must not decide for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import beta

from analyzer.datatypes import ScoreCurve
from analyzer.errors import ConfigError
from analyzer.model.card import CalibrationValues

Values = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
MARGIN: Final = 1e-3
"""Logit that the operating point stands above the highest real score let through: more than rounding moves a score."""
CURVE_POINTS: Final = 101
LOG_SHARPNESS: Final = (-3.0, 3.0)
"""Bounds of the logarithm of the factor on all logits; beyond them a score says nothing, or nothing but 0 and 1."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Windows of held-out material: raw logits and what they are of. All (n,)."""

    window: Values
    frames: Values
    """Means over the window's 16 frame logits."""
    fake: npt.NDArray[np.bool_]
    clip: Indices
    group: Indices

    def logit(self, values: CalibrationValues) -> Values:
        return np.asarray(values.a * self.window + values.b * self.frames + values.c)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which shares of real windows and of real clips may reach 0.5; the stricter of the two decides."""

    windows: float = 0.01
    clips: float = 0.05


@dataclass(frozen=True, slots=True)
class Flagged:
    """How much of real material reaches 0.5."""

    share: float
    """Every group weighing the same."""
    at_most: float
    """One-sided 95 % bound, each group counted as one draw: windows of one source say much the same."""
    count: int
    """How many windows, or clips."""
    groups: int


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What calibration found."""

    values: CalibrationValues
    windows: Flagged
    clips: Flagged
    real_scores: ScoreCurve
    pictures: int = 0
    """So many of the clips are pictures, for there were too few clips."""


def group_weights(groups: Indices, clips: Indices | None = None) -> Values:
    """(n,) weights that sum to 1: each group the same, in it each clip (if given), in that each entry."""
    _, index = np.unique(groups, return_inverse=True)
    weight = np.ones(len(groups)) / max(1, index.max(initial=0) + 1)
    if clips is None:
        return np.asarray(weight / np.bincount(index)[index])
    pairs, clip = np.unique(np.stack([index, clips]), axis=1, return_inverse=True)
    clip = clip.reshape(-1)
    clips_of_group = np.bincount(pairs[0])
    return np.asarray(weight / clips_of_group[index] / np.bincount(clip)[clip])


def _balanced(kept: Kept) -> Values:
    """Weights under which both kinds, and in each all groups, count the same."""
    if kept.fake.all() or not kept.fake.any():
        raise ConfigError("calibration needs real and fake windows; give it groups of both kinds")
    weight = np.zeros(len(kept.fake))
    for kind in (kept.fake, ~kept.fake):
        weight[kind] = 0.5 * group_weights(kept.group[kind], kept.clip[kind])
    return weight


def fit_platt(kept: Kept, *, pull: float = 1e-2) -> CalibrationValues:
    """Logistic regression of the truth on both logits (Platt, 1999), both kinds and all groups weighing the same.

    The weights a and b stay >= 0 and are pulled towards 0 a little, for few videos must not make them large.
    `ConfigError` without both kinds.
    """
    weight, sign = _balanced(kept), np.where(kept.fake, 1.0, -1.0)

    def loss(values: Values) -> float:
        margin = sign * (values[0] * kept.window + values[1] * kept.frames + values[2])
        return float((weight * np.logaddexp(0, -margin)).sum() + pull * (values[0] ** 2 + values[1] ** 2) / 2)

    found = minimize(loss, np.array([0.5, 0.5, 0.0]), method="L-BFGS-B", bounds=[(0, 5), (0, 5), (-20, 20)])
    a, b, c = (float(value) for value in found.x)
    return CalibrationValues(a, b, c)


def set_point(values: CalibrationValues, real: Kept, rule: Rule) -> CalibrationValues:
    """Shift c so that no more of the real windows, and of the real clips, reach 0.5 than the rule allows.

    A clip's score is the mean logit of its windows, as a video's is. `ConfigError` without any window.
    """
    if not len(real.window):
        raise ConfigError("the operating point needs real windows to be set by")
    logit = real.logit(values)
    means, _, groups = _by_clip(real, logit)
    point = max(
        _edge(logit, group_weights(real.group, real.clip), rule.windows),
        _edge(means, group_weights(groups), rule.clips),
    )
    return replace(values, c=values.c - point)


def sharpen(values: CalibrationValues, kept: Kept) -> CalibrationValues:
    """Scale all logits so that probabilities are as true as they can be with 0.5 staying where it is.

    Moving 0.5 to the operating point leaves the other probabilities too sure or too unsure: one factor is fitted anew,
    on the same terms as `fit_platt`.
    """
    weight, margin = _balanced(kept), np.where(kept.fake, 1.0, -1.0) * kept.logit(values)

    def loss(power: float) -> float:
        return float((weight * np.logaddexp(0, -np.exp(power) * margin)).sum())

    factor = float(np.exp(minimize_scalar(loss, bounds=LOG_SHARPNESS, method="bounded").x))
    return CalibrationValues(values.a * factor, values.b * factor, values.c * factor)


def flagged(values: CalibrationValues, real: Kept) -> tuple[Flagged, Flagged]:
    """Shares of real windows, and of real clips, at 0.5 or above."""
    logit = real.logit(values)
    means, clips, groups = _by_clip(real, logit)
    count = len(np.unique(real.group))
    windows_share = float(group_weights(real.group, real.clip)[logit >= 0].sum())
    clips_share = float(group_weights(groups)[means >= 0].sum())
    return (
        Flagged(windows_share, upper_bound(windows_share, count), len(logit), count),
        Flagged(clips_share, upper_bound(clips_share, count), len(clips), count),
    )


def score_curve(values: CalibrationValues, real: Kept) -> ScoreCurve:
    """Percentiles of the calibrated logits of real windows, each group weighing the same."""
    logit, weight = real.logit(values), group_weights(real.group, real.clip)
    order = np.argsort(logit)
    middle = np.cumsum(weight[order]) - weight[order] / 2
    percentiles = np.interp(np.linspace(0, 1, CURVE_POINTS), middle, logit[order])
    return ScoreCurve(tuple(np.round(percentiles, 4).tolist()), len(logit), len(np.unique(real.group)))


def upper_bound(share: float, draws: int, level: float = 0.95) -> float:
    """Clopper and Pearson's one-sided bound of a share seen in so many independent draws; 1 without any."""
    if draws < 1 or share >= 1:
        return 1.0
    return float(beta.ppf(level, share * draws + 1, (1 - share) * draws))


def _by_clip(kept: Kept, logit: Values) -> tuple[Values, Indices, Indices]:
    """Mean logits of clips, their indices, and their groups' indices."""
    clips, first, index = np.unique(kept.clip, return_index=True, return_inverse=True)
    return np.bincount(index, logit) / np.bincount(index), clips, kept.group[first]


def _edge(logit: Values, weight: Values, share: float) -> float:
    """A point that at most `share` of the weight is at or above: as low as the scores at hand can tell."""
    order = np.argsort(-logit)
    allowed = np.flatnonzero(np.cumsum(weight[order]) > share + 1e-9)
    # the first that may not be flagged; all may only with a share of 1
    return float(logit[order[allowed[0]]]) + MARGIN if len(allowed) else float(logit.min()) - MARGIN

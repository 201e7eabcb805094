"""From raw logits to a probability whose 0.5 is a chosen false-positive rate on real faces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from analyzer.errors import ConfigError
from analyzer.model.card import CalibrationValues

Values = npt.NDArray[np.float64]


def fit_platt(window: Values, frames: Values, fake: npt.NDArray[np.bool_], *, pull: float = 1e-2) -> CalibrationValues:
    """Logistic regression of the truth on both logits (Platt, 1999), both kinds weighing the same.

    `window`, `frames`: (n,) raw window logits and mean frame logits. The weights a and b stay >= 0 and are pulled
    towards 0 a little, for few videos must not make them large. `ConfigError` without both kinds.
    """
    if fake.all() or not fake.any():
        raise ConfigError("calibration needs real and fake windows; give it groups of both kinds")
    weight = np.where(fake, 0.5 / fake.sum(), 0.5 / (~fake).sum())
    sign = np.where(fake, 1.0, -1.0)

    def loss(values: Values) -> float:
        margin = sign * (values[0] * window + values[1] * frames + values[2])
        return float((weight * np.logaddexp(0, -margin)).sum() + pull * (values[0] ** 2 + values[1] ** 2) / 2)

    found = minimize(loss, np.array([0.5, 0.5, 0.0]), method="L-BFGS-B", bounds=[(0, 5), (0, 5), (-20, 20)])
    a, b, c = (float(value) for value in found.x)
    return CalibrationValues(a, b, c)


def move_threshold(
    values: CalibrationValues, window: Values, frames: Values, units: npt.NDArray[np.int64], fpr: float
) -> CalibrationValues:
    """Shift c so that a share `fpr` of real units scores 0.5 or more.

    All windows given are real; `units` (n,) says which belong together (one video), and a unit's score is its mean
    logit. `ConfigError` without any.
    """
    if not len(window):
        raise ConfigError("the operating point needs real windows to be set by")
    logit = values.a * window + values.b * frames + values.c
    means = np.array([logit[units == unit].mean() for unit in np.unique(units)])
    # "higher": with few videos rather too careful than too loud
    edge = float(np.quantile(means, 1 - fpr, method="higher"))
    return CalibrationValues(values.a, values.b, values.c - edge - 1e-3)

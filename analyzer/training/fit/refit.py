"""Refits the linear layer on `StageStatistics` after stage A, by regularised logistic regression on frozen features.

Trained step by step on pairs and pseudo-fakes, that layer learns what separates these, and ranks clean generated video
as real. Fitted on reals and fakes as they are, with a strong penalty, it ranks clips of unseen generators better, and
generated pictures worse (last-layer retraining; Kirichenko et al., ICLR 2023; docs/experiments.md, round 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor

from analyzer.model.network import DeepfakeNet, preprocess
from analyzer.training.fit.precision import autocast

Values = npt.NDArray[np.float64]

CROPS: Final = 6400
"""Crops that are fitted on, half of them fake: half as many give the same ranking."""
FEWEST_GROUPS: Final = 100
"""Groups of real faces, and of fakes, below which nothing is refitted: a few sources would be learned by heart."""
PENALTY: Final = 0.3
"""L2 penalty on the weights of standardised statistics; .1 to 1 give the same ranking on dev."""
DEEP_SHARE: Final = 0.5
"""What remains of the weights of the head on the deep features beside the refitted layer."""


@torch.no_grad()
def refit_statistics(
    net: DeepfakeNet, batches: Iterable[Sequence[Tensor]], device: torch.device, precision: str
) -> float:
    """Fit the layer on batches of crops (n, 224, 224, 3) and labels (n,), and weaken the deep head; the mean log loss.

    Normalises by the mean and variance of these very crops. Leaves the net in eval mode.
    """
    net.eval()
    statistics = net.frame_path.statistics
    columns: list[Tensor] = []
    labels: list[Tensor] = []
    for pixels, fake in batches:
        faces = preprocess(pixels.to(device)).contiguous(memory_format=torch.channels_last)
        with autocast(device, precision):
            tapped = net.frame_path.backbone(faces).tapped
        columns.append(statistics.summary(tapped).double().cpu())
        labels.append(fake)
    values, truth = torch.cat(columns).numpy(), torch.cat(labels).numpy() > 0.5
    mean, variance = values.mean(axis=0), values.var(axis=0)
    weights, loss = fit_logistic((values - mean) / np.sqrt(variance + statistics.norm.eps), truth, PENALTY)
    statistics.norm.get_buffer("running_mean").copy_(torch.from_numpy(mean))
    statistics.norm.get_buffer("running_var").copy_(torch.from_numpy(variance))
    statistics.head.weight.copy_(torch.from_numpy(weights[None, :-1]))
    statistics.head.bias.copy_(torch.from_numpy(weights[-1:]))
    for parameter in net.frame_path.head.parameters():
        parameter.mul_(DEEP_SHARE)
    return loss


def fit_logistic(values: Values, truth: npt.NDArray[np.bool_], penalty: float) -> tuple[Values, float]:
    """Weights (columns + 1, intercept last) of a logistic regression with an L2 penalty, and the mean log loss."""
    sign = np.where(truth, 1.0, -1.0)

    def objective(weights: Values) -> tuple[float, Values]:
        margin = sign * (values @ weights[:-1] + weights[-1])
        pull = -sign / (1 + np.exp(np.clip(margin, -500, 500))) / len(values)
        loss = np.logaddexp(0, -margin).mean() + penalty * (weights[:-1] ** 2).sum() / 2
        return float(loss), np.append(values.T @ pull + penalty * weights[:-1], pull.sum())

    found = minimize(objective, np.zeros(values.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    margin = sign * (values @ found.x[:-1] + found.x[-1])
    return np.asarray(found.x), float(np.logaddexp(0, -margin).mean())

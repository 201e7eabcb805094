from __future__ import annotations

import numpy as np
import pytest
import torch

from analyzer.training.fit.refit import DEEP_SHARE, fit_logistic, refit_statistics
from tests.nets import lively_net, random_face


def test_logistic_regression_finds_the_informative_column_and_a_penalty_shrinks_it() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 2 == 1
    values = rng.normal(size=(400, 3))
    values[:, 1] += np.where(truth, 1.0, -1.0)
    free, loss = fit_logistic(values, truth, 1e-4)
    shrunk, _ = fit_logistic(values, truth, 1.0)
    assert np.abs(free[:3]).argmax() == 1
    assert free[1] > 2 * shrunk[1] > 0
    assert 0 < loss < np.log(2)


def test_refitted_statistics_separate_what_they_were_fitted_on_and_the_deep_head_is_weakened() -> None:
    net = lively_net()
    before = net.get_parameter("frame_path.head.1.weight").clone()
    pixels = np.stack([random_face(i) for i in range(16)])
    pixels[1::2] = pixels[1::2] // 4 + 90  # of less contrast
    fake = torch.tensor([0.0, 1.0] * 8)
    batches = [(torch.from_numpy(pixels[i : i + 8]), fake[i : i + 8]) for i in (0, 8)]
    loss = refit_statistics(net, batches, torch.device("cpu"), "float32")
    assert loss < np.log(2)
    torch.testing.assert_close(net.get_parameter("frame_path.head.1.weight"), DEEP_SHARE * before)
    assert not net.training
    with torch.inference_mode():
        tapped = net.frame_path.backbone(torch.zeros(1, 3, 224, 224)).tapped
        assert net.frame_path.statistics(tapped).isfinite().all()


def test_a_refit_is_the_same_twice() -> None:
    batches = [(torch.from_numpy(np.stack([random_face(i) for i in range(6)])), torch.tensor([0.0, 1.0] * 3))]
    states = []
    for _ in range(2):
        net = lively_net()
        refit_statistics(net, batches, torch.device("cpu"), "float32")
        states.append(net.frame_path.statistics.head.weight.clone())
    assert torch.equal(*states)


@pytest.mark.parametrize("margin", [1e3, -1e3])
def test_huge_values_give_finite_weights(margin: float) -> None:
    values = np.array([[margin], [-margin]] * 5)
    weights, loss = fit_logistic(values, np.array([True, False] * 5), 0.3)
    assert np.isfinite(weights).all()
    assert np.isfinite(loss)

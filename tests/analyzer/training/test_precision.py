from __future__ import annotations

import pytest
import torch

from analyzer.errors import ConfigError
from analyzer.model.network import DeepfakeNet
from analyzer.training.precision import TRIED_STEPS, autocast, faster_precision, pick_device


def test_both_precisions_are_tried_on_a_copy_and_one_is_chosen() -> None:
    net = DeepfakeNet()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    random = torch.random.get_rng_state()
    tried: list[str] = []

    def loss_of(copied: DeepfakeNet, precision: str) -> torch.Tensor:
        assert copied is not net
        tried.append(precision)
        with torch.no_grad():
            copied.get_parameter("window_path.head.1.bias").add_(torch.rand(()))
        return copied.get_parameter("window_path.head.1.weight").square().sum()

    assert faster_precision(net, loss_of) in {"float32", "bfloat16"}
    assert tried == ["float32"] * TRIED_STEPS + ["bfloat16"] * TRIED_STEPS
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(random, torch.random.get_rng_state())


def test_float32_means_that_nothing_is_rounded() -> None:
    a, b = torch.rand(4, 4), torch.rand(4, 4)
    with autocast(torch.device("cpu"), "float32"):
        assert (a @ b).dtype == torch.float32
    with autocast(torch.device("cpu"), "bfloat16"):
        assert (a @ b).dtype == torch.bfloat16


def test_an_unknown_device_is_refused_and_auto_finds_one() -> None:
    assert pick_device("auto").type in {"cpu", "cuda"}
    with pytest.raises(ConfigError, match="unknown device 'tpu'"):
        pick_device("tpu")

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest
import torch

from analyzer.errors import ConfigError
from analyzer.model.network import DeepfakeNet
from analyzer.training.fit import precision
from analyzer.training.fit.precision import (
    PACE_STEPS,
    PACE_WARM,
    TRIED_STEPS,
    autocast,
    faster_precision,
    pick_device,
    training_pace,
)


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


def test_a_pace_is_measured_on_a_copy_with_the_wait_for_samples() -> None:
    net = DeepfakeNet()
    weight = net.get_parameter("window_path.head.1.weight").clone()
    drawn: list[int] = []

    def slow() -> Iterator[int]:
        for index in itertools.count():
            time.sleep(0.01)
            drawn.append(index)
            yield index

    def loss_of(copied: DeepfakeNet, _: int) -> torch.Tensor:
        assert copied is not net
        return copied.get_parameter("window_path.head.1.weight").square().sum()

    assert 0 < training_pace(net, slow(), loss_of) <= 100
    assert len(drawn) == PACE_WARM + PACE_STEPS
    assert net.get_parameter("window_path.head.1.weight").grad is None
    assert torch.equal(net.get_parameter("window_path.head.1.weight"), weight)


def test_a_pace_of_a_slow_machine_is_measured_by_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "PACE_MOST_S", 0.0)
    drawn = itertools.count()
    training_pace(DeepfakeNet(), drawn, lambda net, _: net.get_parameter("window_path.head.1.weight").square().sum())
    assert next(drawn) == 2

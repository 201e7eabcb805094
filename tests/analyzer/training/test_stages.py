from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from analyzer.model.network import DeepfakeNet
from analyzer.training.stages import StageA, freeze


@pytest.fixture
def net() -> DeepfakeNet:
    torch.manual_seed(0)
    return DeepfakeNet()


@pytest.fixture
def batch() -> Sequence[Tensor]:
    pixels = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    seams = torch.zeros(2, 7, 7)
    seams[1, 3, 3] = 1.0
    return pixels, torch.tensor([0.0, 1.0]), seams, torch.ones(2)


@pytest.mark.parametrize("frozen", [0, 1, 3, 8])
def test_stages_at_rest_learn_nothing_and_the_others_do(net: DeepfakeNet, batch: Sequence[Tensor], frozen: int) -> None:
    freeze(net, range(8), frozen)
    stage = StageA(range(8), size=160)
    optimizer = stage.optimizer(net)
    before = {name: value.clone() for name, value in net.frame_path.state_dict().items()}
    loss, _ = stage.loss(net, batch, torch.device("cpu"), "float32")
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    moved = {name for name, value in net.frame_path.state_dict().items() if not torch.equal(value, before[name])}
    stages = {int(name.split(".")[2]) for name in moved if name.startswith("backbone.")}
    assert stages == set(range(frozen, 8))
    assert "head.1.weight" in moved
    assert not any("running" in name for name in moved if name.startswith("backbone."))


def test_only_stages_with_start_weights_rest(net: DeepfakeNet) -> None:
    freeze(net, (), 1)
    features = net.frame_path.backbone.features
    assert all(parameter.requires_grad for parameter in features[0].parameters())
    assert all(module.training for module in features.modules() if isinstance(module, nn.BatchNorm2d))


@pytest.mark.parametrize("size", [160, 192, 224])
def test_smaller_crops_are_learned_from_with_the_seam_in_fewer_cells(
    net: DeepfakeNet, batch: Sequence[Tensor], size: int
) -> None:
    freeze(net, range(8))
    loss, values = StageA(range(8), size=size).loss(net, batch, torch.device("cpu"), "float32")
    assert bool(loss.isfinite())
    assert float(values["seam"].detach()) > 0

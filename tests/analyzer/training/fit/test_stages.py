from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from analyzer.model.network import DeepfakeNet
from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row
from analyzer.training.fit.stages import StageA, freeze, keep_of_start, loader
from analyzer.training.sampling.material import Material
from analyzer.training.sampling.mixture import Mixture
from analyzer.training.sampling.samples import ImageSamples


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
    stage = StageA(range(8), sizes=(160,))
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


def test_every_weight_of_the_frame_path_has_one_rate_and_the_statistics_a_higher_one(net: DeepfakeNet) -> None:
    freeze(net, range(8), 0)
    groups = StageA(range(8), rate_head=1e-3, rate_backbone=1e-4).optimizer(net).param_groups
    assert [group["base"] for group in groups] == [1e-4, 1e-3, 1e-2]
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in net.frame_path.parameters())
    assert len(groups[2]["params"]) == 2


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
    loss, values = StageA(range(8), sizes=(size,)).loss(net, batch, torch.device("cpu"), "float32")
    assert bool(loss.isfinite())
    assert float(values["seam"].detach()) > 0


def test_workers_start_though_pictures_were_worked_on_by_many_threads_before(found: list[tuple[Row, Track]]) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        cv2.GaussianBlur(np.zeros((1000, 1000, 3), np.uint8), (0, 0), 3.0)  # large enough to start OpenCV's threads
        batches = list(loader(ImageSamples(Material(found), Mixture(), 0, 2), 1, 1))
    finally:
        cv2.setNumThreads(before)
    assert [len(batch[1]) for batch in batches] == [4, 4]


def test_of_the_start_so_much_stays_as_is_said_counters_as_they_are() -> None:
    net, start = DeepfakeNet(), DeepfakeNet()
    learned = {name: value.clone() for name, value in net.state_dict().items()}
    keep_of_start(net, start.state_dict(), 0.25)
    for name, value in net.state_dict().items():
        before, after = start.state_dict()[name], learned[name]
        expected = 0.25 * before + 0.75 * after if value.is_floating_point() else after
        torch.testing.assert_close(value, expected)

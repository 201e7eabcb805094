from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import efficientnet_b0

from analyzer.errors import WeightsError
from analyzer.model.backbone import TAPPED_CHANNELS, Backbone, load_backbone_start
from analyzer.model.network import DeepfakeNet


@pytest.fixture
def start_file(tmp_path: Path) -> Path:
    path = tmp_path / "start.safetensors"
    torch.manual_seed(7)
    save_file(efficientnet_b0(weights=None).features.state_dict(), path)
    return path


def test_one_face_gives_features_at_two_depths_and_the_maps_of_three_stages() -> None:
    with torch.inference_mode():
        middle, deep, tapped = Backbone().eval()(torch.zeros(1, 3, 224, 224))
    assert middle.shape == (1, 112, 14, 14)
    assert deep.shape == (1, 320, 7, 7)
    assert [tuple(one.shape[1:]) for one in tapped] == [(80, 14, 14), (112, 14, 14), (192, 7, 7)]
    assert tuple(one.shape[1] for one in tapped) == TAPPED_CHANNELS


def test_start_weights_are_copied_into_the_stages_asked_for_and_no_others(start_file: Path) -> None:
    torch.manual_seed(8)
    net = DeepfakeNet()
    before = {name: tensor.clone() for name, tensor in net.frame_path.backbone.features.state_dict().items()}
    copied = load_backbone_start(net, start_file, stages=[0, 1])
    torch.manual_seed(7)
    expected = efficientnet_b0(weights=None).features.state_dict()
    after = net.frame_path.backbone.features.state_dict()
    for name, tensor in after.items():
        origin = expected if name.startswith(("0.", "1.")) else before
        assert torch.equal(tensor, origin[name]), name
    assert copied == sum(name.startswith(("0.", "1.")) for name in after)


def test_all_eight_stages_can_be_loaded(start_file: Path) -> None:
    net = DeepfakeNet()
    assert load_backbone_start(net, start_file, stages=range(8)) == len(net.frame_path.backbone.features.state_dict())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.safetensors"):
        load_backbone_start(DeepfakeNet(), tmp_path / "absent.safetensors")


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "junk.safetensors"
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(WeightsError, match="cannot read"):
        load_backbone_start(DeepfakeNet(), path)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"fc.weight": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match=r"0\.0\.weight"):
        load_backbone_start(DeepfakeNet(), path)


def test_a_tensor_of_another_shape_is_named_and_nothing_is_copied(tmp_path: Path) -> None:
    state = efficientnet_b0(weights=None).features.state_dict()
    state["1.0.block.0.0.weight"] = torch.zeros(3)
    path = tmp_path / "bent.safetensors"
    save_file(state, path)
    net = DeepfakeNet()
    before = net.frame_path.backbone.features.state_dict()["0.0.weight"].clone()
    with pytest.raises(WeightsError, match=r"1\.0\.block\.0\.0\.weight"):
        load_backbone_start(net, path)
    assert torch.equal(net.frame_path.backbone.features.state_dict()["0.0.weight"], before)

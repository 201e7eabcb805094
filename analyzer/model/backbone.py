"""EfficientNet-B0 without its head: what one face looks like, at two depths."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import efficientnet_b0

from analyzer.errors import WeightsError

if TYPE_CHECKING:
    from analyzer.model.network import DeepfakeNet

MIDDLE_CHANNELS = 112
DEEP_CHANNELS = 320
TAPPED_CHANNELS = (80, 112, 192)
"""Of stages 4, 5 and 6, whose statistics the head reads."""
NUM_STAGES = 8
"""Stages `features[0:8]` of torchvision's EfficientNet-B0; the ninth, the 320 -> 1280 convolution, is not needed."""
UNBENT_STAGES = range(6)
"""Stages of the project's start weights that still behave like ImageNet's."""


class BackboneFeatures(NamedTuple):
    """One face at two depths."""

    middle: Tensor
    """(N, 112, 14, 14): fine enough to hold blending seams."""
    deep: Tensor
    """(N, 320, 7, 7)."""
    tapped: tuple[Tensor, Tensor, Tensor]
    """Stages 4, 5 and 6: (N, 80, 14, 14), (N, 112, 14, 14), (N, 192, 7, 7)."""


class Backbone(nn.Module):
    """EfficientNet-B0, stages 0 to 7 (Tan and Le, ICML 2019; torchvision's layout and tensor names).

    Starts at random: nothing is downloaded. `load_backbone_start` reads start weights from a file.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features: nn.Sequential = efficientnet_b0(weights=None).features[:NUM_STAGES]

    def forward(self, faces: Tensor) -> BackboneFeatures:
        """`faces` (N, 3, 224, 224), normalised as `preprocess` does."""
        stage4 = self.features[:5](faces)  # (N, 80, 14, 14)
        stage5 = self.features[5](stage4)  # (N, 112, 14, 14)
        stage6 = self.features[6](stage5)  # (N, 192, 7, 7)
        deep = self.features[7](stage6)  # (N, 320, 7, 7)
        return BackboneFeatures(stage5, deep, (stage4, stage5, stage6))


def load_backbone_start(net: DeepfakeNet, path: Path, stages: Iterable[int] = UNBENT_STAGES) -> int:
    """Copy start weights of the given backbone stages (0 to 7) from a safetensors file; the number of tensors copied.

    The file holds the `state_dict` of torchvision's `efficientnet_b0().features` (keys `0.0.weight` ...); stages that
    are not asked for keep their random start. Raises `WeightsError` when the file is unreadable, lacks a tensor, or
    holds one of another shape.
    """
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read the backbone's start weights {path}: {error}") from error
    wanted = {str(stage) for stage in stages}
    target = net.frame_path.backbone.features.state_dict()
    names = [name for name in target if name.split(".", 1)[0] in wanted]
    for name in names:
        if name not in stored:
            raise WeightsError(f"{path} lacks the tensor {name}: expected the state of efficientnet_b0().features")
        if stored[name].shape != target[name].shape:
            expected, got = tuple(target[name].shape), tuple(stored[name].shape)
            raise WeightsError(f"{path}: expected {name} of shape {expected}, got {got}")
    with torch.no_grad():
        for name in names:
            target[name].copy_(stored[name])
    return len(names)

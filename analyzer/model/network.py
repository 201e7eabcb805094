"""The network, split where time begins: each face is encoded once, each window of 16 is scored from what was kept.

    frame path, once per face   3x224x224 -> backbone -> 128x7x7 -> channel, spatial attention -> features, map, logit
    window path, once a window  16 x 128x7x7 -> 3-D convolutions -> 16 tokens + time -> attention -> pooling -> logit
    calibration                 a * window logit + b * mean frame logit + c; sigmoid >= 0.5 means DEEPFAKE

The frame path mixes nothing over time and nothing over the batch (in eval mode), so what it says of a face does not
depend on the faces that come with it. That is what lets the window bank keep it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from analyzer.config import FACE_SIZE, IMAGENET_MEAN, IMAGENET_STD, MAP_SIZE, NUM_FRAMES
from analyzer.model.attention import ChannelAttention, SpatialAttention
from analyzer.model.backbone import DEEP_CHANNELS, MIDDLE_CHANNELS, TAPPED_CHANNELS, Backbone
from analyzer.model.temporal import AttentionPool, TemporalAttention, TemporalBlock, TimeCode

ARCHITECTURE = "efficientnet-b0-split-16x128x7x7-v2"
"""Names the tensors' layout and meaning; a weights card for another one is refused."""
WITHOUT_STATISTICS = "efficientnet-b0-split-16x128x7x7-v1"
"""The same network before its head read `StageStatistics`: weights for it are loaded with a head that ignores them."""
CHANNELS = 128
"""Channels of one face's features."""
VARIANCE_FLOOR = 1e-4
"""Keeps the logarithm of a flat channel's variance finite."""


class FrameFeatures(NamedTuple):
    """What the frame path makes of N faces."""

    features: Tensor
    """(N, 128, 7, 7): what the window bank keeps."""
    attention: Tensor
    """(N, 1, 7, 7), 0 to 1: where it looked."""
    logit: Tensor
    """(N,): opinion of each face alone."""
    attention_logits: Tensor
    """(N, 1, 7, 7): `attention` before its sigmoid, for a loss that wants it so."""


class WindowOutput(NamedTuple):
    """What the window path makes of B windows."""

    logit: Tensor
    """(B,), not calibrated."""
    attention: Tensor
    """(B, 16), sums to 1: how much each face counted."""


class StageStatistics(nn.Module):
    """A logit from the mean and the spread of each channel in the middle stages.

    Generated faces show in the texture statistics of the middle stages, pasted ones in the deepest features. Starts at
    zero, so weights without it can be trained further.
    """

    def __init__(self, channels: Sequence[int] = TAPPED_CHANNELS, dropout: float = 0.2) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2 * sum(channels), affine=False)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * sum(channels), 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Feature maps (N, C_i, H_i, W_i) -> logit (N,)."""
        joined = self.norm(self.summary(maps).to(self.head.weight.dtype))  # (N, 2 * sum of C_i)
        logit: Tensor = self.head(self.dropout(joined)).squeeze(-1)  # (N,)
        return logit

    @staticmethod
    def summary(maps: Sequence[Tensor]) -> Tensor:
        """Means and logarithms of the standard deviations, (N, 2 * sum of C_i); torch sums them in float32."""
        parts = []
        for one in maps:
            flat = one.float().flatten(2)  # (N, C_i, H_i W_i)
            mean = flat.mean(dim=2, keepdim=True)  # (N, C_i, 1)
            variance = (flat - mean).square().mean(dim=2)  # (N, C_i)
            parts += [mean.squeeze(2), 0.5 * torch.log(variance + VARIANCE_FLOOR)]
        return torch.cat(parts, dim=1)


class FramePath(nn.Module):
    """Encodes single faces, each for itself."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.reduce = nn.Sequential(nn.Conv2d(DEEP_CHANNELS, CHANNELS, 1, bias=False), nn.BatchNorm2d(CHANNELS))
        # the low-level tap: seams and resampling traces are gone by the deep stages
        self.tap = nn.Sequential(
            nn.Conv2d(MIDDLE_CHANNELS, CHANNELS, 1, bias=False),
            nn.Conv2d(CHANNELS, CHANNELS, 3, stride=2, padding=1, groups=CHANNELS, bias=False),
            nn.BatchNorm2d(CHANNELS),
        )
        self.act = nn.SiLU()
        self.channel_attention = ChannelAttention(CHANNELS)
        self.spatial_attention = SpatialAttention()
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * CHANNELS, 1))
        self.statistics = StageStatistics(dropout=dropout)

    def forward(self, x: Tensor) -> FrameFeatures:
        """`x` (N, 3, 224, 224), normalised by `preprocess`."""
        middle, deep, tapped = self.backbone(x)  # (N, 112, 14, 14), (N, 320, 7, 7), stages 4 to 6
        y = self.act(self.reduce(deep) + self.tap(middle))  # (N, 128, 7, 7)
        y = self.channel_attention(y)  # (N, 128, 7, 7)
        features, map_logits = self.spatial_attention(y)  # (N, 128, 7, 7), (N, 1, 7, 7)
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)  # (N, 256)
        logit = self.head(pooled).squeeze(-1) + self.statistics(tapped)  # (N,)
        return FrameFeatures(features, torch.sigmoid(map_logits), logit, map_logits)


class WindowPath(nn.Module):
    """Scores windows of 16 encoded faces, oldest first."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.blocks = nn.Sequential(TemporalBlock(2 * CHANNELS, CHANNELS), TemporalBlock(CHANNELS, CHANNELS))
        self.to_tokens = nn.Linear(2 * CHANNELS, CHANNELS)
        self.time_code = TimeCode(CHANNELS)
        self.temporal_attention = TemporalAttention(CHANNELS)
        self.pool = AttentionPool(CHANNELS)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * CHANNELS, 1))

    def forward(self, features: Tensor, elapsed_s: Tensor) -> WindowOutput:
        """Score B windows.

        `features` (B, 16, 128, 7, 7), oldest face first; `elapsed_s` (B, 16): seconds between each face and the one
        before it, 0 for the first.
        """
        none = torch.zeros_like(features[:, :1])  # (B, 1, 128, 7, 7): the first face has none before it
        change = torch.cat([none, features[:, 1:] - features[:, :-1]], dim=1)  # (B, 16, 128, 7, 7)
        x = torch.cat([features, change], dim=2).transpose(1, 2)  # (B, 256, 16, 7, 7)
        x = self.blocks(x)  # (B, 128, 16, 7, 7)
        pooled = torch.cat([x.mean(dim=(3, 4)), x.amax(dim=(3, 4))], dim=1).transpose(1, 2)  # (B, 16, 256)
        tokens = self.to_tokens(pooled) + self.time_code(elapsed_s)  # (B, 16, 128)
        tokens = self.temporal_attention(tokens)  # (B, 16, 128)
        summary, attention = self.pool(tokens)  # (B, 256), (B, 16)
        return WindowOutput(self.head(summary).squeeze(-1), attention)  # (B,), (B, 16)


class Calibration(nn.Module):
    """Puts the operating point at 0.5: three numbers, fitted after training and stored as buffers."""

    a: Tensor
    b: Tensor
    c: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("a", torch.tensor(1.0))
        self.register_buffer("b", torch.tensor(0.0))
        self.register_buffer("c", torch.tensor(0.0))

    def forward(self, window_logit: Tensor, frame_logits: Tensor) -> Tensor:
        """(B,) and (B, 16) -> (B,) float32 whatever came in: the last digits matter here."""
        mean = frame_logits.float().mean(dim=1)  # (B,)
        return self.a.float() * window_logit.float() + self.b.float() * mean + self.c.float()  # (B,)

    @property
    def hears_windows(self) -> bool:
        """Whether the window path has a say: a is not 0."""
        return bool(self.a != 0)

    def without_windows(self, frame_logits: Tensor) -> Tensor:
        """What `forward` gives where the window path has no say: (B, 16) -> (B,) float32, to the last digit."""
        return self.b.float() * frame_logits.float().mean(dim=1) + self.c.float()  # (B,)


class DeepfakeNet(nn.Module):
    """Both paths and the calibration."""

    def __init__(self) -> None:
        super().__init__()
        self.frame_path = FramePath()
        self.window_path = WindowPath()
        self.calibration = Calibration()

    def forward(self, crops: Tensor, elapsed_s: Tensor) -> Tensor:
        """Score whole windows at once: `crops` (B, 16, 3, 224, 224), `elapsed_s` (B, 16) -> calibrated logit (B,)."""
        frames = self.frame_path(crops.flatten(0, 1))  # features (B*16, 128, 7, 7), logit (B*16,)
        # rounded as the window bank keeps them, so that this and streaming score the very same numbers
        kept = frames.features.half().to(frames.features.dtype)  # (B*16, 128, 7, 7)
        features = kept.unflatten(0, crops.shape[:2])  # (B, 16, 128, 7, 7)
        window = self.window_path(features, elapsed_s)  # logit (B,)
        return self.calibrated(window.logit, frames.logit.unflatten(0, crops.shape[:2]))  # (B,)

    def calibrated(self, window_logit: Tensor, frame_logits: Tensor) -> Tensor:
        """`window_logit` (B,), `frame_logits` (B, 16) -> calibrated logit (B,)."""
        logit: Tensor = self.calibration(window_logit, frame_logits)  # (B,)
        return logit


def preprocess(pixels: Tensor) -> Tensor:
    """RGB uint8 (N, 224, 224, 3) -> normalised float32 (N, 3, 224, 224), channels-last in memory, same device."""
    mean = torch.tensor(IMAGENET_MEAN, device=pixels.device).view(3, 1, 1) * 255
    std = torch.tensor(IMAGENET_STD, device=pixels.device).view(3, 1, 1) * 255
    # turned first: with three channels innermost OpenVINO needs 1 ms for what then takes it a fifth of that
    return (pixels.permute(0, 3, 1, 2).float() - mean) / std  # (N, 3, 224, 224)


@dataclass(frozen=True, slots=True)
class PathCost:
    """Size and work of one path."""

    parameters: int
    macs: int
    """Multiply-accumulates of convolutions, linear layers and attention for one face or one window."""


def cost(net: DeepfakeNet) -> tuple[PathCost, PathCost]:
    """Size and work of the frame path (one face) and of the window path (one window). Leaves the net as it was."""
    device = next(net.parameters()).device
    dtype = next(net.parameters()).dtype
    face = torch.zeros(1, 3, FACE_SIZE, FACE_SIZE, device=device, dtype=dtype)
    features = torch.zeros(1, NUM_FRAMES, CHANNELS, MAP_SIZE, MAP_SIZE, device=device, dtype=dtype)
    elapsed_s = torch.zeros(1, NUM_FRAMES, device=device)
    return _path_cost(net.frame_path, (face,)), _path_cost(net.window_path, (features, elapsed_s))


def _path_cost(path: nn.Module, example: tuple[Tensor, ...]) -> PathCost:
    macs = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        nonlocal macs
        if isinstance(module, nn.Conv2d | nn.Conv3d) and isinstance(output, Tensor):
            macs += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear) and isinstance(output, Tensor):
            macs += output.numel() * module.in_features
        elif isinstance(module, nn.MultiheadAttention):
            tokens, width = inputs[0].shape[1:]
            # four projections of each token (its linear layer runs without hooks), and all pairs of tokens, twice
            macs += 4 * tokens * width * width + 2 * tokens * tokens * width

    # module by module: a trainer may hold some in eval mode (frozen BatchNorm statistics)
    modes = [(module, module.training) for module in path.modules()]
    hooks = [module.register_forward_hook(count) for module in path.modules()]
    try:
        path.eval()
        with torch.no_grad():
            path(*example)
    finally:
        for module, training in modes:
            module.training = training
        for hook in hooks:
            hook.remove()
    return PathCost(sum(parameter.numel() for parameter in path.parameters()), macs)


def describe(net: DeepfakeNet) -> str:
    """The size and work of both paths, one line each, for people."""
    frame, window = cost(net)
    return "\n".join(
        f"{name:<12} {path.parameters / 1e6:6.2f} M parameters {path.macs / 1e6:8.1f} MMACs per {per}"
        for name, path, per in (("frame path", frame, "face"), ("window path", window, "window"))
    )

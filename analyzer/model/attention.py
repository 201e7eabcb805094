"""Which channels, and where in the face, the frame path looks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelAttention(nn.Module):
    """Weighs the channels of a feature map by what stands in it anywhere (CBAM; Woo et al., ECCV 2018)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.SiLU(),
            nn.Linear(channels // reduction, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        mean = self.mlp(x.mean(dim=(2, 3)))  # (N, C)
        peak = self.mlp(x.amax(dim=(2, 3)))  # (N, C)
        weight = torch.sigmoid(mean + peak)  # (N, C)
        weighed: Tensor = x * weight[:, :, None, None]  # (N, C, H, W)
        return weighed


class SpatialAttention(nn.Module):
    """Finds where in the face the evidence is; its map is trained on blending seams and shown to people (CBAM)."""

    def __init__(self, kernel_size: int = 3) -> None:
        super().__init__()
        # 3x3 on a 7x7 map sees nearly half the face; CBAM's 7x7 would see all of it from everywhere
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) -> the weighed features (N, C, H, W) and the map's logits (N, 1, H, W)."""
        summary = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)  # (N, 2, H, W)
        logits = self.conv(summary)  # (N, 1, H, W)
        # 1 + map: a face without any seam, whose map is 0, keeps its features
        return x * (1 + torch.sigmoid(logits)), logits

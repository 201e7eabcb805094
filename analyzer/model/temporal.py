"""What changes from face to face: 3-D convolutions, time codes, attention over the window, pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from analyzer.config import NUM_FRAMES

ELAPSED_MAX_S = 1.0
"""Elapsed times are clamped to 0 ... this: a longer gap ends a live window, so none longer is ever trained."""
ELAPSED_SCALE = 10.0
"""Spreads the useful range before the logarithm: log1p(10 x) is 0.34 at 40 ms, 1.1 at 200 ms, 2.4 at 1 s."""


class TemporalBlock(nn.Module):
    """Mixes three neighbouring faces at each place, then 3x3 places of each face (a factored 3-D convolution).

    The skip carries the first `channels` channels of the input: in the first block, whose input is the features and
    their changes, the features themselves.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.over_time = nn.Conv3d(in_channels, channels, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.time_norm = nn.BatchNorm3d(channels)
        self.act = nn.SiLU()
        self.over_space = nn.Conv3d(channels, channels, (1, 3, 3), padding=(0, 1, 1), groups=channels, bias=False)
        self.space_norm = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, T, H, W) -> (B, channels, T, H, W)."""
        y = self.act(self.time_norm(self.over_time(x)))  # (B, C, T, H, W)
        y = self.space_norm(self.over_space(y))  # (B, C, T, H, W)
        out: Tensor = y + x[:, : self.channels]  # (B, C, T, H, W)
        return out


class TimeCode(nn.Module):
    """Tells each token its place in the window and how long after the face before it was seen."""

    def __init__(self, width: int, hidden: int = 32) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(NUM_FRAMES, width) * 0.02)
        self.elapsed = nn.Sequential(nn.Linear(1, hidden), nn.SiLU(), nn.Linear(hidden, width))

    def forward(self, elapsed_s: Tensor) -> Tensor:
        """(B, 16) seconds since the face before, clamped to 0 ... `ELAPSED_MAX_S` -> (B, 16, width)."""
        squeezed = torch.log1p(ELAPSED_SCALE * elapsed_s.clamp(0, ELAPSED_MAX_S))  # (B, 16)
        coded: Tensor = self.elapsed(squeezed.to(self.position.dtype).unsqueeze(-1))  # (B, 16, width)
        return coded + self.position  # (B, 16, width)


class TemporalAttention(nn.Module):
    """Lets every face of the window look at every other: one pre-norm transformer layer (Vaswani et al., 2017)."""

    def __init__(self, width: int, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.attend_norm = nn.LayerNorm(width)
        self.attend = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, 16, width) in and out."""
        normed = self.attend_norm(tokens)  # (B, 16, width)
        mixed, _ = self.attend(normed, normed, normed, need_weights=False)  # (B, 16, width)
        tokens = tokens + mixed  # (B, 16, width)
        out: Tensor = tokens + self.mlp(tokens)  # (B, 16, width)
        return out


class AttentionPool(nn.Module):
    """One vector for the whole window: its learned weighted mean beside its maximum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.weigh = nn.Linear(width, 1)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 16, width) -> the pooled vector (B, 2 width) and each face's weight (B, 16), which sums to 1."""
        tokens = self.norm(tokens)  # (B, 16, width)
        weight = torch.softmax(self.weigh(tokens).squeeze(-1), dim=-1)  # (B, 16)
        mean = (weight.unsqueeze(-1) * tokens).sum(dim=1)  # (B, width)
        peak = tokens.amax(dim=1)  # (B, width)
        return torch.cat([mean, peak], dim=-1), weight  # (B, 2 width), (B, 16)

"""Small face autoencoders, trained in minutes on a run's own real faces: they paint as the networks of deepfakes do.

A face swap, a lip-sync or a talking head comes out of a convolutional decoder. What that leaves in a picture, the
pattern of its upsampling and skin that it made up, no resizing and no blur imitates, but the reconstruction of a real
face by any autoencoder does (Zhang, Karaman and Chang, WIFS 2019, for GANs; Rajan et al., 2024, for latent diffusion).
Several small ones that rise in different ways stand for the decoders that there are.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from analyzer.config import IMAGENET_MEAN, IMAGENET_STD
from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError
from analyzer.faces.geometry import WIDE, align, cut_square
from analyzer.training.data.dataset import Track

STEP: Final = 8
"""Sides of pictures must be multiples of this."""
SIDE: Final = 128
"""Faces are learned at this many pixels."""
BATCH: Final = 16
RATE: Final = 2e-3
LARGEST_GRADIENT: Final = 1.0
FIRST_LAYERS: Final = 2
"""Stages of the backbone that say how alike two pictures are."""
FEATURE_WEIGHT: Final = 0.3
"""Of the distance in what those see, beside that of the pixels: without it skin is only blurred."""

Pick = Callable[[np.random.Generator], Track]
"""Draws a real clip or picture."""


@dataclass(frozen=True, slots=True)
class Build:
    """How an autoencoder is made."""

    halvings: int
    """2 or 3: the code has a 4th or an 8th of the picture's side."""
    latent: int
    """Channels of the code."""
    rise: str
    """"nearest" (repeat, then convolve), "shuffle" (sub-pixel convolution) or "transposed"."""
    width: int = 24


BUILDS: Final = (
    Build(3, 12, "nearest"),
    Build(3, 16, "shuffle"),
    Build(2, 3, "transposed"),
    Build(3, 24, "transposed"),
)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


def _rise(kind: str, wide: int, narrow: int) -> nn.Module:
    if kind == "transposed":
        return nn.Sequential(nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1), nn.SiLU())
    if kind == "shuffle":
        return nn.Sequential(nn.Conv2d(wide, 4 * narrow, 3, padding=1), nn.PixelShuffle(2), nn.SiLU())
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(wide, narrow, 3, padding=1), nn.SiLU())


class Autoencoder(nn.Module):
    """Pictures (n, 3, h, w), -1 to 1, h and w multiples of `STEP` -> the same, as it remembers them."""

    def __init__(self, build: Build) -> None:
        super().__init__()
        self.build = build
        widths = [build.width * 2**i for i in range(build.halvings)]
        down: list[nn.Module] = []
        for wide, narrow in zip(widths, [3, *widths], strict=False):
            down += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1), nn.SiLU()]
        self.encoder = nn.Sequential(*down, _Residual(widths[-1]), nn.Conv2d(widths[-1], build.latent, 1))
        up: list[nn.Module] = [nn.Conv2d(build.latent, widths[-1], 3, padding=1), _Residual(widths[-1])]
        for wide, narrow in zip(reversed(widths), [*reversed(widths[:-1]), build.width], strict=True):
            up.append(_rise(build.rise, wide, narrow))
        self.decoder = nn.Sequential(*up, nn.Conv2d(build.width, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.encoder(x))
        return out


class Painter:
    """Paints pictures anew with a trained autoencoder. Works in worker processes."""

    def __init__(self, net: Autoencoder) -> None:
        self.net = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def __call__(self, pictures: Sequence[Pixels]) -> list[Pixels]:
        """RGB pictures of one size -> the same, painted. Means over `STEP` x `STEP` pixels stay nearly as they are."""
        height, width = pictures[0].shape[:2]
        pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
        pixels = F.pad(pixels, (0, -width % STEP, 0, -height % STEP), mode="replicate")
        painted = torch.cat([self.net(part) for part in torch.split(pixels, 4)])
        # a swap brings the colours back to the target's: no cast must tell
        for _ in range(3):  # smooth as it is, a correction brings back only a part of what is finest
            cast = F.avg_pool2d(pixels - painted, STEP)
            painted = painted + F.interpolate(cast, scale_factor=STEP, mode="bilinear")
        painted = (painted[..., :height, :width].clamp(-1, 1) + 1) * 127.5 + 0.5
        return list(painted.permute(0, 2, 3, 1).to(torch.uint8).contiguous().numpy())


def _faces(pick: Pick, rng: np.random.Generator, count: int) -> Tensor:
    """Real faces with what is around them, (count, 3, SIDE, SIDE), -1 to 1."""
    out = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for place in range(count):
        track = pick(rng)
        index = int(rng.integers(len(track.jpegs)))
        picture = track.frames([index])[0]
        if rng.random() < 0.5:  # as it is painted as a whole
            out[place] = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        else:  # as a swapper sees it
            points = (WIDE - 0.5) * rng.uniform(0.9, 1.6) + 0.5
            out[place] = cut_square(picture, align(track.marks([index])[0], points, SIDE), SIDE)
        if rng.random() < 0.5:
            out[place] = out[place, :, ::-1]
    return torch.from_numpy(out).permute(0, 3, 1, 2).float() / 127.5 - 1


@dataclass(frozen=True, slots=True)
class Lesson:
    """What an autoencoder learns from."""

    pick: Pick
    layers: nn.Module
    """The first of a network that takes pictures as `preprocess` makes them: how far apart two pictures are in what it
    sees counts beside their pixels."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def seen(self, pictures: Tensor) -> Tensor:
        """What the layers make of pictures (n, 3, h, w), -1 to 1."""
        values = (IMAGENET_MEAN, IMAGENET_STD)
        mean, spread = (torch.tensor(value, device=self.device).view(1, 3, 1, 1) for value in values)
        out: Tensor = self.layers(((pictures + 1) / 2 - mean) / spread)
        return out


def train_autoencoder(build: Build, lesson: Lesson, seed: int, done: Callable[[int], float]) -> Autoencoder:
    """Train one on real faces. `done(step)` says which share of the work is done; at 1 it ends.

    Raises `ConfigError` when a gradient is no number.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng((seed, 5))
    lesson = replace(lesson, layers=copy.deepcopy(lesson.layers).eval().requires_grad_(False))
    net = Autoencoder(build).to(lesson.device)
    net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), RATE, betas=(0.9, 0.99))
    step = 0
    while (share := done(step)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1.02 - share)
        real = _faces(lesson.pick, rng, BATCH).to(lesson.device)
        painted = net(real)
        with torch.no_grad():
            wanted = lesson.seen(real)
        loss = (painted - real).abs().mean() + FEATURE_WEIGHT * (lesson.seen(painted) - wanted).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), LARGEST_GRADIENT)
        if not bool(norm.isfinite()):
            raise ConfigError(
                f"painter, step {step}: the gradient is no number any more. Give another --seed, or --painter-share 0"
            )
        optimizer.step()
        step += 1
    net.cpu()
    return net


def error_of(painter: Painter, pick: Pick, seed: int) -> float:
    """Mean distance of a painted picture from the real one, in grey levels of 255, on faces drawn anew."""
    faces = _faces(pick, np.random.default_rng((seed, 6)), BATCH)
    pictures = list(((faces + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy())
    apart = [cv2.absdiff(old, new).mean() for old, new in zip(pictures, painter(pictures), strict=True)]
    return float(np.mean(apart))

"""The two stages of training: single faces, then windows over what the first stage keeps of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from analyzer.config import FACE_SIZE
from analyzer.model.network import DeepfakeNet, preprocess
from analyzer.training.fit.encoded import Encoded
from analyzer.training.fit.precision import autocast
from analyzer.training.sampling.samples import Crops, LabelledCrops, PlainWindows, PseudoWindows, Windows, WindowSamples

SMOOTHING: Final = 0.05
"""Label smoothing: 0 and 1 are taught as .025 and .975."""
SEAM_WEIGHT: Final = 0.3
STATISTICS_RATE: Final = 10.0
"""Learning rate of the linear layer on `StageStatistics` over that of the head: it starts at zero, and Adam moves each
of its 768 weights by one rate a step."""


def join_crops(parts: Sequence[Crops | LabelledCrops]) -> list[Tensor]:
    """Collate `Crops` or `LabelledCrops` of any length."""
    return [torch.from_numpy(np.concatenate(columns)) for columns in zip(*parts, strict=True)]


def join_windows(parts: Sequence[Windows]) -> list[Tensor]:
    """Collate `Windows`."""
    return [torch.from_numpy(np.concatenate(columns)) for columns in zip(*parts, strict=True)]


def loader(samples: Any, batch: int, workers: int, *, start: int = 0) -> DataLoader[Any]:
    """Batches of `batch` indices from index `start * batch` on, in order, made by worker processes."""
    if workers:
        # OpenCV's own threads do not survive a fork: a worker that then uses or stops them waits for ever
        cv2.setNumThreads(1)
    join = join_windows if isinstance(samples, WindowSamples | PlainWindows | PseudoWindows) else join_crops
    return DataLoader(
        samples,
        batch_size=batch,
        sampler=range(start * batch, len(samples)),
        num_workers=workers,
        collate_fn=join,
        pin_memory=torch.cuda.is_available(),
        prefetch_factor=4 if workers else None,
        worker_init_fn=_quiet_worker if workers else None,
    )


def _quiet_worker(_: int) -> None:
    torch.set_num_threads(1)  # one process is one thread


def freeze(net: DeepfakeNet, started: Sequence[int], frozen: int = 1) -> None:
    """Train mode, but the first `frozen` backbone stages rest: they learn nothing and drop nothing.

    BatchNorm statistics of all stages with start weights stay. No gradient is computed for what rests, so a run with
    more stages at rest is faster, too.
    """
    net.train()
    features = net.frame_path.backbone.features
    for index, stage in enumerate(features):
        rests = index < frozen and index in started
        stage.requires_grad_(not rests)
        if rests:
            stage.eval()
        elif index in started:
            for module in stage.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()


@torch.no_grad()
def keep_of_start(net: DeepfakeNet, start: Mapping[str, Tensor], share: float) -> None:
    """Average the weights with those that training began from: `share` of them, 0 to 1, stays.

    That keeps what was known before and what was learned (Wortsman et al., WiSE-FT, CVPR 2022).
    """
    for name, value in net.state_dict().items():
        # older weights have no statistics to average with
        if value.is_floating_point() and "statistics.norm" not in name:
            value.lerp_(start[name].to(value), share)


@dataclass(frozen=True, slots=True)
class StageA:
    """Single faces: frame path trained on pairs, with the seams of pseudo-fakes as a second task."""

    started: Sequence[int]
    """Backbone stages that have start weights."""
    rate_head: float = 3e-4
    rate_backbone: float = 3e-5
    sizes: tuple[int, ...] = (FACE_SIZE,)
    """Sides in pixels, multiples of 32, to one of which the crops of a step are scaled down before the network: drawn
    from torch's generator. Statistics of feature maps change with the size: weights trained at 160 px alone ranked
    worse at 224 than at 192."""

    def optimizer(self, net: DeepfakeNet) -> torch.optim.AdamW:
        """Over everything that is not at rest (call `freeze` before)."""
        stages = net.frame_path.backbone.features
        known = [p for i in self.started for p in stages[i].parameters() if p.requires_grad]
        known_ids = {id(p) for p in known}
        statistics = list(net.frame_path.statistics.parameters())
        known_ids |= {id(p) for p in statistics}
        fresh = [p for p in net.frame_path.parameters() if p.requires_grad and id(p) not in known_ids]
        rates = (self.rate_backbone, self.rate_head, STATISTICS_RATE * self.rate_head)
        groups = [
            {"params": params, "lr": rate, "base": rate}
            for params, rate in zip((known, fresh, statistics), rates, strict=True)
        ]
        return torch.optim.AdamW(groups, weight_decay=0.02)

    def loss(
        self, net: DeepfakeNet, batch: Sequence[Tensor], device: torch.device, precision: str
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss, and what it is made of, for `Crops` as tensors."""
        pixels, fake, seams, knows = (tensor.to(device, non_blocking=True) for tensor in batch)
        faces = preprocess(pixels)
        size = self.sizes[int(torch.randint(len(self.sizes), ()))]
        if size != FACE_SIZE:
            faces = F.interpolate(faces, size=(size, size), mode="bilinear", antialias=True)
        with autocast(device, precision):
            out = net.frame_path(faces)
        target = fake * (1 - SMOOTHING) + SMOOTHING / 2
        decision = F.binary_cross_entropy_with_logits(out.logit.float(), target)
        cells = out.attention_logits.shape[-2:]  # 7 x 7, fewer for smaller crops
        wanted = F.adaptive_avg_pool2d(seams[:, None], cells)
        seam = F.binary_cross_entropy_with_logits(out.attention_logits.float(), wanted, reduction="none")
        seam = (seam.mean(dim=(1, 2, 3)) * knows).sum() / knows.sum().clamp(min=1)
        right = ((out.logit > 0) == (fake > 0.5)).float().mean()
        return decision + SEAM_WEIGHT * seam, {"decision": decision, "seam": seam, "right": right}


@dataclass(frozen=True, slots=True)
class StageB:
    """Windows: the window path trained over kept features of the frozen frame path."""

    rate: float = 5e-4
    batch: int = 64
    epochs: int = 4
    """More only teaches the windows by heart: the frame path has seen the same clips before."""
    mixed: float = 0.4
    """Windows are mixed in pairs with a share drawn from Beta(mixed, mixed) (mixup; Zhang et al., ICLR 2018)."""

    def most(self, windows: int) -> int:
        """How many steps the epochs over so many windows are."""
        return -(-self.epochs * windows // self.batch)

    def optimizer(self, net: DeepfakeNet) -> torch.optim.AdamW:
        group = {"params": list(net.window_path.parameters()), "lr": self.rate, "base": self.rate}
        return torch.optim.AdamW([group], weight_decay=0.05)

    def loss(
        self, net: DeepfakeNet, encoded: Encoded, chosen: Tensor, device: torch.device, precision: str, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Loss, and the share of windows on the right side, of the windows `chosen` (batch,)."""
        share = float(np.random.default_rng(seed).beta(self.mixed, self.mixed))
        share = max(share, 1 - share)  # the first of a pair always counts more
        other = chosen.roll(1)

        def mixed(values: Tensor) -> Tensor:
            return share * values[chosen].float() + (1 - share) * values[other].float()

        with autocast(device, precision):
            out = net.window_path(mixed(encoded.features), encoded.elapsed_s[chosen])
        target = mixed(encoded.fake) * (1 - SMOOTHING) + SMOOTHING / 2
        loss = F.binary_cross_entropy_with_logits(out.logit.float(), target)
        return loss, ((out.logit > 0) == (encoded.fake[chosen] > 0.5)).float().mean()

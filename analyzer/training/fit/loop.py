"""What stages A and B have in common: steps until the time is up, an average of the weights, a record of it all."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import torch
from torch import Tensor, nn

from analyzer.errors import ConfigError
from analyzer.model.network import DeepfakeNet
from analyzer.training.reporting.progress import StageProgress

EMA_DECAY: Final = 0.999
CHECKPOINT_S: Final = 60.0
LOG_EVERY: Final = 50
"""Steps from one line of metrics.jsonl to the next."""
LARGEST_GRADIENT: Final = 5.0
"""Norm that gradients are clipped to: one odd batch must not undo an hour."""

Batch = TypeVar("Batch")
Log = Callable[[Mapping[str, object]], None]


@dataclass(slots=True)
class Place:
    """Where a run is: what a checkpoint says of it."""

    stage: str = "A"
    step: int = 0
    spent_s: float = 0.0
    precision: str = ""
    """What stage A computes in; "" until that is known."""
    windows: int = 0
    """How many windows stage B was given; 0 until they are encoded."""


@dataclass(slots=True)
class Budget:
    """How long a stage may run: seconds, or steps where a run must be repeatable to the bit."""

    seconds: float
    steps: int | None = None
    spent_s: float = 0.0
    """Carried over from earlier runs of the same stage."""
    started_s: float = 0.0

    def start(self) -> None:
        self.started_s = time.monotonic()

    def used_s(self) -> float:
        return self.spent_s + time.monotonic() - self.started_s

    def share(self, step: int) -> float:
        """Of the budget, 0 to 1, before step number `step` (from 0)."""
        done = step / self.steps if self.steps is not None else self.used_s() / max(self.seconds, 1e-6)
        return min(1.0, done)


class Average:
    """Exponential moving average of a network's parameters; buffers are taken over as they are."""

    def __init__(self, net: DeepfakeNet) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, net: DeepfakeNet, step: int) -> None:
        decay = min(EMA_DECAY, (1 + step) / (10 + step))
        for average, value in zip(self.net.parameters(), net.parameters(), strict=True):
            if value.requires_grad:
                average.lerp_(value, 1 - decay)
        for kept, now in zip(self.net.buffers(), net.buffers(), strict=True):
            kept.copy_(now)


def cosine(share: float, warm: float = 0.02) -> float:
    """Learning-rate factor at a share of the run: a short rise, then half a cosine down to 2 %."""
    if share < warm:
        return max(0.02, share / warm)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (share - warm) / (1 - warm)))


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's learning rate from its own base."""
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * factor


def step_seed(seed: int, step: int) -> int:
    """What a step's chances are drawn from, so that they are the same after a resume."""
    return seed * 1_000_003 + step


@dataclass(slots=True)
class Loop:
    """Steps of one stage. The caller owns everything in it; `run` changes weights, `average` and `place`."""

    net: DeepfakeNet
    """What is averaged."""
    trained: nn.Module
    """The part of it whose gradients are clipped."""
    optimizer: torch.optim.Optimizer
    average: Average
    budget: Budget
    place: Place
    seed: int
    log: Log
    save: Callable[[torch.optim.Optimizer], None]
    """Called about once in `CHECKPOINT_S`."""
    beside: Callable[[], None] = lambda: None
    """Called after every step."""

    def run(
        self,
        batches: Iterator[Batch],
        loss_of: Callable[[Batch, int], tuple[Tensor, Mapping[str, Tensor]]],
        progress: StageProgress,
        *,
        most: int | None = None,
    ) -> None:
        """Learn from `batches` until the budget, or `most` steps, are used up.

        Raises `ConfigError` when a gradient is no number.
        """
        saved_at = time.monotonic()
        self.budget.start()
        for batch in batches:
            step = self.place.step
            share = max(self.budget.share(step), step / most if most is not None else 0.0)
            if share >= 1:
                break
            torch.manual_seed(step_seed(self.seed, step))
            set_rate(self.optimizer, cosine(share))
            loss, values = loss_of(batch, step)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch ships none for it
            norm = torch.nn.utils.clip_grad_norm_(self.trained.parameters(), LARGEST_GRADIENT)
            if not bool(norm.isfinite()):
                raise self._lost(step)  # before it is in the weights, and so in no checkpoint
            self.optimizer.step()
            self.average.update(self.net, step)
            self.place.step, self.place.spent_s = step + 1, self.budget.used_s()
            progress.update(share)
            if step % LOG_EVERY == 0:
                self._record(step, share, values)
            if time.monotonic() - saved_at > CHECKPOINT_S:
                self.save(self.optimizer)
                saved_at = time.monotonic()
            self.beside()
        progress.update(1.0)

    def _record(self, step: int, share: float, values: Mapping[str, Tensor]) -> None:
        numbers = {name: round(float(value.detach()), 5) for name, value in values.items()}
        spent = round(self.place.spent_s, 1)
        self.log({"stage": self.place.stage, "step": step, "share": round(share, 4), "spent_s": spent, **numbers})

    def _lost(self, step: int) -> ConfigError:
        return ConfigError(
            f"stage {self.place.stage}, step {step}: the gradient is no number any more. The last checkpoint is whole; "
            "start anew in another folder with lower rates (--rate-backbone, --rate-head) or --precision float32"
        )

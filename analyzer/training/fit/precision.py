"""In which numbers to compute: bfloat16 where it is faster, and on which device.

Which one is faster on a CPU depends on the CPU, the crop size and how much of the network learns (measured on one with
AMX, where depthwise gradients are quick: 40 against 19 images per second in float32 when all but the stem learns, 61
against 49 when stages 0 to 2 rest), so a run that is not told tries both for a few steps.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import torch
from torch import Tensor

from analyzer.errors import ConfigError
from analyzer.model.network import DeepfakeNet

PRECISIONS: Final = ("auto", "float32", "bfloat16")
TRIED_STEPS: Final = 3
PACE_WARM: Final = 4
"""Steps before a pace is measured: kernels are chosen, worker processes start, ..."""
PACE_STEPS: Final = 12
"""... steps that are measured, more than two worker processes make in advance, ..."""
PACE_MOST_S: Final = 60.0
"""... and the time after which no further step is begun, in seconds."""


Batch = TypeVar("Batch")

_HALF: Final = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision: "bfloat16", "float16" (on CUDA, where nothing is learned), or none for "float32"."""
    return torch.autocast(device.type, dtype=_HALF.get(precision, torch.bfloat16), enabled=precision in _HALF)


def training_pace(net: DeepfakeNet, batches: Iterator[Batch], loss_of: Callable[[DeepfakeNet, Batch], Tensor]) -> float:
    """Training steps per second on a copy of `net`, the wait for `batches` included."""
    tried = copy.deepcopy(net)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        begun = time.perf_counter()
        for _, batch in zip(range(PACE_WARM), batches, strict=False):
            loss_of(tried, batch).backward()  # type: ignore[no-untyped-call]
            if time.perf_counter() - begun > PACE_MOST_S:
                break
        started, steps = time.perf_counter(), 0
        while steps < PACE_STEPS and (not steps or time.perf_counter() - started < PACE_MOST_S):
            loss_of(tried, next(batches)).backward()  # type: ignore[no-untyped-call]
            steps += 1
        return steps / (time.perf_counter() - started)


def pick_device(name: str) -> torch.device:
    """The device called auto, cpu or cuda. `ConfigError` for another name, or CUDA that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:  # of names that torch has never heard of
        raise ConfigError(f"unknown device {name!r}: expected auto, cpu or cuda") from error
    if device.type not in {"cpu", "cuda"}:
        raise ConfigError(f"unknown device {name!r}: expected auto, cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda was asked for, but torch sees none; use auto or cpu")
    return device


def faster_precision(net: DeepfakeNet, loss_of: Callable[[DeepfakeNet, str], Tensor]) -> str:
    """The precision whose training step is quicker here, the best of a few steps on a copy; the net is left alone.

    `loss_of(net, precision)` makes one loss of always the same batch.
    """
    tried = copy.deepcopy(net).requires_grad_(requires_grad=True)
    times = {}
    with torch.random.fork_rng(devices=[]):
        for precision in ("float32", "bfloat16"):
            torch.manual_seed(0)  # crop sizes are drawn: the same for both
            spans = []
            for _ in range(TRIED_STEPS):
                started = time.perf_counter()
                loss_of(tried, precision).backward()  # type: ignore[no-untyped-call]  # torch ships none for it
                spans.append(time.perf_counter() - started)
                tried.zero_grad(set_to_none=True)
            times[precision] = min(spans)
    return min(times, key=lambda name: times[name])

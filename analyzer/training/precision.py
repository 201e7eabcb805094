"""In which numbers to compute: bfloat16 where it is faster, and on which device.

Which one is faster on a CPU depends on the CPU, the crop size and how much of the network learns (measured on one with
AMX, where depthwise gradients are quick: 40 against 19 images per second in float32 when all but the stem learns, 61
against 49 when stages 0 to 2 rest), so a run that is not told tries both for a few steps.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from analyzer.errors import ConfigError
from analyzer.model.network import DeepfakeNet

PRECISIONS: Final = ("auto", "float32", "bfloat16")
TRIED_STEPS: Final = 3


def autocast(device: torch.device, precision: str = "bfloat16") -> torch.autocast:
    """bfloat16 where it pays and nothing overflows, or nothing at all for "float32"."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def pick_device(name: str) -> torch.device:
    """The device called auto, cpu or cuda. `ConfigError` for another name, or CUDA that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError("device cuda was asked for, but torch sees none; use auto or cpu")
    if name != "cpu" and not name.startswith("cuda"):
        raise ConfigError(f"unknown device {name!r}: expected auto, cpu or cuda")
    return torch.device(name)


def faster_precision(net: DeepfakeNet, loss_of: Callable[[DeepfakeNet, str], Tensor]) -> str:
    """The precision whose training step is quicker here, the best of a few steps on a copy; the net is left alone.

    `loss_of(net, precision)` makes one loss of always the same batch.
    """
    tried = copy.deepcopy(net)
    times = {}
    with torch.random.fork_rng(devices=[]):
        for precision in ("float32", "bfloat16"):
            spans = []
            for _ in range(TRIED_STEPS):
                started = time.perf_counter()
                loss_of(tried, precision).backward()  # type: ignore[no-untyped-call]  # torch ships none for it
                spans.append(time.perf_counter() - started)
                tried.zero_grad(set_to_none=True)
            times[precision] = min(spans)
    return min(times, key=lambda name: times[name])

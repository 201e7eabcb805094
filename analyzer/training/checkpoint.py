"""Where a training run was stopped, so that it can go on from there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from analyzer.errors import WeightsError

CHECKPOINT: Final = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a run needs to go on."""

    place: dict[str, Any]
    """`analyzer.training.loop.Place` as a dictionary."""
    options: str
    """Fingerprint of what the run was told."""
    net: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any] | None
    """None between two stages."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    torch.save({name: getattr(checkpoint, name) for name in Checkpoint.__slots__}, part)
    part.replace(path)


def load_checkpoint(path: Path, device: torch.device, options: str) -> Checkpoint:
    """Read a checkpoint. `WeightsError` when it is damaged or was made with other options."""
    try:
        saved = Checkpoint(**torch.load(path, map_location=device, weights_only=True))
    except Exception as error:  # torch raises what pickle, zip and its own reader raise
        raise WeightsError(f"{path}: cannot read the checkpoint ({error}); delete it to start anew") from error
    if saved.options != options:
        raise WeightsError(f"{path}: made with other options; delete it, or give another output folder")
    return saved

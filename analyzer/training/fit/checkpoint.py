"""Where a training run was stopped, so that it can go on from there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from torch import Tensor

from analyzer.errors import WeightsError
from analyzer.training.data.dataset import Found

CHECKPOINT: Final = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a run needs to go on."""

    place: dict[str, Any]
    """`analyzer.training.fit.loop.Place` as a dictionary."""
    options: str
    """Fingerprint of what the run was told."""
    material: str
    """Digest of what it learns from: `digest_of_parts`."""
    seen: list[str]
    """Parts that something was learned from."""
    commands: list[str]
    """Command lines that took part in it."""
    net: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any] | None
    """None between two stages."""


def digest_of_parts(parts: Mapping[str, Sequence[Found]]) -> str:
    """SHA-256 of which files are in which part and group: a run taken up again must have held out the same."""
    lines = sorted(
        repr((name, row.group, row.file, row.fake, row.method)) for name, part in parts.items() for row, _ in part
    )
    return hashlib.sha256("\n".join(lines).encode(errors="backslashreplace")).hexdigest()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Whole or not at all. Raises `OSError`."""
    save_whole(path, {name: getattr(checkpoint, name) for name in Checkpoint.__slots__})


def save_whole(path: Path, values: object) -> None:
    """`torch.save`, whole or not at all. Raises `OSError`, also where torch says it in words of its own."""
    with written_whole(path) as part:
        torch.save(values, part)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path to write to, moved to `path` at the end, or deleted. Raises `OSError`, whatever a writer raises."""
    part = path.with_suffix(".part")
    try:
        yield part
        part.replace(path)
    except (RuntimeError, SafetensorError) as error:  # torch's and safetensors' words for a full disk
        raise OSError(None, str(error).partition("\n")[0], str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def load_checkpoint(path: Path, options: str, material: str) -> Checkpoint:
    """Read a checkpoint. `WeightsError` when it is damaged or was made with other options or of other files."""
    try:
        saved = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises what pickle, zip and its own reader raise
        raise WeightsError(f"{path}: cannot read the checkpoint ({error}); delete it to start anew") from error
    if saved.options != options:
        raise WeightsError(f"{path}: made with other options; delete it, or give another output folder")
    if saved.material != material:
        raise WeightsError(
            f"{path}: made of other files, or of files shared out otherwise. Give another output folder, with the "
            "weights of this run as --start to go on from them, or --no-resume to begin anew"
        )
    return saved

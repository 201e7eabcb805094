"""Windows as the frozen frame path encodes them: what stage B learns from, kept on disk until it is done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from analyzer.model.network import DeepfakeNet, preprocess
from analyzer.training.fit.checkpoint import written_whole
from analyzer.training.fit.precision import autocast

ENCODED: Final = "windows.safetensors"


@torch.no_grad()
def encode(net: DeepfakeNet, pixels: Tensor, device: torch.device, precision: str) -> tuple[Tensor, Tensor]:
    """Windows of crops (n, 16, 224, 224, 3) -> features (n, 16, 128, 7, 7) in fp16 and frame logits (n, 16)."""
    # a CPU is several times faster on a few faces that stay in its cache
    chunks = torch.split(pixels.flatten(0, 1), 8 if device.type == "cpu" else 4096)
    features, logits = [], []
    for chunk in chunks:
        with autocast(device, precision):
            out = net.frame_path(preprocess(chunk.to(device, non_blocking=True)))
        features.append(out.features.half())
        logits.append(out.logit.float())
    windows, faces = pixels.shape[:2]
    joined = torch.cat(features)
    return joined.reshape(windows, faces, *joined.shape[1:]), torch.cat(logits).reshape(windows, faces)


class Encoded(NamedTuple):
    """What the frame path made of many windows; on the device."""

    features: Tensor
    """(n, 16, 128, 7, 7) fp16."""
    frame_logits: Tensor
    """(n, 16)."""
    elapsed_s: Tensor
    """(n, 16)."""
    fake: Tensor
    """(n,)."""
    origin: Tensor
    """(n,)."""


def encode_all(
    net: DeepfakeNet,
    batches: Iterator[Sequence[Tensor]],
    device: torch.device,
    precision: str,
    enough: Callable[[int], bool],
) -> Encoded:
    """Encode batches of windows until there are no more or `enough(windows so far)`."""
    net.eval()
    columns: list[list[Tensor]] = [[], [], [], [], []]
    count = 0
    for pixels, elapsed, fake, origin in batches:
        features, logits = encode(net, pixels, device, precision)
        for column, part in zip(columns, (features, logits, elapsed, fake, origin), strict=True):
            column.append(part.to(device))
        count += len(pixels)
        if enough(count):
            break
    return Encoded(*(torch.cat(column) for column in columns))


def digest_of(net: DeepfakeNet) -> str:
    """SHA-256 of the frame path: what encoded windows depend on, beside what they were drawn from."""
    digest = hashlib.sha256()
    for name, value in net.frame_path.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_encoded(path: Path, encoded: Encoded, made_by: str) -> None:
    """Write windows and what made them; whole or not at all. Raises `OSError`."""
    with written_whole(path) as part:
        save_file({name: value.contiguous() for name, value in encoded._asdict().items()}, part, {"made_by": made_by})


def load_encoded(path: Path, made_by: str, device: torch.device) -> Encoded | None:
    """What `save_encoded` wrote; None when it is not there, damaged, or was made by something else."""
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            if (file.metadata() or {}).get("made_by") != made_by:
                return None
            return Encoded(*(file.get_tensor(name) for name in Encoded._fields))
    except (OSError, SafetensorError):
        return None

"""Weights files: what is loaded is what the card says, or nothing is.

`weights/NAME.safetensors` stands beside its card `weights/NAME.json`. A `.pth` is read too, but only as plain tensors.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from analyzer.config import FACE_SIZE, IMAGENET_MEAN, IMAGENET_STD, NUM_FRAMES
from analyzer.errors import WeightsError
from analyzer.model.card import (
    CalibrationValues,
    InputSpec,
    Measured,
    WeightsCard,
    card_path,
    default_weights_dir,
    find_weights,
    read_card,
)
from analyzer.model.network import ARCHITECTURE, WITHOUT_STATISTICS, DeepfakeNet, StageStatistics

__all__ = [
    "CalibrationValues",
    "InputSpec",
    "Measured",
    "WeightsCard",
    "default_weights_dir",
    "find_weights",
    "load_weights",
    "read_card",
    "save_weights",
]

MAX_WEIGHTS_BYTES = 256 << 20
"""This network is 8 MB in fp16, 16 MB in fp32; a training checkpoint may be some times that."""

StateDict = dict[str, Tensor]


def load_weights(path: Path) -> tuple[StateDict, WeightsCard]:
    """Read a weights file and its card, and check one against the other and both against this code.

    The tensors come back in float32 (counters keep their type), ready for `DeepfakeNet().load_state_dict`. Raises
    `WeightsError` for a wrong checksum, another architecture or input, a missing, extra, misshapen or non-finite
    tensor, and for anything that is no weights file.
    """
    card = read_card(path)
    data = _read(path)
    # the checksum first: nothing of a changed file is parsed
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256.lower():
        raise WeightsError(
            f"{path} has sha256 {found}, its card says {card.sha256 or 'nothing'}: "
            "the file was changed or cut short; copy file and card again"
        )
    _check_card(card, path)
    state = _parse(path, data)
    if card.architecture == WITHOUT_STATISTICS:
        state = _ignoring_statistics() | state
    _check_state(state, path)
    stored = CalibrationValues(*(float(state[f"calibration.{name}"]) for name in ("a", "b", "c")))
    for name in ("a", "b", "c"):
        if abs(getattr(stored, name) - getattr(card.calibration, name)) > 1e-4:
            raise WeightsError(f"{path}: its card says calibration {card.calibration}, the file holds {stored}")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}, card


@torch.no_grad()
def round_as_saved(net: DeepfakeNet) -> None:
    """Round parameters as `save_weights` will: what is measured before is then true of the file."""
    for parameter in net.parameters():
        parameter.copy_(parameter.half())


def save_weights(net: DeepfakeNet, card: WeightsCard, path: Path) -> WeightsCard:
    """Write a network as fp16 safetensors with its card; the card as written.

    Parameters are halved; buffers (BatchNorm statistics, calibration) keep float32, their range being wider. Each
    file appears whole or not at all. `architecture`, `sha256`, `calibration` and `input` of the card are filled in
    here (`input.scale` is kept). Raises `WeightsError` when a tensor is not finite, or not in fp16's range.
    """
    parameters = {name for name, _ in net.named_parameters()}
    state = {
        name: (tensor.half() if name in parameters else tensor).detach().cpu().contiguous().clone()
        for name, tensor in net.state_dict().items()
    }
    _check_state(state, path)
    data = safetensors.torch.save(state)
    calibration = CalibrationValues(*(float(state[f"calibration.{name}"]) for name in ("a", "b", "c")))
    written = replace(
        card,
        architecture=ARCHITECTURE,
        sha256=hashlib.sha256(data).hexdigest(),
        calibration=calibration,
        input=InputSpec(scale=card.input.scale),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, data)
    _write(card_path(path), written.to_json().encode())
    return written


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_WEIGHTS_BYTES:
            raise WeightsError(f"{path} has {size} bytes, more than {MAX_WEIGHTS_BYTES}: it is not of this network")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read the weights file {path}: {error}") from error


def _parse(path: Path, data: bytes) -> StateDict:
    loaded: object
    try:
        if path.suffix == ".pth":
            # weights_only: a pickle that would run code is refused; torch warns of what it then refuses anyway
            with warnings.catch_warnings(action="ignore"):
                loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        else:
            loaded = safetensors.torch.load(data)
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsError(f"{path} is no readable weights file: {type(error).__name__}: {reason}") from error
    if not isinstance(loaded, dict):
        raise WeightsError(f"{path}: expected a state dictionary of tensors, got {type(loaded).__name__}")
    state: StateDict = {}
    for name, tensor in loaded.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise WeightsError(f"{path}: expected only named tensors, got {name!r}: {type(tensor).__name__}")
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise WeightsError(f"{path}: expected dense tensors, {name} is {tensor.layout} on {tensor.device}")
        state[name] = tensor
    return state


def _check_card(card: WeightsCard, path: Path) -> None:
    if card.architecture not in (ARCHITECTURE, WITHOUT_STATISTICS):
        raise WeightsError(
            f"{path} is for the network {card.architecture!r}, this version runs {ARCHITECTURE!r}: "
            "use weights that were made for it"
        )
    expected = InputSpec(FACE_SIZE, IMAGENET_MEAN, IMAGENET_STD, NUM_FRAMES, card.input.scale)
    if card.input != expected:
        raise WeightsError(f"{path} expects input {card.input}, this version gives {expected}")
    if not 0 < card.threshold < 1:
        raise WeightsError(f"{path}: expected a threshold between 0 and 1, got {card.threshold}")


def _ignoring_statistics() -> StateDict:
    """The tensors of a head that gives the statistics no weight."""
    with torch.random.fork_rng(devices=[]):
        state = StageStatistics().state_dict()
    return {f"frame_path.statistics.{name}": tensor for name, tensor in state.items()}


def _check_state(state: StateDict, path: Path) -> None:
    # on the meta device the layout costs no memory and no random numbers
    with torch.device("meta"):
        expected = DeepfakeNet().state_dict()
    missing = sorted(expected.keys() - state.keys())
    extra = sorted(state.keys() - expected.keys())
    if missing or extra:
        raise WeightsError(f"{path} lacks {_some(missing)} and has unexpected {_some(extra)}: it is of another network")
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            got, wanted = tuple(tensor.shape), tuple(expected[name].shape)
            raise WeightsError(f"{path}: expected {name} of shape {wanted}, got {got}")
        if tensor.is_floating_point() != expected[name].is_floating_point():
            raise WeightsError(f"{path}: {name} has type {tensor.dtype}, expected one like {expected[name].dtype}")
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise WeightsError(f"{path}: {name} holds NaN or infinity (or a value beyond fp16)")


def _some(names: list[str]) -> str:
    return f"{len(names)} tensors" + (f" ({', '.join(names[:3])} ...)" if names else "")


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a new file beside the old one, then renamed over it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

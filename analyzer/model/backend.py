"""What computes the network: torch or OpenVINO, on a CPU or a GPU. The windows are kept elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from analyzer.datatypes import Pixels
from analyzer.model.network import WindowOutput


class EncodedFaces(NamedTuple):
    """What the frame path makes of N faces, on the backend's device."""

    features: Tensor
    """(N, 128, 7, 7) float16 or float32."""
    attention: Tensor
    """(N, 1, 7, 7), 0 to 1."""
    logit: Tensor
    """(N,)."""


class Backend(Protocol):
    """Both paths of the network. Owned by one thread, and free to use others.

    A face's numbers do not depend on the faces that come with it, within 1e-3 of a logit: or streaming would not equal
    the batch recompute. Raises `RuntimeError` where the device fails.
    """

    @property
    def name(self) -> str:
        """What computes, and in which precision: for `/health` and `doctor`."""
        ...

    @property
    def device(self) -> torch.device:
        """Where what it takes and gives lies."""
        ...

    def encode(self, pixels: Sequence[Pixels]) -> EncodedFaces:
        """N >= 1 crops, 224 x 224 RGB."""
        ...

    def window(self, features: Tensor, elapsed_s: Tensor) -> WindowOutput:
        """B >= 1 full windows: (B, 16, 128, 7, 7) float16 or float32, oldest face first, and (B, 16)."""
        ...

    def close(self) -> None:
        """Free threads and memory. Never raises."""
        ...

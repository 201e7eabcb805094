"""The network on PyTorch: CUDA in half precision, or the CPU in float32."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from analyzer.config import FACE_SIZE, NUM_FRAMES
from analyzer.datatypes import Pixels
from analyzer.model.backend import EncodedFaces
from analyzer.model.cuda_graph import FramePathCall, recorded
from analyzer.model.lanes import Lanes
from analyzer.model.network import DeepfakeNet, FrameFeatures, WindowOutput, preprocess

logger = logging.getLogger(__name__)

CUDA_CHUNK: Final = NUM_FRAMES
"""On CUDA the frame path always runs on this many faces, padded: with another batch size cuDNN may pick another
algorithm, whose fp16 rounding differs, and streaming would drift from the batch recompute. A GPU needs about as long
for 16 faces as for one."""


class TorchBackend:
    """A `Backend` on one torch device."""

    def __init__(self, net: DeepfakeNet, device: torch.device, threads: int = 0) -> None:
        """Take over `net`, whose BatchNorms are fused away here. `threads`: CPU cores, 0 for all."""
        self._half = device.type == "cuda"
        self._device = device
        self._net: DeepfakeNet | None = _prepare(net, device, half=self._half)
        self._lanes = Lanes(1 if self._half else threads or os.cpu_count() or 1)
        self._frame_path: FramePathCall | None = self._net.frame_path
        if self._half:
            black = torch.zeros((CUDA_CHUNK, FACE_SIZE, FACE_SIZE, 3), dtype=torch.uint8, device=device)
            with torch.inference_mode():
                self._frame_path = recorded(self._net.frame_path, preprocess(black).half())

    @property
    def name(self) -> str:
        """See `Backend.name`."""
        return "torch float16" if self._half else "torch float32"

    @property
    def device(self) -> torch.device:
        """See `Backend.device`."""
        return self._device

    @torch.inference_mode()
    def encode(self, pixels: Sequence[Pixels]) -> EncodedFaces:
        """See `Backend.encode`."""
        frame_path = self._frame_path
        if frame_path is None:
            raise _closed()
        if not self._half:
            return _joined(self._lanes.map(lambda part: _encode_on_cpu(frame_path, part), pixels))
        parts = []
        for start in range(0, len(pixels), CUDA_CHUNK):
            chunk = pixels[start : start + CUDA_CHUNK]
            # pinned, so that the copy does not wait for the host; the rows that pad are never looked at
            staged = torch.zeros((CUDA_CHUNK, FACE_SIZE, FACE_SIZE, 3), dtype=torch.uint8, pin_memory=True)
            staged[: len(chunk)] = torch.from_numpy(np.stack(chunk))
            frames = frame_path(preprocess(staged.to(self._device, non_blocking=True)).half())
            parts.append(_kept(FrameFeatures(*(part[: len(chunk)] for part in frames))))
        return _joined(parts)

    def window(self, features: Tensor, elapsed_s: Tensor) -> WindowOutput:
        """See `Backend.window`. In float32 on every device: it is the smaller part of the work."""
        net = self._net
        if net is None:
            raise _closed()
        features = features.float()

        @torch.inference_mode()
        def score(part: Sequence[int]) -> WindowOutput:
            chosen = slice(part[0], part[-1] + 1)
            # TF32 has fp16's precision, and cuDNN takes it for convolutions by default; the flags are the whole
            # process's
            exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
            with exact if self._half else nullcontext():
                return net.window_path(features[chosen], elapsed_s[chosen])  # type: ignore[no-any-return]  # nn.Module

        parts = self._lanes.map(score, range(len(features)))
        return WindowOutput(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def close(self) -> None:
        """See `Backend.close`."""
        self._net = self._frame_path = None
        self._lanes.close()
        if self._device.type == "cuda":
            try:
                torch.cuda.empty_cache()
            except RuntimeError as error:  # a device that has failed fails here too, and another one must take over
                logger.warning("%s could not free its memory: %s", self._device, str(error).partition("\n")[0])


def _closed() -> RuntimeError:
    return RuntimeError("closed")


@torch.inference_mode()
def _encode_on_cpu(frame_path: FramePathCall, pixels: Sequence[Pixels]) -> EncodedFaces:
    return _kept(frame_path(preprocess(torch.from_numpy(np.stack(pixels)))))


def _kept(frames: FrameFeatures) -> EncodedFaces:
    return EncodedFaces(frames.features, frames.attention, frames.logit)


def _joined(parts: Sequence[EncodedFaces]) -> EncodedFaces:
    return EncodedFaces(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _prepare(net: DeepfakeNet, device: torch.device, *, half: bool) -> DeepfakeNet:
    net = net.eval().requires_grad_(requires_grad=False)
    _fuse(net)
    net.to(device)
    net.frame_path.to(memory_format=torch.channels_last)
    if half:
        net.frame_path.half()
    return net


def _fuse(module: nn.Module) -> None:
    """Fold each BatchNorm into the convolution right before it (children stand in the order in which they run)."""
    previous: tuple[str, nn.Module] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d | nn.BatchNorm3d) and previous is not None:
            before, convolution = previous
            if isinstance(convolution, nn.Conv2d | nn.Conv3d):
                setattr(module, before, fuse_conv_bn_eval(convolution, child))
                setattr(module, name, nn.Identity())
        else:
            _fuse(child)
        previous = name, child

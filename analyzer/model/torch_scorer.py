"""The network on PyTorch: CUDA in half precision where it works, the CPU otherwise."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from analyzer.config import FACE_SIZE, NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import FaceCrop, FaceKey, Pixels, Score, WindowUpdate
from analyzer.errors import ConfigError, ScorerError
from analyzer.model.card import WeightsCard, default_weights_dir, find_weights
from analyzer.model.explain import opinions
from analyzer.model.lanes import Lanes
from analyzer.model.network import DeepfakeNet, FrameFeatures, preprocess
from analyzer.model.weights import load_weights
from analyzer.model.window_bank import WindowBank, WindowBatch, elapsed
from analyzer.scorer import ClipScore, ScorerInfo

logger = logging.getLogger(__name__)

CUDA_CHUNK = NUM_FRAMES
"""On CUDA the frame path always runs on this many faces, padded: with another batch size cuDNN may pick another
algorithm, whose fp16 rounding differs, and streaming would drift from the batch recompute. A GPU needs about as long
for 16 faces as for one."""
UNTRAINED = "untrained"


class TorchScorer:
    """A `Scorer` on one torch device, owned by one thread.

    Without a network (no trained weights) it counts the windows' faces and scores nothing.
    """

    def __init__(
        self,
        net: DeepfakeNet | None,
        info: ScorerInfo,
        device: torch.device,
        config: AnalyzerConfig,
        *,
        card: WeightsCard | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over `net`, whose BatchNorms are fused away here; `clock` is that of `received_at_s`."""
        self.card = card
        self._info = info
        self._device = device
        self._clock = clock
        self._half = device.type == "cuda"
        self._net = None if net is None else _prepare(net, device, half=self._half)
        self._lanes = Lanes(1 if self._half else config.torch_threads or os.cpu_count() or 1)
        # without a network nothing is ever stored: the meta device takes no memory
        storage = device if net is not None else torch.device("meta")
        self._bank = WindowBank(config.max_windows, config.max_gap_s, config.stride, storage)

    @property
    def info(self) -> ScorerInfo:
        return self._info

    @property
    def evicted(self) -> int:
        """See `Scorer.evicted`."""
        return self._bank.evicted

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        """See `Scorer.push`."""
        pixels = [_pixels_of(crop) for crop in crops]
        places = self._bank.admit(crops)
        due = [crop for crop, place in zip(crops, places, strict=True) if place.due]
        scores: dict[FaceKey, Score] = {}
        if self._net is not None and crops:
            try:
                with torch.inference_mode():
                    frames = self._encode(self._net, pixels)
                    self._bank.store(places, frames.features, frames.logit)
                    # a window that is due ends with a face of this push: its map need not be kept
                    maps = frames.attention[[place.due for place in places]]
                    judged = self._score(self._net, [crop.key for crop in due], maps)
            except RuntimeError as error:
                raise _failed(self._device, error) from error
            scored_at_s = self._clock()
            scores = {crop.key: _score(crop, opinion, scored_at_s) for crop, opinion in zip(due, judged, strict=True)}
        return [
            WindowUpdate(crop.key, place.filled, scores.get(crop.key))
            for crop, place in zip(crops, places, strict=True)
        ]

    def forget(self, key: FaceKey) -> None:
        """See `Scorer.forget`."""
        self._bank.forget(key)

    def score_clip(self, crops: Sequence[Pixels], at_s: Sequence[float]) -> ClipScore | None:
        """See `Scorer.score_clip`. Encodes all 16 again, in fp16 as the bank keeps them."""
        if len(crops) != NUM_FRAMES or len(at_s) != NUM_FRAMES:
            raise ValueError(f"expected {NUM_FRAMES} crops and times, got {len(crops)} and {len(at_s)}")
        pixels = [_checked(crop) for crop in crops]
        if self._net is None:
            return None
        try:
            with torch.inference_mode():
                frames = self._encode(self._net, pixels)  # 16 faces
                kept = frames.features.to(torch.float16).float().unsqueeze(0)  # (1, 16, 128, 7, 7)
                batch = WindowBatch(kept, elapsed([at_s]), frames.logit.float().unsqueeze(0))
                return self._window(self._net, batch, frames.attention[-1:])[0]
        except RuntimeError as error:
            raise _failed(self._device, error) from error

    def close(self) -> None:
        """Free the device's memory; the scorer is of no use afterwards. Never raises, whatever the device does."""
        self._net = None
        self._lanes.close()
        self._bank = WindowBank(0, 0.0, 1, torch.device("cpu"))
        if self._device.type == "cuda":
            try:
                torch.cuda.empty_cache()
            except RuntimeError as error:  # a device that has failed fails here too, and another one must take over
                logger.warning("%s could not free its memory: %s", self._device, str(error).partition("\n")[0])

    def _encode(self, net: DeepfakeNet, pixels: Sequence[Pixels]) -> FrameFeatures:
        """N crops, each for itself."""
        if not self._half:
            parts = self._lanes.map(lambda part: _encode_on_cpu(net, part), pixels)
            return _joined(parts)
        parts = []
        for start in range(0, len(pixels), CUDA_CHUNK):
            chunk = pixels[start : start + CUDA_CHUNK]
            # pinned, so that the copy does not wait for the host; the rows that pad are never looked at
            staged = torch.zeros((CUDA_CHUNK, FACE_SIZE, FACE_SIZE, 3), dtype=torch.uint8, pin_memory=True)
            staged[: len(chunk)] = torch.from_numpy(np.stack(chunk))
            frames = net.frame_path(preprocess(staged.to(self._device, non_blocking=True)).half())
            parts.append(FrameFeatures(*(part[: len(chunk)] for part in frames)))
        return _joined(parts)

    def _score(self, net: DeepfakeNet, keys: Sequence[FaceKey], maps: Tensor) -> list[ClipScore]:
        """`maps` (B, 1, 7, 7): of the newest face of each window."""
        if not keys:
            return []

        def score(part: Sequence[tuple[FaceKey, Tensor]]) -> list[ClipScore]:
            batch = self._bank.gather([key for key, _ in part])
            return self._window(net, batch, torch.stack([newest for _, newest in part]))

        parts = self._lanes.map(score, list(zip(keys, maps, strict=True)))
        return [opinion for part in parts for opinion in part]

    @torch.inference_mode()
    def _window(self, net: DeepfakeNet, batch: WindowBatch, maps: Tensor) -> list[ClipScore]:
        """B full windows, `maps` (B, 1, 7, 7). In float32 on every device: it is the smaller part of the work."""
        # TF32 has fp16's precision, and cuDNN takes it for convolutions by default; the flags are the whole process's
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with exact if self._half else nullcontext():
            window = net.window_path(batch.features, batch.elapsed_s.to(self._device))
        logits = net.calibrated(window.logit, batch.frame_logits)  # (B,)
        return opinions(logits, window, batch.frame_logits, maps, net.calibration)


def make_torch_scorer(
    weights: Path | None = None,
    device: str = "auto",
    config: AnalyzerConfig = AnalyzerConfig(),  # noqa: B008  # frozen
    *,
    probe: Callable[[TorchScorer], None] | None = None,
) -> TorchScorer:
    """Load the network and put it on a device that was seen to work.

    `weights`: a file, or None for the shipped one; without any, the scorer is untrained and scores nothing. `device`:
    `auto`, `cpu`, `cuda` or `cuda:N`; where CUDA is asked for, or there, but broken or out of memory, the CPU is used
    and `info.note` says why. `probe` runs a scorer once before it is trusted (`RuntimeError` or `ScorerError` if it
    fails). Raises `WeightsError` for a weights file that cannot be used, `ConfigError` for an unknown device.
    """
    path = weights or find_weights(default_weights_dir())
    state, card = load_weights(path) if path is not None else (None, None)
    notes = []
    if card is not None and not math.isclose(card.input.scale, config.crop_scale):
        notes.append(f"trained on crops of scale {card.input.scale}, given {config.crop_scale}")

    def make(target: torch.device, name: str) -> TorchScorer:
        info = ScorerInfo(
            device=name,
            backend="torch",
            model=UNTRAINED if card is None else card.name,
            weights_sha256=None if card is None else card.sha256,
            note="; ".join(notes) or None,
        )
        net = None
        if state is not None:
            net = DeepfakeNet()
            net.load_state_dict(state)
        scorer = TorchScorer(net, info, target, config, card=card)
        (probe or _probe)(scorer)
        return scorer

    wanted = _wanted_device(device)
    if wanted.type == "cuda":
        try:
            if not torch.cuda.is_available():
                raise ScorerError("no usable CUDA device was found")  # noqa: TRY301  # same way out as a broken one
            name = f"cuda:{wanted.index or 0} ({torch.cuda.get_device_name(wanted)})"
            return make(wanted, name)
        except (RuntimeError, AssertionError, ScorerError) as error:
            reason = str(error).partition("\n")[0]
            notes.append(f"{device} was not used, the CPU is: {reason}")
            logger.warning("cannot use %s, falling back to the CPU: %s", device, reason)
    return make(torch.device("cpu"), "cpu")


@torch.inference_mode()
def _encode_on_cpu(net: DeepfakeNet, pixels: Sequence[Pixels]) -> FrameFeatures:
    return net.frame_path(preprocess(torch.from_numpy(np.stack(pixels))))  # type: ignore[no-any-return]  # nn.Module


def _joined(parts: Sequence[FrameFeatures]) -> FrameFeatures:
    return FrameFeatures(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _wanted_device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = device.partition(":")
    if device != "cpu" and (kind != "cuda" or (":" in device and not index.isdecimal())):
        raise ConfigError(f"expected device auto, cpu, cuda or cuda:N, got {device!r}")
    return torch.device(device)


def _probe(scorer: TorchScorer) -> None:
    """One clip from end to end: loads kernels and claims the memory that scoring takes, before the first real face."""
    black = np.zeros((FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8)
    clip = scorer.score_clip([black] * NUM_FRAMES, [0.1 * i for i in range(NUM_FRAMES)])
    if clip is not None and not math.isfinite(clip.logit):
        raise ScorerError(f"{scorer.info.device} computes {clip.logit} for a black face")


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


def _checked(pixels: Pixels) -> Pixels:
    if pixels.shape != (FACE_SIZE, FACE_SIZE, 3) or pixels.dtype != np.uint8:
        raise ValueError(f"expected a uint8 crop of {(FACE_SIZE, FACE_SIZE, 3)}, got {pixels.dtype} {pixels.shape}")
    return pixels


def _pixels_of(crop: FaceCrop) -> Pixels:
    if crop.pixels is None:
        raise ValueError(f"only fit crops are scored, {crop.key} is not: {crop.quality.reason}")
    return _checked(crop.pixels)


def _score(crop: FaceCrop, opinion: ClipScore, scored_at_s: float) -> Score:
    return Score(
        key=crop.key,
        generation=crop.generation,
        frame_index=crop.frame_index,
        pts_s=crop.pts_s,
        received_at_s=crop.received_at_s,
        scored_at_s=scored_at_s,
        fake_probability=opinion.fake_probability,
        logit=opinion.logit,
        window=NUM_FRAMES,
        evidence=opinion.evidence,
    )


def _failed(device: torch.device, error: RuntimeError) -> ScorerError:
    reason = str(error).partition("\n")[0]
    return ScorerError(f"{device} failed while scoring: {reason}")

"""A `Scorer` of the network: windows in a bank, whatever backend computes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from analyzer.config import FACE_SIZE, NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import FaceCrop, FaceKey, Pixels, Score, WindowUpdate
from analyzer.errors import ConfigError, ScorerError
from analyzer.model.backend import Backend
from analyzer.model.card import WeightsCard, default_weights_dir, find_weights
from analyzer.model.explain import opinions
from analyzer.model.network import Calibration, DeepfakeNet
from analyzer.model.openvino_backend import OpenVinoBackend
from analyzer.model.torch_backend import TorchBackend
from analyzer.model.weights import load_weights
from analyzer.model.window_bank import WindowBank, WindowBatch, elapsed
from analyzer.scorer import ClipScore, ScorerInfo

logger = logging.getLogger(__name__)

UNTRAINED: Final = "untrained"
BACKENDS: Final = ("auto", "torch", "openvino")


class NetScorer:
    """A `Scorer` on one backend, owned by one thread.

    Without a backend (no trained weights) it counts the windows' faces and scores nothing.
    """

    def __init__(
        self,
        backend: Backend | None,
        info: ScorerInfo,
        config: AnalyzerConfig,
        *,
        calibration: Calibration | None = None,
        card: WeightsCard | None = None,
        clock: Callable[[], float] = time.monotonic,
        both_paths: bool = False,
    ) -> None:
        """`calibration` of the weights; `clock` is that of `received_at_s`; `both_paths`: see `make_scorer`."""
        self.card = card
        self._info = info
        self._clock = clock
        self._backend = backend
        # without a network nothing is ever stored: the meta device takes no memory
        storage = torch.device("meta") if backend is None else backend.device
        calibration = calibration or Calibration()
        self._windowed = both_paths or calibration.hears_windows
        self._calibration = calibration.to(storage)
        self._curve = info.real_scores
        self._bank = WindowBank(config.max_windows, config.max_gap_s, config.stride, storage, features=self._windowed)

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
        if self._backend is not None and crops:
            try:
                with torch.inference_mode():
                    frames = self._backend.encode(pixels)
                    self._bank.store(places, frames.features, frames.logit)
                    # a window that is due ends with a face of this push: its map need not be kept
                    maps = frames.attention[[place.due for place in places]]
                    judged = (
                        self._judge(self._backend, self._bank.gather([crop.key for crop in due]), maps) if due else []
                    )
            except RuntimeError as error:
                raise _failed(self._backend, error) from error
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
        if self._backend is None:
            return None
        try:
            with torch.inference_mode():
                frames = self._backend.encode(pixels)  # 16 faces
                kept = frames.features.to(torch.float16).unsqueeze(0) if self._windowed else None  # (1, 16, 128, 7, 7)
                batch = WindowBatch(kept, elapsed([at_s]), frames.logit.float().unsqueeze(0))
                return self._judge(self._backend, batch, frames.attention[-1:])[0]
        except RuntimeError as error:
            raise _failed(self._backend, error) from error

    def close(self) -> None:
        """Free the device's memory; the scorer is of no use afterwards. Never raises, whatever the device does."""
        if self._backend is not None:
            self._backend.close()
        self._bank = WindowBank(0, 0.0, 1, torch.device("cpu"))

    def _judge(self, backend: Backend, batch: WindowBatch, maps: Tensor) -> list[ClipScore]:
        """B full windows, `maps` (B, 1, 7, 7): of the newest face of each."""
        if batch.features is None:
            logits = self._calibration.without_windows(batch.frame_logits)  # (B,)
            return opinions(logits, None, batch.frame_logits, maps, self._calibration, self._curve)
        window = backend.window(batch.features, batch.elapsed_s.to(backend.device))
        logits = self._calibration(window.logit, batch.frame_logits)  # (B,)
        return opinions(logits, window, batch.frame_logits, maps, self._calibration, self._curve)


def make_scorer(
    weights: Path | None = None,
    device: str = "auto",
    config: AnalyzerConfig = AnalyzerConfig(),  # noqa: B008  # frozen
    *,
    backend: str = "auto",
    both_paths: bool = False,
    probe: Callable[[NetScorer], None] | None = None,
) -> NetScorer:
    """Load the network and put it on a device that was seen to work, with the fastest backend that works there.

    `weights`: a file, or None for the shipped one; without any, the scorer is untrained and scores nothing. `device`:
    `auto`, `cpu`, `cuda` or `cuda:N`; where CUDA is asked for, or there, but broken or out of memory, the CPU is used.
    `backend`: `auto`, `torch` or `openvino` (CPU only); where OpenVINO is missing or fails, torch computes. Either
    time `info.note` says why. `both_paths`: compute the window path also where the weights' calibration gives it no
    say, for whoever measures it; the scores are the same. `probe` runs a scorer once before it is trusted
    (`RuntimeError` or `ScorerError` if it fails). Raises `WeightsError` for a weights file that cannot be used,
    `ConfigError` for an unknown device or backend, or an impossible pair of them.
    """
    wanted = _wanted_device(device, backend)
    path = weights or find_weights(default_weights_dir())
    state, card = load_weights(path) if path is not None else (None, None)
    notes = []
    if card is not None and not math.isclose(card.input.scale, config.crop_scale):
        notes.append(f"trained on crops of scale {card.input.scale}, given {config.crop_scale}")

    def make(name: str, compute: Callable[[DeepfakeNet, bool], Backend]) -> NetScorer:
        made, calibration = None, None
        if state is not None:
            net = DeepfakeNet()
            net.load_state_dict(state)
            calibration = net.calibration
            made = compute(net.eval(), both_paths or calibration.hears_windows)
        info = ScorerInfo(
            device=name,
            backend="none" if made is None else made.name,
            model=UNTRAINED if card is None else card.name,
            weights_sha256=None if card is None else card.sha256,
            note="; ".join(notes) or None,
            real_scores=None if card is None else card.real_scores,
            coverage=(card.coverage or None) if card is not None else None,
        )
        scorer = NetScorer(made, info, config, calibration=calibration, card=card, both_paths=both_paths)
        try:
            (probe or _probe)(scorer)
        except BaseException:
            scorer.close()
            raise
        return scorer

    if wanted.type == "cuda":
        try:
            if not torch.cuda.is_available():
                raise ScorerError("no usable CUDA device was found")  # noqa: TRY301  # same way out as a broken one
            name = f"cuda:{wanted.index or 0} ({torch.cuda.get_device_name(wanted)})"
            return make(name, lambda net, _: TorchBackend(net, wanted))
        except (RuntimeError, AssertionError, ScorerError) as error:
            reason = str(error).partition("\n")[0]
            notes.append(f"{device} was not used, the CPU is: {reason}")
            logger.warning("cannot use %s, falling back to the CPU: %s", device, reason)
    if backend != "torch" and card is not None:
        try:
            key, threads = card.sha256[:16], config.torch_threads
            return make("cpu", lambda net, windows: OpenVinoBackend(net, key=key, threads=threads, windows=windows))
        except (ImportError, RuntimeError, ScorerError) as error:
            reason = str(error).partition("\n")[0]
            notes.append(f"OpenVINO was not used, torch is, which is slower: {reason}")
            logger.warning("cannot use OpenVINO, falling back to torch: %s", reason)
    return make("cpu", lambda net, _: TorchBackend(net, torch.device("cpu"), config.torch_threads))


def _wanted_device(device: str, backend: str) -> torch.device:
    if backend not in BACKENDS:
        raise ConfigError(f"expected backend {', '.join(BACKENDS)}, got {backend!r}")
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() and backend != "openvino" else "cpu")
    kind, _, index = device.partition(":")
    if device != "cpu" and (kind != "cuda" or (":" in device and not index.isdecimal())):
        raise ConfigError(f"expected device auto, cpu, cuda or cuda:N, got {device!r}")
    if backend == "openvino" and kind == "cuda":
        raise ConfigError(f"openvino computes on the CPU: expected device auto or cpu, got {device!r}")
    return torch.device(device)


def _probe(scorer: NetScorer) -> None:
    """One clip from end to end: loads kernels and claims the memory that scoring takes, before the first real face."""
    black = np.zeros((FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8)
    clip = scorer.score_clip([black] * NUM_FRAMES, [0.1 * i for i in range(NUM_FRAMES)])
    if clip is not None and not math.isfinite(clip.logit):
        raise ScorerError(f"{scorer.info.device} computes {clip.logit} for a black face")


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


def _failed(backend: Backend, error: RuntimeError) -> ScorerError:
    reason = str(error).partition("\n")[0]
    return ScorerError(f"{backend.name} on {backend.device} failed while scoring: {reason}")

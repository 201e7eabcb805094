"""What one new score costs: encoding one face and scoring its window, against encoding all 16 faces again.

Same network, same device, same threads, same run; the two kinds take turns, so that other work on the machine meets
both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import FaceCrop, Pixels
from analyzer.model.card import default_weights_dir, find_weights
from analyzer.model.net_scorer import NetScorer, make_scorer
from analyzer.model.network import DeepfakeNet, cost
from analyzer.model.torch_backend import TorchBackend
from analyzer.scorer import Scorer, ScorerInfo
from benchmarks.faces import FACE_STEP_S, crop_of, face_crops

BATCH: Final = 4
"""Faces that come together, as from four streams."""


@dataclass(frozen=True, slots=True)
class ScoreCost:
    """Medians over the rounds of one run."""

    device: str
    backend: str
    model: str
    threads: int
    rounds: int
    cached_ms: float
    """One new face in, one score out."""
    cached_batch_ms: float
    """Per score, when `BATCH` faces come together."""
    naive_ms: float
    """All 16 faces of one window encoded again."""
    naive_over_cached: float
    """How many times dearer the naive way is, one face at a time."""
    naive_over_cached_batch: float
    """The same with `BATCH` faces together."""
    faces_per_s: float
    """New faces encoded and scored per second, `BATCH` together, on `threads` cores: the network alone."""
    frame_path_mmacs: float
    window_path_mmacs: float
    naive_over_cached_macs: float
    """What counting multiplications promises."""


def measure(*, quick: bool = False, device: str = "auto", threads: int = 1, backend: str = "auto") -> ScoreCost:
    """Time both ways on the shipped weights; where there are none on a random network, which takes the same time.

    One thread by default: naive recompute fills any number of cores, one new face does not, and what counts for a busy
    monitor is work.
    """
    rounds = 10 if quick else 40
    config = AnalyzerConfig(torch_threads=threads, max_windows=BATCH + 1)
    scorer = make(device, config, backend)
    faces = face_crops()[0][:NUM_FRAMES]
    lone: list[float] = []
    together: list[float] = []
    naive: list[float] = []
    for step in range(NUM_FRAMES + rounds):
        measured = step >= NUM_FRAMES  # before that the windows fill and nothing is scored
        alone = [crop_of(faces[step % len(faces)], 0, step)]
        batch = [crop_of(faces[(step + face_id) % len(faces)], face_id, step) for face_id in range(1, BATCH + 1)]
        for crops, times in ((alone, lone), (batch, together)):
            seconds = _push_s(scorer, crops, scored=measured or step == NUM_FRAMES - 1)
            if measured:
                times.append(seconds / len(crops))
        if measured:
            naive.append(_recompute_s(scorer, faces))
    info = scorer.info
    scorer.close()
    frame, window = cost(DeepfakeNet())
    lone_ms, together_ms, naive_ms = (statistics.median(times) * 1e3 for times in (lone, together, naive))
    return ScoreCost(
        device=info.device,
        backend=info.backend,
        model=info.model,
        threads=threads,
        rounds=rounds,
        cached_ms=lone_ms,
        cached_batch_ms=together_ms,
        naive_ms=naive_ms,
        naive_over_cached=naive_ms / lone_ms,
        naive_over_cached_batch=naive_ms / together_ms,
        faces_per_s=1e3 / together_ms,
        frame_path_mmacs=frame.macs / 1e6,
        window_path_mmacs=window.macs / 1e6,
        naive_over_cached_macs=(NUM_FRAMES * frame.macs + window.macs) / (frame.macs + window.macs),
    )


def make(device: str, config: AnalyzerConfig, backend: str = "auto") -> Scorer:
    """The shipped scorer, or one of a random network."""
    if find_weights(default_weights_dir()) is not None:
        return make_scorer(None, device, config, backend=backend)
    target = torch.device("cuda" if device == "cuda" else "cpu")
    info = ScorerInfo(device=str(target), backend="torch", model="random", weights_sha256=None)
    return NetScorer(TorchBackend(DeepfakeNet(), target, config.torch_threads), info, config)


def _push_s(scorer: Scorer, crops: list[FaceCrop], *, scored: bool) -> float:
    start = time.perf_counter()
    updates = scorer.push(crops)
    seconds = time.perf_counter() - start
    assert all((update.score is not None) == scored for update in updates)
    return seconds


def _recompute_s(scorer: Scorer, faces: Sequence[Pixels]) -> float:
    start = time.perf_counter()
    clip = scorer.score_clip(faces, [i * FACE_STEP_S for i in range(NUM_FRAMES)])
    seconds = time.perf_counter() - start
    assert clip is not None
    return seconds

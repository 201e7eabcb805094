"""What one new score costs: encoding one face and scoring its window, against encoding all 16 faces again.

Same network, same device, same threads, same run. The kinds take turns in blocks: other work on the machine meets all
of them, and none pays for the processor's cache that another left behind (each has a compiled graph of its own).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import Pixels
from analyzer.model.card import default_weights_dir, find_weights
from analyzer.model.net_scorer import NetScorer, make_scorer
from analyzer.model.network import DeepfakeNet, cost
from analyzer.model.torch_backend import TorchBackend
from analyzer.scorer import Scorer, ScorerInfo
from benchmarks.faces import FACE_STEP_S, crop_of, face_crops

BATCH: Final = 4
"""Faces that come together, as from four streams."""
BLOCK: Final = 5
"""Times that one kind is measured before the next one's turn."""


@dataclass(frozen=True, slots=True)
class ScoreCost:
    """Medians over the rounds of one run."""

    device: str
    backend: str
    model: str
    threads: int
    window_path: bool
    """Whether it was computed: shipped weights whose calibration gives it no say leave it out, unless asked for."""
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


def measure(
    *, quick: bool = False, device: str = "auto", threads: int = 1, backend: str = "auto", both_paths: bool = False
) -> ScoreCost:
    """Time both ways on the shipped weights; where there are none on a random network, which takes the same time.

    One thread by default: naive recompute fills any number of cores, one new face does not, and what counts for a busy
    monitor is work.
    """
    rounds = 10 if quick else 40
    config = AnalyzerConfig(torch_threads=threads, max_windows=BATCH + 1)
    scorer = make(device, config, backend, both_paths=both_paths)
    faces = face_crops()[0][:NUM_FRAMES]
    alone, together = _Feed(scorer, faces, [0]), _Feed(scorer, faces, range(1, BATCH + 1))
    for feed in (alone, together):
        feed.fill()
    lone_s: list[float] = []
    together_s: list[float] = []
    naive_s: list[float] = []
    for _ in range(rounds // BLOCK):
        lone_s += [alone.push() for _ in range(BLOCK)]
        together_s += [together.push() / BATCH for _ in range(BLOCK)]
        naive_s += [_recompute_s(scorer, faces) for _ in range(BLOCK)]
    info, window_path = scorer.info, _says_when(scorer, faces)
    scorer.close()
    frame, window = cost(DeepfakeNet())
    window_macs = window.macs if window_path else 0
    lone_ms, together_ms, naive_ms = (statistics.median(times) * 1e3 for times in (lone_s, together_s, naive_s))
    return ScoreCost(
        device=info.device,
        backend=info.backend,
        model=info.model,
        threads=threads,
        window_path=window_path,
        rounds=rounds,
        cached_ms=lone_ms,
        cached_batch_ms=together_ms,
        naive_ms=naive_ms,
        naive_over_cached=naive_ms / lone_ms,
        naive_over_cached_batch=naive_ms / together_ms,
        faces_per_s=1e3 / together_ms,
        frame_path_mmacs=frame.macs / 1e6,
        window_path_mmacs=window.macs / 1e6,
        naive_over_cached_macs=(NUM_FRAMES * frame.macs + window_macs) / (frame.macs + window_macs),
    )


def make(device: str, config: AnalyzerConfig, backend: str = "auto", *, both_paths: bool = False) -> Scorer:
    """The shipped scorer, or one of a random network."""
    if find_weights(default_weights_dir()) is not None:
        return make_scorer(None, device, config, backend=backend, both_paths=both_paths)
    target = torch.device("cuda" if device == "cuda" else "cpu")
    info = ScorerInfo(device=str(target), backend="torch", model="random", weights_sha256=None)
    return NetScorer(TorchBackend(DeepfakeNet(), target, config.torch_threads), info, config)


class _Feed:
    """Faces that come together, step by step, each into its own window."""

    def __init__(self, scorer: Scorer, faces: Sequence[Pixels], face_ids: Sequence[int]) -> None:
        self._scorer = scorer
        self._faces = faces
        self._face_ids = face_ids
        self._step = 0

    def fill(self) -> None:
        """Fill the windows; nothing is scored before."""
        for _ in range(NUM_FRAMES):
            self.push()

    def push(self) -> float:
        """One new face of each; the seconds that it took."""
        crops = [crop_of(self._faces[(self._step + i) % len(self._faces)], i, self._step) for i in self._face_ids]
        start = time.perf_counter()
        updates = self._scorer.push(crops)
        seconds = time.perf_counter() - start
        self._step += 1
        assert all((update.score is not None) == (self._step >= NUM_FRAMES) for update in updates)
        return seconds


def _says_when(scorer: Scorer, faces: Sequence[Pixels]) -> bool:
    clip = scorer.score_clip(faces, [i * FACE_STEP_S for i in range(NUM_FRAMES)])
    return clip is not None and clip.evidence is not None and clip.evidence.when is not None


def _recompute_s(scorer: Scorer, faces: Sequence[Pixels]) -> float:
    start = time.perf_counter()
    clip = scorer.score_clip(faces, [i * FACE_STEP_S for i in range(NUM_FRAMES)])
    seconds = time.perf_counter() - start
    assert clip is not None
    return seconds

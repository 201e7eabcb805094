"""Figures of a network on held-out tracks, without decoding the videos again: quick, for choosing and calibrating.

What a published figure needs is `evaluate`, which goes through the serving code from the file on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from analyzer.config import NUM_FRAMES
from analyzer.model.card import CalibrationValues
from analyzer.model.network import DeepfakeNet
from analyzer.training.calibrate import fit_platt, move_threshold
from analyzer.training.material import Found
from analyzer.training.metrics import at_threshold, auc
from analyzer.training.samples import PlainWindows, PseudoWindows
from analyzer.training.stages import encode, encode_all, loader, window_logits
from analyzer.training.synthesis import FAMILIES, STILL_FAMILIES

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Logits:
    """Raw logits of windows, and what they are of."""

    window: Values
    """(n,)."""
    frames: Values
    """(n,) means over the window's 16 frame logits."""
    fake: npt.NDArray[np.bool_]
    origin: npt.NDArray[np.int64]
    """(n,) index of the track."""

    def calibrated(self, values: CalibrationValues) -> Values:
        return np.asarray(values.a * self.window + values.b * self.frames + values.c)


@dataclass(frozen=True, slots=True)
class Bench:
    """How measuring is run."""

    device: torch.device
    workers: int
    seed: int
    batch: int = 4
    each: int = 4
    """Windows of every track."""


def logits_of(net: DeepfakeNet, samples: PlainWindows | PseudoWindows, bench: Bench) -> Logits:
    """Run windows through the network, in full precision but for the frame path's autocast."""
    encoded = encode_all(net, iter(loader(samples, bench.batch, bench.workers)), bench.device, lambda _: False)
    window = window_logits(net, encoded)
    return Logits(
        window=window.double().cpu().numpy(),
        frames=encoded.frame_logits.mean(dim=1).double().cpu().numpy(),
        fake=encoded.fake.cpu().numpy() > 0.5,
        origin=encoded.origin.cpu().numpy(),
    )


def clips(found: Sequence[Found]) -> list[Found]:
    """Those long enough for a window."""
    return [(row, track) for row, track in found if len(track.jpegs) >= NUM_FRAMES]


def by_track(logits: Logits, scores: Values) -> tuple[Values, npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Mean score of each track: scores, truth, index of the track."""
    units = np.unique(logits.origin)
    return (
        np.array([scores[logits.origin == unit].mean() for unit in units]),
        np.array([logits.fake[logits.origin == unit][0] for unit in units]),
        units,
    )


def measure(net: DeepfakeNet, found: Sequence[Found], values: CalibrationValues, bench: Bench) -> dict[str, float]:
    """AUCs by track and rates at logit 0 on real material, AUCs by window on pseudo-fakes of its real tracks."""
    figures: dict[str, float] = {}
    moving = clips(found)
    if moving:
        logits = logits_of(net, PlainWindows(moving, bench.seed, bench.each), bench)
        for name, scores in (
            ("frames", logits.frames),
            ("window", logits.window),
            ("calibrated", logits.calibrated(values)),
        ):
            means, fake, units = by_track(logits, scores)
            _put(figures, f"auc.{name}", auc(means, fake))
            if name != "window":
                for method in sorted({moving[u][0].method for u in units if moving[u][0].fake}):
                    chosen = np.array([not moving[u][0].fake or moving[u][0].method == method for u in units])
                    _put(figures, f"auc.{name}.{method}", auc(means[chosen], fake[chosen]))
        means, fake, _ = by_track(logits, logits.calibrated(values))
        rates = at_threshold(means, fake.tolist(), 0.0)
        _put(figures, "fpr", rates.fpr)
        _put(figures, "tpr", rates.tpr)
        figures["n.real"], figures["n.fake"] = float((~fake).sum()), float(fake.sum())
    reals = [(row, track) for row, track in found if not row.fake]
    for family in FAMILIES:
        chosen_reals = clips(reals) + ([] if family not in STILL_FAMILIES else _stills(reals))
        if chosen_reals:
            logits = logits_of(net, PseudoWindows(chosen_reals, family, bench.seed), bench)
            _put(figures, f"pseudo.{family}.frames", auc(logits.frames, logits.fake))
            _put(figures, f"pseudo.{family}.window", auc(logits.window, logits.fake))
    return figures


GLANCE_CLIPS: Final = 40
"""So many clips of dev at most are looked at during stage A, ..."""
GLANCE_FRAMES: Final = (0, 5, 10, 15)
"""... these frames of one window of each, ..."""
GLANCE_PSEUDO: Final = 16
"""... and pseudo-fakes of so many of its real faces: seconds in all."""


def glance(net: DeepfakeNet, found: Sequence[Found], bench: Bench) -> dict[str, float]:
    """A first idea of how single faces do: AUC of the mean frame logit on dev clips and on their pseudo-fakes.

    Always the same windows for one `bench.seed`, so that two looks can be compared. Changes nothing in `net`.
    """
    figures: dict[str, float] = {}
    kinds = [[item for item in clips(found) if item[0].fake == fake] for fake in (False, True)]
    moving = [item for kind in kinds for item in _evenly(kind, GLANCE_CLIPS // 2)]
    if moving:
        _put(figures, "auc.frames", _glance_auc(net, PlainWindows(moving, bench.seed, 1), bench))
    reals = [(row, track) for row, track in found if not row.fake]
    for family in ("F1", "F4", "F5"):
        chosen = _evenly(clips(reals) or (reals if family in STILL_FAMILIES else []), GLANCE_PSEUDO)
        if chosen:
            samples = PseudoWindows(chosen, family, bench.seed)
            _put(figures, f"pseudo.{family}.frames", _glance_auc(net, samples, bench))
    return figures


def _evenly(found: Sequence[Found], most: int) -> list[Found]:
    """At most so many of them, from the first to the last."""
    if len(found) <= most:
        return list(found)
    return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]


def _glance_auc(net: DeepfakeNet, samples: PlainWindows | PseudoWindows, bench: Bench) -> float | None:
    scores, truth = [], []
    for pixels, _, fake, _ in loader(samples, bench.batch, 0):
        scores.append(encode(net, pixels[:, list(GLANCE_FRAMES)], bench.device)[1].mean(dim=1).double().cpu().numpy())
        truth.append(fake.numpy() > 0.5)
    return auc(np.concatenate(scores), np.concatenate(truth))


def _stills(reals: Sequence[Found], most: int = 60) -> list[Found]:
    return [(row, track) for row, track in reals if len(track.jpegs) < NUM_FRAMES][:most]


def _put(figures: dict[str, float], name: str, value: float | None) -> None:
    if value is not None:
        figures[name] = round(value, 4)


def calibrate(net: DeepfakeNet, found: Sequence[Found], fpr: float, bench: Bench) -> CalibrationValues:
    """Fit a, b and c on held-out tracks and their pseudo-fakes, then put 0.5 at the given false-positive rate.

    The rate is that of real clips; of pictures where there are fewer than 8 clips. `ConfigError` without real ones.
    """
    moving = clips(found)
    reals = [(row, track) for row, track in found if not row.fake]
    parts = [
        logits_of(net, PseudoWindows(clips(reals) + _stills(reals), family, bench.seed), bench)
        for family in ("F1", "F4", "F5")
    ]
    if moving:
        parts.append(logits_of(net, PlainWindows(moving, bench.seed, bench.each), bench))
    joined = [np.concatenate([getattr(part, name) for part in parts]) for name in ("window", "frames", "fake")]
    values = fit_platt(joined[0], joined[1], joined[2])
    basis = clips(reals) if len(clips(reals)) >= 8 else reals
    quiet = logits_of(net, PlainWindows(basis, bench.seed + 1, bench.each), bench)
    return move_threshold(values, quiet.window, quiet.frames, quiet.origin, fpr)

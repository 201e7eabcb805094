"""Figures of a network on held-out tracks, without decoding the videos again: quick, for choosing and calibrating.

What a published figure needs is `evaluate`, which goes through the serving code from the file on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from analyzer.model.card import CalibrationValues
from analyzer.model.network import DeepfakeNet
from analyzer.training.data.dataset import Found
from analyzer.training.data.manifest import Row
from analyzer.training.fit.encoded import encode
from analyzer.training.fit.stages import loader
from analyzer.training.pseudofakes.appearance import Paint
from analyzer.training.pseudofakes.synthesis import FAMILIES, OF_PICTURES, PAINTED, STILL_FAMILIES
from analyzer.training.reporting.metrics import at_threshold, auc
from analyzer.training.sampling.material import is_clip
from analyzer.training.sampling.samples import PlainWindows, PseudoWindows

Values = npt.NDArray[np.float64]
STILLS: Final = 60
"""So many pictures at most are measured with beside clips."""


@dataclass(frozen=True, slots=True)
class Bench:
    """How measuring is run."""

    device: torch.device
    workers: int
    seed: int
    batch: int = 4
    each: int = 4
    """Windows of every track."""
    most: int = 60
    """Of a kind, so many tracks at most: more would take longer and say much the same."""
    painters: Sequence[Paint] = ()
    """Those that the pseudo-fakes of the family `PAINTED` are made with; without any there are none."""

    @property
    def precision(self) -> str:
        """As the monitor scores: in full on a CPU, in half on CUDA."""
        return "float32" if self.device.type == "cpu" else "float16"


@dataclass(frozen=True, slots=True)
class Logits:
    """Raw logits of windows, and what they are of. All (n,)."""

    window: Values
    frames: Values
    """Means over the window's 16 frame logits."""
    fake: npt.NDArray[np.bool_]
    origin: npt.NDArray[np.int64]
    """Index of the track."""

    def calibrated(self, values: CalibrationValues) -> Values:
        return np.asarray(values.a * self.window + values.b * self.frames + values.c)


@torch.no_grad()
def logits_of(net: DeepfakeNet, samples: PlainWindows | PseudoWindows, bench: Bench) -> Logits:
    """Run windows through the network as the monitor does: features rounded as its window bank keeps them."""
    net.eval()
    columns: list[list[Values]] = [[], [], [], []]
    for pixels, elapsed, fake, origin in loader(samples, bench.batch, bench.workers):
        features, frames = encode(net, pixels, bench.device, bench.precision)
        window = net.window_path(features.float(), elapsed.to(bench.device)).logit
        for column, part in zip(columns, (window, frames.mean(dim=1), fake, origin), strict=True):
            column.append(part.double().cpu().numpy())
    window_logits, frame_logits, fakes, origins = (np.concatenate(column) for column in columns)
    return Logits(window_logits, frame_logits, fakes > 0.5, origins.astype(np.int64))


def clips(found: Sequence[Found]) -> list[Found]:
    """Those long enough for a window."""
    return [(row, track) for row, track in found if is_clip(track)]


def stills(found: Sequence[Found]) -> list[Found]:
    """Those too short for a window of their own: pictures."""
    return [(row, track) for row, track in found if not is_clip(track)]


def evenly(found: Sequence[Found], most: int) -> list[Found]:
    """At most so many of them, from the first to the last."""
    if len(found) <= most:
        return list(found)
    return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]


def few(found: Sequence[Found], most: int) -> list[Found]:
    """At most so many of each kind."""
    kinds = [[item for item in found if item[0].fake == fake] for fake in (False, True)]
    return [item for kind in kinds for item in evenly(kind, most)]


def by_track(logits: Logits, scores: Values) -> tuple[Values, npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Mean score of each track: scores, truth, index of the track."""
    units = np.unique(logits.origin)
    return (
        np.array([scores[logits.origin == unit].mean() for unit in units]),
        np.array([logits.fake[logits.origin == unit][0] for unit in units]),
        units,
    )


@dataclass(frozen=True, slots=True)
class OnDev:
    """What `measure` found."""

    figures: Mapping[str, float]
    reliability: tuple[tuple[float, float, int], ...]
    """Of windows in ten steps of probability: mean probability, share of fakes, how many."""


def reliability(logits: Values, fake: npt.NDArray[np.bool_]) -> tuple[tuple[float, float, int], ...]:
    """Ten bins of equal width; empty ones are left out."""
    given = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    bins = np.minimum((given * 10).astype(int), 9)
    return tuple(
        (round(float(given[bins == i].mean()), 4), round(float(fake[bins == i].mean()), 4), int((bins == i).sum()))
        for i in np.unique(bins)
    )


def measure(net: DeepfakeNet, found: Sequence[Found], values: CalibrationValues, bench: Bench) -> OnDev:
    """AUCs by track and rates at logit 0 on real material, AUCs by window on pseudo-fakes of its real tracks."""
    figures: dict[str, float] = {}
    reliable: tuple[tuple[float, float, int], ...] = ()
    moving = few(clips(found), bench.most)
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
        reliable = reliability(logits.calibrated(values), logits.fake)
        means, fake, _ = by_track(logits, logits.calibrated(values))
        rates = at_threshold(means, fake.tolist(), 0.0)
        _put(figures, "fpr", rates.fpr)
        _put(figures, "tpr", rates.tpr)
        figures["n.real"], figures["n.fake"] = float((~fake).sum()), float(fake.sum())
    reals = [(row, track) for row, track in found if not row.fake]
    for family in (*FAMILIES, PAINTED) if bench.painters else FAMILIES:
        chosen_reals = evenly(clips(reals), bench.most)
        chosen_reals += [] if family not in OF_PICTURES else evenly(stills(reals), STILLS)
        if chosen_reals:
            samples = PseudoWindows(chosen_reals, family, bench.seed, painters=bench.painters)
            logits = logits_of(net, samples, bench)
            _put(figures, f"pseudo.{family}.frames", auc(logits.frames, logits.fake))
            _put(figures, f"pseudo.{family}.window", auc(logits.window, logits.fake))
    return OnDev(figures, reliable)


GLANCE_FILES: Final = 100
"""Clips, and pictures, of each kind that a glance measures at most, ..."""
GLANCE_FRAMES: Final = (0, 5, 10, 15)
"""... the frames of one window of each clip, ..."""
GLANCE_PSEUDO: Final = 16
"""... and real clips that pseudo-fakes are made of."""


class Glance:
    """A quick figure of how single faces do on dev during stage A: AUC of the mean frame logit, in all and by family.

    The crops are drawn once, from `bench.seed`, so figures of different times can be compared.
    """

    def __init__(self, found: Sequence[Found], bench: Bench) -> None:
        self._device = bench.device
        self._sets: list[tuple[str, Tensor, list[Row]]] = []
        """Name, crops (n, frames, 224, 224, 3) and row of each."""
        moving, still = few(clips(found), GLANCE_FILES), few(stills(found), GLANCE_FILES)
        self._add("auc.frames", moving, PlainWindows(moving, bench.seed, 1), GLANCE_FRAMES)
        self._add("auc.pictures", still, PlainWindows(still, bench.seed, 1), GLANCE_FRAMES[:1])
        reals = [(row, track) for row, track in found if not row.fake]
        for family in ("F1", "F4", "F5"):
            chosen = evenly(clips(reals) or (reals if family in STILL_FAMILIES else []), GLANCE_PSEUDO)
            pairs = [(replace(row, fake=fake, family=family), track) for row, track in chosen for fake in (False, True)]
            self._add(f"pseudo.{family}.frames", pairs, PseudoWindows(chosen, family, bench.seed), GLANCE_FRAMES)

    def _add(
        self, name: str, found: Sequence[Found], samples: PlainWindows | PseudoWindows, frames: Sequence[int]
    ) -> None:
        if found:
            drawn = [window for i in range(len(samples)) for window in samples[i].pixels[:, list(frames)]]
            self._sets.append((name, torch.from_numpy(np.stack(drawn)), [row for row, _ in found]))

    def measure(self, net: DeepfakeNet, precision: str = "float32") -> dict[str, float]:
        """AUCs of `net` in eval mode; families have a figure where there is more than one. Changes nothing in it."""
        figures: dict[str, float] = {}
        for name, pixels, rows in self._sets:
            scores = encode(net, pixels, self._device, precision)[1].mean(dim=1).double().cpu().numpy()
            fake = np.array([row.fake for row in rows])
            _put(figures, name, auc(scores, fake))
            families = sorted({row.family for row in rows if row.fake})
            for family in families if len(families) > 1 else ():
                chosen = np.array([not row.fake or row.family == family for row in rows])
                _put(figures, f"{name}.{family}", auc(scores[chosen], fake[chosen]))
        return figures


def _put(figures: dict[str, float], name: str, value: float | None) -> None:
    if value is not None:
        figures[name] = round(value, 4)

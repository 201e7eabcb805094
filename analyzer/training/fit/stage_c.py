"""Stage C: fits the calibration of a trained network on groups that it has not learned from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from analyzer.model.card import Measured
from analyzer.model.network import DeepfakeNet
from analyzer.training.data.dataset import Found
from analyzer.training.fit.calibrate import (
    Calibrated,
    Flagged,
    Kept,
    Rule,
    fit_platt,
    flagged,
    score_curve,
    set_point,
    sharpen,
)
from analyzer.training.fit.measure import STILLS, Bench, Logits, clips, evenly, few, logits_of, stills
from analyzer.training.pseudofakes.synthesis import STILL_FAMILIES
from analyzer.training.sampling.samples import PlainWindows, PseudoWindows, recompressed

FAMILIES: Final = ("F1", "F4", "F5")
"""Pseudo-fakes that stand for swaps, beside the fakes at hand."""
FEW_CLIPS: Final = 8
"""With fewer real clips pictures help to set the operating point."""
QUIET_EACH: Final = 8
"""Windows of every real clip, each with a degradation of its own, that the operating point is set by, ..."""
QUIET_CLIPS: Final = 300
QUIET_WINDOWS: Final = 800
"""... but not many more than so many: minutes of one CPU."""


Judge = Callable[[DeepfakeNet, PlainWindows | PseudoWindows, Bench], Logits]


@dataclass(frozen=True, slots=True)
class StageC:
    """Platt's calibration on recompressed windows, then 0.5 put where the rule says, then probabilities made true."""

    bench: Bench
    rule: Rule = field(default_factory=Rule)
    window_counts: bool = True
    """False where the window path was never trained: what it says is then left out."""
    judge: Judge = logits_of
    """Makes logits of windows."""

    def calibrate(self, net: DeepfakeNet, found: Sequence[Found]) -> Calibrated:
        """Fit on held-out tracks and pseudo-fakes of the real ones. `ConfigError` without real ones."""
        mixed = self._join(self._labelled(net, found), found)
        real = self._join([self._quiet(net, found)], found)
        values = sharpen(set_point(fit_platt(mixed), real, self.rule), mixed)
        return Calibrated(
            values, *flagged(values, real), score_curve(values, real), pictures=len(stills(self._basis(found)))
        )

    def _labelled(self, net: DeepfakeNet, found: Sequence[Found]) -> Iterable[tuple[list[Found], Logits]]:
        bench = self.bench
        reals = [(row, track) for row, track in found if not row.fake]
        for family in FAMILIES:
            chosen = evenly(clips(reals), bench.most)
            chosen += evenly(stills(reals), STILLS) if family in STILL_FAMILIES else []
            if chosen:
                yield chosen, self.judge(net, PseudoWindows(chosen, family, bench.seed, recompressed), bench)
        moving = few(clips(found), bench.most)
        if moving:
            yield moving, self.judge(net, PlainWindows(moving, bench.seed, bench.each, recompressed), bench)

    def _quiet(self, net: DeepfakeNet, found: Sequence[Found]) -> tuple[list[Found], Logits]:
        basis = self._basis(found)
        each = max(2, min(QUIET_EACH, QUIET_WINDOWS // max(1, len(basis))))
        return basis, self.judge(net, PlainWindows(basis, self.bench.seed + 1, each, recompressed), self.bench)

    def _basis(self, found: Sequence[Found]) -> list[Found]:
        reals = [(row, track) for row, track in found if not row.fake]
        moving = evenly(clips(reals), QUIET_CLIPS)
        return moving if len(moving) >= FEW_CLIPS else moving + evenly(stills(reals), STILLS)

    def _join(self, parts: Iterable[tuple[list[Found], Logits]], found: Sequence[Found]) -> Kept:
        """Logits of several samplings with their clips and groups named alike."""
        number = {row.file: index for index, (row, _) in enumerate(found)}
        groups = sorted({row.group for row, _ in found})
        group_of = {name: index for index, name in enumerate(groups)}
        rows, logits = [], []
        for chosen, part in parts:
            rows += [chosen[index][0] for index in part.origin]
            logits.append(part)
        window = np.concatenate([part.window for part in logits])
        return Kept(
            window=window if self.window_counts else np.zeros_like(window),
            frames=np.concatenate([part.frames for part in logits]),
            fake=np.concatenate([part.fake for part in logits]),
            clip=np.array([number[row.file] for row in rows], np.int64),
            group=np.array([group_of[row.group] for row in rows], np.int64),
        )


def card_figures(found: Calibrated, rule: Rule) -> dict[str, Measured]:
    """What the card says of the operating point, and on how much that rests."""
    return {
        "calibration.real_windows_flagged": _measured(found.windows, rule.windows, "windows", found.pictures),
        "calibration.real_clips_flagged": _measured(
            found.clips, rule.clips, "clips (mean of their windows)", found.pictures
        ),
    }


def _measured(flagged_share: Flagged, allowed: float, what: str, pictures: int) -> Measured:
    note = (
        f"share of real {what} at 0.5 or above after H.264 or VP8, on {flagged_share.groups} groups that weigh the "
        f"same; the point was set on them for at most {allowed:g}; the upper end is the one-sided 95 % bound for so "
        "many independent groups"
    )
    if pictures:
        note += f"; {pictures} of the clips are pictures, each shown for whole windows"
    bound = (0.0, round(flagged_share.at_most, 4))
    return Measured(round(flagged_share.share, 5), flagged_share.count, bound, note)

"""Rules that raise alerts, on simulated scores: false alarms in eight hours, and how soon a fake is noticed.

What is simulated are calibrated logits, four a second, of faces that come and go. A face's scores wander around a level
of their own, and are pushed off it now and then for a moment (a turn, blur). The levels of real faces are such that one
in a hundred lies above the operating point, as cards are calibrated, with the heavy tails of Student's t; how much
scores wander was read off 55 real faces of training and 16 of validation videos with weights v2. Two ways to raise an
alert run over the same scores, each with many lines at once:

* the sum: what `analyzer.alerting.verdict` does;
* smoothed and held: the mean over some seconds above the line for some seconds, what a monitor does at first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from analyzer.alerting.verdict import LOGIT_LIMIT, ROUNDING, Sensitivity, VerdictRules
from analyzer.evaluation.sections.alarms import poisson_interval

Floats = npt.NDArray[np.float64]

STEP_S: Final = 0.25
STREAMS: Final = 64
SHIFT_H: Final = 8.0

# of real faces
LEVEL: Final = -2.33
LEVEL_SCALE: Final = 0.69
LEVEL_FREEDOM: Final = 5
STAY_S: Final = 300.0
"""How long a face stays, on average (exponential): then comes another one, which may again be an unlucky one."""

# of every face
WANDER: Final = 0.12
WANDER_SPREAD: Final = 0.79
"""Standard deviation around the level: median over faces, and of its logarithm."""
WANDER_S: Final = 2.0
"""Time constant of the wandering (Ornstein-Uhlenbeck)."""
BURST_EVERY_S: Final = 120.0
BURST: Final = 0.8
BURST_S: Final = 1.5
"""Average height and length, both exponential; 7 of 10 go up."""

FAKES: Final = {"weak (0.7)": (0.7, 0.2), "clear (1.5)": (1.5, 0.4), "strong (3.0)": (3.0, 0.8)}
"""Levels of fakes: mean and standard deviation."""
REAL_BEFORE_S: Final = 20.0
"""A real face is seen for so long before the fake is switched on."""
FAKE_S: Final = 60.0
FAKE_STREAMS: Final = 2000
LINES: Final = np.round(np.arange(-2.0, 4.01, 0.05), 2)


def real_levels(rng: np.random.Generator, count: int) -> Floats:
    """Of so many real faces."""
    return LEVEL + LEVEL_SCALE * rng.standard_t(LEVEL_FREEDOM, count)


class Scores:
    """Simulated logits of many streams, step by step."""

    def __init__(self, streams: int, seed: int, levels: Floats | None = None) -> None:
        """`levels`: of faces that stay; None for real faces that come and go."""
        self._rng = np.random.default_rng(seed)
        self._comes_and_goes = levels is None
        self._level = real_levels(self._rng, streams) if levels is None else levels
        self._stays_s = self._rng.exponential(STAY_S, streams)
        self._spread = self._spreads(streams)
        self._off = self._rng.normal(size=streams)
        self._burst = np.zeros(streams)
        self._burst_s = np.zeros(streams)

    def _spreads(self, count: int) -> Floats:
        return WANDER * np.exp(WANDER_SPREAD * self._rng.normal(size=count))

    def switch(self, levels: Floats) -> None:
        """The faces are others from now on, though nobody sees that they are."""
        self._level = levels

    def step(self) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """The next logit of each stream, and whether its face is a new one."""
        rng, streams = self._rng, len(self._level)
        new = np.zeros(streams, dtype=bool)
        if self._comes_and_goes:
            self._stays_s -= STEP_S
            new = self._stays_s <= 0
            if new.any():
                self._level = np.where(new, real_levels(rng, streams), self._level)
                self._spread = np.where(new, self._spreads(streams), self._spread)
                self._stays_s = np.where(new, rng.exponential(STAY_S, streams), self._stays_s)
        keeps = math.exp(-STEP_S / WANDER_S)
        self._off = keeps * self._off + math.sqrt(1 - keeps**2) * rng.normal(size=streams)
        self._burst_s -= STEP_S
        begins = (rng.random(streams) < STEP_S / BURST_EVERY_S) & (self._burst_s <= 0)
        signs = np.where(rng.random(streams) < 0.7, 1.0, -1.0)
        height = np.where(begins, signs * rng.exponential(BURST, streams), self._burst)
        self._burst_s = np.where(begins, rng.exponential(BURST_S, streams), self._burst_s)
        self._burst = np.where(self._burst_s > 0, height, 0.0)
        logits = self._level + self._spread * self._off + self._burst
        return np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT), new


class Rule:
    """One way to raise and clear alerts, with many lines at once. State: (lines, streams)."""

    def __init__(self, name: str, rules: VerdictRules, lines: Floats, streams: int) -> None:
        """`rules.alert_above` is not used but for its distance to `clear_below`."""
        self.name = name
        self.lines = lines
        self._rules = rules
        self._collected, self._low_s = np.zeros((len(lines), streams)), np.zeros((len(lines), streams))
        self._on = np.zeros((len(lines), streams), dtype=bool)
        self._smoothed = np.full(streams, np.nan)

    def step(self, logits: Floats, new: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Where alerts are raised in this step, (lines, streams)."""
        rules, line = self._rules, self.lines[:, None]
        begins = new | np.isnan(self._smoothed)
        share = 1 - math.exp(-STEP_S / rules.smoothing_s)
        self._smoothed = np.where(begins, logits, self._smoothed + share * (logits - self._smoothed))
        self._collected[:, begins] = self._low_s[:, begins] = 0.0
        self._on[:, begins] = False
        raised = self._reached(logits, line, begins) & ~self._on
        low = self._smoothed < line - (rules.alert_above - rules.clear_below)
        self._low_s = np.where(low, self._low_s + STEP_S, 0.0)
        over = self._on & (self._low_s > rules.clear_hold_s)
        self._on = (self._on & ~over) | raised
        self._collected[over] = 0.0
        return raised

    def _reached(self, logits: Floats, line: Floats, begins: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        raise NotImplementedError


class Summed(Rule):
    """What `VerdictPolicy` does."""

    def __init__(self, rules: VerdictRules, lines: Floats, streams: int) -> None:
        name = f"sum: each at most {rules.alert_cap:g}, {rules.alert_evidence:g} in all"
        super().__init__(name, rules, lines, streams)

    def _reached(self, logits: Floats, line: Floats, begins: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        rules = self._rules
        speaks = np.clip(logits - line, -rules.alert_cap_below, rules.alert_cap)
        speaks[:, begins] = 0.0  # nobody knows for how long a first score stands
        self._collected = np.clip(self._collected + STEP_S * speaks, 0.0, rules.alert_evidence)
        return self._collected >= rules.alert_evidence - ROUNDING


class Held(Rule):
    """Smoothed scores at the line or above for some seconds."""

    def __init__(self, smoothing_s: float, hold_s: float, lines: Floats, streams: int) -> None:
        name = f"smoothed over {smoothing_s:g} s, held for {hold_s:g} s"
        super().__init__(name, VerdictRules(smoothing_s=smoothing_s), lines, streams)
        self._hold_s = hold_s

    def _reached(self, logits: Floats, line: Floats, begins: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        del logits, begins
        self._collected = np.where(self._smoothed >= line, self._collected + STEP_S, 0.0)
        return self._collected > self._hold_s


def candidates(lines: Floats, streams: int) -> list[Rule]:
    """What is compared; the first is ours."""
    sums = [(0.4, 2.5), (0.4, 2.0), (0.5, 3.0), (0.5, 5.0), (1.0, 6.0), (1.0, 8.0), (4.0, 8.0)]
    held = [(2.0, 3.0), (4.0, 5.0), (8.0, 5.0)]
    usual = VerdictRules()
    return [
        *(Summed(replace(usual, alert_cap=cap, alert_evidence=evidence), lines, streams) for cap, evidence in sums),
        *(Held(smoothing_s, hold_s, lines, streams) for smoothing_s, hold_s in held),
    ]


@dataclass(frozen=True, slots=True)
class Noticed:
    """Fakes that are switched on in front of a camera."""

    caught_60_s: float
    """Share with an alert within a minute."""
    median_s: float
    """From the switch to the alert, over all of them; infinite where fewer than half were caught."""


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """One rule with one line."""

    rule: str
    line: float
    """Logit."""
    false_alarms_per_8_h: float
    interval: tuple[float, float]
    """Exact 95 %, as if all were independent; those of one unlucky face are not quite."""
    fakes: dict[str, Noticed]
    """By how strong they are."""


@dataclass(frozen=True, slots=True)
class AlertFigures:
    """What was simulated, and what came of it."""

    stream_hours: float
    sensitivities: dict[str, RuleFigures]
    compared: dict[str, list[RuleFigures]]
    """At so many false alarms in eight hours ("0.1", "1", "8") or fewer, as its lines allow: each rule."""


def measure(hours: float, *, streams: int = STREAMS, fakes: int = FAKE_STREAMS, seed: int = 1) -> AlertFigures:
    """Simulate `streams` x `hours` of real faces and `fakes` minutes of each kind of fake. The same every time."""
    stream_hours = hours * streams
    rules = candidates(LINES, streams)
    counts = _false_alarms(rules, hours, streams, seed)
    wanted: dict[str, list[tuple[int, int]]] = {}
    for target in sorted({one.false_alarms_per_8_h for one in Sensitivity}):
        allowed = target * stream_hours / SHIFT_H
        found = [
            (place, int(np.argmax(count <= allowed))) for place, count in enumerate(counts) if count[-1] <= allowed
        ]
        wanted[f"{target:g}"] = found
    ours = {one.value: int(np.argmin(np.abs(LINES - one.rules.alert_above))) for one in Sensitivity}
    needed = sorted({pair for pairs in wanted.values() for pair in pairs} | {(0, place) for place in ours.values()})
    noticed = {name: _noticed(needed, *level, fakes, seed) for name, level in FAKES.items()}

    def figures(pair: tuple[int, int]) -> RuleFigures:
        count = int(counts[pair[0]][pair[1]])
        low, high = poisson_interval(count, stream_hours / SHIFT_H)
        return RuleFigures(
            rules[pair[0]].name,
            float(LINES[pair[1]]),
            count * SHIFT_H / stream_hours,
            (low, high),
            {name: by_pair[pair] for name, by_pair in noticed.items()},
        )

    return AlertFigures(
        stream_hours,
        {name: figures((0, place)) for name, place in ours.items()},
        {target: [figures(pair) for pair in pairs] for target, pairs in wanted.items()},
    )


def _false_alarms(rules: Sequence[Rule], hours: float, streams: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Of each rule, by line."""
    scores = Scores(streams, seed)
    counts = [np.zeros(len(rule.lines), dtype=np.int64) for rule in rules]
    for _ in range(round(hours * 3600 / STEP_S)):
        logits, new = scores.step()
        for place, rule in enumerate(rules):
            counts[place] += rule.step(logits, new).sum(axis=1)
    return counts


def _noticed(
    pairs: Sequence[tuple[int, int]], level: float, spread: float, count: int, seed: int
) -> dict[tuple[int, int], Noticed]:
    """How each (rule, line) of `pairs` meets fakes of this level."""
    rng = np.random.default_rng(seed)
    scores = Scores(count, seed + 1, levels=np.minimum(real_levels(rng, count), -0.5))
    rules = {pair: candidates(LINES[pair[1] : pair[1] + 1], count)[pair[0]] for pair in pairs}
    first_s = {pair: np.full(count, np.inf) for pair in pairs}
    before = round(REAL_BEFORE_S / STEP_S)
    for step in range(before + round(FAKE_S / STEP_S)):
        if step == before:
            scores.switch(level + spread * rng.normal(size=count))
        logits, new = scores.step()
        for pair, rule in rules.items():
            raised = rule.step(logits, new)[0]
            if step >= before:
                at_s = (step - before + 1) * STEP_S
                first_s[pair] = np.where(raised & np.isinf(first_s[pair]), at_s, first_s[pair])
    return {pair: Noticed(float(np.isfinite(at_s).mean()), float(np.median(at_s))) for pair, at_s in first_s.items()}

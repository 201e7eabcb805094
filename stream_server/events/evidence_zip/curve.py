"""The scores of one event as drawn: in seconds from its start, few enough, with what interrupts them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from analyzer.alerting.series import LARGEST, Series
from analyzer.alerting.verdict import VerdictRules
from analyzer.datatypes import NotScored, Observation
from analyzer.scorer import sigmoid
from stream_server.event import Event

MOST_DRAWN: Final = 800
"""Points: about one for each pixel of the chart's width."""
_GAP_S: Final = VerdictRules().restart_s
"""Nobody saw what was between two scores further apart: the line breaks."""
_NEAR_S: Final = 3600.0
"""A series whose times lie so near to the event's is by the same clock."""


@dataclass(frozen=True, slots=True)
class Point:
    """The score of one window."""

    at_s: float
    """From the event's start."""
    fake_probability: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """The face could not be judged."""

    start_s: float
    end_s: float
    reason: NotScored


@dataclass(frozen=True, slots=True)
class Curve:
    """The scores of the event's face."""

    lines: tuple[tuple[Point, ...], ...]
    """Without a gap in each; at most `MOST_DRAWN` points in all."""
    unfit: tuple[Stretch, ...]
    scores: int
    """Before thinning."""
    not_numbers: int
    """Scores that were none; they are not drawn."""
    aligned: bool
    """The series has another clock: its highest score was laid at the peak, or its begin at the start."""


def make_curve(series: Series, event: Event) -> Curve:
    """Of the event's face alone; empty where it was never scored."""
    seen = sorted((one for one in series.observations if one.face_id == event.face_id), key=lambda one: one.at_s)
    origin_s, aligned = _origin(seen, event)
    lines: list[list[Point]] = [[]]
    unfit: list[Stretch] = []
    unfit_now, not_numbers = False, 0
    for one in seen:
        at_s = one.at_s - origin_s
        if unfit_now:  # until the next thing that was learnt of it, but no longer than that says anything
            last = unfit[-1]
            unfit_now = at_s - last.end_s <= _GAP_S
            unfit[-1] = Stretch(last.start_s, min(at_s, last.end_s + _GAP_S), last.reason)
        if one.unfit is not None and not (unfit_now and unfit[-1].reason is one.unfit):
            unfit.append(Stretch(at_s, at_s, one.unfit))
        unfit_now = one.unfit is not None
        if one.logit is not None and math.isfinite(one.logit):
            if lines[-1] and at_s - lines[-1][-1].at_s > _GAP_S:
                lines.append([])
            lines[-1].append(Point(at_s, sigmoid(one.logit)))
        elif one.logit is not None or one.unfit is not None or one.ended:
            not_numbers += one.logit is not None
            lines.append([])
    whole = [line for line in lines if line]
    return Curve(_thinned(whole), tuple(unfit), sum(map(len, whole)), not_numbers, aligned)


def _origin(seen: Sequence[Observation], event: Event) -> tuple[float, bool]:
    """What the series calls the event's start, and whether that had to be guessed."""
    start_s = event.started_at
    if not math.isfinite(start_s) or abs(start_s) > LARGEST:
        start_s = 0.0
    if not seen or abs(seen[-1].at_s - start_s) < _NEAR_S or abs(seen[0].at_s - start_s) < _NEAR_S:
        return start_s, False
    scored = [one for one in seen if one.logit is not None and math.isfinite(one.logit)]
    if not scored or event.peak_at is None or not abs(event.peak_at - start_s) < LARGEST:
        return seen[0].at_s, True
    highest = max(scored, key=lambda one: one.logit or -math.inf)
    return highest.at_s - (event.peak_at - start_s), True


def _thinned(lines: Sequence[Sequence[Point]]) -> tuple[tuple[Point, ...], ...]:
    """The lowest and the highest point of each of many short runs: no peak is lost."""
    flat = [(number, point) for number, line in enumerate(lines) for point in line]
    if len(flat) > MOST_DRAWN:
        step = math.ceil(len(flat) / (MOST_DRAWN // 2))
        flat = [kept for i in range(0, len(flat), step) for kept in _extremes(flat[i : i + step])]
    kept: dict[int, list[Point]] = {}
    for number, point in flat:
        kept.setdefault(number, []).append(point)
    return tuple(map(tuple, kept.values()))


def _extremes(run: Sequence[tuple[int, Point]]) -> Iterable[tuple[int, Point]]:
    order = sorted(range(len(run)), key=lambda i: run[i][1].fake_probability)
    return [run[i] for i in sorted({order[0], order[-1]})]

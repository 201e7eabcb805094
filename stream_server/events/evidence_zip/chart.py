"""A curve of scores as one inline SVG, whose colours come from the page around it."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import Final

from stream_server.event import Event
from stream_server.events.evidence_zip.curve import Curve, Point, Stretch
from stream_server.events.evidence_zip.words import percent

THRESHOLD: Final = 0.5
"""The operating point of the weights."""
_WIDTH: Final = 880
_LEFT, _RIGHT = 48, 868
_TOP, _BOTTOM = 52, 232
"""Of 100 % and 0 %; above are three rows for the marks' names, below what could not be judged, and the time."""
_BAND: Final = (238, 10)
"""Top and height of the band of what could not be judged."""
_HEIGHT: Final = 286
_TICKS: Final = 8
_FURTHEST_S: Final = 1e9


class _Scale:
    def __init__(self, moments_s: Iterable[float]) -> None:
        known = [one for one in moments_s if abs(one) < _FURTHEST_S]
        self.first_s, self.last_s = min(known, default=0.0), max(known, default=0.0)
        if self.last_s - self.first_s < 1:
            self.first_s, self.last_s = self.first_s - 0.5, self.last_s + 0.5

    def x(self, at_s: float) -> float:
        share = (at_s - self.first_s) / (self.last_s - self.first_s)
        return round(_LEFT + min(1.0, max(0.0, share)) * (_RIGHT - _LEFT), 1)


def _y(probability: float) -> float:
    return round(_BOTTOM - probability * (_BOTTOM - _TOP), 1)


def draw(curve: Curve, event: Event) -> str:
    """The chart as an `<svg>`; everything in it is ours or a number, and escaped all the same."""
    marks = _marks(event)
    points = [point.at_s for line in curve.lines for point in line]
    bands = [moment for one in curve.unfit for moment in (one.start_s, one.end_s)]
    scale = _Scale([*points, *(at_s for at_s, _, _ in marks), *bands])
    highest = max((point.fake_probability for line in curve.lines for point in line), default=None)
    says = f"{curve.scores} scores over time, the highest {percent(highest)}, with a line at the threshold of 50 %"
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(says)}">'
        f"{_grid(scale)}{_bands(curve.unfit, scale)}{_lines(curve.lines, scale)}{_named(marks, scale)}</svg>"
    )


def _marks(event: Event) -> list[tuple[float, str, str]]:
    """Seconds from the start, class, name."""
    found = [(0.0, "start", "start")]
    if event.peak_at is not None:
        found.append((event.peak_at - event.started_at, "peak", f"peak {percent(event.peak_probability)}"))
    if event.ended_at is not None:
        found.append((event.ended_at - event.started_at, "end", "end"))
    return [mark for mark in found if abs(mark[0]) < _FURTHEST_S]


def _grid(scale: _Scale) -> str:
    parts = [
        f'<rect class="above" x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_y(THRESHOLD) - _TOP}"/>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        kind = "threshold" if share == THRESHOLD else "grid"
        parts.append(f'<path class="{kind}" d="M{_LEFT} {y}H{_RIGHT}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{100 * share:.0f} %</text>')
    parts.append(f'<text class="tick" x="{_RIGHT - 4}" y="{_y(THRESHOLD) - 4}" text-anchor="end">threshold</text>')
    step_s = _step(scale.last_s - scale.first_s)
    for number in range(math.ceil(scale.first_s / step_s), math.floor(scale.last_s / step_s) + 1):
        x, at_s = scale.x(number * step_s), number * step_s
        parts.append(f'<path class="grid" d="M{x} {_BOTTOM}V{_BOTTOM + 4}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{_BOTTOM + 32}" text-anchor="middle">{at_s:g} s</text>')
    middle = (_LEFT + _RIGHT) / 2
    parts.append(
        f'<text class="tick" x="{middle}" y="{_HEIGHT - 4}" text-anchor="middle">seconds from the alert\'s start</text>'
    )
    return "".join(parts)


def _step(span_s: float) -> float:
    """1, 2 or 5 times a power of ten, so that there are at most `_TICKS`."""
    power = 10.0 ** math.floor(math.log10(span_s / _TICKS))
    return next(power * one for one in (1, 2, 5, 10) if span_s / (power * one) <= _TICKS)


def _bands(unfit: Sequence[Stretch], scale: _Scale) -> str:
    """What touches on the screen is drawn once, so there are never more than pixels."""
    parts: list[tuple[float, float, set[str]]] = []
    for one in unfit:
        left, right = scale.x(one.start_s), scale.x(one.end_s)
        if parts and left - parts[-1][1] < 1:
            parts[-1] = (parts[-1][0], max(right, parts[-1][1]), parts[-1][2] | {one.reason.value})
        else:
            parts.append((left, max(right, left + 2), {one.reason.value}))
    top, height = _BAND
    return "".join(
        f'<rect class="unfit" x="{left}" y="{top}" width="{right - left:.1f}" height="{height}">'
        f"<title>not judged: {html.escape(', '.join(sorted(why)))}</title></rect>"
        for left, right, why in parts
    )


def _lines(lines: Sequence[Sequence[Point]], scale: _Scale) -> str:
    drawn = []
    for line in lines:
        points = " ".join(f"{scale.x(point.at_s)} {_y(point.fake_probability)}" for point in line)
        drawn.append(f"M{points}" + ("h0" if len(line) == 1 else ""))  # a single one is a dot
    return f'<path class="scores" d="{"".join(drawn)}"/>' if drawn else ""


def _named(marks: Sequence[tuple[float, str, str]], scale: _Scale) -> str:
    parts = []
    for row, (at_s, kind, name) in enumerate(marks):
        x, y = scale.x(at_s), 14 + 15 * row  # each in a row of its own: names never lie over each other
        right = x > 0.85 * _RIGHT
        place = f'x="{x - 5 if right else x + 5}" y="{y}" text-anchor="{"end" if right else "start"}"'
        parts.append(f'<path class="mark {kind}" d="M{x} {y - 10}V{_BOTTOM}"/>')
        parts.append(f'<text class="name {kind}" {place}>{html.escape(name)}</text>')
    return "".join(parts)

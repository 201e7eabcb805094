"""How single figures are written, in tables, reports and plots alike. `-` is "not measured"."""

from __future__ import annotations

from typing import Final

from analyzer.evaluation.results.section_figures import Interval
from analyzer.training.reporting.metrics import Estimate

NOT_MEASURED: Final = "-"


def short(value: float | None, digits: int = 2) -> str:
    """A share as `.81`; 1 and 0 keep their digit in front, and nothing else is rounded to them: `>.99`, `<.01`."""
    if value is None:
        return NOT_MEASURED
    rounded, step = round(value, digits), 10**-digits
    if 0 < value < 1 and rounded in {0, 1}:
        return f">{_bare(1 - step, digits)}" if rounded else f"<{_bare(step, digits)}"
    return _bare(value, digits)


def _bare(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") and value != 0 else text


def percent(value: float | None) -> str:
    """A share as `4.2 %`; only all is `100 %`, and only none `0 %`."""
    if value is None:
        return NOT_MEASURED
    if value in {0, 1}:
        return f"{100 * value:.0f} %"
    text = f"{100 * value:.1f}"
    return {"100.0": ">99.9 %", "0.0": "<0.1 %"}.get(text, f"{text} %")


def interval(ends: Interval | None, digits: int = 2) -> str:
    """` [.72-.88]` with its blank in front, or nothing; no end is rounded to certainty."""
    if ends is None:
        return ""
    (low, high), step = ends, 10**-digits
    low = low if low >= 1 else min(low, 1 - step)
    high = high if high <= 0 else max(high, step)
    return f" [{_bare(low, digits)}-{_bare(high, digits)}]"


def whole(share: float) -> str:
    """In whole per cent, `>99` and `<1` as in `short`."""
    text = f"{100 * share:.0f}"
    return {"100": ">99", "0": "<1"}.get(text, text) if 0 < share < 1 else text


def whole_ends(ends: Interval | None) -> str:
    """` [24-66]` in whole per cent."""
    if ends is None:
        return ""
    low, high = round(100 * ends[0]), round(100 * ends[1])
    return f" [{low if ends[0] >= 1 else min(low, 99)}-{high if ends[1] <= 0 else max(high, 1)}]"


def estimate(figure: Estimate, *, few: bool = False, digits: int = 2) -> str:
    """Value and interval; in parentheses where it rests on few files."""
    if figure.value is None:
        return NOT_MEASURED
    text = f"{short(figure.value, digits)}{interval(figure.interval, digits)}"
    return f"({text})" if few else text


def of(count: int, total: int, figure: Estimate) -> str:
    """`13/29 45% [24-66]`: counts first, for there are never many files."""
    if not total:
        return NOT_MEASURED
    return f"{count}/{total} {whole(count / total)}%{whole_ends(figure.interval)}"


def bracketed(text: str, few: bool) -> str:
    """In parentheses where it rests on few of something."""
    return f"({text})" if few and text != NOT_MEASURED else text


def signed(value: float) -> str:
    """A difference as `+.03`."""
    return f"{'-' if value < 0 else '+'}{_bare(abs(value))}"


def signed_ends(ends: Interval | None) -> str:
    """` [-.02 +.10]`."""
    return "" if ends is None else f" [{signed(ends[0])} {signed(ends[1])}]"

"""A weights card as Markdown for people: what the weights find and miss, the threshold, what they learned from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from analyzer.config import FACE_SIZE, NUM_FRAMES, Aggregate
from analyzer.model.card import Measured, WeightsCard

NOT_MEASURED: Final = "-"
ROW_NAMES: Final = {"real swaps": "face swaps", "live swap": "of these, live swappers"}
"""Rows of the evaluation's table under the names that readers expect."""
AGGREGATES: Final[dict[str, str]] = {
    Aggregate.WINDOWS: "mean logit of the most suspicious face over its windows",
    Aggregate.WINDOWS_TOP: "mean logit of the most suspicious face over the highest quarter of its windows",
    Aggregate.EVENLY_SPACED: "16 faces of the main face, evenly spaced, as one window",
}


def card_page(card: WeightsCard) -> list[str]:
    """The card as lines of Markdown, every figure from `card.measured`; sets of files in the order measured."""
    lines = [f"## {card.name}", "", card.description, ""]
    if card.coverage:
        lines += [f"**{card.coverage}**", ""]
    lines += ["| | |", "|---|---|", *_facts(card), ""]
    for name in _sets(card):
        lines += [f"### Measured on `{name}`", "", *_figures(card, name), ""]
    lines += ["### Trained on", "", *(f"- {one}" for one in card.trained_on), "", f"**Licence.** {card.licence}", ""]
    lines += ["### What it does not do", "", *(f"- {one}" for one in card.limits)]
    return lines


def card_summary(card: WeightsCard) -> str:
    """One paragraph: the coverage, and the AUC of the set measured last, in all and by row."""
    parts = [f"The shipped weights are `{card.name}`.", card.coverage]
    for name in _sets(card)[-1:]:
        rows = [
            f"{ROW_NAMES.get(row, row)} {_auc(card.measured.get(f'{name}.rows.{row}.auc'))} ({found.n} files)"
            for row in _rows(card, name)
            if (found := card.measured.get(f"{name}.rows.{row}.tpr")) is not None
        ]
        total, real = card.measured[f"{name}.video.auc"], card.measured.get(f"{name}.threshold.fpr")
        parts.append(
            f"AUC, the chance that a fake scores above a real video, on {total.n} videos [95 % interval]: "
            f"{_auc(total)}; {', '.join(rows)}."
        )
        if real is not None:
            parts.append(f"At the threshold {_share(real)} real videos were flagged.")
    return " ".join(filter(None, parts))


def _facts(card: WeightsCard) -> Iterable[str]:
    values = card.calibration
    window = f"{values.a:.3g} x window path + " if values.a else ""
    yield f"| network | `{card.architecture}`: {NUM_FRAMES} faces of {FACE_SIZE} x {FACE_SIZE} |"
    yield f"| sha256 | `{card.sha256}` |"
    yield f"| version, date | {card.version}, {card.created[:10]} |"
    yield (
        f"| score of a window | sigmoid({window}{values.b:.3g} x mean of the {NUM_FRAMES} faces' logits "
        f"{'+' if values.c >= 0 else '-'} {abs(values.c):.3g}) |"
    )
    yield f"| score of a video | {AGGREGATES.get(card.aggregate, card.aggregate)} |"
    for key, what in (("windows", "windows"), ("clips", "clips")):
        found = card.measured.get(f"calibration.real_{key}_flagged")
        if found is not None:
            bound = f", at most {_percent(found.interval[1])} with 95 % confidence" if found.interval else ""
            groups = re.search(r"on (\d+) groups", found.note or "")
            count = f"{found.n} of {groups[1]} sources" if groups else f"{found.n}"
            yield f"| real {what} above the threshold at calibration | {_percent(found.value)} of {count}{bound} |"
    yield f"| seeds | {', '.join(map(str, card.seeds)) or NOT_MEASURED} |"
    yield f"| command | `{card.command or NOT_MEASURED}` |"


def _sets(card: WeightsCard) -> list[str]:
    """Names of the sets of files that were measured with `evaluate --card`."""
    return [key.removesuffix(".video.auc") for key in card.measured if key.endswith(".video.auc")]


def _rows(card: WeightsCard, name: str) -> list[str]:
    return list(dict.fromkeys(key.split(".")[2] for key in card.measured if key.startswith(f"{name}.rows.")))


def _figures(card: WeightsCard, name: str) -> Iterable[str]:
    measured = card.measured
    total, real = measured[f"{name}.video.auc"], measured.get(f"{name}.threshold.fpr")
    command = next((note for note in (total.note or "").split("; ") if note.startswith("deepfake-monitor")), None)
    if command:
        yield from (f"    {command}", "")
    yield "| fakes | files | AUC [95 %] | above the threshold |"
    yield "|---|---|---|---|"
    for row in _rows(card, name):
        auc, found = measured.get(f"{name}.rows.{row}.auc"), measured.get(f"{name}.rows.{row}.tpr")
        count = NOT_MEASURED if found is None else str(found.n)
        yield f"| {ROW_NAMES.get(row, row)} | {count} | {_auc(auc)} | {_share(found)} |"
    yield f"| all | {total.n} with the reals | {_auc(total)} | {_share(measured.get(f'{name}.threshold.tpr'))} |"
    yield f"| none: real files | {NOT_MEASURED if real is None else real.n} | | {_share(real)} |"


def _auc(figure: Measured | None) -> str:
    if figure is None:
        return NOT_MEASURED
    ends = "" if figure.interval is None else f" [{_short(figure.interval[0])}-{_short(figure.interval[1])}]"
    return f"{_short(figure.value)}{ends}"


def _share(figure: Measured | None) -> str:
    """`2 of 8 [0-81 %]`."""
    if figure is None or figure.n is None:
        return NOT_MEASURED
    ends = "" if figure.interval is None else f" [{100 * figure.interval[0]:.0f}-{_percent(figure.interval[1])}]"
    return f"{round(figure.value * figure.n)} of {figure.n}{ends}"


def _short(value: float) -> str:
    """`.81`; only a perfect figure is written as one."""
    if 0 < value < 1 and round(value, 2) in {0, 1}:
        return ">.99" if round(value) else "<.01"
    text = f"{value:.2f}"
    return text[1:] if text.startswith("0.") else text


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"

"""What an evaluation measured, written into the card of the weights: nobody types a figure by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from analyzer.errors import WeightsError
from analyzer.evaluation.report.output import check_writable, write_whole
from analyzer.evaluation.results.evaluation_report import EvaluationReport
from analyzer.evaluation.results.quality import FEW, Quality
from analyzer.evaluation.results.rows import LIP_SYNC, LIVE, REENACTMENT, REPLAY, SWAP, SYNTHESIS
from analyzer.model.card import MAX_CARD_BYTES, Measured, WeightsCard, card_path, read_card
from analyzer.scorer import ScorerInfo
from analyzer.training.reporting.metrics import MIN_SOURCES, Estimate

DIGITS: Final = 4
COUNTS: Final = "; counts, not quality"
"""Said of figures of few files."""
OPERATORS_WORDS: Final = {
    SWAP: "face swaps",
    REENACTMENT: "reenactments",
    LIP_SYNC: "lip-syncs",
    SYNTHESIS: "fully generated ones",
    REPLAY: "replays",
}
"""Rows of the table as operators read them. Live swaps are among the face swaps."""
SECTIONS: Final = ("video", "threshold", "rows", "methods")
"""Names below the set's that every evaluation writes anew; `families` is how an older one called its rows."""


def check_card(weights: Path, info: ScorerInfo) -> None:
    """Find out before the work whether the figures may be written. `WeightsError`, `ConfigError`."""
    card = read_card(weights)
    if info.weights_sha256 is None or card.sha256.lower() != info.weights_sha256.lower():
        raise WeightsError(f"{card_path(weights)} is not the card of the weights that are measured; it stays as it is")
    check_writable(card_path(weights))


def write_card(weights: Path, report: EvaluationReport) -> None:
    """Put the measured figures into the card; those of the same set and section that stood there before are gone.

    Everything else in the card stays as it is, fields that this version does not know among it. `WeightsError`,
    `ConfigError`.
    """
    check_card(weights, report.scorer)
    path = card_path(weights)
    stored = json.loads(path.read_text(encoding="utf-8"))
    found = measured(report)
    name = set_name(report)
    written = {f"{name}.{section}" for section in (*SECTIONS, "families")} | {
        ".".join(key.split(".")[:2]) for key in found
    }
    kept = {
        key: value for key, value in stored.get("measured", {}).items() if ".".join(key.split(".")[:2]) not in written
    }
    stored["measured"] = kept | {key: asdict(one) for key, one in found.items()}
    stored["coverage"] = coverage(report)
    text = json.dumps(stored, indent=2, ensure_ascii=False) + "\n"
    WeightsCard.from_json(text, str(path))  # what is written can be read again
    data = text.encode()
    if len(data) > MAX_CARD_BYTES:
        raise WeightsError(
            f"{path}: with these figures the card would have {len(data)} bytes, {MAX_CARD_BYTES} is most"
        )
    write_whole(path, data)


def coverage(report: EvaluationReport) -> str:
    """What share of fakes was found, by row of the table, for operators; empty without fakes or reals."""
    video = report.video
    found = [
        f"{row.quality.flagged_fake} of {row.quality.n_fake} {OPERATORS_WORDS.get(row.name, row.name)}"
        for row in report.rows[:-1]  # the last one is all of them
        if row.quality is not None and row.quality.n_fake and row.name != LIVE
    ]
    if not found or not video.n_real:
        return ""
    listed = " and ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else found[0]
    return (
        f"Of the videos it was measured on, this detector flagged {listed}, and {video.flagged_real} of "
        f"{video.n_real} genuine ones."
    )


def set_name(report: EvaluationReport) -> str:
    """What figures are named after: the manifest and its split, for many lists have a split `val`. Holds no dot."""
    return "_".join(filter(None, (Path(report.manifest).stem, report.split))).replace(".", "_") or "all"


def measured(report: EvaluationReport) -> Mapping[str, Measured]:
    """Every figure under `SET.SECTION.NAME`, with what it rests on; a section's first one tells the command too."""
    name, begun = set_name(report), set()
    found = {}
    for key, one in _figures(report):
        section = key.partition(".")[0]
        first = report.command and section not in begun
        begun.add(section)
        found[f"{name}.{key}"] = replace(one, note=f"{one.note}; {report.command}") if first else one
    return found


def _figures(report: EvaluationReport) -> Iterator[tuple[str, Measured]]:
    video = report.video
    what = f"{video.n_fake} fake files of {video.fake_groups} sources, {video.n_real} real of {video.real_groups}"
    total = video.n_real + video.n_fake
    told = f"{what}{COUNTS if video.few else ''}"
    for key in ("auc", "eer", "average_precision", "tpr_at_1", "ece", "brier"):
        yield from _one(f"video.{key}", getattr(video.figures, key), total, told if key == "auc" else what)
    yield from _one(
        "threshold.fpr", video.figures.fpr, video.n_real, f"{video.flagged_real} of {video.n_real} real files"
    )
    yield from _one(
        "threshold.tpr", video.figures.tpr, video.n_fake, f"{video.flagged_fake} of {video.n_fake} fake files"
    )
    named = [("rows", row.name, row.quality) for row in report.rows[:-1]]
    named += [("methods", method, one) for method, one in report.methods.items()]
    for section, row, quality in named:
        if quality is not None:
            yield from _row(f"{section}.{row}", quality)
    yield from _pseudo(report)
    yield from _robustness(report)
    yield from _alarms(report)


def _row(key: str, quality: Quality) -> Iterator[tuple[str, Measured]]:
    note = f"{quality.n_fake} fake against {quality.n_real} real{COUNTS if quality.few else ''}"
    yield from _one(f"{key}.auc", quality.figures.auc, quality.n_real + quality.n_fake, note)
    found = f"{quality.flagged_fake} of {quality.n_fake} found at the threshold"
    yield from _one(f"{key}.tpr", quality.figures.tpr, quality.n_fake, found)


def _pseudo(report: EvaluationReport) -> Iterator[tuple[str, Measured]]:
    for row in report.pseudo:
        if row.auc is not None:
            note = f"{row.n_windows} windows of real faces of {row.n_groups} sources, each against its pseudo-fake"
            note += COUNTS if row.n_windows < FEW or row.n_groups < MIN_SOURCES else ""
            key = row.name.removeprefix("pseudo ")
            yield (f"pseudo.{key}.auc", _measured(Estimate(row.auc, row.auc_ci), 2 * row.n_windows, note))


def _robustness(report: EvaluationReport) -> Iterator[tuple[str, Measured]]:
    for cell in report.robustness:
        key, total = f"robustness.{cell.key or f'{cell.axis} {cell.level}'}", cell.n_real + cell.n_fake
        note = f"{cell.n_fake} fake, {cell.n_real} real files delivered as {cell.axis} {cell.level}"
        note += COUNTS if min(cell.n_fake, cell.n_real) < FEW else ""
        yield from _one(f"{key}.auc", Estimate(cell.auc, cell.auc_ci), total, note)
        yield from _one(f"{key}.fpr", Estimate(cell.fpr, cell.fpr_ci), cell.n_real, note)
        yield from _one(f"{key}.tpr", Estimate(cell.tpr, cell.tpr_ci), cell.n_fake, note)
    steady = report.steadiness
    if steady is not None:
        note = f"share of files with one verdict untouched and through {', '.join(steady.cells)}"
        note += COUNTS if steady.n < FEW else ""
        yield from _one("robustness.verdict kept", Estimate(steady.kept, steady.kept_ci), steady.n, note)


def _alarms(report: EvaluationReport) -> Iterator[tuple[str, Measured]]:
    one = report.alarms
    if one is None:
        return
    note = f"{one.episodes} false alarms in {one.real_hours:.2f} hours of real footage; {one.note}"
    rate = Estimate(one.episodes_per_hour, one.episodes_per_hour_ci)
    yield from _one("alarms.episodes per hour", rate, one.real_streams, note)
    in_alert = f"share of {one.real_hours:.2f} hours of real footage during which an alert was on"
    yield from _one("alarms.time in alert", Estimate(one.alerted_share, None), one.real_streams, in_alert)
    if one.fake_streams:
        caught = Estimate(one.caught_60_s / one.fake_streams, None)
        yield from _one(
            "alarms.caught within 60 s", caught, one.fake_streams, f"{one.caught_60_s} of {one.fake_streams} fakes"
        )


def _one(key: str, figure: Estimate, n: int, note: str) -> Iterator[tuple[str, Measured]]:
    if figure.value is not None:
        yield key, _measured(figure, n, note)


def _measured(figure: Estimate, n: int, note: str) -> Measured:
    ends = figure.interval
    rounded = None if ends is None else (round(ends[0], DIGITS), round(ends[1], DIGITS))
    return Measured(round(figure.value or 0.0, DIGITS), n, rounded, note)

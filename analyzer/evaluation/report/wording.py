"""Rows, pairs and notes of a report in words, the same in the terminal and in the HTML report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from analyzer.config import Aggregate
from analyzer.evaluation.report.numerals import (
    NOT_MEASURED,
    bracketed,
    estimate,
    interval,
    of,
    percent,
    short,
    signed,
    signed_ends,
    whole,
    whole_ends,
)
from analyzer.evaluation.results.comparison import ComparedRow, Comparison
from analyzer.evaluation.results.evaluation_report import EvaluationReport
from analyzer.evaluation.results.quality import FEW, FOR_ONE_PERCENT, Quality
from analyzer.evaluation.results.section_figures import (
    AlarmFigures,
    PointingFigures,
    PointingRow,
    PseudoRow,
    RobustnessCell,
    Share,
)
from analyzer.training.reporting.metrics import ECE_BINS, MIN_SOURCES, Estimate

QUALITY_HEAD: Final = (
    "set", "fake", "real", "AUC [95 %]", "EER", "AP", "TPR@1%FPR", "TPR@thr", "FPR@thr", "ECE", "Brier", "abstain",
)  # fmt: skip


def quality_cells(name: str, quality: Quality | None, *, pooled: bool = False) -> list[str]:
    """One row of section A, in the order of `QUALITY_HEAD`."""
    if quality is None:
        return [name] + [NOT_MEASURED] * (len(QUALITY_HEAD) - 1)
    found, few = quality.figures, quality.few

    def single(figure: Estimate) -> str:
        return NOT_MEASURED if figure.value is None else f"({short(figure.value)})" if few else short(figure.value)

    at_threshold = [
        of(quality.flagged_fake, quality.n_fake, found.tpr),
        of(quality.flagged_real, quality.n_real, found.fpr),
        single(found.ece),
        single(found.brier),
    ]
    return [
        name,
        str(quality.n_fake),
        str(quality.n_real),
        estimate(found.auc, few=few),
        single(found.eer),
        single(found.average_precision),
        single(found.tpr_at_1),
        *at_threshold,
        percent(quality.abstention(everything=pooled)),
    ]


def baseline_cells(name: str, quality: Quality | None) -> list[str]:
    """A baseline under the same heads: one path alone has no threshold and no probability, and none abstains."""
    cells = quality_cells(name, quality)
    shown = len(cells) - (5 if name.endswith(" only") else 1)
    return cells[:shown] + [NOT_MEASURED] * (len(cells) - shown)


def pseudo_cells(row: PseudoRow) -> list[str]:
    """A pseudo-fake row under the same heads; its counts are windows, and the sources of the real ones."""
    few = _few_windows(row)

    def single(value: float | None) -> str:
        return bracketed(short(value), few)

    return [
        row.name,
        f"{row.n_windows} win",
        f"{row.n_windows} win/{row.n_groups}",
        bracketed(f"{short(row.auc)}{interval(row.auc_ci)}", few),
        single(row.eer),
        single(row.average_precision),
        single(row.tpr_at_1),
        bracketed(percent(row.tpr), few),
        bracketed(percent(row.fpr), few),
        single(row.ece),
        NOT_MEASURED,
        NOT_MEASURED,
    ]


def _few_windows(row: PseudoRow) -> bool:
    """A hundred windows of one person say what one person says."""
    return row.n_windows < FEW or row.n_groups < MIN_SOURCES


def run_line(report: EvaluationReport) -> str:
    """The first line: what these figures belong to."""
    run = report.provenance
    reals = NOT_MEASURED if run.train_reals is None else str(run.train_reals)
    people = NOT_MEASURED if run.train_identities is None else str(run.train_identities)
    seeds = ", ".join(map(str, run.seeds)) or NOT_MEASURED
    origin = run.threshold_from or NOT_MEASURED
    count = NOT_MEASURED if run.threshold_n is None else str(run.threshold_n)
    return (
        f"run: commit {(run.commit or NOT_MEASURED)[:12]}  weights {run.model} sha256 {run.sha256[:12]}  "
        f"train reals/identities {reals}/{people}  seeds {seeds}  threshold {report.threshold:g} from {origin} "
        f"(n real {count})"
    )


def set_line(report: EvaluationReport) -> str:
    """What was measured, on what."""
    split = f", split {report.split}" if report.split else ""
    video = report.video
    return (
        f"{report.manifest}{split}: {video.n_fake} fake files of {video.fake_groups} sources, {video.n_real} real of "
        f"{video.real_groups}; one number per file by {report.aggregate}, on {report.scorer.device}"
    )


def reading_notes(report: EvaluationReport) -> list[str]:
    """What a reader of section A must know about these very figures."""
    video, notes = report.video, []
    sets = [row.quality for row in (*report.rows, *report.baselines) if row.quality is not None]
    sets += [*report.methods.values(), *report.families.values(), *report.reals.values()]
    if any(one.few and one.n_real + one.n_fake for one in sets):
        notes.append(f"(in parentheses): fewer than {FEW} files of a kind. Read the counts, not the figure.")
    if 0 < video.n_real < FOR_ONE_PERCENT:
        notes.append(
            f"TPR@1%FPR with {video.n_real} real files: found by a threshold above every one of them. "
            f"1 % begins at {FOR_ONE_PERCENT} real files."
        )
    notes += _pseudo_notes(report.pseudo)
    if video.figures.ece.value is not None:
        notes.append(
            f"ECE has {ECE_BINS} bins of equal width. So few files have {short(video.ece_floor)} by chance alone, were "
            "the scores perfectly true (pooled)."
        )
    paths = [row for row in report.baselines if row.name.endswith(" only")]
    if report.aggregate == Aggregate.EVENLY_SPACED and report.scored and any(row.quality is None for row in paths):
        notes.append(
            f"{' and '.join(row.name for row in paths)}: not measured, for by {report.aggregate} a file's number is "
            "not made of its windows, and only those are known by path."
        )
    notes.append("abstain: files in which no face was fit to be judged; of the row's fakes, in pooled of all files.")
    return notes


def _pseudo_notes(rows: Sequence[PseudoRow]) -> list[str]:
    measured = [row for row in rows if row.auc is not None]
    notes = []
    if measured:
        notes.append("pseudo-fakes: win/N are windows of real faces of N sources, each against its pseudo-fake.")
    if any(_few_windows(row) for row in measured):
        notes.append(f"pseudo-fakes (in parentheses): fewer than {FEW} windows, or fewer than {MIN_SOURCES} sources.")
    if any(row.n_windows < FOR_ONE_PERCENT for row in measured):
        notes.append(
            f"pseudo-fakes, TPR@1%FPR with fewer than {FOR_ONE_PERCENT} windows: found by a threshold above every "
            "real one."
        )
    return notes + [f"pseudo-fakes: {note}." for note in dict.fromkeys(row.note for row in rows if row.note)]


COMPARISON_HEAD: Final = (
    "set", "fake", "real", "AUC [95 %]", "other's AUC [95 %]", "gain [95 %]", "TPR@thr", "other's TPR@thr", "FPR@thr",
    "other's FPR@thr",
)  # fmt: skip


def comparison_cells(row: ComparedRow) -> list[str]:
    """One row of the comparison, in the order of `COMPARISON_HEAD`."""
    few, ours, other = row.ours.few, row.ours, row.other
    gain = NOT_MEASURED if row.gain.value is None else f"{signed(row.gain.value)}{signed_ends(row.gain.interval)}"
    return [
        row.name,
        str(ours.n_fake),
        str(ours.n_real),
        estimate(ours.figures.auc, few=few),
        estimate(other.figures.auc, few=few),
        bracketed(gain, few),
        of(ours.flagged_fake, ours.n_fake, ours.figures.tpr),
        of(other.flagged_fake, other.n_fake, other.figures.tpr),
        of(ours.flagged_real, ours.n_real, ours.figures.fpr),
        of(other.flagged_real, other.n_real, other.figures.fpr),
    ]


def comparison_line(comparison: Comparison) -> str:
    """What was compared."""
    left_out = f"; {comparison.left_out} files were scored by one of the two only" if comparison.left_out else ""
    return (
        f"other: {comparison.model} sha256 {comparison.sha256[:12]}, threshold {comparison.threshold:g}; gain is AUC "
        f"minus the other's, sources drawn once for both{left_out}"
    )


ROBUSTNESS_HEAD: Final = (
    "delivered as", "fake", "real", "AUC [95 %]", "AUC loss [95 %]", "TPR@thr [95 %]", "FPR@thr [95 %]",
    "reals flagged", "verdict kept", "lost",
)  # fmt: skip


def robustness_cells(cell: RobustnessCell) -> list[str]:
    """One row of section B."""
    few = _few_files(cell)
    loss = NOT_MEASURED if cell.auc_loss is None else f"{signed(cell.auc_loss)}{signed_ends(cell.auc_loss_ci)}"
    return [
        f"{cell.axis} {cell.level}",
        str(cell.n_fake),
        str(cell.n_real),
        bracketed(f"{short(cell.auc)}{interval(cell.auc_ci)}", few),
        bracketed(loss, few),
        bracketed(f"{percent(cell.tpr)}{whole_ends(cell.tpr_ci)}", cell.n_fake < FEW),
        bracketed(f"{percent(cell.fpr)}{whole_ends(cell.fpr_ci)}", cell.n_real < FEW),
        f"{cell.flagged_real_before} -> {cell.flagged_real}",
        percent(cell.verdict_kept),
        str(cell.not_scored),
    ]


def robustness_notes(cells: Sequence[RobustnessCell]) -> list[tuple[str, str]]:
    """What a reader of section B must know of single cells: (which, what)."""
    notes = []
    for cell in cells:
        name, count = f"{cell.axis} {cell.level}", cell.n_real + cell.n_fake
        if cell.left_as_is:
            notes.append((name, f"{cell.left_as_is} of {count} files already were so and were left as they are"))
        if cell.note:
            notes.append((name, f"{'lost' if cell.place else 'not scored'} {cell.note}"))
    if any(_few_files(cell) and cell.n_real + cell.n_fake for cell in cells):
        notes.append(("(in parentheses)", f"fewer than {FEW} files of a kind; read the counts, not the figure"))
    return notes


def _few_files(cell: RobustnessCell) -> bool:
    return min(cell.n_real, cell.n_fake) < FEW


def steadiness_line(report: EvaluationReport) -> str:
    """Section B in one figure."""
    one = report.steadiness
    seconds = next((cell.seconds for cell in report.robustness if cell.seconds is not None), None)
    start = "" if seconds is None else f"the first {seconds:g} s of each file; "
    if one is None or one.kept is None:
        return f"{start}verdict the same untouched and through every one of six re-deliveries: {NOT_MEASURED}"
    return (
        f"{start}verdict the same untouched and through every one of {', '.join(one.cells)}: "
        f"{whole(one.kept)}%{whole_ends(one.kept_ci)}, {round(one.kept * one.n)} of {one.n} files "
        f"({one.not_scored} were not scored in each)"
    )


def alarm_pairs(report: EvaluationReport) -> list[tuple[str, str]]:
    """Section C: name and value."""
    one = report.alarms
    if one is None:
        names = ("stream-hours", "episodes/h [95 %]", "in alert", "streams >= 1", "median s to alert", "caught < 60 s")
        return [(name, NOT_MEASURED) for name in names]
    share = one.alerted_share
    return [
        ("stream-hours", f"{one.real_hours:.2f} real, {one.real_streams} streams"),
        ("episodes/h [95 %]", _episodes(one)),
        ("in alert", NOT_MEASURED if share is None else f"{percent(share)} of real time"),
        ("streams >= 1", f"{one.real_streams_with_alert} of {one.real_streams}"),
        ("median s to alert", _to_alert(one)),
        ("caught < 60 s", _caught(one)),
        *(
            (name, f"{_episodes(other)} episodes/h, {_caught(other)}, median s {_to_alert(other)}")
            for name, other in one.others.items()
        ),
    ]


def _episodes(one: AlarmFigures) -> str:
    rate = NOT_MEASURED if one.episodes_per_hour is None else f"{one.episodes_per_hour:.2f}"
    ends = one.episodes_per_hour_ci
    return f"{rate}{'' if ends is None else f' [{ends[0]:.2f}-{ends[1]:.2f}]'} ({one.episodes} in all)"


def _to_alert(one: AlarmFigures) -> str:
    median_s = one.median_s_to_alert
    return NOT_MEASURED if median_s is None else f"{median_s:.1f} (of the {one.caught} caught)"


def _caught(one: AlarmFigures) -> str:
    return f"{one.caught_60_s} of {one.fake_streams} (at any time {one.caught})"


def cost_pairs(report: EvaluationReport) -> list[tuple[str, str]]:
    """Section D: name and value."""
    one = report.cost
    if one is None:
        names = ("params", "MMACs frame + window", "ms", "faces/s", "KiB per face", "streaming-vs-batch")
        return [(name, NOT_MEASURED) for name in names]
    speed = (
        NOT_MEASURED
        if one.ms_per_score is None
        else f"{one.ms_per_score:.1f} per new score, both paths, on {one.device}"
    )
    differs = one.streaming_difference
    return [
        ("params", f"{one.parameters / 1e6:.2f} M"),
        ("MMACs frame + window", f"{one.frame_mmacs:.0f} + {one.window_mmacs:.0f}"),
        ("ms", speed),
        ("faces/s", NOT_MEASURED if one.faces_per_s is None else f"{one.faces_per_s:.0f}, four at once"),
        ("KiB per face", f"{one.kib_per_face:.0f}"),
        (
            "streaming-vs-batch",
            NOT_MEASURED if differs is None else f"{differs:.1e} logit at most, {one.windows_tried} windows",
        ),
    ]


POINTING_HEAD: Final = (
    "target, family", "faces", "tracks", "network", "own real", "random nets", "centre", "best fixed", "chance",
    "lead over random", "lead over own real",
)  # fmt: skip


def pointing_line(found: PointingFigures) -> str:
    """What the pointing game was played on."""
    return f"{found.n_sources} sources, seed {found.seed}{f'; {found.note}' if found.note else ''}"


def pointing_cells(row: PointingRow) -> list[str]:
    """One row of the pointing game, in percent."""
    shares = (row.network, row.own_real, row.random, row.centre, row.best_fixed, row.chance, row.lead, row.lead_own)
    return [f"{row.target}, {row.name}", str(row.n_faces), str(row.n_tracks), *(_hundredths(one) for one in shares)]


def _hundredths(share: Share) -> str:
    ends = "" if share.ci is None else f" [{100 * share.ci[0]:.0f} {100 * share.ci[1]:.0f}]"
    return f"{whole(share.value)}{ends}"

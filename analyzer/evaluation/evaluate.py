"""What weights are worth: every file of a manifest through the serving code, from the file to one number.

Nothing is fitted here, and the threshold is the card's: what comes out is what a user of these weights gets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from analyzer.errors import ConfigError, DeepfakeMonitorError, DetectorError, MediaError, ScorerError, WeightsError
from analyzer.faces.detector import FaceDetector
from analyzer.report import DEFAULT_AGGREGATE, VideoReport
from analyzer.scorer import Scorer, ScorerInfo
from analyzer.training.manifest import Failure, Row, read_manifest
from analyzer.training.metrics import AtThreshold, at_threshold, auc, auc_interval
from analyzer.video import analyze_video

DRAWS: Final = 2000
FEW: Final = 20
"""With fewer files of either kind a figure is counts, not quality; the table says so."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One file and its score."""

    row: Row
    fake_probability: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one set of files."""

    n_real: int
    n_fake: int
    auc: float | None
    """Chance that a fake scores above a real; None without both kinds."""
    auc_ci: tuple[float, float] | None
    """95 % bootstrap interval over groups."""
    rates: AtThreshold


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Everything that `deepfake-monitor evaluate` found."""

    manifest: str
    split: str | None
    scorer: ScorerInfo
    aggregate: str
    threshold: float
    video: Quality
    families: Mapping[str, Quality]
    """Fakes of one family against every real."""
    methods: Mapping[str, Quality]
    scored: tuple[Scored, ...]
    failures: tuple[Failure, ...]
    """Rows that could not be read or show no face fit to be judged; pictures among them, for a still is no window."""

    def to_json(self) -> str:
        """The report as it is stored with `--json`."""
        return json.dumps(
            {
                "manifest": self.manifest,
                "split": self.split,
                "model": {
                    "name": self.scorer.model,
                    "sha256": self.scorer.weights_sha256,
                    "device": self.scorer.device,
                },
                "aggregate": self.aggregate,
                "video": _quality_json(self.video),
                "threshold": {"value": self.threshold, "fpr": self.video.rates.fpr, "tpr": self.video.rates.tpr},
                "families": {name: _quality_json(quality) for name, quality in self.families.items()},
                "methods": {name: _quality_json(quality) for name, quality in self.methods.items()},
                "files": [
                    {"file": one.row.file, "fake": one.row.fake, "fake_probability": one.fake_probability}
                    for one in self.scored
                ],
                "failures": [{"file": failure.file, "reason": failure.reason} for failure in self.failures],
            },
            indent=2,
            ensure_ascii=False,
        )


def _quality_json(quality: Quality) -> dict[str, object]:
    return {
        "auc": quality.auc,
        "auc_ci": quality.auc_ci,
        "n_real": quality.n_real,
        "n_fake": quality.n_fake,
        "fpr": quality.rates.fpr,
        "tpr": quality.rates.tpr,
    }


def run_evaluation(  # noqa: PLR0913  # independent choices of the caller
    manifest: Path,
    *,
    scorer: Scorer,
    detector: FaceDetector,
    split: str | None = None,
    json_out: Path | None = None,
    threshold: float = 0.5,
    aggregate: str = DEFAULT_AGGREGATE,
    console: Console | None = None,
) -> EvaluationReport:
    """Score every file of a manifest, print a table, write JSON if asked.

    `threshold` is the card's operating point on `fake_probability`. Rows that cannot be read or have no face are
    counted and named; pictures are too, since a still is no window of 16. Raises `ConfigError` for a bad manifest, an
    unknown split or an output that cannot be written, `WeightsError` without trained weights, `ScorerError`.
    """
    rows = read_manifest(manifest, split)
    if scorer.info.weights_sha256 is None:
        raise WeightsError(
            "there are no trained weights, so there is nothing to evaluate; see `deepfake-monitor doctor`"
        )
    if json_out is not None:
        _check_writable(json_out)  # before an hour of work, not after it
    console = console or Console()
    scored, failures = _score_all(rows, scorer, detector, aggregate, console)
    report = summarise(
        scored,
        failures,
        manifest=manifest.name,
        split=split,
        scorer=scorer.info,
        threshold=threshold,
        aggregate=aggregate,
    )
    print_report(report, console)
    if json_out is not None:
        json_out.write_text(report.to_json() + "\n", encoding="utf-8")
    return report


def _check_writable(path: Path) -> None:
    try:
        path.touch()
    except OSError as error:
        raise ConfigError(f"{path}: cannot write the results there: {error.strerror or error}") from error


def _score_all(
    rows: Sequence[Row], scorer: Scorer, detector: FaceDetector, aggregate: str, console: Console
) -> tuple[list[Scored], list[Failure]]:
    scored, failures = [], []
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("scoring", total=len(rows))
        for done, row in enumerate(rows):

            def tell(share: float, done: int = done) -> None:
                progress.update(task, completed=done + share)

            try:
                scored.append(Scored(row, _score(row, scorer, detector, aggregate, tell).raw_score))
            except (WeightsError, ScorerError, DetectorError, ConfigError):
                raise  # true of every row
            except DeepfakeMonitorError as error:
                failures.append(Failure(row.file, f"{error.code}: {error}"))
            progress.update(task, completed=done + 1)
    return scored, failures


def _score(
    row: Row, scorer: Scorer, detector: FaceDetector, aggregate: str, tell: Callable[[float], None]
) -> VideoReport:
    if row.is_picture:
        raise MediaError("a picture: a still is no window of 16 faces")
    if not row.path.is_file():
        raise MediaError("there is no such file")
    return analyze_video(row.path, detector=detector, scorer=scorer, aggregate=aggregate, progress=tell)


def summarise(  # what a report holds
    scored: Sequence[Scored],
    failures: Sequence[Failure],
    *,
    manifest: str,
    split: str | None,
    scorer: ScorerInfo,
    threshold: float,
    aggregate: str,
) -> EvaluationReport:
    """Figures over all files, and of each family and method against every real."""
    reals = [one for one in scored if not one.row.fake]
    fakes = [one for one in scored if one.row.fake]

    def against(name: Callable[[Row], str]) -> dict[str, Quality]:
        names = sorted({name(one.row) for one in fakes})
        return {
            chosen: quality([*reals, *(one for one in fakes if name(one.row) == chosen)], threshold) for chosen in names
        }

    return EvaluationReport(
        manifest=manifest,
        split=split,
        scorer=scorer,
        aggregate=aggregate,
        threshold=threshold,
        video=quality(scored, threshold),
        families=against(lambda row: row.family),
        methods=against(lambda row: row.method),
        scored=tuple(scored),
        failures=tuple(failures),
    )


def quality(scored: Sequence[Scored], threshold: float) -> Quality:
    """The figures of a set of scored files."""
    scores = [one.fake_probability for one in scored]
    fake = [one.row.fake for one in scored]
    return Quality(
        n_real=fake.count(False),
        n_fake=fake.count(True),
        auc=auc(scores, fake),
        auc_ci=auc_interval(scores, fake, [one.row.group for one in scored], draws=DRAWS),
        rates=at_threshold(scores, fake, threshold),
    )


def print_report(report: EvaluationReport, console: Console) -> None:
    """The table that people read."""
    info = report.scorer
    console.print(
        f"[bold]{info.model}[/bold] (sha256 {str(info.weights_sha256)[:12]}) on {info.device}, "
        f"{report.manifest}{f', split {report.split}' if report.split else ''}; one number per video by "
        f"{report.aggregate}, threshold {report.threshold:g}"
    )
    table = Table("set", "real", "fake", "AUC [95 %]", "FPR", "TPR")
    _add(table, "all videos", report.video)
    for title, rows in (("family", report.families), ("method", report.methods)):
        table.add_section()
        for name, one in rows.items():
            _add(table, f"{title}: {name}", one)
    console.print(table)
    if min(report.video.n_real, report.video.n_fake) < FEW:
        console.print(f"Fewer than {FEW} files of a kind: read these as counts, not as quality.")
    if report.failures:
        console.print(f"{len(report.failures)} files were not scored:")
        for failure in report.failures[:20]:
            console.print(f"  {failure.file}: {failure.reason}", markup=False)
        if len(report.failures) > 20:
            console.print(f"  ... and {len(report.failures) - 20} more (all of them with --json)")


def _add(table: Table, name: str, one: Quality) -> None:
    interval = f" [{one.auc_ci[0]:.2f}-{one.auc_ci[1]:.2f}]" if one.auc_ci else ""
    table.add_row(
        name,
        str(one.n_real),
        str(one.n_fake),
        "-" if one.auc is None else f"{one.auc:.3f}{interval}".replace("[", r"\["),
        "-" if one.rates.fpr is None else f"{one.rates.fpr:.0%}",
        "-" if one.rates.tpr is None else f"{one.rates.tpr:.0%}",
    )

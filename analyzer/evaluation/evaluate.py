"""What weights are worth: every file of a manifest through the serving code, from the file to one number.

Nothing is fitted here, and the threshold is the card's: what comes out is what a user of these weights gets.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analyzer.config import DEFAULT_AGGREGATE, NUM_FRAMES
from analyzer.errors import ConfigError, DeepfakeMonitorError, DetectorError, MediaError, ScorerError, WeightsError
from analyzer.evaluation.report.card_figures import check_card, write_card
from analyzer.evaluation.report.output import check_writable, write_whole
from analyzer.evaluation.report.page import make_page
from analyzer.evaluation.report.plots import require_matplotlib
from analyzer.evaluation.report.table import make_console, print_report
from analyzer.evaluation.results.comparison import Comparison, compare
from analyzer.evaluation.results.evaluation_report import EvaluationReport
from analyzer.evaluation.results.outcomes import Scored, Unscored, WorkFolder, highest_peak, settings_key
from analyzer.evaluation.results.provenance import provenance
from analyzer.evaluation.results.quality import against_reals, baselines, quality, real_sources, table_rows
from analyzer.evaluation.sections.alarms import run_alarms
from analyzer.evaluation.sections.cost import measure_cost
from analyzer.evaluation.sections.pointing import run_pointing
from analyzer.evaluation.sections.pseudo import run_pseudo
from analyzer.evaluation.sections.real_faces import faces_key
from analyzer.evaluation.sections.robustness import Grid, Rule, run_robustness
from analyzer.evaluation.sections.workers import MakeTools, Tools, tools_for
from analyzer.faces.detector import FaceDetector
from analyzer.model.card import WeightsCard
from analyzer.scorer import Scorer, ScorerInfo
from analyzer.training.data.face_extraction import several_faces
from analyzer.training.data.manifest import Row, read_manifest
from analyzer.video.strips import strips_of
from analyzer.video.video import analyze_video


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results go; None for not at all."""

    json: Path | None = None
    html: Path | None = None
    card: Path | None = None
    """Weights file whose card gets the measured figures."""
    work: Path | None = None
    """Folder that keeps each file's result, so that the same command goes on where it was cut off."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What files are judged by."""

    scorer: Scorer
    detector: FaceDetector
    card: WeightsCard | None = None
    """Of the weights in use: where they come from."""
    threshold: float = 0.5
    """The card's operating point on `fake_probability`."""
    aggregate: str = DEFAULT_AGGREGATE
    weights: Path | None = None
    """The file; None for the shipped one. Some sections load it for themselves."""
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured besides sections A and E."""

    cost: bool = False
    pseudo: bool = False
    grid: Grid | None = None
    """Section B; its own `work` is not looked at."""
    alarms: bool = False
    loop_s: float | None = None
    """Section C repeats the scores of shorter videos up to this length."""
    pointing: bool = False
    faces: Path | None = None
    """Folder of cut-out faces of this very manifest, as `train --cache` keeps them; for `pseudo` and `pointing`."""
    against: Judge | None = None
    """Other weights that every file is scored by too."""
    jobs: int = 1
    """Processes of section C."""
    command: str = ""
    """What was asked for, to be told with the results."""


def run_evaluation(
    manifest: Path,
    judge: Judge,
    *,
    split: str | None = None,
    outputs: Outputs = Outputs(),
    wanted: Wanted = Wanted(),
    console: Console | None = None,
) -> EvaluationReport:
    """Score every file of a manifest, print the table, write what is asked for.

    Rows that cannot be read or have no face are counted and named; pictures are too, since a still is no window of 16.
    Raises `ConfigError` for a bad manifest, an unknown split or an output that cannot be written (before the work),
    `WeightsError` without trained weights, `ScorerError`.
    """
    rows = read_manifest(manifest, split)
    info = judge.scorer.info
    if info.weights_sha256 is None:
        raise WeightsError(
            "there are no trained weights, so there is nothing to evaluate; see `deepfake-monitor doctor`"
        )
    _check_outputs(outputs, info)  # before an hour of work, not after it
    console = console or make_console()
    with ExitStack() as stack:
        folder = outputs.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deepfake-monitor-")))
        work = WorkFolder(folder, settings_key(info, judge.aggregate))
        try:
            scored, unscored = score_all(rows, judge, work)
            report = summarise(
                scored, unscored, judge=judge, manifest=manifest.name, split=split, command=wanted.command
            )
            unclear = {one.file for one in unscored if one.row.one_face}  # no section may believe their labels
            clear = [row for row in rows if row.file not in unclear]
            if wanted.against is not None:
                report = replace(report, comparison=_compared(report, rows, wanted.against, folder))
            report = _with_sections(report, clear, judge, wanted, folder)
        except KeyboardInterrupt:
            if outputs.work is not None:
                told = f"{folder} keeps what was scored: the same command goes on from there"
                Console(stderr=True).print(told, markup=False)
            raise
        _write(report, outputs, work)  # first: whoever reads what is printed may hang up
        print_report(report, console)
    return report


def _check_outputs(outputs: Outputs, info: ScorerInfo) -> None:
    if outputs.html is not None:
        require_matplotlib()
    if outputs.card is not None:
        check_card(outputs.card, info)
    for path in (outputs.json, outputs.html):
        if path is not None:
            check_writable(path)


def _write(report: EvaluationReport, outputs: Outputs, work: WorkFolder) -> None:
    if outputs.json is not None:
        write_whole(outputs.json, (report.to_json() + "\n").encode(errors="replace"))
    if outputs.html is not None:
        write_whole(outputs.html, make_page(report, work.picture).encode(errors="replace"))
    if outputs.card is not None and report.scored:
        write_card(outputs.card, report)


def _with_sections(
    report: EvaluationReport, rows: Sequence[Row], judge: Judge, wanted: Wanted, folder: Path
) -> EvaluationReport:
    """Measure what is asked for besides; each part keeps its results in `folder`, and goes on where it was cut off."""
    info = judge.scorer.info
    faces = wanted.faces or folder / "faces" / faces_key(rows)

    def make(jobs: int) -> MakeTools:
        if jobs > 1:
            return tools_for(judge.weights, judge.device, jobs, info)
        return lambda: Tools(judge.scorer, judge.detector)

    if wanted.cost:
        report = replace(report, cost=measure_cost(judge.scorer))
    if wanted.pseudo:
        try:
            found = run_pseudo(rows, judge.scorer, faces, work=folder, threshold=judge.threshold)
            report = replace(report, pseudo=found)
        except (ConfigError, MediaError) as error:
            _not_measured("pseudo-fakes", error)
    if wanted.grid is not None:
        grid = replace(wanted.grid, work=folder)
        delivered = run_robustness(rows, make(grid.jobs), info, Rule(judge.threshold, judge.aggregate), grid)
        report = replace(report, robustness=delivered.cells, steadiness=delivered.steadiness)
    if wanted.alarms:
        alarms = run_alarms(rows, make(wanted.jobs), info, loop_s=wanted.loop_s, jobs=wanted.jobs, work=folder)
        report = replace(report, alarms=alarms)
    if wanted.pointing:
        try:
            figures = run_pointing(rows, faces, weights=judge.weights, device=judge.device, expected=info)
            report = replace(report, pointing=figures)
        except (ConfigError, MediaError) as error:
            _not_measured("pointing game", error)
    return report


def _compared(report: EvaluationReport, rows: Sequence[Row], judge: Judge, folder: Path) -> Comparison:
    info = judge.scorer.info
    scored, _ = score_all(rows, judge, WorkFolder(folder, settings_key(info, judge.aggregate)))
    thresholds = (report.threshold, judge.threshold)
    return compare(report.scored, scored, thresholds, info.model, info.weights_sha256 or "")


def _not_measured(what: str, error: ConfigError | MediaError) -> None:
    """No real face to make pseudo-fakes of: that row stays a dash, the rest of the work is not thrown away."""
    Console(stderr=True).print(f"{what}: not measured, {error}", markup=False)


def score_all(rows: Sequence[Row], judge: Judge, work: WorkFolder) -> tuple[list[Scored], list[Unscored]]:
    """Judge every row, or take up what `work` knows of it. Raises what is true of every row: weights, scorer, disk."""
    scored: list[Scored] = []
    unscored: list[Unscored] = []
    known = 0
    screen = Console(stderr=True)
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen) as progress:
        task = progress.add_task("scoring", total=len(rows))
        for done, row in enumerate(rows):

            def tell(share: float, done: int = done) -> None:
                progress.update(task, completed=done + share)

            key = _key(row, work)
            outcome = work.find(row, key) if key is not None else None
            known += outcome is not None
            if outcome is None:
                outcome = _judged(row, key, judge, work, tell)
            if isinstance(outcome, Scored):
                scored.append(outcome)
            else:
                unscored.append(outcome)
            progress.update(task, completed=done + 1)
    if known:
        screen.print(f"{known} of {len(rows)} results were taken from an earlier run with the same settings")
    return scored, unscored


def _key(row: Row, work: WorkFolder) -> str | None:
    """None for what there is nothing to know about."""
    if row.is_picture:
        return None
    try:
        return work.key(row)
    except OSError:
        return None


def _judged(
    row: Row, key: str | None, judge: Judge, work: WorkFolder, tell: Callable[[float], None]
) -> Scored | Unscored:
    outcome: Scored | Unscored
    try:
        if row.is_picture:
            raise MediaError("a picture: a still is no window of 16 faces")
        if key is None or not row.path.is_file():
            raise MediaError("there is no such file")
        report = analyze_video(
            row.path,
            detector=judge.detector,
            scorer=judge.scorer,
            aggregate=judge.aggregate,
            progress=tell,
            keep_pictures=True,
        )
        several = sum(face.crops >= NUM_FRAMES for face in report.faces) if row.one_face else 0
        if several > 1:
            raise MediaError(several_faces(row.file, several))
    except (WeightsError, ScorerError, DetectorError, ConfigError):
        raise  # true of every row
    except DeepfakeMonitorError as error:
        outcome = Unscored(row, error.code, str(error))
    else:
        peak = highest_peak(report)
        strips = {} if peak is None else strips_of(peak)
        for kind, data in strips.items():
            work.keep_picture(str(key), kind, data)
        outcome = Scored(row, report.raw_score, report.timeline, key if strips else None)
    # other failures are found again in no time, and a file that could not be opened may be there next time
    if key is not None and (isinstance(outcome, Scored) or outcome.abstained):
        work.add(outcome, key)
    return outcome


def summarise(
    scored: Sequence[Scored],
    unscored: Sequence[Unscored],
    *,
    judge: Judge,
    manifest: str,
    split: str | None = None,
    command: str = "",
) -> EvaluationReport:
    """Figures over all files, and of each row, family and method against every real."""
    threshold = judge.threshold
    info: ScorerInfo = judge.scorer.info
    return EvaluationReport(
        manifest=manifest,
        split=split,
        scorer=info,
        provenance=provenance(info, judge.card),
        aggregate=judge.aggregate,
        threshold=threshold,
        video=quality(scored, threshold, sum(one.abstained for one in unscored)),
        rows=table_rows(scored, unscored, threshold),
        families=against_reals(scored, unscored, threshold, lambda row: (row.family,)),
        methods=against_reals(scored, unscored, threshold, lambda row: (row.method,)),
        reals=real_sources(scored, unscored, threshold),
        baselines=baselines(scored, threshold, judge.aggregate),
        scored=tuple(scored),
        failures=tuple(unscored),
        command=command,
    )

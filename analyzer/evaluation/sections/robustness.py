"""Section B: every video once more as viewers get it, weights and threshold frozen."""

from __future__ import annotations

import math
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from analyzer.config import DEFAULT_AGGREGATE
from analyzer.errors import ConfigError, DeepfakeMonitorError, DetectorError, MediaError, ScorerError, WeightsError
from analyzer.evaluation.results.kept import Kept, key_of, state_of
from analyzer.evaluation.results.outcomes import settings_key
from analyzer.evaluation.results.section_figures import RobustnessCell, Steadiness
from analyzer.evaluation.sections.cells import CELLS, SIX, SOURCE, Cell, cell_named, recipes_digest
from analyzer.evaluation.sections.pixels import ShakyDetector
from analyzer.evaluation.sections.redelivery import Known, look_at, redeliver
from analyzer.evaluation.sections.workers import MakeTools, Tools, work_through
from analyzer.scorer import ScorerInfo
from analyzer.training.data.manifest import Row
from analyzer.training.reporting.metrics import auc_difference, figures
from analyzer.video.video import analyze_video

DEFAULT_SECONDS: Final = 6.0
"""Of each video: 21 windows, and a cell of 50 videos takes minutes."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one file in one cell."""

    fake_probability: float | None
    failure: str | None = None
    """`code: message` where there is no score."""
    left_as_is: bool = False
    """It already was what the cell makes of a video."""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Deliver:
    """The task of delivering one file in one way, and scoring what arrives by the serving code."""

    path: Path
    cell: str
    """Its key: functions of cells cannot be sent to another process."""
    seconds: float
    aggregate: str

    def __call__(self, tools: Tools) -> Delivered:
        """Raises only what would meet every file: weights, scorer, detector, a full disk."""
        started_s = time.perf_counter()
        try:
            known = _look_at(self.path, self.seconds, tools)
            recipe = cell_named(self.cell).make(known)
            with tempfile.TemporaryDirectory(prefix="deepfake-monitor-") as folder:
                arrived = redeliver(self.path, recipe, known, Path(folder), self.seconds)
                shaky = ShakyDetector(tools.detector, recipe.shake, known.seed)
                report = analyze_video(
                    arrived,
                    detector=shaky if recipe.shake else tools.detector,
                    scorer=tools.scorer,
                    aggregate=self.aggregate,
                )
        except (WeightsError, ScorerError, DetectorError, ConfigError):
            raise
        except DeepfakeMonitorError as error:
            return Delivered(None, f"{error.code}: {error}", took_s=time.perf_counter() - started_s)
        return Delivered(report.raw_score, None, recipe.untouched, time.perf_counter() - started_s)


@lru_cache(maxsize=2)  # the cells of one video come one after another
def _look_at(path: Path, seconds: float, tools: Tools) -> Known:
    return look_at(path, seconds, tools.detector)


@dataclass(frozen=True, slots=True)
class Grid:
    """What is measured, and how."""

    cells: Sequence[Cell] = CELLS
    seconds: float = DEFAULT_SECONDS
    """How much of each video, from its start."""
    jobs: int = 1
    """Processes."""
    work: Path | None = None
    """Folder that keeps results; None keeps none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a score becomes a verdict."""

    threshold: float = 0.5
    """The card's operating point on `fake_probability`."""
    aggregate: str = DEFAULT_AGGREGATE


@dataclass(frozen=True, slots=True)
class RobustnessReport:
    """Section B."""

    cells: tuple[RobustnessCell, ...]
    steadiness: Steadiness | None
    """None where not all of the six were measured."""
    seconds: float
    seconds_per_video_cell: float | None
    """Mean work for one video in one cell; None where everything was known from an earlier run."""


def run_robustness(
    rows: Sequence[Row], make: MakeTools, info: ScorerInfo, rule: Rule = Rule(), grid: Grid = Grid()
) -> RobustnessReport:
    """Deliver and score every video of `rows` in every cell; pictures are left out.

    A video that cannot be delivered or scored costs only itself. Results are kept in `grid.work` as they come, so that
    the same call goes on after Ctrl-C. Raises `ConfigError`, `WeightsError`, `ScorerError`, `DetectorError`.
    """
    if info.weights_sha256 is None:
        raise WeightsError("there are no trained weights, so there is nothing to measure")
    if not 0 < grid.seconds < math.inf:
        raise ConfigError(f"expected some seconds of each video, got {grid.seconds}")
    videos = [row for row in rows if not row.is_picture]
    kept = Kept(None if grid.work is None else grid.work / "deliveries.jsonl")
    keys = _keys(videos, grid, settings_key(info, rule.aggregate))
    pairs = [(row, cell) for row in videos for cell in grid.cells]
    found = {pair: _delivered(kept.find(keys[pair])) for pair in keys}
    todo = [(row, cell) for row, cell in pairs if found[row.path, cell.key] is None]
    tasks = [Deliver(row.path, cell.key, grid.seconds, rule.aggregate) for row, cell in todo]
    columns = (
        TextColumn("delivering {task.fields[name]}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    took_s = []
    with (
        Progress(*columns, console=Console(stderr=True)) as progress,
        closing(work_through(tasks, make, grid.jobs)) as work,
    ):
        bar = progress.add_task("", total=len(pairs), completed=len(pairs) - len(todo), name="")
        for place, result in work:
            row, cell = todo[place]
            found[row.path, cell.key] = result
            took_s.append(result.took_s)
            kept.add(keys[row.path, cell.key], {"file": row.file, "cell": cell.key, **asdict(result)})
            progress.update(bar, advance=1, name=cell.key)
    results = {pair: one for pair, one in found.items() if one is not None}
    return RobustnessReport(
        cells=tuple(
            replace(cell_figures(videos, cell, results, rule.threshold), seconds=grid.seconds) for cell in grid.cells
        ),
        steadiness=steadiness(videos, results, rule.threshold, [cell.key for cell in grid.cells]),
        seconds=grid.seconds,
        seconds_per_video_cell=sum(took_s) / len(took_s) if took_s else None,
    )


Results = Mapping[tuple[Path, str], Delivered]
"""By file and cell."""


def _keys(videos: Sequence[Row], grid: Grid, settings: str) -> dict[tuple[Path, str], str]:
    keys = {}
    for row in videos:
        try:
            state: tuple[object, ...] = state_of(row.path)
        except (OSError, ValueError):  # each delivery will say so
            state = ("unreadable", row.path)
        for cell in grid.cells:
            keys[row.path, cell.key] = key_of(settings, recipes_digest(), *state, cell.key, grid.seconds)
    return keys


def _delivered(entry: Mapping[str, object] | None) -> Delivered | None:
    """None for a line that somebody has changed, and for a file that could not be read: it may be there now."""
    if entry is None:
        return None
    score, failure = entry.get("fake_probability"), entry.get("failure")
    if isinstance(failure, str) and score is None and not failure.startswith(f"{MediaError.code}:"):
        return Delivered(None, failure)
    if not isinstance(score, float | int) or not 0 <= score <= 1:
        return None
    return Delivered(float(score), None, entry.get("left_as_is") is True)


def cell_figures(videos: Sequence[Row], cell: Cell, results: Results, threshold: float) -> RobustnessCell:
    """The figures of one cell, and what it changed: over the files that were scored in it and untouched."""
    here, before = _scores(videos, cell.key, results), _scores(videos, SOURCE.key, results)
    rows = [row for row in videos if row.path in here]
    both = [row for row in rows if row.path in before]
    reals = [row for row in both if not row.fake]
    lost = [row for row in videos if row.path not in here and (cell is SOURCE or row.path in before)]
    found = figures(
        [here[row.path] for row in rows], [row.fake for row in rows], [row.group for row in rows], threshold=threshold
    )
    loss = auc_difference(
        [before[row.path] for row in both],
        [here[row.path] for row in both],
        [row.fake for row in both],
        [row.group for row in both],
    )
    return RobustnessCell(
        axis=cell.axis,
        level=cell.level,
        place=cell.place,
        n_real=sum(not row.fake for row in rows),
        n_fake=sum(row.fake for row in rows),
        auc=found.auc.value,
        auc_ci=found.auc.interval,
        fpr=found.fpr.value,
        tpr=found.tpr.value,
        verdict_kept=_kept_share(both, before, here, threshold) if cell is not SOURCE else None,
        not_scored=len(lost),
        note=_why(results[row.path, cell.key] for row in lost if (row.path, cell.key) in results),
        key=cell.key,
        auc_loss=loss.value if cell is not SOURCE else None,
        auc_loss_ci=loss.interval if cell is not SOURCE else None,
        flagged_real=sum(here[row.path] >= threshold for row in reals),
        flagged_real_before=sum(before[row.path] >= threshold for row in reals),
        left_as_is=sum(results[row.path, cell.key].left_as_is for row in rows),
        fpr_ci=found.fpr.interval,
        tpr_ci=found.tpr.interval,
    )


def steadiness(videos: Sequence[Row], results: Results, threshold: float, cells: Sequence[str]) -> Steadiness | None:
    """How many verdicts stay through all of `SIX`; None when not all six are among `cells`."""
    if not set(SIX) <= set(cells):
        return None
    before = _scores(videos, SOURCE.key, results)
    delivered = [_scores(videos, key, results) for key in SIX]
    rows = [row for row in videos if row.path in before and all(row.path in scores for scores in delivered)]
    changed = [
        float(any((scores[row.path] >= threshold) != (before[row.path] >= threshold) for scores in delivered))
        for row in rows
    ]
    # a share of files with its interval over sources: what a rate of false positives is, by another name
    share = figures(changed, [False] * len(rows), [row.group for row in rows]).fpr
    ends = share.interval
    return Steadiness(
        cells=SIX,
        n=len(rows),
        kept=None if share.value is None else 1 - share.value,
        kept_ci=None if ends is None else (1 - ends[1], 1 - ends[0]),
        not_scored=sum(row.path in before for row in videos) - len(rows),
    )


def _scores(videos: Sequence[Row], cell: str, results: Results) -> dict[Path, float]:
    found = {row.path: results.get((row.path, cell)) for row in videos}
    return {path: one.fake_probability for path, one in found.items() if one and one.fake_probability is not None}


def _kept_share(
    rows: Sequence[Row], before: Mapping[Path, float], here: Mapping[Path, float], threshold: float
) -> float | None:
    if not rows:
        return None
    return sum((before[row.path] >= threshold) == (here[row.path] >= threshold) for row in rows) / len(rows)


def _why(lost: Iterable[Delivered]) -> str:
    """`3 x no_faces`, by how often."""
    reasons = Counter(str(one.failure).partition(":")[0] for one in lost)
    return ", ".join(f"{count} x {reason}" for reason, count in reasons.most_common())

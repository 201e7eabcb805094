"""Section A: figures of sets of files, each fake row against every real file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from analyzer.config import DEFAULT_AGGREGATE, Aggregate
from analyzer.evaluation.results.outcomes import Scored, Unscored
from analyzer.evaluation.results.rows import FIXED, POOLED, rows_of
from analyzer.scorer import sigmoid
from analyzer.training.data.manifest import Row
from analyzer.training.reporting.metrics import AtThreshold, Figures, ece_floor, figures
from analyzer.video.report import TimelinePoint, aggregate_named, windows_logit

FEW: Final = 20
"""With fewer files of either kind a figure is counts, not quality; tables put it in parentheses and say so."""
FOR_ONE_PERCENT: Final = 100
"""Real files that it takes before 1 % of them is one."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one set of files."""

    n_real: int
    n_fake: int
    real_groups: int
    fake_groups: int
    """Sources: what intervals are drawn over."""
    flagged_real: int
    flagged_fake: int
    """Files at or above the threshold."""
    figures: Figures
    ece_floor: float | None
    """The calibration error that chance alone gives so few files."""
    abstained: int = 0
    """Fakes of this row (of `pooled` and reals: all files) that were not scored because no face was fit."""

    @property
    def auc(self) -> float | None:
        """Chance that a fake scores above a real; None without both kinds."""
        return self.figures.auc.value

    @property
    def auc_ci(self) -> tuple[float, float] | None:
        return self.figures.auc.interval

    @property
    def rates(self) -> AtThreshold:
        return AtThreshold(fpr=self.figures.fpr.value, tpr=self.figures.tpr.value)

    @property
    def few(self) -> bool:
        """Too few files of a kind for the figures to be quality; a set of one kind alone is counted by that kind."""
        return min((n for n in (self.n_real, self.n_fake) if n), default=0) < FEW

    def abstention(self, *, everything: bool) -> float | None:
        """Share of the files asked about that could not be judged; of the fakes only, unless `everything`."""
        judged = self.n_fake + (self.n_real if everything else 0)
        total = judged + self.abstained
        return self.abstained / total if total else None


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of section A."""

    name: str
    quality: Quality | None
    """None where nothing of the kind was there to measure: a row of dashes."""


def quality(scored: Sequence[Scored], threshold: float, abstained: int = 0) -> Quality:
    """The figures of a set of scored files; `threshold` is on `fake_probability`."""
    scores = [one.fake_probability for one in scored]
    fake = [one.row.fake for one in scored]
    flagged = [score >= threshold for score in scores]
    return Quality(
        n_real=fake.count(False),
        n_fake=fake.count(True),
        real_groups=len({one.row.group for one in scored if not one.row.fake}),
        fake_groups=len({one.row.group for one in scored if one.row.fake}),
        flagged_real=sum(called and not is_fake for called, is_fake in zip(flagged, fake, strict=True)),
        flagged_fake=sum(called and is_fake for called, is_fake in zip(flagged, fake, strict=True)),
        figures=figures(scores, fake, [one.row.group for one in scored], threshold=threshold),
        ece_floor=ece_floor(scores),
        abstained=abstained,
    )


def against_reals(
    scored: Sequence[Scored], unscored: Sequence[Unscored], threshold: float, names: Callable[[Row], Sequence[str]]
) -> dict[str, Quality]:
    """The fakes of each name against every real, by name in order."""
    reals = [one for one in scored if not one.row.fake]
    fakes: dict[str, list[Scored]] = {}
    silent: dict[str, int] = {}
    for one in scored:
        for name in names(one.row) if one.row.fake else ():
            fakes.setdefault(name, []).append(one)
    for failed in unscored:
        for name in names(failed.row) if failed.row.fake else ():
            silent[name] = silent.get(name, 0) + failed.abstained
    return {
        name: quality([*reals, *fakes.get(name, [])], threshold, silent.get(name, 0))
        for name in sorted(fakes.keys() | silent.keys())
    }


def real_sources(scored: Sequence[Scored], unscored: Sequence[Unscored], threshold: float) -> dict[str, Quality]:
    """The real files of each method alone: where false alarms come from."""
    rows = [one.row for one in scored] + [one.row for one in unscored]
    names = {row.method for row in rows if not row.fake}
    return {
        name: quality(
            [one for one in scored if not one.row.fake and one.row.method == name],
            threshold,
            sum(one.abstained for one in unscored if not one.row.fake and one.row.method == name),
        )
        for name in sorted(names)
    }


def table_rows(scored: Sequence[Scored], unscored: Sequence[Unscored], threshold: float) -> tuple[TableRow, ...]:
    """The fixed rows of section A, then rows of families that it does not know, then all files together."""
    found = against_reals(scored, unscored, threshold, rows_of)
    others = [name for name in found if name not in FIXED]
    everything = quality(scored, threshold, sum(one.abstained for one in unscored))
    return (
        *(TableRow(name, found.get(name)) for name in FIXED),
        *(TableRow(name, found[name]) for name in others),
        TableRow(POOLED, everything),
    )


def baselines(scored: Sequence[Scored], threshold: float, aggregate: str = DEFAULT_AGGREGATE) -> tuple[TableRow, ...]:
    """What less would have done: a constant, each path of the network alone (raw logits), and the whole of it.

    A path's score of a file is made of its windows by `aggregate`, as the whole score is; `evenly_spaced` looks at no
    windows, so that there is none. Its threshold is its logit 0, which nobody has set: only its ranking says something.
    Raises `ConfigError` for an unknown aggregate.
    """
    rule = aggregate_named(aggregate)
    return (
        TableRow("constant .5", quality([Scored(one.row, 0.5) for one in scored], threshold)),
        TableRow("frame path only", _path(scored, lambda point: point.frame_logit, rule)),
        TableRow("window path only", _path(scored, lambda point: point.window_logit, rule)),
        TableRow("full", quality(scored, threshold)),
    )


def _path(scored: Sequence[Scored], logit: Callable[[TimelinePoint], float | None], rule: Aggregate) -> Quality | None:
    """None when a file has no such logits: two sets of files cannot be compared."""
    if rule is Aggregate.EVENLY_SPACED:
        return None
    rescored = []
    for one in scored:
        faces: dict[int, list[float]] = {}
        for point in one.timeline:
            value = logit(point)
            if value is None:
                return None
            faces.setdefault(point.face_id, []).append(value)
        total = windows_logit(list(faces.values()), rule)
        if total is None:
            return None
        rescored.append(Scored(one.row, sigmoid(total)))
    return quality(rescored, 0.5) if rescored else None

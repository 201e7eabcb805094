"""Everything that an evaluation found, and how it is stored as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from analyzer.evaluation.results.comparison import Comparison
from analyzer.evaluation.results.outcomes import Scored, Unscored
from analyzer.evaluation.results.provenance import Provenance
from analyzer.evaluation.results.quality import Quality, TableRow
from analyzer.evaluation.results.section_figures import (
    AlarmFigures,
    CostFigures,
    PointingFigures,
    PseudoRow,
    RobustnessCell,
    Steadiness,
)
from analyzer.scorer import ScorerInfo
from analyzer.training.reporting.metrics import NAMES

WORST: Final = 10
"""Files of each kind that section E shows."""


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Everything that `deepfake-monitor evaluate` found; sections that were not asked for are None or empty."""

    manifest: str
    split: str | None
    scorer: ScorerInfo
    provenance: Provenance
    aggregate: str
    threshold: float
    """The card's operating point on `fake_probability`."""
    video: Quality
    """All files."""
    rows: tuple[TableRow, ...]
    """Section A: the fixed rows, rows of unknown families, all files together."""
    families: Mapping[str, Quality]
    """Fakes of one family, as the manifest calls it, against every real."""
    methods: Mapping[str, Quality]
    reals: Mapping[str, Quality]
    """Real files of one method alone."""
    baselines: tuple[TableRow, ...]
    scored: tuple[Scored, ...]
    failures: tuple[Unscored, ...]
    """Rows that could not be read or show no face fit to be judged; pictures among them, for a still is no window."""
    pseudo: tuple[PseudoRow, ...] = ()
    robustness: tuple[RobustnessCell, ...] = ()
    steadiness: Steadiness | None = None
    alarms: AlarmFigures | None = None
    cost: CostFigures | None = None
    pointing: PointingFigures | None = None
    comparison: Comparison | None = None
    command: str = field(default="")
    """What was asked for, as a person would type it again."""

    def worst(self, *, fake: bool) -> list[Scored]:
        """The fakes with the lowest score, or the reals with the highest, most wrong first."""
        of_kind = [one for one in self.scored if one.row.fake == fake]
        ordered = sorted(of_kind, key=lambda one: (one.fake_probability, one.row.file), reverse=not fake)
        return ordered[:WORST]

    def to_json(self) -> str:
        """The report as it is stored with `--json`."""
        return json.dumps(
            {
                "manifest": self.manifest,
                "split": self.split,
                "command": self.command,
                "run": asdict(self.provenance),
                "model": {
                    "name": self.scorer.model,
                    "sha256": self.scorer.weights_sha256,
                    "device": self.scorer.device,
                },
                "aggregate": self.aggregate,
                "video": quality_json(self.video),
                "threshold": {
                    "value": self.threshold,
                    "fpr": self.video.rates.fpr,
                    "tpr": self.video.rates.tpr,
                    "fpr_ci": self.video.figures.fpr.interval,
                    "tpr_ci": self.video.figures.tpr.interval,
                },
                "rows": _rows_json(self.rows),
                "pseudo": {row.name: asdict(row) for row in self.pseudo},
                "families": {name: quality_json(one) for name, one in self.families.items()},
                "methods": {name: quality_json(one) for name, one in self.methods.items()},
                "reals": {name: quality_json(one) for name, one in self.reals.items()},
                "baselines": _rows_json(self.baselines),
                "robustness": [asdict(cell) | {"fpr_growth": cell.fpr_growth} for cell in self.robustness],
                "steadiness": None if self.steadiness is None else asdict(self.steadiness),
                "alarms": _alarms_json(self.alarms),
                "cost": None if self.cost is None else asdict(self.cost),
                "comparison": _comparison_json(self.comparison),
                "pointing": None if self.pointing is None else asdict(self.pointing),
                "worst": {
                    "real": [one.row.file for one in self.worst(fake=False)],
                    "fake": [one.row.file for one in self.worst(fake=True)],
                },
                "files": [_file_json(one) for one in self.scored],
                "failures": [
                    {"file": one.file, "fake": one.row.fake, "code": one.code, "reason": one.reason}
                    for one in self.failures
                ],
            },
            indent=2,
            ensure_ascii=False,
        )


def quality_json(quality: Quality) -> dict[str, object]:
    """A set's figures: each by its name, its 95 % interval as `NAME_ci`."""
    out: dict[str, object] = {
        "n_real": quality.n_real,
        "n_fake": quality.n_fake,
        "groups_real": quality.real_groups,
        "groups_fake": quality.fake_groups,
    }
    for name in NAMES:
        estimate = getattr(quality.figures, name)
        out |= {name: estimate.value, f"{name}_ci": estimate.interval}
    return out | {"ece_floor": quality.ece_floor, "abstained": quality.abstained, "few": quality.few}


def _comparison_json(comparison: Comparison | None) -> dict[str, object] | None:
    if comparison is None:
        return None
    rows = {
        row.name: {
            "ours": quality_json(row.ours),
            "other": quality_json(row.other),
            "auc_gain": row.gain.value,
            "auc_gain_ci": row.gain.interval,
        }
        for row in comparison.rows
    }
    return {
        "model": comparison.model,
        "sha256": comparison.sha256,
        "threshold": comparison.threshold,
        "left_out": comparison.left_out,
        "rows": rows,
    }


def _alarms_json(alarms: AlarmFigures | None) -> dict[str, object] | None:
    if alarms is None:
        return None
    others = {name: _alarms_json(other) for name, other in alarms.others.items()}
    return asdict(alarms) | {"alerted_share": alarms.alerted_share, "others": others}


def _rows_json(rows: Sequence[TableRow]) -> dict[str, object]:
    return {row.name: None if row.quality is None else quality_json(row.quality) for row in rows}


def _file_json(one: Scored) -> dict[str, object]:
    return {
        "file": one.row.file,
        "fake": one.row.fake,
        "family": one.row.family,
        "method": one.row.method,
        "group": one.row.group,
        "fake_probability": one.fake_probability,
        "windows": len(one.timeline),
    }

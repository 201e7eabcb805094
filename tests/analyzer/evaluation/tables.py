"""Scored files, judges and screens for tests of the evaluation."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from analyzer.evaluation.evaluate import Judge
from analyzer.evaluation.results.outcomes import Scored, Unscored
from analyzer.faces.detector import YuNetDetector
from analyzer.model.card import WeightsCard
from analyzer.training.data.manifest import Row
from analyzer.video.report import TimelinePoint
from tests.fakes import FakeScorer


def a_row(file: str, *, fake: bool, family: str = "swap", method: str = "", group: str = "") -> Row:
    return Row(file, Path(file), fake, method or f"{family} method", "", family, group or file)


def scored(file: str, score: float, *, fake: bool, family: str = "swap", method: str = "", group: str = "") -> Scored:
    return Scored(a_row(file, fake=fake, family=family, method=method, group=group), score)


def unscored(file: str, code: str = "no_faces", *, fake: bool = False, family: str = "swap") -> Unscored:
    return Unscored(a_row(file, fake=fake, family=family), code, "why")


def points(*logits: tuple[float | None, float | None], face_id: int = 1) -> tuple[TimelinePoint, ...]:
    """One window for each pair of window logit and frame logit."""
    return tuple(
        TimelinePoint(face_id, float(i), i + 2.5, 0.5, 0.0, window, frame) for i, (window, frame) in enumerate(logits)
    )


def a_card(**changes: object) -> WeightsCard:
    values: dict[str, object] = {
        "name": "card", "version": "1", "created": "2026-01-01", "description": "", "trained_on": ("some",),
        "licence": "none", "sha256": "0" * 64, "seeds": (3,),
    }  # fmt: skip
    return WeightsCard(**(values | changes))  # type: ignore[arg-type]  # fields by name


def a_judge(scorer: FakeScorer | None = None, card: WeightsCard | None = None) -> Judge:
    return Judge(scorer or FakeScorer(), YuNetDetector(), card)


def screen() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=200, highlight=False), text

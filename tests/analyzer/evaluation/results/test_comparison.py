from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.evaluation.evaluate import Outputs, Wanted, run_evaluation
from analyzer.evaluation.results.comparison import compare
from analyzer.evaluation.results.outcomes import Scored
from analyzer.scorer import ScorerInfo
from tests.analyzer.evaluation.tables import a_judge, scored, screen
from tests.fakes import FakeScorer

REALS = [(f"r{i}", 0.1 * i, False, "real") for i in range(5)]
SWAPS = [(f"s{i}", 0.35 + 0.1 * i, True, "face swap") for i in range(5)]
LIPS = [(f"l{i}", 0.15, True, "lip-sync") for i in range(5)]


def files(rows: list[tuple[str, float, bool, str]], shift: float = 0.0) -> list[Scored]:
    return [scored(name, score + shift * fake, fake=fake, family=family) for name, score, fake, family in rows]


def test_each_row_has_the_figures_of_both_weights_and_the_gain() -> None:
    found = compare(files([*REALS, *SWAPS, *LIPS], 0.3), files([*REALS, *SWAPS, *LIPS]), (0.5, 0.6), "old", "ab" * 32)
    rows = {row.name: row for row in found.rows}
    assert list(rows) == ["real swaps", "lip-sync", "pooled"]
    lips = rows["lip-sync"]
    assert lips.ours.auc == 1.0
    assert lips.other.auc == pytest.approx(0.4)
    assert lips.gain.value == pytest.approx(0.6)
    assert lips.gain.interval is not None
    assert lips.gain.interval[0] <= 0.6 <= lips.gain.interval[1]
    swaps = rows["real swaps"]
    assert (swaps.ours.flagged_fake, swaps.other.flagged_fake) == (5, 2)  # each at its own threshold
    assert rows["pooled"].ours.n_fake == 10
    assert (found.threshold, found.left_out) == (0.6, 0)


def test_files_that_one_of_the_two_could_not_score_are_in_no_row() -> None:
    found = compare(files([*REALS, *SWAPS]), files([*REALS[1:], *SWAPS, *LIPS]), (0.5, 0.5), "old", "0" * 64)
    assert found.left_out == 6
    assert {row.name for row in found.rows} == {"real swaps", "pooled"}
    assert found.rows[-1].ours.n_real == found.rows[-1].other.n_real == 4


def test_without_a_common_file_there_are_no_figures() -> None:
    found = compare(files(REALS), files(SWAPS), (0.5, 0.5), "old", "0" * 64)
    (pooled,) = found.rows
    assert (pooled.ours.n_real, pooled.gain.value, found.left_out) == (0, None, 10)


class Darker(FakeScorer):
    """Other weights."""

    @property
    def info(self) -> ScorerInfo:
        return replace(super().info, model="darker", weights_sha256="1" * 64)


def test_both_weights_score_every_file_and_the_comparison_is_written(tmp_path: Path, manifest: Path) -> None:
    console, text = screen()
    outputs = Outputs(json=tmp_path / "out.json", html=tmp_path / "out.html", work=tmp_path / "work")
    wanted = Wanted(against=a_judge(Darker()))
    report = run_evaluation(manifest, a_judge(), split="train", outputs=outputs, wanted=wanted, console=console)
    assert report.comparison is not None
    assert [row.name for row in report.comparison.rows] == ["F5", "pooled"]
    assert "COMPARISON with other weights" in text.getvalue()
    assert "other: darker sha256 111111111111" in text.getvalue()
    stored = json.loads((tmp_path / "out.json").read_text())["comparison"]
    assert stored["rows"]["pooled"]["ours"]["n_real"] == 4
    assert stored["rows"]["pooled"]["auc_gain"] == 0
    assert 'id="comparison"' in (tmp_path / "out.html").read_text()

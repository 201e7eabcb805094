from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.evaluation.evaluate import summarise
from analyzer.evaluation.report.wording import (
    alarm_pairs,
    pseudo_cells,
    quality_cells,
    reading_notes,
    robustness_cells,
    robustness_notes,
    steadiness_line,
)
from analyzer.evaluation.results.evaluation_report import EvaluationReport
from analyzer.evaluation.results.section_figures import PseudoRow, RobustnessCell, Steadiness
from tests.analyzer.evaluation.tables import a_judge, scored

REALS = [scored(f"r{i}", 0.02 * i, fake=False) for i in range(20)]
PSEUDO = PseudoRow("pseudo F1", 120, 40, 0.9, (0.8, 0.95), None, None, 0.1, 0.9, 0.5, 0.7, 0.1, 0.04)


def a_report(fakes: int = 20, **changes: object) -> EvaluationReport:
    files = [*REALS, *(scored(f"f{i}", 0.99 - 0.03 * i, fake=True, method=f"m{i % 2}") for i in range(fakes))]
    return replace(summarise(files, [], judge=a_judge(), manifest="m.tsv"), **changes)  # type: ignore[arg-type]  # by name


def a_cell(**changes: object) -> RobustnessCell:
    cell = RobustnessCell("frame rate", "12 fps", 1, 25, 25, 0.9, None, 0.04, 0.5)
    return replace(cell, **changes)  # type: ignore[arg-type]  # fields by name


def test_a_verdict_that_almost_always_stayed_is_not_rounded_to_always() -> None:
    steady = Steadiness(("crf32",), 400, 399 / 400, (0.99, 1.0), 0)
    assert "crf32: >99% [99-100], 399 of 400 files" in steadiness_line(a_report(steadiness=steady))


def test_real_files_alone_stand_without_parentheses_when_there_are_enough() -> None:
    reals = next(iter(a_report().reals.values()))
    assert not any("(" in cell for cell in quality_cells("reals", reals))


def test_parentheses_are_explained_wherever_they_stand() -> None:
    report = a_report()
    assert not report.video.few
    assert all(one.few for one in report.methods.values())  # ten files each
    assert any("fewer than 20 files of a kind" in note for note in reading_notes(report))
    assert not any("fewer than" in note for note in reading_notes(replace(report, methods={})))
    assert robustness_notes([a_cell()]) == []
    few = a_cell(n_fake=3)
    assert robustness_cells(few)[3] == "(.90)"
    assert robustness_cells(few)[5:7] == ["(50.0 %)", "4.0 %"]
    assert robustness_notes([few]) == [
        ("(in parentheses)", "fewer than 20 files of a kind; read the counts, not the figure")
    ]


def test_windows_are_counted_with_their_sources_and_many_of_one_person_are_few() -> None:
    assert pseudo_cells(PSEUDO)[2:4] == ["120 win/40", ".90 [.80-.95]"]
    alone = replace(PSEUDO, n_groups=1, auc_ci=None)
    assert pseudo_cells(alone)[2:4] == ["120 win/1", "(.90)"]
    assert pseudo_cells(alone)[7:9] == ["(70.0 %)", "(10.0 %)"]
    assert any("fewer than 3 sources" in note for note in reading_notes(a_report(pseudo=(alone,))))
    assert not any("pseudo-fakes (in par" in note for note in reading_notes(a_report(pseudo=(PSEUDO,))))
    nothing = PseudoRow("x", 0, 0, None, None, None, None)
    assert not any("(" in cell for cell in pseudo_cells(nothing))


@pytest.mark.parametrize(("windows", "told"), [(60, True), (120, False)])
def test_windows_too_few_for_one_percent_are_told(windows: int, told: bool) -> None:
    notes = reading_notes(a_report(pseudo=(replace(PSEUDO, n_windows=windows),)))
    assert any(note.startswith("pseudo-fakes, TPR@1%FPR") for note in notes) is told


def test_files_that_were_left_as_they_are_are_told_for_their_cell() -> None:
    assert robustness_notes([a_cell(left_as_is=45, note="1 x no_faces")]) == [
        ("frame rate 12 fps", "45 of 50 files already were so and were left as they are"),
        ("frame rate 12 fps", "lost 1 x no_faces"),
    ]
    assert robustness_notes([a_cell(place=0, note="1 x no_faces")]) == [
        ("frame rate 12 fps", "not scored 1 x no_faces")
    ]


def test_paths_that_no_aggregate_of_windows_has_say_why_they_are_dashes() -> None:
    report = a_report(aggregate="evenly_spaced")
    assert any("frame path only and window path only: not measured" in note for note in reading_notes(report))
    assert not any("not measured, for" in note for note in reading_notes(a_report()))


def test_alarms_have_the_same_names_measured_or_not() -> None:
    assert "in alert" in dict(alarm_pairs(a_report()))

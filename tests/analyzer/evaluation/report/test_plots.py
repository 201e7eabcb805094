from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from analyzer.errors import ConfigError
from analyzer.evaluation.evaluate import summarise
from analyzer.evaluation.report import plots
from analyzer.evaluation.report.plots import (
    MOST_POINTS,
    Plot,
    _thinned,
    reliability,
    require_matplotlib,
    robustness,
    roc,
    timeline,
)
from analyzer.evaluation.results.section_figures import RobustnessCell
from tests.analyzer.evaluation.tables import a_judge, points, scored

FILES = [scored(f"r{i}", i / 10, fake=False) for i in range(6)] + [
    scored(f"f{i}", i / 8, fake=True, family="face swap") for i in range(8)
]


def test_plots_name_their_figure_with_its_interval_and_count() -> None:
    report = summarise(FILES, [], judge=a_judge(), manifest="m")
    curve, truth = roc(report), reliability(report)
    assert curve is not None
    assert truth is not None
    assert curve.says.startswith("ROC curves; AUC of all files .")
    assert "[" in curve.says
    assert "over 14 files" in truth.says
    assert "as if each were a source" in truth.says
    assert curve.light != curve.dark
    assert b"<svg" in curve.light


def test_one_kind_alone_has_no_roc_and_no_file_no_reliability() -> None:
    assert roc(summarise(FILES[:3], [], judge=a_judge(), manifest="m")) is None
    assert reliability(summarise([], [], judge=a_judge(), manifest="m")) is None


@pytest.mark.parametrize(
    "cells",
    [
        (),
        (RobustnessCell("source", "src", 0, 5, 5, 0.8, None, 0.1, 0.5),),
    ],
    ids=["none", "only the source"],
)
def test_without_a_delivery_there_is_no_curve(cells: tuple[RobustnessCell, ...]) -> None:
    assert robustness(cells) is None


def test_cells_without_a_figure_leave_a_gap_and_not_an_error() -> None:
    cells = (
        RobustnessCell("source", "src", 0, 5, 5, 0.8, (0.7, 0.9), 0.1, 0.5),
        RobustnessCell("a $\\bad", "1 %", 1, 0, 0, None, None, None, None),
        RobustnessCell("a $\\bad", "2 %", 2, 5, 5, 0.7, None, 0.2, 0.5, fpr_ci=(0.1, 0.4)),
    )
    assert isinstance(robustness(cells), Plot)


def test_a_timeline_of_one_window_is_a_point_and_of_none_is_nothing() -> None:
    one = replace(FILES[0], timeline=points((0.0, 0.0)))
    found = timeline(one, 0.5)
    assert found is not None
    assert "1 window(s) of 1 face(s), highest 0.50" in found.says
    assert timeline(FILES[0], 0.5) is None


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # what Python takes for "not installed"
    with pytest.raises(ConfigError, match=r"pip install 'deepfake-monitor\[train\]'"):
        require_matplotlib()


def test_the_two_pages_have_colours_of_their_own() -> None:
    assert len(plots.LIGHT.colors) == len(plots.DARK.colors)
    assert not set(plots.LIGHT.colors) & set(plots.DARK.colors)


def test_a_film_of_two_hours_keeps_its_highest_and_lowest_score_in_a_small_picture() -> None:
    scores = [0.5 + 0.4 * ((i * 7919) % 997) / 997 for i in range(43_200)]
    scores[12_345], scores[30_000] = 1.0, 0.0
    film = tuple(replace(points((0.0, 0.0))[0], end_s=i / 6, fake_probability=one) for i, one in enumerate(scores))
    found = timeline(replace(FILES[0], timeline=film), 0.5)
    assert found is not None
    assert "43200 window(s)" in found.says
    assert len(found.light) < 100_000
    line = _thinned([(point.end_s, point.fake_probability) for point in film])
    assert len(line) <= MOST_POINTS
    assert line == sorted(line)
    assert {(12_345 / 6, 1.0), (30_000 / 6, 0.0)} <= set(line)

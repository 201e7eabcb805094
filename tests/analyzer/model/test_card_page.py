from __future__ import annotations

from dataclasses import replace

from analyzer.model.card import CalibrationValues, Measured, WeightsCard
from analyzer.model.card_page import card_page, card_summary

CARD = WeightsCard(
    name="tiny",
    version="1.2",
    created="2026-01-02T03:04:05+00:00",
    description="For tests.",
    trained_on=("made-up faces, CC0", "others, MIT"),
    licence="Apache-2.0",
    architecture="some-net",
    sha256="ab" * 32,
    calibration=CalibrationValues(0.0, 1.25, -0.5),
    measured={
        "calibration.real_windows_flagged": Measured(
            0.01, 200, (0.0, 0.05), "flagged, on 9 groups that weigh the same"
        ),
        "list_val.video.auc": Measured(0.8123, 30, (0.7, 0.9), "a note; deepfake-monitor evaluate list.tsv --card"),
        "list_val.threshold.fpr": Measured(0.1, 20, (0.02, 0.3)),
        "list_val.threshold.tpr": Measured(0.5, 10),
        "list_val.rows.real swaps.auc": Measured(1.0, 24, (0.9, 1.0)),
        "list_val.rows.real swaps.tpr": Measured(0.75, 4, (0.2, 0.99)),
        "list_val.rows.lip-sync.tpr": Measured(0.0, 6),
    },
    coverage="Found 3 of 4 face swaps.",
    limits=("misses replays",),
    seeds=(1, 2),
    command="deepfake-monitor train",
)


def test_the_page_has_every_figure_with_count_and_interval() -> None:
    page = card_page(CARD)
    assert page[:5] == ["## tiny", "", "For tests.", "", "**Found 3 of 4 face swaps.**"]
    assert "| face swaps | 4 | 1.00 [.90-1.00] | 3 of 4 [20-99 %] |" in page
    assert "| lip-sync | 6 | - | 0 of 6 |" in page
    assert "| all | 30 with the reals | .81 [.70-.90] | 5 of 10 |" in page
    assert "| none: real files | 20 | | 2 of 20 [2-30 %] |" in page
    assert "    deepfake-monitor evaluate list.tsv --card" in page
    assert "| score of a window | sigmoid(1.25 x mean of the 16 faces' logits - 0.5) |" in page
    flagged = "1 % of 200 of 9 sources, at most 5 % with 95 % confidence"
    assert f"| real windows above the threshold at calibration | {flagged} |" in page
    assert page[-1] == "- misses replays"
    assert "- made-up faces, CC0" in page


def test_a_window_path_with_a_say_stands_in_the_score() -> None:
    page = card_page(replace(CARD, calibration=CalibrationValues(0.4, 1.0, 0.2)))
    assert "| score of a window | sigmoid(0.4 x window path + 1 x mean of the 16 faces' logits + 0.2) |" in page


def test_a_card_without_figures_has_a_page() -> None:
    bare = replace(CARD, measured={}, coverage="", limits=(), seeds=(), command="")
    page = card_page(bare)
    assert "| seeds | - |" in page
    assert not any("Measured on" in line for line in page)
    assert card_summary(bare) == "The shipped weights are `tiny`."


def test_the_summary_has_the_coverage_and_the_ranking_by_row() -> None:
    assert card_summary(CARD) == (
        "The shipped weights are `tiny`. Found 3 of 4 face swaps. "
        "AUC, the chance that a fake scores above a real video, on 30 videos [95 % interval]: .81 [.70-.90]; "
        "face swaps 1.00 [.90-1.00] (4 files), lip-sync - (6 files). "
        "At the threshold 2 of 20 [2-30 %] real videos were flagged."
    )


def test_no_figure_is_rounded_to_perfection() -> None:
    almost = {"list_val.video.auc": Measured(0.9996, 30, (0.001, 1.0))}
    assert "AUC" in card_summary(replace(CARD, measured=almost))
    assert ">.99 [<.01-1.00]" in card_summary(replace(CARD, measured=almost))

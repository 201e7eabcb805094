from __future__ import annotations

from dataclasses import replace

from analyzer.evaluation.evaluate import summarise
from analyzer.evaluation.report.table import print_report, pseudo_rows
from analyzer.evaluation.results.provenance import Provenance
from analyzer.evaluation.results.section_figures import (
    AlarmFigures,
    CostFigures,
    PointingFigures,
    PointingRow,
    PseudoRow,
    RobustnessCell,
    Share,
    Steadiness,
)
from analyzer.model.card import Measured
from tests.analyzer.evaluation.tables import a_card, a_judge, scored, screen, unscored

FILES = [scored(f"r{i}", 0.02 * i, fake=False, group=str(i)) for i in range(20)] + [
    scored(f"f{i}", 0.99 - 0.03 * i, fake=True, family="face swap", group=f"f{i}") for i in range(20)
]


def printed(**changes: object) -> str:
    report = summarise(FILES, [unscored("mute.mp4")], judge=a_judge(), manifest="m.tsv", split="val")
    console, text = screen()
    print_report(replace(report, **changes), console)  # type: ignore[arg-type]  # fields by name
    return text.getvalue()


def row(text: str, name: str) -> str:
    return next(line.strip() for line in text.splitlines() if line.strip().startswith(name))


def test_rows_that_were_not_measured_are_dashes_and_stay() -> None:
    text = printed()
    for name in ("pseudo F1", "pseudo F7", "pseudo F5, 90-150", "live swap", "lip-sync", "replay", "every delivery"):
        assert set(row(text, name).removeprefix(name).split()) >= {"-"}, name
        assert not any(char.isdigit() for char in row(text, name).split("  ", 1)[1]), name
    assert "episodes/h [95 %]: -" in text
    assert "params: -" in text
    assert "six re-deliveries: -" in text


def test_figures_stand_with_interval_and_count_and_few_files_in_parentheses() -> None:
    text = printed()
    pooled = row(text, "pooled")
    assert "20/20 100%" not in pooled
    assert "17/20 85% [" in pooled
    assert "(" not in pooled
    alone = summarise(FILES[:25], [], judge=a_judge(), manifest="m")
    console, few = screen()
    print_report(alone, console)
    assert "(1.00 [" in row(few.getvalue(), "pooled")
    assert "Read the counts, not the figure" in few.getvalue()
    assert "with 20 real files: found by a threshold above every one" in few.getvalue()


def test_every_section_prints_what_it_was_given() -> None:
    share = Share(0.5, (0.4, 0.6))
    text = printed(
        pseudo=(PseudoRow("pseudo F1", 60, 9, 0.93, (0.9, 0.95), 0.9, 0.8, 0.1, 0.9, 0.5, 0.7, 0.1, 0.04),),
        robustness=(
            RobustnessCell("CRF", "32", 1, 20, 20, 0.9, (0.8, 0.95), 0.1, 0.7, 0.95, 2, "2 x no_faces", "crf32",
                           0.03, (-0.01, 0.06), 2, 1, 5, fpr_ci=(0.01, 0.3), tpr_ci=(0.5, 0.9)),
        ),
        steadiness=Steadiness(("crf32", "fps12"), 40, 0.9, (0.8, 0.97), 2),
        alarms=AlarmFigures(1.5, 20, 2, 1.33, (0.2, 4.8), 1, 20, 15, 16, 14.2, "clips of 10 s", 270.0),
        cost=CostFigures("cpu", 3_980_000, 369.0, 120.0, 23.4, 55.0, 196.0, 1.2e-7, 4),
        pointing=PointingFigures((PointingRow("all", "seam", 40, 9, *([share] * 8)),), 5, 0),
    )  # fmt: skip
    assert ".93 [.90-.95]" in row(text, "pseudo F1")
    assert "60 win/9" in row(text, "pseudo F1")
    assert "70.0 % [50-90]" in row(text, "CRF 32")
    assert "10.0 % [1-30]" in row(text, "CRF 32")
    assert "CRF 32: 5 of 40 files already were so and were left as they are" in text
    assert "+.03 [-.01 +.06]" in row(text, "CRF 32")
    assert "1 -> 2" in row(text, "CRF 32")
    assert "lost 2 x no_faces" in text
    assert "crf32, fps12: 90% [80-97], 36 of 40 files" in text
    assert "1.33 [0.20-4.80] (2 in all)" in text
    assert "in alert: 5.0 % of real time" in text
    assert "median s to alert: 14.2 (of the 16 caught)" in text
    assert "clips of 10 s" in text
    assert "369 + 120" in text
    assert "1.2e-07 logit at most, 4 windows" in text
    assert "50 [40 60]" in row(text, "seam, all")


def test_the_first_line_says_what_the_figures_belong_to() -> None:
    card = a_card(
        name="mine",
        sha256="0" * 64,
        seeds=(1, 2),
        measured={
            "train.reals": Measured(94),
            "train.identities": Measured(60),
            "calibration.real_clips_flagged": Measured(0.05, 26),
        },
    )
    report = summarise(FILES, [], judge=a_judge(card=card), manifest="m.tsv")
    console, text = screen()
    print_report(report, console)
    first = text.getvalue().splitlines()[0]
    assert "weights mine sha256 000000000000" in first
    assert "train reals/identities 94/60  seeds 1, 2  threshold 0.5" in first
    assert "from calibration.real_clips_flagged (n real 26)" in " ".join(text.getvalue().splitlines()[:2])


def test_names_cannot_steer_the_terminal_or_its_markup() -> None:
    hostile = "\x1b[2J[red]x[/red]\u202e.mp4"
    files = [scored(hostile, 0.9, fake=False, method=hostile), scored("f", 0.1, fake=True, family=hostile)]
    console, text = screen()
    print_report(summarise(files, [unscored(hostile)], judge=a_judge(), manifest=hostile), console)
    assert "\x1b" not in text.getvalue()
    assert "\u202e" not in text.getvalue()
    assert r"\x1b[2J[red]x[/red]\u202e.mp4" in text.getvalue()


def test_a_family_that_was_left_out_of_training_is_marked_in_its_rows() -> None:
    card = a_card(command="deepfake-monitor train set.tsv --minutes 60 --leave-out F5 --leave-out F2")
    report = summarise(FILES, [], judge=a_judge(card=card), manifest="m.tsv")
    marked = [cells[0] for cells in pseudo_rows(report) if cells[0].endswith(" (left out of training)")]
    assert [name.partition(",")[0].partition(" (")[0] for name in marked] == ["pseudo F2", "pseudo F5", "pseudo F5"]
    assert not any(
        "left out" in cells[0] for cells in pseudo_rows(replace(report, provenance=Provenance(None, "x", "y")))
    )

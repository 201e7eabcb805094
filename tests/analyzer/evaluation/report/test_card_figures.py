from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.errors import ConfigError, WeightsError
from analyzer.evaluation.evaluate import summarise
from analyzer.evaluation.report.card_figures import check_card, coverage, measured, write_card
from analyzer.evaluation.results.evaluation_report import EvaluationReport
from analyzer.evaluation.results.section_figures import AlarmFigures, PseudoRow, RobustnessCell, Steadiness
from analyzer.model.card import Measured, read_card
from analyzer.scorer import ScorerInfo
from tests.analyzer.evaluation.tables import a_card, a_judge, scored

FILES = [scored(f"r{i}", 0.1 * i, fake=False, group=str(i)) for i in range(6)] + [
    scored(f"f{i}", 1 - 0.1 * i, fake=True, family="face swap", method="GHOST 1.0", group=f"f{i}") for i in range(7)
]
OLD = {
    "set_val.video.auc": Measured(0.99, 3, None, "typed by hand"),
    "set_val.families.face swap.auc": Measured(0.99),
    "set_val.robustness.crf23.auc": Measured(0.7),
    "set_dev.video.auc": Measured(0.6),
    "calibration.fpr": Measured(0.05, 26),
}


def a_report() -> EvaluationReport:
    return summarise(FILES, [], judge=a_judge(), manifest="set.tsv", split="val", command="deepfake-monitor evaluate x")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "w.safetensors"
    stored = json.loads(a_card(measured=OLD, description="Ünïcödé").to_json()) | {"of a later version": [1, 2]}
    path.with_suffix(".json").write_text(json.dumps(stored, ensure_ascii=False), encoding="utf-8")
    return path


def test_figures_come_with_count_interval_and_note(weights: Path) -> None:
    report = a_report()
    write_card(weights, report)
    found = read_card(weights).measured
    auc = found["set_val.video.auc"]
    assert auc.value == round(report.video.auc or 0, 4)
    assert auc.n == 13
    assert auc.interval is not None
    assert auc.note == ("7 fake files of 7 sources, 6 real of 6; counts, not quality; deepfake-monitor evaluate x")
    assert found["set_val.video.eer"].note == "7 fake files of 7 sources, 6 real of 6"
    assert found["set_val.threshold.fpr"].note == "1 of 6 real files; deepfake-monitor evaluate x"
    assert found["set_val.threshold.tpr"].note == "6 of 7 fake files"
    assert found["set_val.threshold.fpr"].n == 6
    assert (
        found["set_val.rows.real swaps.auc"].note
        == "7 fake against 6 real; counts, not quality; deepfake-monitor evaluate x"
    )
    assert found["set_val.methods.GHOST 1.0.tpr"].n == 7


def test_old_figures_of_what_was_measured_are_gone_and_all_else_stays(weights: Path) -> None:
    before = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    write_card(weights, a_report())
    after = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
    changed = {"measured", "coverage"}
    assert {key: value for key, value in after.items() if key not in changed} == {
        key: value for key, value in before.items() if key not in changed
    }
    assert "typed by hand" not in str(after)
    assert "set_val.families.face swap.auc" not in after["measured"]
    # another set, and a section that was not measured this time
    for name in ("set_dev.video.auc", "calibration.fpr", "set_val.robustness.crf23.auc"):
        assert after["measured"][name] == before["measured"][name]


def test_writing_the_same_figures_again_changes_nothing(weights: Path) -> None:
    write_card(weights, a_report())
    once = weights.with_suffix(".json").read_bytes()
    write_card(weights, a_report())
    assert weights.with_suffix(".json").read_bytes() == once


def test_every_section_that_was_measured_is_written(weights: Path) -> None:
    cell = RobustnessCell(
        "CRF", "32", 1, 6, 7, 0.9, (0.8, 0.95), 0.1, 0.7, key="crf32", fpr_ci=(0.0, 0.4), tpr_ci=(0.5, 0.9)
    )
    report = replace(
        a_report(),
        pseudo=(
            PseudoRow("pseudo F1", 60, 9, 0.93, (0.9, 0.95), 0.9, 0.8),
            PseudoRow("pseudo F2", 19, 9, 0.9, None, None, None),
            PseudoRow("x", 0, 0, None, None, None, None),
        ),
        robustness=(cell,),
        steadiness=Steadiness(("crf32",), 13, 0.9, (0.8, 1.0), 0),
        alarms=AlarmFigures(1.5, 6, 2, 1.33, (0.2, 4.8), 1, 7, 5, 6, 14.2, alerted_s=14),
    )
    write_card(weights, report)
    found = read_card(weights).measured
    told = "windows of real faces of 9 sources, each against its pseudo-fake"
    command = "; deepfake-monitor evaluate x"
    assert found["set_val.pseudo.F1.auc"] == Measured(0.93, 120, (0.9, 0.95), f"60 {told}{command}")
    assert found["set_val.pseudo.F2.auc"].note == f"19 {told}; counts, not quality"
    few = "7 fake, 6 real files delivered as CRF 32; counts, not quality"
    assert found["set_val.robustness.crf32.auc"] == Measured(0.9, 13, (0.8, 0.95), few + command)
    assert found["set_val.robustness.crf32.fpr"] == Measured(0.1, 6, (0.0, 0.4), few)
    assert found["set_val.robustness.crf32.tpr"] == Measured(0.7, 7, (0.5, 0.9), few)
    assert str(found["set_val.alarms.episodes per hour"].note).endswith(command)
    assert found["set_val.robustness.verdict kept"].value == 0.9
    assert found["set_val.alarms.episodes per hour"].value == 1.33
    assert found["set_val.alarms.caught within 60 s"].note == "5 of 7 fakes"
    assert found["set_val.alarms.time in alert"].value == 0.0026
    assert "set_val.robustness.crf23.auc" not in found  # the section was measured anew


@pytest.mark.parametrize(
    ("manifest", "split", "name"),
    [("my.set.tsv", None, "my_set"), ("my.set.tsv", "val", "my_set_val"), ("other.tsv", "val", "other_val")],
)
def test_the_set_is_named_after_the_manifest_and_its_split(manifest: str, split: str | None, name: str) -> None:
    report = replace(a_report(), split=split, manifest=manifest)
    assert {key.split(".")[0] for key in measured(report)} == {name}


def test_the_card_of_other_weights_is_left_alone(weights: Path) -> None:
    before = weights.with_suffix(".json").read_bytes()
    other = ScorerInfo("cpu", "torch", "x", "1" * 64)
    with pytest.raises(WeightsError, match="not the card of the weights"):
        check_card(weights, other)
    with pytest.raises(WeightsError):
        write_card(weights, replace(a_report(), scorer=other))
    assert weights.with_suffix(".json").read_bytes() == before


def test_a_card_that_is_missing_broken_or_in_a_lost_folder_is_told_before_the_work(tmp_path: Path) -> None:
    info = ScorerInfo("cpu", "torch", "x", "0" * 64)
    with pytest.raises(WeightsError):
        check_card(tmp_path / "none.safetensors", info)
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(WeightsError):
        check_card(tmp_path / "bad.safetensors", info)
    (tmp_path / "good.json").mkdir()
    with pytest.raises((WeightsError, ConfigError)):
        check_card(tmp_path / "good.safetensors", info)


def test_the_card_says_in_one_sentence_what_was_found(weights: Path) -> None:
    write_card(weights, a_report())
    assert read_card(weights).coverage == (
        "Of the videos it was measured on, this detector flagged 6 of 7 face swaps, and 1 of 6 genuine ones."
    )


def test_reals_or_fakes_alone_give_no_sentence() -> None:
    for fake in (False, True):
        files = [one for one in FILES if one.row.fake == fake]
        assert coverage(summarise(files, [], judge=a_judge(), manifest="m")) == ""


def test_several_families_are_listed() -> None:
    lips = [scored(f"l{i}", 0.1, fake=True, family="lip-sync") for i in range(3)]
    report = summarise([*FILES, *lips], [], judge=a_judge(), manifest="m")
    assert "flagged 6 of 7 face swaps and 0 of 3 lip-syncs, and 1 of 6 genuine ones" in coverage(report)

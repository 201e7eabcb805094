from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from analyzer.config import DEFAULT_AGGREGATE, Aggregate
from analyzer.datatypes import ScoreCurve
from analyzer.errors import WeightsError
from analyzer.model.card import Measured, WeightsCard, card_path, default_weights_dir, find_weights, read_card

CARD = WeightsCard(
    name="tiny",
    version="0.1.0",
    created="2026-01-02",
    description="for tests",
    trained_on=("made-up faces, CC0",),
    licence="Apache-2.0",
    architecture="some",
    sha256="ab" * 32,
    measured={"video.auc": Measured(0.81, n=40, interval=(0.7, 0.9), note="dev"), "rows": Measured(3.0)},
    real_scores=ScoreCurve((-3.0, -1.0, 0.5), windows=40, groups=7),
    coverage="Finds 2 of 8 face swaps.",
    limits=("finds no fully generated video",),
    seeds=(1, 2),
    command="deepfake-monitor train",
)


def _put(folder: Path, name: str, version: str) -> Path:
    weights = folder / f"{name}.safetensors"
    weights.write_bytes(b"")
    value = json.loads(CARD.to_json()) | {"name": name, "version": version}
    card_path(weights).write_text(json.dumps(value))
    return weights


def test_a_card_survives_its_json() -> None:
    assert WeightsCard.from_json(CARD.to_json()) == CARD


def test_a_card_that_names_no_aggregate_gets_one_that_exists() -> None:
    value = json.loads(CARD.to_json())
    del value["aggregate"]
    assert Aggregate(WeightsCard.from_json(json.dumps(value)).aggregate) is DEFAULT_AGGREGATE


def test_unknown_fields_of_a_later_version_are_ignored() -> None:
    value = json.loads(CARD.to_json()) | {"mood": "good"}
    assert WeightsCard.from_json(json.dumps(value)) == CARD


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"name": None}, "'name'", id="null"),
        pytest.param({"sha256": 12}, "'sha256'", id="number for text"),
        pytest.param({"threshold": "0.5"}, "'threshold'", id="text for number"),
        pytest.param({"threshold": True}, "'threshold'", id="boolean for number"),
        pytest.param({"threshold": float("nan")}, "'threshold'", id="nan"),
        pytest.param({"threshold": 10**400}, "'threshold'", id="more than a float holds"),
        pytest.param({"trained_on": "everything"}, "'trained_on'", id="text for list"),
        pytest.param({"input": []}, "input", id="list for object"),
        pytest.param({"calibration": {"a": 1, "b": 0}}, "'c'", id="calibration without c"),
        pytest.param({"measured": {"auc": 0.9}}, "measured.auc", id="bare figure"),
        pytest.param({"measured": {"auc": {"value": 0.9, "interval": [1]}}}, "two numbers", id="half an interval"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], named: str) -> None:
    with pytest.raises(WeightsError, match=named):
        WeightsCard.from_json(json.dumps(json.loads(CARD.to_json()) | change))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "[" * 100_000], ids=repr)
def test_what_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(WeightsError):
        WeightsCard.from_json(text)


@pytest.mark.parametrize("field", ["name", "version", "architecture", "sha256", "input", "calibration", "threshold"])
def test_a_missing_field_is_named(field: str) -> None:
    value = json.loads(CARD.to_json())
    del value[field]
    with pytest.raises(WeightsError, match=field):
        WeightsCard.from_json(json.dumps(value), "card")


def test_a_weights_file_without_card_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lonely.safetensors").touch()
    with pytest.raises(WeightsError, match="has no card"):
        read_card(tmp_path / "lonely.safetensors")


def test_a_weights_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nothing\.safetensors: there is no such weights file"):
        read_card(tmp_path / "nothing.safetensors")


def test_a_card_of_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    card_path(tmp_path / "x.safetensors").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WeightsError, match="cannot read"):
        read_card(tmp_path / "x.safetensors")


def test_a_huge_card_is_refused_unread(tmp_path: Path) -> None:
    card_path(tmp_path / "x.safetensors").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(WeightsError, match="no weights card"):
        read_card(tmp_path / "x.safetensors")


def test_an_empty_or_absent_folder_has_no_weights(tmp_path: Path) -> None:
    assert find_weights(tmp_path) is None
    assert find_weights(tmp_path / "absent") is None


def test_of_several_weights_the_highest_version_is_used(tmp_path: Path) -> None:
    _put(tmp_path, "a", "0.9.0")
    newest = _put(tmp_path, "b", "0.10.0")
    _put(tmp_path, "c", "0.2")
    assert find_weights(tmp_path) == newest


def test_a_version_of_any_length_is_read(tmp_path: Path) -> None:
    newest = _put(tmp_path, "a", "9" * 10_000)
    _put(tmp_path, "b", "1.0")
    assert find_weights(tmp_path) == newest


def test_weights_with_a_broken_card_do_not_pass_for_no_weights(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match="has no card"):
        find_weights(tmp_path)


def test_a_checkout_keeps_its_weights_at_the_top_level() -> None:
    assert default_weights_dir() == Path(__file__).resolve().parents[3] / "weights"


def test_reading_a_card_needs_no_torch() -> None:
    code = "import sys, analyzer.model.card; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize(
    "curve",
    [
        {"logits": [1.0], "windows": 4, "groups": 1},
        {"logits": [1.0, 0.5], "windows": 4, "groups": 1},
        {"logits": [0.0] * 5000, "windows": 4, "groups": 1},
        {"logits": [0.0, "high"], "windows": 4, "groups": 1},
        {"logits": [0.0, 1.0]},
        [0.0, 1.0],
    ],
    ids=["one number", "falling", "thousands", "a word", "no counts", "a list"],
)
def test_a_curve_of_scores_that_is_none_is_refused(curve: object) -> None:
    text = json.dumps(json.loads(CARD.to_json()) | {"real_scores": curve})
    with pytest.raises(WeightsError, match="real_scores"):
        WeightsCard.from_json(text)


def test_cards_from_before_the_curve_are_read() -> None:
    value = json.loads(CARD.to_json())
    del value["real_scores"], value["coverage"]
    card = WeightsCard.from_json(json.dumps(value))
    assert (card.real_scores, card.coverage) == (None, "")

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.config import DEFAULT_AGGREGATE
from analyzer.model.card import WeightsCard
from analyzer.scorer import ScorerInfo
from stream_server.web.card_in_use import aggregate_of, card_in_use, threshold_of

CARD = WeightsCard("test", "0.1", "2026-01-01", "x", ("y",), "Apache-2.0", sha256="ab" * 32)
INFO = ScorerInfo("cpu", "torch", "test", "AB" * 32)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "w.json").write_text(CARD.to_json())
    return tmp_path / "w.safetensors"


def test_the_card_stands_beside_the_weights(weights: Path) -> None:
    assert card_in_use(weights, INFO) == CARD


def test_a_card_of_other_weights_is_not_shown(weights: Path) -> None:
    assert card_in_use(weights, replace(INFO, weights_sha256="cd" * 32)) is None


def test_without_trained_weights_there_is_no_card(weights: Path) -> None:
    assert card_in_use(weights, replace(INFO, weights_sha256=None)) is None


def test_a_card_that_is_gone_is_no_reason_to_fail(tmp_path: Path) -> None:
    assert card_in_use(tmp_path / "gone.safetensors", INFO) is None


def test_the_card_decides_the_rule_and_the_threshold() -> None:
    assert aggregate_of(replace(CARD, aggregate="evenly_spaced")) == "evenly_spaced"
    assert aggregate_of(replace(CARD, aggregate="of a later version")) == DEFAULT_AGGREGATE
    assert aggregate_of(None) == DEFAULT_AGGREGATE
    assert threshold_of(replace(CARD, threshold=0.6)) == 0.6
    assert threshold_of(None) == 0.5

"""The card of the weights that a scorer uses, and what the card decides."""

from __future__ import annotations

import logging
from pathlib import Path

from analyzer.config import DEFAULT_AGGREGATE, Aggregate
from analyzer.errors import WeightsError
from analyzer.model.card import WeightsCard, default_weights_dir, find_weights, read_card
from analyzer.scorer import ScorerInfo

log = logging.getLogger(__name__)


def card_in_use(weights: Path | None, info: ScorerInfo) -> WeightsCard | None:
    """The card beside `weights` (None: the shipped ones); None without trained weights, or if it is another's."""
    path = weights or find_weights(default_weights_dir())
    if path is None or info.weights_sha256 is None:
        return None
    try:
        card = read_card(path)
    except WeightsError as error:
        log.warning("%s", error)
        return None
    return card if card.sha256.lower() == info.weights_sha256.lower() else None


def aggregate_of(card: WeightsCard | None) -> str:
    """The rule that makes one number of a video: the one that ranked better when these weights were evaluated."""
    return card.aggregate if card is not None and card.aggregate in set(Aggregate) else DEFAULT_AGGREGATE


def threshold_of(card: WeightsCard | None) -> float:
    """The operating point on `fake_probability`."""
    return 0.5 if card is None else card.threshold

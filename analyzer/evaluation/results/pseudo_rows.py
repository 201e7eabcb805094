"""Names of the pseudo-fake rows of section A; `pseudo` measures them. Apart from it so that the table stays light."""

from __future__ import annotations

from typing import Final

from analyzer.training.pseudofakes.synthesis import FAMILIES

AS_SEEN_LIVE: Final = "pseudo F5, 90-150 px, H.264 CRF 28-34"
"""The product's first threat: a 128-pixel live swapper as a viewer gets it."""


def row_name(family: str) -> str:
    """`pseudo F1` ..."""
    return f"pseudo {family}"


PSEUDO_ROWS: Final = (*(row_name(family) for family in FAMILIES), AS_SEEN_LIVE)
"""In the order of the table."""

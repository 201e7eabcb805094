"""Which rows of the table a file belongs to, from what its manifest calls it.

The table has fixed rows, and manifests have their own words. A fake's `family` is looked at first; only where it says
nothing known, its `method`. What is still unknown gets a row of its own name, so that nothing is lost in "other".
Fakes of a live swapper stand in `real swaps` and again in `live swap`.
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.training.data.manifest import Row

SWAP: Final = "real swaps"
LIVE: Final = "live swap"
REENACTMENT: Final = "reenactment"
LIP_SYNC: Final = "lip-sync"
SYNTHESIS: Final = "full synthesis"
REPLAY: Final = "replay"
FIXED: Final = (SWAP, LIVE, REENACTMENT, LIP_SYNC, SYNTHESIS, REPLAY)
"""In the order of the table; printed even when there is no such file."""
POOLED: Final = "pooled"

# For words as `_plain` makes them. The order decides: "lip-sync of a fully synthetic face" is a lip-sync, "SadTalker
# lip-sync" too, an "expression swap" (NeuralTextures) a reenactment, and FSGAN, for all its name, a swap.
_WORDS: Final = (
    (
        LIP_SYNC,
        r"\blips? ?sync|wav2lip|\bretalking|videoretalking|latentsync|musetalk|diff2lip|\bdubb(ed|ing)\b|\bmouth\b",
    ),
    (REPLAY, r"\breplay|\bre ?film|\bscreen recording|\bpresentation attack"),
    (
        REENACTMENT,
        r"\bre ?enact|\bexpression (swap|transfer)|face ?2 ?face|neural ?textures?\b|\bfomm\b|\bfirst order\b"
        r"|live ?portrait|vid ?2 ?vid|\btpsmm?\b|\bthin plate\b|hyperreenact",
    ),
    (
        SWAP,
        r"swap|\bfs ?gan\b|face ?shifter|\bghost\b|\broop\b|face ?fusion|\bceleb ?df\b|\bdfdc\b|\bdeepfakes\b|blendface"
        r"|deep ?face ?lab|hififace|megafs|facedancer",
    ),
    (
        SYNTHESIS,
        r"\bsynth|talking ?heads?\b|diffusion|\b(style|pro|pg|big|vq|eg3d|projected) ?gan ?\d*\b|\bgans?\b"
        r"|\bgenerated\b|\b(text|image|audio) ?(to|2) ?(video|image)|\bportrait animation\b|sadtalker"
        r"|dreamtalk|styletalk|makeittalk|aniportrait|echomimic|\bavatars?\b|heygen|\bsora\b|\bmidjourney\b",
    ),
)
_LIVE: Final = re.compile(r"inswapper|\b(roop|rope|dfm)\b|\bdeep ?(face ?)?live|\blive ?(face ?)?swap|swap live\b")
"""Swappers that people run on a webcam."""


def rows_of(row: Row) -> tuple[str, ...]:
    """The rows of the table that a fake stands in (not `pooled`, where every file stands)."""
    family, method = _plain(row.family), _plain(row.method)
    name = _known(family) or _known(method) or row.family
    if _LIVE.search(f"{family} {method}") and name in {SWAP, row.family}:
        return SWAP, LIVE
    return (f"{name} (family)" if name == POOLED else name,)


def _plain(words: str) -> str:
    """In small letters, with one blank where somebody wrote `_`, `-` or `/`."""
    return " ".join(re.sub(r"[_\-/]", " ", words.lower()).split())


def _known(words: str) -> str | None:
    return next((name for name, pattern in _WORDS if re.search(pattern, words)), None)

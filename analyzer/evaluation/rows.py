"""Which rows of the table a file belongs to, from what its manifest calls it.

The table has fixed rows, and manifests have their own words. A fake's `family` is looked at first; only where it says
nothing known, its `method`. What is still unknown gets a row of its own name, so that nothing is lost in "other".
Fakes of a live swapper stand in `real swaps` and again in `live swap`.
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.training.manifest import Row

SWAP: Final = "real swaps"
LIVE: Final = "live swap"
REENACTMENT: Final = "reenactment"
LIP_SYNC: Final = "lip-sync"
SYNTHESIS: Final = "full synthesis"
REPLAY: Final = "replay"
FIXED: Final = (SWAP, LIVE, REENACTMENT, LIP_SYNC, SYNTHESIS, REPLAY)
"""In the order of the table; printed even when there is no such file."""
POOLED: Final = "pooled"

# The order decides: "lip-sync of a fully synthetic face" is a lip-sync, "SadTalker lip-sync" too.
_WORDS: Final = (
    (LIP_SYNC, r"lip[ -]?sync|wav2lip|retalking|dubbing|mouth"),
    (REPLAY, r"replay|re-?film|screen recording|presentation attack"),
    (SWAP, r"swap|faceshifter|simswap|ghost|inswapper|roop|celeb-?df|dfdc|deepfakes\b|blendface|deepfacelab"),
    (REENACTMENT, r"reenact|face2face|neural ?textures|fomm|first order|liveportrait|face vid2vid"),
    (
        SYNTHESIS,
        r"synth|talking head|diffusion|gan\b|generated|text.?to.?video|portrait animation|sadtalker|dreamtalk|avatar",
    ),
)
_LIVE: Final = re.compile(r"inswapper|\b(roop|rope|dfm)\b|deep-?(face-?)?live|live[ -]?(face[ -]?)?swap|swap[ -]?live")
"""Swappers that people run on a webcam."""


def rows_of(row: Row) -> tuple[str, ...]:
    """The rows of the table that a fake stands in (not `pooled`, where every file stands)."""
    words = f"{row.family} {row.method}".lower()
    name = _known(row.family.lower()) or _known(row.method.lower()) or row.family
    if _LIVE.search(words) and name in {SWAP, row.family}:
        return SWAP, LIVE
    return (f"{name} (family)" if name == POOLED else name,)


def _known(words: str) -> str | None:
    return next((name for name, pattern in _WORDS if re.search(pattern, words)), None)

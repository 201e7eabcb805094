"""Pseudo-fake rows of section A: windows of the manifest's real faces against pseudo-fakes of those very windows.

Real and fake differ in nothing but the pasting: one draw of degradation is applied to both. The people are those of the
manifest, whom the weights should not have seen; whether a family was left out of training is for the card to say.
Scores come from the scorer as it serves, one window at a time.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analyzer.config import NUM_FRAMES
from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError
from analyzer.evaluation.results.kept import Kept, code_digest, key_of
from analyzer.evaluation.results.outcomes import settings_key
from analyzer.evaluation.results.pseudo_rows import AS_SEEN_LIVE, row_name
from analyzer.evaluation.results.section_figures import PseudoRow
from analyzer.evaluation.sections.real_faces import Found, real_faces
from analyzer.scorer import ClipScore, Scorer
from analyzer.training.augment.degradation import BOX_SHARE, VIEWED_PX, Degradation, degrade, draw_degradation
from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row
from analyzer.training.pseudofakes.synthesis import FAMILIES, make_pair
from analyzer.training.reporting.metrics import auc, figures
from analyzer.training.sampling.samples import choose_window

Draw = Callable[[np.random.Generator, int], Degradation]
"""Draws what happens to 16 loose crops of this many pixels a side."""

WANTED: Final = 120
"""Windows of a row: enough for an interval of some .05 either way, and minutes on a CPU."""
MOST_FILES: Final = 240
"""Real videos that windows are made of; of a longer list as many, spread over the sources."""
MOST_EACH: Final = 6
"""Windows of one face: more say nearly the same."""
LIVE_CRF: Final = (28, 35)
"""From the first to below the second: what streaming services send."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a window was given. All logits; the first is calibrated."""

    logit: float
    frames: float | None
    """Mean of the 16 frame logits."""
    window: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One window of one face, and how it is changed. The same sample is the same pictures."""

    place: int
    """Index of the face."""
    repeat: int
    family: str
    live: bool
    """As a viewer gets it: 90-150 px, H.264."""
    seed: int


def mild(rng: np.random.Generator, side: int) -> Degradation:
    """Nothing harsh."""
    return draw_degradation(rng, side, NUM_FRAMES, mild=True)


def as_seen_live(rng: np.random.Generator, side: int) -> Degradation:
    """A face 90 to 150 px wide (no wider than it is) after H.264 at CRF 28-34."""
    drawn = draw_degradation(rng, side, NUM_FRAMES, mild=True)
    wanted = int(rng.uniform(*VIEWED_PX) / BOX_SHARE) // 2 * 2
    target = min(side // 2 * 2, wanted)
    factor = target / drawn.side
    boxes = [replace(b, x=b.x * factor, y=b.y * factor, width=b.width * factor, height=b.height * factor)
             for b in drawn.boxes]  # fmt: skip
    return replace(drawn, side=target, boxes=boxes, codec="h264", strength=int(rng.integers(*LIVE_CRF)))


def make_windows(track: Track, sample: Sample) -> tuple[list[float], list[Pixels], list[Pixels]]:
    """Times in seconds, 16 real crops and their 16 pseudo-fake partners."""
    # bytes of the family's name, for the same number in every process
    rng = np.random.default_rng((sample.seed, 7, sample.place, sample.repeat, *sample.family.encode(), sample.live))
    indices, elapsed = choose_window(rng, track.at_s)
    pair = make_pair(track.frames(indices), track.marks(indices), int(rng.integers(2**31)), sample.family)
    degradation = (as_seen_live if sample.live else mild)(rng, track.side)
    at_s = np.cumsum(np.maximum(elapsed.astype(np.float64), 1e-3))
    return [float(one) for one in at_s], degrade(pair.real, degradation), degrade(pair.fake, degradation)


def samples_of(found: Sequence[Found], seed: int) -> dict[str, list[Sample]]:
    """What every row of the table is measured on."""
    each = max(1, min(MOST_EACH, round(WANTED / max(1, len(found)))))
    wide = [place for place, (_, track) in enumerate(found) if track.side * BOX_SHARE >= VIEWED_PX[0]]
    rows = {row_name(family): (family, False, list(range(len(found)))) for family in FAMILIES}
    rows[AS_SEEN_LIVE] = ("F5", True, wide)
    return {
        name: [Sample(place, repeat, family, live, seed) for place in places for repeat in range(each)]
        for name, (family, live, places) in rows.items()
    }


def run_pseudo(
    rows: Sequence[Row], scorer: Scorer, faces: Path, *, work: Path, threshold: float = 0.5, seed: int = 0
) -> tuple[PseudoRow, ...]:
    """Measure every row on the real videos among `rows`.

    `faces`: where cut-out faces are, or are put, as `train` keeps them. Results are kept in `work`, so that the same
    call goes on where it was cut off. Videos without a usable face are left out, which the rows' notes tell. Raises
    `ConfigError` when none is left, `MediaError` when kept faces go while they are used, `ScorerError`.
    """
    reals = real_faces(rows, faces, MOST_FILES)
    found = reals.found
    if not found:
        raise ConfigError("pseudo-fakes are made of real faces: no real video of the manifest has a usable one")
    kept = Kept(work / "pseudo.jsonl")
    plan = samples_of(found, seed)
    settings = (settings_key(scorer.info, ""), making_digest())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("pseudo-fakes", total=sum(map(len, plan.values())))
        out = []
        for name, samples in plan.items():
            progress.update(bar, description=name)
            pairs = []
            for sample in samples:
                row, track = found[sample.place]
                pair = _pair(scorer, track, sample, kept, key_of(*settings, row.file, track_digest(track), sample))
                pairs.append((row.group, pair))
                progress.update(bar, advance=1)
            out.append(row_figures(name, pairs, threshold))
    return tuple(replace(row, note="; ".join(filter(None, (reals.note, row.note)))) for row in out)


def _pair(scorer: Scorer, track: Track, sample: Sample, kept: Kept, key: str) -> tuple[Opinion, Opinion] | None:
    """Real and fake; None where the network gave no number."""
    known = _opinions(kept.find(key))
    if known is not None:
        return known
    at_s, real, fake = make_windows(track, sample)
    first, second = (_opinion(scorer.score_clip(crops, at_s)) for crops in (real, fake))
    if first is None or second is None:
        return None
    kept.add(key, {"real": _numbers(first), "fake": _numbers(second)})
    return first, second


def _opinion(clip: ClipScore | None) -> Opinion | None:
    if clip is None or not math.isfinite(clip.logit):
        return None
    evidence = clip.evidence
    if evidence is None or not evidence.sane:
        return Opinion(clip.logit, None, None)
    return Opinion(clip.logit, math.fsum(evidence.frame_logits) / NUM_FRAMES, evidence.window_logit)


def _numbers(opinion: Opinion) -> list[float | None]:
    return [opinion.logit, opinion.frames, opinion.window]


def _opinions(entry: Mapping[str, object] | None) -> tuple[Opinion, Opinion] | None:
    """What was kept; None when nothing was, or somebody has changed it."""
    if entry is None:
        return None
    found = []
    for kind in ("real", "fake"):
        numbers = entry.get(kind)
        if not isinstance(numbers, list) or len(numbers) != 3 or not isinstance(numbers[0], float):
            return None
        if not all(one is None or (isinstance(one, float) and math.isfinite(one)) for one in numbers):
            return None
        found.append(Opinion(*numbers))
    return found[0], found[1]


def row_figures(name: str, pairs: Sequence[tuple[str, tuple[Opinion, Opinion] | None]], threshold: float) -> PseudoRow:
    """One row from (group, real and fake) of each window."""
    usable = [(group, pair) for group, pair in pairs if pair is not None]
    flat = [(group, opinion, fake) for group, pair in usable for opinion, fake in zip(pair, (False, True), strict=True)]
    groups, truth = [group for group, _, _ in flat], [fake for _, _, fake in flat]
    scores = 1 / (1 + np.exp(-np.clip([opinion.logit for _, opinion, _ in flat], -500, 500)))
    found = figures(scores, truth, groups, threshold=threshold)

    def of_path(value: Callable[[Opinion], float | None]) -> float | None:
        logits = [logit for _, opinion, _ in flat if (logit := value(opinion)) is not None]
        return auc(logits, truth) if len(logits) == len(truth) else None

    lost = len(pairs) - len(usable)
    return PseudoRow(
        name=name,
        n_windows=len(usable),
        n_groups=len(set(groups)),
        auc=found.auc.value,
        auc_ci=found.auc.interval,
        auc_frames=of_path(lambda opinion: opinion.frames),
        auc_window=of_path(lambda opinion: opinion.window),
        eer=found.eer.value,
        average_precision=found.average_precision.value,
        tpr_at_1=found.tpr_at_1.value,
        tpr=found.tpr.value,
        fpr=found.fpr.value,
        ece=found.ece.value,
        note=f"{lost} windows without a number were left out" if lost else "",
    )


def track_digest(track: Track) -> str:
    """Of the pictures that were cut out: another cutting is another face."""
    return hashlib.sha256(b"".join(track.jpegs[:: max(1, len(track.jpegs) // 4)])).hexdigest()


@functools.cache
def making_digest() -> str:
    """Of the code that makes and degrades pseudo-fakes: results of another generator are not mixed in."""
    here = Path(__file__).resolve()
    return code_digest([here, *(here.parents[2] / "training").rglob("*.py")])

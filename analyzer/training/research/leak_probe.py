"""The leak probe: can a one-layer model tell real from fake by what lies outside of the face, by codec and size alone?

A real clip and its pseudo-fake went through one degradation, so outside of the blend mask they hold the same pixels, up
to what a codec carries over the border. Where the model can separate them (AUC well above .5), the network would learn
the leak instead of the face. Files from different places usually can be separated; then the figure says how much of a
good result may be worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from analyzer.config import FACE_SIZE
from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError
from analyzer.faces.geometry import Mask
from analyzer.training.augment.degradation import Degradation, degrade, draw_degradation
from analyzer.training.data.dataset import Found, Track
from analyzer.training.pseudofakes.synthesis import make_pair
from analyzer.training.reporting.metrics import auc, auc_interval
from analyzer.training.sampling.material import Material

Values = npt.NDArray[np.float64]
Area = npt.NDArray[np.bool_]
"""Which pixels of a degraded crop are looked at: (224, 224)."""

STATISTICS: Final = (
    "red", "green", "blue", "red spread", "green spread", "blue spread", "high frequencies", "noise", "grid of 8",
    "any grid", "bytes as JPEG", "border sharpness", "change over time", "repeated frames",
)  # fmt: skip
FOLDS: Final = 5
FRAMES: Final = 4
MARGIN: Final = 16
"""Pixels of a degraded loose crop around a mask that are not looked at: a macroblock, whose coding it may change."""
LEAST_AREA: Final = 0.04
"""Share of a crop that must lie outside of the mask, or the pair is left out."""
_REPEATED: Final = 0.05
"""Mean change in grey levels below which a frame counts as the one before."""
_DONORS: Final = 0.25
"""Share of pseudo-fakes with somebody else's face, as in training."""
_FOREIGN: Final = 1 / 255
"""Blend weight up to which a pixel stays as it was: the soft tail of a mask rounds to nothing."""
_DECAY: Final = 0.01
"""Weight of the squared coefficients (standardised) per sample: keeps few samples from being learnt by heart."""

Leak = Callable[[Sequence[Pixels]], list[Pixels]]
"""Something done to fakes alone, to see that the probe finds it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the probe found. AUC .5 is what should be."""

    auc: float
    """Every sample scored by a model that has not seen its group."""
    interval: tuple[float, float] | None
    """95 %, whole groups drawn; None where every draw gives the same: partners that are equal in every statistic."""
    paired: float
    """Share of pairs whose fake scores above its own real, ties half: finds what the spread between clips hides."""
    pairs: int
    groups: int
    outside: float
    """Mean difference between partners in the pixels looked at, grey levels; NaN where partners are no pairs."""


def statistics(crops: Sequence[Pixels], area: Area) -> Values:
    """`STATISTICS` of a clip of degraded crops, from the pixels in `area` alone, which must not be empty: (14,)."""
    rows = [_of_frame(crop, area) for crop in crops]
    changes = [float(np.abs(a[area].astype(np.int16) - b[area]).mean()) for a, b in pairwise(crops)]
    over_time = [float(np.mean(changes)) if changes else 0.0, float(sum(change < _REPEATED for change in changes))]
    return np.concatenate([np.mean(rows, axis=0), over_time])


def _of_frame(crop: Pixels, area: Area) -> Values:
    pixels = crop[area].astype(np.float64)
    luma = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.float32)
    inner = cv2.erode(area.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0  # whose neighbours all count
    inner = inner if inner.any() else area
    high = np.abs(cv2.Laplacian(luma, cv2.CV_32F))[inner].mean()
    # Immerkaer's kernel (1996): blind to planes and edges, so that noise is left
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    noise = np.abs(cv2.filter2D(luma, cv2.CV_32F, kernel))[inner].mean()
    steps = [_steps(luma, area), _steps(luma.T, area.T)]
    edge = np.ones_like(area)
    edge[8:-8, 8:-8] = False
    slope = np.abs(cv2.Sobel(luma, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(luma, cv2.CV_32F, 0, 1))
    bare = crop.copy()
    bare[~area] = 128
    size = len(cv2.imencode(".jpg", bare, [cv2.IMWRITE_JPEG_QUALITY, 75])[1])
    border = slope[edge & inner].mean() if (edge & inner).any() else 0.0
    grids = [float(np.mean([grid(step) for step in steps])) for grid in (_grid_of_8, _any_grid)]
    sharpness = [np.log1p(high), np.log1p(noise), *grids, np.log(size), np.log1p(border)]
    return np.array([*pixels.mean(axis=0), *pixels.std(axis=0), *sharpness])


def _steps(luma: npt.NDArray[np.float32], area: Area) -> Values:
    """Mean step between each column and the next over the rows of `area`, without its slow part: (columns - 1,)."""
    both = area[:, 1:] & area[:, :-1]
    step = np.abs(np.diff(luma, axis=1)) * both
    count = both.sum(axis=0)
    mean = np.where(count > 0, step.sum(axis=0) / np.maximum(count, 1), np.nan)
    mean = np.where(np.isnan(mean), np.nanmean(mean) if (count > 0).any() else 0.0, mean)
    return np.asarray(mean - cv2.blur(mean[None], (9, 1))[0], np.float64)


def _grid_of_8(steps: Values) -> float:
    """How much steps at multiples of 8 stand out, in standard deviations."""
    return float(steps[7::8].mean() / (steps.std() + 1e-6))


def _any_grid(steps: Values) -> float:
    """Highest autocorrelation over periods of 6 to 40 pixels: a codec's grid after the crop was scaled."""
    power = float((steps * steps).sum()) + 1e-6
    return max(float((steps[lag:] * steps[:-lag]).sum()) / power for lag in range(6, 41))


def outside_of(masks: Sequence[Mask], degradation: Degradation) -> Area:
    """The pixels of the degraded crops that no mask of the clip comes near."""
    touched = (np.max(masks, axis=0) > _FOREIGN).astype(np.uint8)
    scale = degradation.side / len(touched)
    reach = 2 * round(MARGIN / scale) + 1
    touched = np.asarray(cv2.dilate(touched, np.ones((reach, reach), np.uint8)), np.uint8)
    covered = np.zeros((FACE_SIZE, FACE_SIZE), np.uint8)
    for box in degradation.boxes:
        factor = FACE_SIZE / box.width
        matrix = np.array([[factor * scale, 0, -box.x * factor], [0, factor * scale, -box.y * factor]])
        warped = cv2.warpAffine(touched, matrix, (FACE_SIZE, FACE_SIZE), flags=cv2.INTER_NEAREST)
        here = np.asarray(warped, np.uint8)
        covered |= here[:, ::-1] if degradation.flip else here
    return np.asarray(covered == 0)


def around_face() -> Area:
    """The pixels outside of an oval that holds most faces: for clips without a mask."""
    oval = np.zeros((FACE_SIZE, FACE_SIZE), np.uint8)
    cv2.ellipse(oval, (FACE_SIZE // 2, FACE_SIZE // 2), (FACE_SIZE * 2 // 5, FACE_SIZE // 2), 0, 0, 360, 1, -1)
    return np.asarray(oval == 0)


def probe_families(
    found: Sequence[Found], families: Sequence[str], *, seed: int = 0, each: int = 2, leak: Leak | None = None
) -> Probe:
    """Probe real clips against their pseudo-fakes: `each` draws of every real file, of the families by turns.

    `leak` is done to the degraded fakes alone. Folds and interval go by `Row.group`. Raises `ConfigError` with fewer
    than 5 usable groups.
    """
    values, names, differences = [], [], []
    reals = [one for one in found if not one[0].fake]
    if not reals or not families:
        raise ConfigError("the probe needs real faces and a family: no usable real file among the rows, or no family")
    material = Material(reals)
    for index, (row, track) in enumerate(reals):
        for draw in range(each):
            rng = np.random.default_rng((seed, index, draw))
            chosen = _frames_of(rng, track)
            family = families[(index + draw) % len(families)]
            marks = track.marks(chosen)
            donor = material.pick_donor(rng, marks) if rng.random() < _DONORS else None
            pair = make_pair(track.frames(chosen), marks, int(rng.integers(2**31)), family, donor=donor)
            degradation = draw_degradation(rng, track.side, len(chosen))
            area = outside_of(pair.masks, degradation)
            if area.mean() < LEAST_AREA:
                continue
            real, fake = degrade(pair.real, degradation), degrade(pair.fake, degradation)
            fake = leak(fake) if leak else fake
            values.append((statistics(real, area), statistics(fake, area)))
            names.append(row.group)
            differences.append(
                np.mean([np.abs(a[area].astype(np.int16) - b[area]).mean() for a, b in zip(real, fake, strict=True)])
            )
    return _probe(np.array(values), names, float(np.mean(differences)) if differences else float("nan"))


def probe_files(reals: Sequence[Found], fakes: Sequence[Found], *, seed: int = 0) -> Probe:
    """Probe real files against fake ones, each pair under one degradation as in training, at the size of the smaller.

    Folds and interval go by `Row.group`: a model has seen neither the source of the pair that it is asked about nor
    that of anything which was paired with it, but may know the collection (see `_partners`). Raises `ConfigError` with
    fewer than 5 files or sources of either kind.
    """
    if min(len(reals), len(fakes)) < FOLDS:
        raise ConfigError(f"the probe needs {FOLDS} real and {FOLDS} fake files, got {len(reals)} and {len(fakes)}")
    area, values, names = around_face(), [], []
    for index, (name, real, fake) in enumerate(_partners(reals, fakes)):
        tracks = (real[1], fake[1])
        chosen = [_frames_of(np.random.default_rng((seed, index)), track) for track in tracks]
        side = min(track.side for track in tracks)
        degradation = draw_degradation(np.random.default_rng((seed, 1, index)), side, FRAMES)
        values.append(
            [statistics(degrade(track.frames(c), degradation), area) for track, c in zip(tracks, chosen, strict=True)]
        )
        names.append(name)
    return _probe(np.array(values), names, float("nan"))


def _partners(reals: Sequence[Found], fakes: Sequence[Found]) -> Iterator[tuple[str, Found, Found]]:
    """Every file with one of the other kind, and the name of what must stay in one fold.

    Each source of the kind that has more of them belongs to one source of the other kind: its own where it is among
    them, else one in turn, first those that are nobody's own. So no two names share a source, and all files are used;
    where one side has fewer files they are repeated.
    """
    swapped = len({row.group for row, _ in reals}) > len({row.group for row, _ in fakes})
    few, many = (_by_group(fakes), _by_group(reals)) if swapped else (_by_group(reals), _by_group(fakes))
    turns = cycle([name for name in few if name not in many] + [name for name in few if name in many])
    belongs: dict[str, list[Found]] = {name: [] for name in few}
    for name, files in many.items():
        belongs[name if name in few else next(turns)] += files
    for name, others in belongs.items():
        own = few[name]
        for index in range(max(len(own), len(others))):
            pair = own[index % len(own)], others[index % len(others)]
            yield name, *(pair[::-1] if swapped else pair)


def _by_group(found: Sequence[Found]) -> dict[str, list[Found]]:
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(one[0].group, []).append(one)
    return groups


def _frames_of(rng: np.random.Generator, track: Track) -> list[int]:
    """A few faces in a row; a picture is shown that many times, as in training."""
    count = len(track.jpegs)
    start = int(rng.integers(max(1, count - FRAMES + 1)))
    return [min(start + i, count - 1) for i in range(FRAMES)]


def _probe(values: Values, names: Sequence[str], outside: float) -> Probe:
    """`values`: (pairs, 2, statistics), real first."""
    groups = sorted(set(names))
    if len(groups) < FOLDS:
        raise ConfigError(f"the probe needs {FOLDS} or more sources whose background can be seen, got {len(groups)}")
    order = np.random.default_rng(0).permutation(len(groups))
    fold_of = dict(zip(groups, (order % FOLDS).tolist(), strict=True))
    folds = np.array([fold_of[name] for name in names])
    scores = np.zeros(values.shape[:2])
    for fold in range(FOLDS):
        known, asked = values[folds != fold], values[folds == fold]
        flat = known.reshape(-1, values.shape[2])
        mean, spread = flat.mean(axis=0), flat.std(axis=0) + 1e-6
        weights = fit_logistic((flat - mean) / spread, np.tile([0.0, 1.0], len(known)))
        scores[folds == fold] = ((asked - mean) / spread) @ weights[:-1] + weights[-1]
    fake = np.tile([False, True], len(scores))
    flat_scores = scores.ravel().tolist()
    value, ends = auc(flat_scores, fake), auc_interval(flat_scores, fake.tolist(), [n for n in names for _ in (0, 1)])
    if value is None:
        raise ConfigError("the probe got no score for one of the kinds")
    gaps = scores[:, 1] - scores[:, 0]
    return Probe(value, ends, float((gaps > 0).mean() + (gaps == 0).mean() / 2), len(scores), len(groups), outside)


def fit_logistic(values: Values, fake: Values) -> Values:
    """Coefficients and intercept of a logistic regression with a little decay: (statistics + 1,)."""
    inputs = np.hstack([values, np.ones((len(values), 1))])

    def loss(weights: Values) -> tuple[float, Values]:
        logits = inputs @ weights
        decay = _DECAY * np.append(weights[:-1], 0.0)
        total = float(np.mean(np.logaddexp(0, logits) - fake * logits) + 0.5 * decay @ weights)
        return total, inputs.T @ (expit(logits) - fake) / len(inputs) + decay

    return np.asarray(minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x, np.float64)

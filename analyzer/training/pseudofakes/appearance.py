"""How a pasted face differs from the face around it: colour, sharpness, grain, light and shape, one draw per clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.datatypes import Pixels
from analyzer.faces.geometry import TEMPLATE, Affine, cut_square

Field = npt.NDArray[np.float32]
"""Values over the aligned square, shape (TEMPLATE, TEMPLATE, 3)."""

Paint = Callable[[Sequence[Pixels]], list[Pixels]]
"""Paints RGB pictures of one size anew, as `analyzer.training.pseudofakes.autoencoder` does."""

_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, slots=True)
class Appearance:
    """A slight change of a picture's look, constant over a clip."""

    color: npt.NDArray[np.float64]
    """3 x 4 matrix on RGB."""
    down: float
    """Scale down by this and up again; 1 for no change."""
    sharpen: float
    """Weight of unsharp masking; 0 for none."""
    skin: float = 0.0
    """Range in grey levels within which skin is smoothed and edges are kept, 0 for none."""
    grain: float = 0.0
    """Standard deviation of noise that the target has and the pasted face has not, 0 for none."""
    seed: int = field(default=0, repr=False)

    def apply(self, picture: Pixels) -> Pixels:
        """The picture with its colour, resolution and sharpness changed."""
        out: Pixels = picture
        if self.down > 1:
            height, width = picture.shape[:2]
            small = (max(8, round(width / self.down)), max(8, round(height / self.down)))
            reduced = cv2.resize(out, small, interpolation=cv2.INTER_AREA)
            out = np.asarray(cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
        if self.skin > 0:
            out = np.asarray(cv2.bilateralFilter(out, 7, self.skin, 4), np.uint8)
        if self.sharpen > 0:
            out = sharpened(out, self.sharpen)
        return np.asarray(cv2.transform(out, self.color), np.uint8)

    def grainy(self, picture: Pixels, index: int) -> Pixels:
        """The picture with this look's grain, which is new in each frame `index`."""
        if not self.grain:
            return picture
        noise = np.random.default_rng((self.seed, index)).standard_normal(picture.shape[:2], dtype=np.float32)
        return np.asarray(np.clip(picture + self.grain * noise[..., None] + 0.5, 0, 255), np.uint8)


def draw_appearance(rng: np.random.Generator, grey: bool, light: Sequence[float] = (110.0, 110.0, 110.0)) -> Appearance:
    """A look that most people would not notice on its own. `light`: mean level of the face's channels, 0 to 255."""
    mean = np.asarray(light, np.float64)
    strength = rng.uniform(0.3, 1.0)
    contrast = 1 + strength * rng.uniform(-0.12, 0.12)
    offset = strength * rng.uniform(-16, 16)
    shift = np.full(3, offset) if grey else offset / 2 + strength * rng.uniform(-13, 13, 3)
    saturation = 1.0 if grey else 1 + strength * rng.uniform(-0.2, 0.2)
    shift = np.clip(shift, -0.13 * mean, 0.13 * mean)  # or a dark face gets a coloured veil
    mix = np.eye(3) * saturation + (1 - saturation) * _LUMA[None, :]
    color = np.concatenate([mix * contrast, (shift + mean * (1 - contrast))[:, None]], axis=1)
    kind = rng.random()
    return Appearance(
        color=color,
        down=float(rng.uniform(1.3, 3.0)) if kind < 0.45 else 1.0,
        sharpen=float(rng.uniform(0.2, 0.7)) if kind > 0.65 else 0.0,
        skin=float(rng.uniform(15, 45)) if rng.random() < 0.3 else 0.0,
        grain=float(rng.uniform(2, 6)) if rng.random() < 0.2 else 0.0,
        seed=int(rng.integers(2**31)),
    )


def draw_shade(rng: np.random.Generator, grey: bool) -> Field:
    """Gains over the face that change slowly from place to place: another person's face in another light."""
    cells = rng.integers(2, 5)
    coarse = rng.normal(0, rng.uniform(0.01, 0.045), (cells, cells, 3))
    if grey:
        coarse[:] = coarse[..., :1]
    coarse += rng.normal(0, rng.uniform(0.01, 0.06), (cells, cells, 1))
    gains = cv2.resize(coarse.astype(np.float32), (TEMPLATE, TEMPLATE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(1 + gains, np.float32)


def shaded(picture: Pixels, shade: Field, matrix: Affine) -> Pixels:
    """The picture times `shade`, whose template `matrix` maps into the picture."""
    height, width = picture.shape[:2]
    gains = cv2.warpAffine(shade, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.multiply(picture, gains, dtype=cv2.CV_8U), np.uint8)


def inner_warp(
    picture: Pixels, points: npt.NDArray[np.float64], shifts: npt.NDArray[np.float64], reach: float
) -> Pixels:
    """Move the picture around each of the five `points` by its row of `shifts` (pixels), fading over `reach` pixels."""
    height, width = picture.shape[:2]
    step = 4  # the field is smooth: a coarse grid is enough
    columns, rows = np.arange(0, width, step, dtype=np.float32), np.arange(0, height, step, dtype=np.float32)
    moves = np.zeros((len(rows), len(columns), 2), np.float32)
    for (x, y), shift in zip(points, shifts, strict=True):
        across, down = np.exp(-((columns - x) ** 2) / (2 * reach**2)), np.exp(-((rows - y) ** 2) / (2 * reach**2))
        moves += (down[:, None] * across[None, :])[..., None] * shift.astype(np.float32)
    full = cv2.resize(moves, (width, height), interpolation=cv2.INTER_LINEAR)
    from_x = np.arange(width, dtype=np.float32)[None, :] - full[..., 0]
    from_y = np.arange(height, dtype=np.float32)[:, None] - full[..., 1]
    return np.asarray(cv2.remap(picture, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.uint8)


def sharpened(picture: Pixels, weight: float) -> Pixels:
    """The picture after unsharp masking."""
    soft = cv2.GaussianBlur(picture, (0, 0), 1.5)
    return np.asarray(cv2.addWeighted(picture, 1 + weight, soft, -weight, 0), np.uint8)


def repainted(pictures: Sequence[Pixels], painter: Paint, grey: bool) -> list[Pixels]:
    """What a painter makes of them; of `grey` ones in luma only, so that they keep their tint."""
    painted = painter(pictures)
    if not grey:
        return painted
    out = []
    for old, new in zip(pictures, painted, strict=True):
        change = cv2.cvtColor(new, cv2.COLOR_RGB2GRAY).astype(np.int16) - cv2.cvtColor(old, cv2.COLOR_RGB2GRAY)
        out.append(np.asarray(np.clip(old + change[..., None], 0, 255), np.uint8))
    return out


@dataclass(frozen=True, slots=True)
class Decoder:
    """What becomes of a face that a swap network paints: small, without skin texture, at times sharpened after."""

    size: int
    """Side in pixels of the square that is painted, about the face without chin and forehead."""
    blur: float
    """Standard deviation in its own pixels, 0 for none."""
    skin: float
    """As in `Appearance`."""
    sharpen: float
    """Weight of unsharp masking: little as of a video filter, much as of a face enhancer."""
    grey: bool = False
    """Whether the clip has no colour: then a painter brings none into it."""

    def paint(self, picture: Pixels, to_picture: Affine, painter: Paint | None = None) -> Pixels:
        """The picture with its face painted. `to_picture` maps the `size` x `size` square into it.

        With a `painter` that leaves its own traces, instead of blur and smoothed skin.
        """
        face = cut_square(picture, to_picture, self.size)
        if painter is not None:
            face = repainted([face], painter, self.grey)[0]
        elif self.blur:
            face = np.asarray(cv2.GaussianBlur(face, (0, 0), self.blur), np.uint8)
        elif self.skin:
            face = np.asarray(cv2.bilateralFilter(face, 7, self.skin, 4), np.uint8)
        if self.sharpen:
            face = sharpened(face, self.sharpen)
        back = picture.copy()  # beyond the swapper's crop the picture stays
        cv2.warpAffine(
            face, to_picture, picture.shape[1::-1], dst=back, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_TRANSPARENT
        )
        return back


def draw_decoder(rng: np.random.Generator, grey: bool = False) -> Decoder:
    """96 to 144 px, of a third of the draws down to 64; most of them without fine texture."""
    small = rng.random() < 1 / 3
    size = np.exp(rng.uniform(np.log(64), np.log(144))) if small else rng.integers(96, 145)
    kind = rng.random()
    return Decoder(
        size=int(size),
        blur=float(rng.uniform(0.5, 1.4)) if kind < 0.35 else 0.0,
        skin=float(rng.uniform(20, 50)) if 0.35 <= kind < 0.8 else 0.0,
        sharpen=float(rng.uniform(0.4, 1.1)) if rng.random() < 0.4 else 0.0,
        grey=grey,
    )

"""What happens to a picture between a face and the network, fake or not: cameras, codecs, networks, trackers.

One draw is applied to a real clip and to its fake partner alike, after blending: nothing here may tell the classes
apart, or people with bad webcams would be accused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.datatypes import Box, Pixels
from analyzer.faces.crop import crop_face
from analyzer.faces.geometry import Mask
from analyzer.training.augment.occlusion import Occlusion, draw_occlusion, soft_background
from analyzer.training.augment.transcode import through_codec
from analyzer.training.data.dataset import LOOSE

MIN_DEGRADED_PX: Final = 64
"""Smallest width of a degraded face (its box): the smallest that is scored live."""
BOX_SHARE: Final = 1 / (1.3 * LOOSE)
"""Longer side of the face box over the side of a loose crop."""
VIEWED_PX: Final = (90, 150)
"""Width of a face in a call or a live stream."""
STRENGTHS: Final = {"none": (0, 1), "jpeg": (35, 96), "h264": (20, 39), "vp8": (15, 50)}
"""JPEG quality, H.264 constant rate factor, VP8 quantiser: from the first to below the second."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """Everything drawn for one clip. Lists have one entry per frame."""

    first_codec: tuple[str, int] | None
    """Codec and strength of an earlier compression at full size: most video is compressed before it is degraded."""
    side: int
    """Loose crops are scaled to this."""
    occlusion: Occlusion | None
    """What hides a part of the picture."""
    background: float
    """Standard deviation, in shares of the side, of the blur behind the head (as meeting programs do), 0 for none."""
    sharpen: float
    """Weight of a camera's unsharp masking, 0 for none."""
    curve: npt.NDArray[np.uint8]
    """(frames, 256, 3): exposure, gamma and white balance, drifting."""
    beauty: float
    """Weight of an edge-preserving smoothing, as of a beauty filter or of a camera's denoising, 0 for none."""
    skin: float
    """Grey levels within which it smooths."""
    blur: float
    """Standard deviation of a Gaussian blur in degraded pixels, 0 for none."""
    noise: float
    """Standard deviation of the sensor noise, 0 for none."""
    codec: str
    """"none", "jpeg", "h264" or "vp8"."""
    strength: int
    """JPEG quality, H.264 constant rate factor, or VP8 quantiser."""
    order: list[int]
    """Which frame is shown at each place: repeated where the picture froze."""
    boxes: list[Box]
    """What the tracker cuts out of the degraded loose crops."""
    flip: bool
    seed: int


def draw_degradation(rng: np.random.Generator, side: int, count: int, *, mild: bool = False) -> Degradation:
    """Draw what happens to a clip of `count` loose crops of `side` pixels; `mild` leaves out what is harsh."""
    smallest = MIN_DEGRADED_PX / BOX_SHARE
    target = side
    if rng.random() < (0.3 if mild else 0.75) and side > smallest:
        target = int(np.exp(rng.uniform(np.log(smallest), np.log(side))))
        if rng.random() < 0.4:  # what a viewer of a call or a live stream gets
            target = min(side, int(rng.uniform(*VIEWED_PX) / BOX_SHARE))
    target = target // 2 * 2
    rare = not mild
    codec = str(rng.choice(list(STRENGTHS), p=[0.13, 0.22, 0.45, 0.2]))
    first_codec = None
    if rare and rng.random() < 0.35:
        name = str(rng.choice(["jpeg", "h264"]))
        first_codec = (name, int(rng.integers(60, 96)) if name == "jpeg" else int(rng.integers(18, 32)))
    smoothed = rare and rng.random() < 0.28  # often, for real skin without texture is what gets accused
    return Degradation(
        first_codec=first_codec,
        side=target,
        occlusion=draw_occlusion(rng, count) if rare and rng.random() < 0.1 else None,
        background=float(rng.uniform(0.01, 0.05)) if rare and rng.random() < 0.06 else 0.0,
        sharpen=float(rng.uniform(0.2, 0.9)) if rare and rng.random() < 0.15 else 0.0,
        curve=_draw_curves(rng, count, 0.25 if mild else 1.0),
        beauty=float(rng.uniform(0.3, 1.0)) if smoothed else 0.0,
        skin=float(rng.uniform(20, 60)) if smoothed else 0.0,
        blur=float(rng.uniform(0.3, 1.3)) if rng.random() < (0.1 if mild else 0.25) else 0.0,
        noise=float(rng.uniform(1, 9)) if rare and rng.random() < 0.3 else 0.0,
        codec=codec,
        strength=int(rng.integers(*STRENGTHS[codec])),
        order=_draw_order(rng, count, rare),
        boxes=_draw_boxes(rng, target, count),
        flip=bool(rng.random() < 0.5),
        seed=int(rng.integers(2**31)),
    )


def _draw_curves(rng: np.random.Generator, count: int, strength: float) -> npt.NDArray[np.uint8]:
    """Appearance-up tables of gamma, gain and white balance that drift slowly from frame to frame."""
    gamma, gain, balance = 1.0, 1.0, np.ones(3)
    if rng.random() < 0.5:
        gamma = float(np.exp(rng.normal(0, 0.25) * strength))
        gain = float(np.exp(rng.normal(0, 0.15) * strength))
        balance = np.exp(rng.normal(0, 0.05, 3) * strength)
    drift = np.cumsum(rng.normal(0, 0.006 * strength, count)) if rng.random() < 0.3 else np.zeros(count)
    levels = np.linspace(0, 1, 256)[None, :, None] ** gamma
    tables = levels * gain * np.exp(drift)[:, None, None] * balance[None, None, :]
    return np.asarray(np.clip(tables * 255 + 0.5, 0, 255), np.uint8)


def _draw_order(rng: np.random.Generator, count: int, rare: bool) -> list[int]:
    order = list(range(count))
    if count >= 8 and rare and rng.random() < 0.15:
        start, length = int(rng.integers(1, count - 2)), int(rng.integers(1, 5))
        for i in range(start, min(count, start + length)):
            order[i] = order[start - 1]
    return order


def _draw_boxes(rng: np.random.Generator, side: int, count: int) -> list[Box]:
    """The serving crop somewhere near the middle, trembling a little as the smoothed box of a tracker does."""
    middle = side / LOOSE
    scale = rng.uniform(0.9, 1.12)
    place = side / 2 + rng.uniform(-0.05, 0.05, 2) * middle
    tremble = np.zeros((count, 3))
    step, rho = rng.uniform(0, 0.006), 0.7
    for i in range(1, count):
        tremble[i] = rho * tremble[i - 1] + rng.normal(0, step, 3)
    boxes = []
    for shake in tremble:
        length = middle * scale * (1 + shake[2])
        x, y = place + shake[:2] * middle - length / 2
        boxes.append(Box(float(x), float(y), float(length), float(length)))
    return boxes


def degrade(frames: Sequence[Pixels], degradation: Degradation) -> list[Pixels]:
    """Loose crops -> serving crops (224 x 224 RGB), one for each place in `degradation.order`."""
    rng = np.random.default_rng(degradation.seed)
    if degradation.first_codec is not None:
        frames = through_codec(frames, *degradation.first_codec)
    seen = [_filmed(frame, degradation, index, rng) for index, frame in enumerate(frames)]
    seen = through_codec(seen, degradation.codec, degradation.strength)
    crops = []
    for place, index in enumerate(degradation.order):
        crop = crop_face(seen[index], degradation.boxes[place], scale=1.0)
        crops.append(np.ascontiguousarray(crop[:, ::-1]) if degradation.flip else crop)
    return crops


def _filmed(frame: Pixels, degradation: Degradation, index: int, rng: np.random.Generator) -> Pixels:
    """One frame after all that happens before it is encoded for the way to us."""
    out: Pixels = frame
    if degradation.occlusion is not None:
        out = degradation.occlusion.put(out, index)
    if degradation.background:
        out = soft_background(out, degradation.background)
    if len(out) != degradation.side:
        out = np.asarray(cv2.resize(out, (degradation.side, degradation.side), interpolation=cv2.INTER_AREA), np.uint8)
    if degradation.beauty:
        smooth = cv2.bilateralFilter(out, 7, degradation.skin, 5)
        out = np.asarray(cv2.addWeighted(smooth, degradation.beauty, out, 1 - degradation.beauty, 0), np.uint8)
    out = np.asarray(cv2.LUT(out, degradation.curve[index][None]), np.uint8)
    if degradation.blur:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), degradation.blur), np.uint8)
    if degradation.sharpen:
        soft = cv2.GaussianBlur(out, (0, 0), 1.0)
        out = np.asarray(cv2.addWeighted(out, 1 + degradation.sharpen, soft, -degradation.sharpen, 0), np.uint8)
    if degradation.noise:
        # half of it is shared by the channels, as after a camera's colour interpolation
        grain = rng.standard_normal((*out.shape[:2], 4), dtype=np.float32) * np.float32(degradation.noise * 0.7)
        out = np.clip(out + grain[..., :3] + grain[..., 3:] + 0.5, 0, 255).astype(np.uint8)
    return out


def degrade_mask(mask: Mask, degradation: Degradation, place: int, cells: int = 7) -> Mask:
    """Where the seam of a blend mask is in a degraded crop: the mean of 4 M (1 - M) over `cells` x `cells` cells."""
    scale = degradation.side / len(mask)
    box, fine = degradation.boxes[place], cells * 8
    factor = fine / (box.width / scale)
    matrix = np.array([[factor, 0, -box.x / scale * factor], [0, factor, -box.y / scale * factor]])
    # a face that is half blended everywhere has its edge at the edge, not everywhere
    peak = float(mask.max())
    cut = cv2.warpAffine(mask / max(peak, 1e-3), matrix, (fine, fine), flags=cv2.INTER_LINEAR)
    edge = 4 * cut * (1 - cut) * min(1.0, 2 * peak)
    seam = cv2.resize(edge, (cells, cells), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(seam[:, ::-1] if degradation.flip else seam, np.float32)

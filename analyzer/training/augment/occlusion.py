"""What stands between a face and the network without being fake: hands, microphones, bars, blurred backgrounds."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from analyzer.datatypes import Pixels


@dataclass(frozen=True, slots=True)
class Occlusion:
    """A flat or grainy shape in front of the face, drifting slowly."""

    places: npt.NDArray[np.float64]
    """Its centre in each frame, shares of the picture's side: (frames, 2)."""
    radii: tuple[float, float]
    """Half axes, shares of the picture's side."""
    turn: float
    """Degrees."""
    box: bool
    """A rectangle (a caption, a cut-out) instead of an ellipse (a hand, a microphone)."""
    color: tuple[int, int, int]
    grain: float
    """Standard deviation of its texture, 0 for none."""

    def put(self, picture: Pixels, index: int) -> Pixels:
        """The picture with the shape in front."""
        side = len(picture)
        x, y = (self.places[index] * side).tolist()
        rectangle = ((x, y), (2 * self.radii[0] * side, 2 * self.radii[1] * side), self.turn)
        shape = np.zeros(picture.shape[:2], np.uint8)
        if self.box:
            cv2.fillConvexPoly(shape, cv2.boxPoints(rectangle).astype(np.int32), 255)
        else:
            cv2.ellipse(shape, rectangle, 255, -1)
        flat = np.empty_like(picture)
        flat[:] = self.color
        if self.grain:
            # the same in each frame: it belongs to the thing
            texture = np.random.default_rng(round(self.turn * 1000)).normal(0, self.grain, (side // 4 + 1,) * 2)
            grown = cv2.resize(texture.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
            flat = np.clip(flat + grown[..., None], 0, 255).astype(np.uint8)
        weight = cv2.GaussianBlur(shape, (0, 0), 0.8).astype(np.float32) / 255
        return np.asarray(cv2.blendLinear(flat, picture, weight, 1 - weight), np.uint8)


def draw_occlusion(rng: np.random.Generator, count: int) -> Occlusion:
    """Something that hides up to a fifth of the middle of `count` pictures."""
    place = rng.uniform(0.25, 0.75, 2)
    drift = np.cumsum(rng.normal(0, 0.006, (count, 2)), axis=0)
    skin = rng.random() < 0.5
    color = (np.array([205, 160, 135]) * rng.uniform(0.4, 1.15)).clip(0, 255) if skin else rng.uniform(0, 255, 3)
    return Occlusion(
        places=place + drift,
        radii=(float(rng.uniform(0.04, 0.16)), float(rng.uniform(0.03, 0.1))),
        turn=float(rng.uniform(0, 180)),
        box=bool(rng.random() < 0.4),
        color=(int(color[0]), int(color[1]), int(color[2])),
        grain=float(rng.uniform(2, 12)) if rng.random() < 0.7 else 0.0,
    )


def soft_background(picture: Pixels, share: float) -> Pixels:
    """Everything outside of a head-shaped oval in the middle blurred, by `share` of the side."""
    side = len(picture)
    oval = np.zeros(picture.shape[:2], np.float32)
    cv2.ellipse(oval, (side // 2, round(0.48 * side)), (round(0.27 * side), round(0.38 * side)), 0, 0, 360, 1.0, -1)
    cv2.rectangle(oval, (round(0.2 * side), round(0.83 * side)), (round(0.8 * side), side), 1.0, -1)  # shoulders
    weight = np.asarray(cv2.GaussianBlur(oval, (0, 0), max(1.0, 0.012 * side)), np.float32)
    # blurred small and scaled up: it is smooth anyway
    small = cv2.resize(picture, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), max(0.5, share * side / 4))
    behind = cv2.resize(soft, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blendLinear(picture, behind, weight, 1 - weight), np.uint8)

"""A real face (scikit-image's picture of Eileen Collins) that moves over a plain ground, as JPEG with its box."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
from skimage import data

FRAME_SIZE = (640, 360)
_STEPS = 48
# where the face is in the astronaut picture: x, y, width, height
_FACE = (176, 68, 96, 124)
# head and shoulders around it
_CUT = (40, 0, 360, 360)


class MovingFace:
    """Frames of one or two people who sway; the same boxes belong to the same frames."""

    def boxes(self, tick: int, count: int) -> list[list[float]]:
        """Boxes x, y, width, height in pixels of the frame."""
        scale = 1.0 if count == 1 else 0.7
        x, y, width, height = _FACE
        found = []
        for place in range(count):
            left, top = _corner(tick % _STEPS, place, count)
            found.append([left + (x - _CUT[0]) * scale, top + (y - _CUT[1]) * scale, width * scale, height * scale])
        return found

    def jpeg(self, tick: int, count: int) -> bytes:
        return _jpeg(tick % _STEPS, count)


def _corner(step: int, place: int, count: int) -> tuple[int, int]:
    sway = math.sin(2 * math.pi * (step / _STEPS + place / 3))
    room = FRAME_SIZE[0] // count
    scale = 1.0 if count == 1 else 0.7
    left = room * place + (room - _CUT[2] * scale) / 2 + sway * (120 if count == 1 else 30)
    return round(left), round(FRAME_SIZE[1] - _CUT[3] * scale)


@cache
def _jpeg(step: int, count: int) -> bytes:
    width, height = FRAME_SIZE
    astronaut: npt.NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]  # scikit-image has no types here
    ground = cv2.resize(astronaut[:288], FRAME_SIZE)
    frame = (cv2.GaussianBlur(ground, (0, 0), 24) * 0.6).astype(np.uint8)
    x, y, cut_width, cut_height = _CUT
    person = astronaut[y : y + cut_height, x : x + cut_width]
    if count > 1:
        person = cv2.resize(person, None, fx=0.7, fy=0.7).astype(np.uint8)
    for place in range(count):
        left, top = _corner(step, place, count)
        begin, end = max(0, left), min(width, left + person.shape[1])
        frame[top : top + person.shape[0], begin:end] = person[: height - top, begin - left : end - left]
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])
    if not done:
        raise ValueError("the frame could not be encoded as JPEG")
    return bytes(encoded)


@cache
def cut_out_jpeg(step: int) -> bytes:
    """The face as the monitor cuts it out, 160 x 160: what a peak's picture shows."""
    x, y, width, height = _FACE
    side = round(1.3 * max(width, height))
    left, top = x + width // 2 - side // 2 + 4 * step, y + height // 2 - side // 2
    astronaut: npt.NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]  # see above
    cut = cv2.resize(astronaut[top : top + side, left : left + side], (160, 160), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(cut, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise ValueError("the picture could not be encoded as JPEG")
    return bytes(encoded)

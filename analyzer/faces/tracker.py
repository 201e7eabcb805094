"""Ties detections over time to faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from analyzer.datatypes import Box, Detection, TrackedFace

# Time constant of the position filter. YuNet's boxes tremble by 1-3 % of the face from frame to frame; at 25 frames/s
# this averages over some 10 of them, at 6/s over 2, where the filter must follow rather than smooth.
POSITION_TAU_S: Final = 0.2

# The size of a face changes more slowly than its place.
SIZE_TAU_S: Final = 0.3

# How far from its predicted place a face may be found, in face sizes: at once, per second since it was seen, at most.
# A person walking past turns 1.5 m/s into about 6 face sizes per second before the filter has learnt the speed.
REACH: Final = (0.7, 3.0, 2.0)

# Beyond this, in face sizes at once and per second, the tie may be wrong and the crop is not to be scored.
JUMP: Final = (0.5, 1.5)

# Face sizes whose ratio is beyond this are two faces; beyond the second the tie may be wrong.
SIZE_RATIO: Final = 2.5
SIZE_JUMP: Final = 1.6

# An unseen face is thought to go on at its speed for this long, and to stand still after that.
COAST_S: Final = 0.5

# With `max_faces` tracked, a new face must be this much larger than the smallest to take its place, or two faces of one
# size would take turns.
TAKEOVER: Final = 1.25

Vector = npt.NDArray[np.float64]


@dataclass(slots=True)
class _Track:
    face_id: int
    place: Vector
    """Filtered centre x, y in pixels."""
    size: Vector
    """Filtered width, height in pixels."""
    seen_s: float
    speed: Vector
    """Of the centre, pixels per second."""
    hits: int = 1

    @property
    def scale(self) -> float:
        return float(self.size.max())

    def predict(self, now_s: float, frame_size: tuple[int, int]) -> Vector:
        """Where the centre is by now: constant velocity, never outside the picture, where it cannot be seen."""
        place = self.place + self.speed * min(now_s - self.seen_s, COAST_S)
        return np.clip(place, 0, np.array(frame_size, np.float64))

    def follow(self, detection: Detection, now_s: float, frame_size: tuple[int, int]) -> bool:
        """Take in the detection tied to this face; say whether it is further off than a face can move.

        A fading-memory filter of first order (Morrison 1969; Brookner, "Tracking and Kalman Filtering Made Easy",
        1998, section 1.4): no lag at constant speed, its gains follow from the elapsed time, so that it smooths alike
        at any frame rate. The first updates use the gains of a least-squares line through what was seen so far.
        """
        place, size = _place(detection.box), _size(detection.box)
        elapsed = now_s - self.seen_s
        predicted = self.predict(now_s, frame_size)
        residual = place - predicted
        grown = float(size.max()) / self.scale
        # Seen only once it has no known speed yet, and may be anywhere within reach.
        too_far = self.hits > 1 and float(np.hypot(*residual)) > self.scale * (JUMP[0] + JUMP[1] * elapsed)
        jumped = too_far or not 1 / SIZE_JUMP < grown < SIZE_JUMP
        if jumped:
            # Start over from here: the past says nothing about this place.
            self.place, self.size, self.speed, self.hits = place, size, np.zeros(2), 1
        elif elapsed > 0:
            n = self.hits
            fading = math.exp(-elapsed / POSITION_TAU_S)
            gain = max(1 - fading**2, 2 * (2 * n + 1) / ((n + 1) * (n + 2)))
            speed_gain = max((1 - fading) ** 2, 6 / ((n + 1) * (n + 2)))
            self.place = predicted + gain * residual
            self.speed = self.speed + speed_gain * residual / elapsed
            self.size = self.size + (1 - math.exp(-elapsed / SIZE_TAU_S)) * (size - self.size)
            self.hits += 1
        self.seen_s = now_s
        return jumped

    def tracked(self, detection: Detection, jumped: bool) -> TrackedFace:
        (x, y), (width, height) = self.place, self.size
        box = Box(float(x - width / 2), float(y - height / 2), float(width), float(height))
        return TrackedFace(self.face_id, detection, box, jumped)


class Tracker:
    """The faces of one stream over time; belongs to one thread.

    Each detection goes to the face whose predicted place (constant velocity) and size it fits best, over all faces at
    once, so that faces that cross keep their ids. A face unseen for more than `max_gap_s` is given up. At most
    `max_faces` are kept, the largest. Ids count from `first_id` and never repeat.
    """

    def __init__(self, max_gap_s: float = 1.0, max_faces: int = 16, first_id: int = 1) -> None:
        self._max_gap_s = max_gap_s
        self._max_faces = max_faces
        self._tracks: list[_Track] = []
        self._ended: list[int] = []
        self.next_id = first_id
        """Of the next new face."""
        self._now_s = 0.0
        self._received_at_s: float | None = None

    def update(
        self, detections: Sequence[Detection], received_at_s: float, frame_size: tuple[int, int]
    ) -> list[TrackedFace]:
        """Tie the detections of one frame to faces; returns those seen in this frame, in the order of their ids.

        `received_at_s`: when the frame came, seconds; time that stands still or runs backwards counts as no time.
        `frame_size`: (width, height) of the frame in pixels.
        """
        if self._received_at_s is not None:
            self._now_s += max(0.0, received_at_s - self._received_at_s)
        self._received_at_s = received_at_s
        self._give_up([track for track in self._tracks if self._now_s - track.seen_s > self._max_gap_s])

        # A crowd, or a detector gone mad, must not cost more than a few times what is tracked anyway.
        largest = sorted(detections, key=lambda detection: -detection.box.longer_side)[: 4 * self._max_faces]
        pairs = self._pair(largest, frame_size)
        seen = []
        for track, detection in pairs:
            jumped = track.follow(detection, self._now_s, frame_size)
            seen.append((track, track.tracked(detection, jumped)))
        known = {id(detection) for _, detection in pairs}
        for detection in largest:
            if id(detection) not in known and self._make_room(detection):
                track = _Track(self.next_id, _place(detection.box), _size(detection.box), self._now_s, np.zeros(2))
                self.next_id += 1
                self._tracks.append(track)
                seen.append((track, track.tracked(detection, jumped=False)))
        # A face seen a moment ago may have just lost its place to a larger one.
        kept = {track.face_id for track in self._tracks}
        return [face for track, face in sorted(seen, key=lambda pair: pair[0].face_id) if track.face_id in kept]

    def ended(self) -> list[int]:
        """The ids of faces given up since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def reset(self) -> list[int]:
        """Give up all faces, for the picture is another one now; returns their ids (`ended` does not repeat them)."""
        ids = [track.face_id for track in self._tracks]
        self._tracks.clear()
        return ids

    def _give_up(self, tracks: Sequence[_Track]) -> None:
        for track in tracks:
            self._tracks.remove(track)
            self._ended.append(track.face_id)

    def _make_room(self, detection: Detection) -> bool:
        """Whether a new face may be tracked; the smallest goes if this one is clearly larger."""
        if len(self._tracks) < self._max_faces:
            return True
        smallest = min(self._tracks, key=lambda track: track.scale)
        if detection.box.longer_side <= TAKEOVER * smallest.scale:
            return False
        self._give_up([smallest])
        return True

    def _pair(self, detections: Sequence[Detection], frame_size: tuple[int, int]) -> list[tuple[_Track, Detection]]:
        """The cheapest assignment of detections to tracks, without pairs that cannot be."""
        if not detections or not self._tracks:
            return []
        place = np.array([track.predict(self._now_s, frame_size) for track in self._tracks])  # (tracks, 2)
        size = np.array([track.size for track in self._tracks])  # (tracks, 2)
        elapsed = np.array([self._now_s - track.seen_s for track in self._tracks])  # (tracks,)
        found = np.array([_place(detection.box) for detection in detections])  # (found, 2)
        found_size = np.array([_size(detection.box) for detection in detections])  # (found, 2)

        scale = size.max(axis=1)  # (tracks,)
        reach = scale * np.minimum(REACH[0] + REACH[1] * elapsed, REACH[2])  # (tracks,)
        distance = np.hypot(*(found[None] - place[:, None]).transpose(2, 0, 1)) / reach[:, None]  # (tracks, found)
        ratio = np.abs(np.log(found_size.max(axis=1)[None] / scale[:, None])) / math.log(SIZE_RATIO)
        overlap = _iou(place, size, found, found_size)
        # Each part is 0 to 1. What cannot be costs 1, as much as leaving both alone, so that no far-fetched pair is
        # made only to tie more faces.
        cost = np.where((distance < 1) & (ratio < 1), 0.5 * distance + 0.2 * ratio + 0.3 * (1 - overlap), 1.0)
        rows, columns = linear_sum_assignment(cost)
        return [
            (self._tracks[int(row)], detections[int(column)])
            for row, column in zip(rows, columns, strict=True)
            if cost[row, column] < 1
        ]


def _place(box: Box) -> Vector:
    return np.array(box.center, np.float64)


def _size(box: Box) -> Vector:
    return np.array((box.width, box.height), np.float64)


def _iou(place: Vector, size: Vector, found: Vector, found_size: Vector) -> Vector:
    """Intersection over union of two sets of boxes, given by centres and sizes: (n, 2) and (m, 2) -> (n, m)."""
    low = np.maximum((place - size / 2)[:, None], (found - found_size / 2)[None])
    high = np.minimum((place + size / 2)[:, None], (found + found_size / 2)[None])
    common = np.clip(high - low, 0, None).prod(axis=2)
    union = size.prod(axis=1)[:, None] + found_size.prod(axis=1)[None] - common
    return np.asarray(common / union, np.float64)

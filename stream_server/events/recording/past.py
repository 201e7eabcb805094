"""The last seconds of a stream and of its faces, kept in memory, bounded in time, number and bytes. Event loop only."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from analyzer.config import NUM_FRAMES
from analyzer.datatypes import Box, FaceCrop, FrameFaces, Observation, Score

PAST_S: Final = 8.0
"""Of pictures before an alert."""
MAX_BYTES: Final = 8_000_000
"""Of the pictures of one stream; 8 s take 0.3 MB while nothing is the matter, 3 MB otherwise."""
MAX_CROP_BYTES: Final = 8_000_000
"""Of the crops of one stream: a window of each of 40 faces of concern, at some 12 KB a crop."""
CROPS_S: Final = 12.0
"""Of a face's crops: a window at the lowest face rate of two a second, and half as long again."""
FACE_PICTURES: Final = 4 * NUM_FRAMES
"""Of one face: a window of 16 spans more crops than were scored where the scorer passes some over."""
OBSERVATIONS: Final = 720
"""Of one face: a minute at 12 a second."""
MAX_FACES: Final = 256
"""Of one stream; those not heard of for longest go."""


@dataclass(frozen=True, slots=True)
class PastPicture:
    """One frame as people see it, with the faces that were in it."""

    generation: int
    frame_index: int
    at_s: float
    """On the clock of `received_at_s`."""
    width: int
    height: int
    """Of the frame, in whose pixels the boxes are; the JPEG may be smaller."""
    faces: tuple[tuple[int, Box, bool], ...]
    """Face id, box, whether it is fit to be judged."""
    jpeg: bytes


@dataclass(slots=True)
class PastFace:
    """What is known of one face."""

    crops: deque[tuple[float, bytes]] = field(default_factory=deque)
    """Of crops that may be scored: when their frame came, and a JPEG. `PastStream` bounds them."""
    window: deque[float] = field(default_factory=lambda: deque(maxlen=NUM_FRAMES))
    """When the frames of the faces in the window came."""
    observations: deque[Observation] = field(default_factory=lambda: deque(maxlen=OBSERVATIONS))
    newest: Score | None = None

    def observe(self, observation: Observation) -> None:
        """One more of it."""
        self.observations.append(observation)
        if observation.filled:
            if observation.filled == 1:
                self.window.clear()
            self.window.append(observation.at_s)

    def pictures(self, window: Sequence[float]) -> tuple[bytes | None, ...]:
        """The crops of a window, oldest first; None for those that were not kept."""
        by_time = dict(self.crops)
        return tuple(by_time.get(at_s) for at_s in window)


class PastStream:
    """The last seconds of one stream."""

    def __init__(self, *, private: bool = False) -> None:
        """`private`: keep no picture."""
        self.private = private
        self.pictures: deque[PastPicture] = deque()
        self._faces: dict[int, PastFace] = {}
        self._bytes = 0
        self._crop_bytes = 0

    def add(self, faces: FrameFaces) -> PastPicture | None:
        """Keep the pictures that came with a frame; the frame's own, if there was one."""
        if self.private:
            return None
        for face_id, jpeg in faces.face_jpegs:
            self._add_crop(face_id, faces.received_at_s, jpeg)
        if faces.jpeg is None:
            return None
        picture = PastPicture(
            generation=faces.generation,
            frame_index=faces.frame_index,
            at_s=faces.received_at_s,
            width=faces.width,
            height=faces.height,
            faces=tuple(_face(crop) for crop in faces.crops),
            jpeg=faces.jpeg,
        )
        self.pictures.append(picture)
        self._bytes += len(picture.jpeg)
        self._trim(picture.at_s)
        return picture

    def expire(self, now_s: float) -> None:
        """Let go of what is too old, also when nothing new comes."""
        self._trim(now_s)
        for face in self._faces.values():
            while face.crops and face.crops[0][0] < now_s - CROPS_S:
                self._drop_crop(face)

    def _add_crop(self, face_id: int, at_s: float, jpeg: bytes) -> None:
        face = self.face(face_id)
        face.crops.append((at_s, jpeg))
        self._crop_bytes += len(jpeg)
        if len(face.crops) > FACE_PICTURES:
            self._drop_crop(face)
        while self._crop_bytes > MAX_CROP_BYTES:  # of the face that was not heard of for longest
            self._drop_crop(next(face for face in self._faces.values() if face.crops))

    def _drop_crop(self, face: PastFace) -> None:
        self._crop_bytes -= len(face.crops.popleft()[1])

    def _trim(self, now_s: float) -> None:
        while self.pictures and (self.pictures[0].at_s < now_s - PAST_S or self._bytes > MAX_BYTES):
            self._bytes -= len(self.pictures.popleft().jpeg)

    def face(self, face_id: int) -> PastFace:
        """What is known of a face, at first nothing."""
        face = self._faces.pop(face_id, None) or PastFace()
        self._faces[face_id] = face  # the newest is last
        if len(self._faces) > MAX_FACES:
            self.forget(next(iter(self._faces)))
        return face

    def forget(self, face_id: int) -> None:
        """It is gone for good."""
        face = self._faces.pop(face_id, None)
        while face is not None and face.crops:
            self._drop_crop(face)

    @property
    def faces(self) -> Mapping[int, PastFace]:
        return self._faces


def nearest(pictures: Iterable[PastPicture], at_s: float) -> PastPicture | None:
    """The one that came closest to a time."""
    return min(pictures, key=lambda picture: abs(picture.at_s - at_s), default=None)


def _face(crop: FaceCrop) -> tuple[int, Box, bool]:
    return crop.key.face_id, crop.box, crop.quality.fit

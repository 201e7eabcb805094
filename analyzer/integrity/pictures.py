"""What is wrong with a stream's pictures: black or frozen goes before looped, that before the same as another's."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.datatypes import Box, PictureState, PictureTrouble, Pixels
from analyzer.integrity.duplicate_watch import DuplicateWatch, Twin
from analyzer.integrity.loop_watch import LoopWatch
from analyzer.integrity.picture_watch import PictureWatch
from analyzer.integrity.repeats import see


class StreamPictures:
    """Looks at every picture of one stream that is looked at for faces; belongs to one thread."""

    def __init__(self, stream_id: str, duplicates: DuplicateWatch | None = None) -> None:
        """`duplicates`: shared by all streams; without it neither repetitions nor duplicates are looked for."""
        self._stream_id = stream_id
        self._duplicates = duplicates
        self._watch = PictureWatch()
        self._loop = LoopWatch() if duplicates is not None else None
        self._twin: Twin | None = None
        self._told: PictureState | None = None

    def update(
        self, rgb: Pixels, at_s: float, *, faces: Sequence[Box], cut: bool, may_repeat: bool
    ) -> PictureState | None:
        """One more (height, width, 3) picture; what is to be told: after the first, and when it is another thing.

        `faces`: those of a living size in it. `cut`: it is of another scene than the one before. `may_repeat`: as
        `Frame` has it.
        """
        watch = self._watch
        watch.update(rgb, at_s, face=bool(faces))
        if self._duplicates is not None and self._loop is not None and not may_repeat:
            height, width = rgb.shape[:2]
            shares = [(box.x / width, box.y / height, box.width / width, box.height / height) for box in faces]
            look = self._loop.update(see(watch.thumbnail, shares), at_s, cut=cut)
            if look is not None:
                self._twin = self._duplicates.add(self._stream_id, look)
        state = self._state(at_s)
        told, self._told = self._told, state
        same = told is not None and (told.trouble, told.same_as) == (state.trouble, state.same_as)
        return None if same else state

    def _state(self, at_s: float) -> PictureState:
        watch = self._watch
        if watch.trouble is not None:
            return PictureState(self._stream_id, watch.trouble, watch.since_s)
        if self._loop is not None and self._loop.since_s is not None:
            return PictureState(self._stream_id, PictureTrouble.LOOPED, self._loop.since_s)
        if self._twin is not None:
            return PictureState(
                self._stream_id, PictureTrouble.DUPLICATED, self._twin.since_s, same_as=self._twin.stream_id
            )
        return PictureState(self._stream_id, None, at_s)

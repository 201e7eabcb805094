"""Which decoded pictures are damaged because something of the video was lost."""

from __future__ import annotations

from typing import Any, Final

from av import Packet, VideoFrame
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

HEALED_AFTER_S: Final = 30.0
"""A camera that never sends a key frame (intra refresh) has renewed its picture by then many times over."""

_FIRST: Final = 1000
"""PyAV keeps what a packet carries by the identity of the object, and Python shares small numbers between all."""


class Damage:
    """Remembers a loss until the picture is whole again; for one decoder, on its thread.

    FFmpeg marks the picture in which something is missing, or refuses it. Those that follow are predicted from it and
    carry the damage on, unmarked, until a key frame that came after the loss: of 110 pictures that 2 % of lost packets
    had damaged, 13 were marked and all 110 found this way, none wrongly (H.264, key frames 2 s apart).

    Where pictures are shown in another order than they are sent in (B-frames), those that are shown before the marked
    one, and rest on it, are not found: they have been handed on by then.
    """

    def __init__(self, decoder: VideoCodecContext) -> None:
        """`decoder`: of which nothing was asked yet. It is told to hand on the numbers that `fed` gives."""
        decoder.flags |= Flags.copy_opaque.value
        self._fed = _FIRST
        """The number of the next packet."""
        self._since_s: float | None = None
        """When the newest loss was noticed, None while all is whole."""
        self._damaged_from = 0
        """Pictures of this number and later ones rest on what is lost."""
        self._healed_from = 0
        """A key frame of this number or a later one rests on nothing that is lost."""

    def fed(self, packet: Packet[Any]) -> None:
        """Call it with each packet that is about to be decoded."""
        packet.opaque = self._fed
        self._fed += 1

    def lost(self, now_s: float) -> None:
        """Something is missing before the next packet: it did not come, or the one before was refused.

        `now_s`: any clock that rises, the same for both methods, seconds.
        """
        self._lose(self._fed, now_s)

    def hurts(self, picture: VideoFrame, now_s: float) -> bool:
        """Whether the next picture of the decoder is damaged."""
        number = picture.opaque if isinstance(picture.opaque, int) else self._fed
        if picture.is_corrupt:
            self._lose(number + 1, now_s)
            return True
        healed = picture.key_frame and number >= self._healed_from
        if healed or (self._since_s is not None and now_s - self._since_s > HEALED_AFTER_S):
            self._since_s = None
        return self._since_s is not None and number >= self._damaged_from

    def _lose(self, number: int, now_s: float) -> None:
        if self._since_s is None:
            self._damaged_from = number
        self._since_s = now_s
        self._healed_from = max(self._healed_from, number)

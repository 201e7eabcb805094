"""Video decoded by a graphics card, where FFmpeg knows how to and one is there; off unless the operator asks for it."""

from __future__ import annotations

import functools
import logging
from typing import Final

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError

OFF: Final = "off"
AUTO: Final = "auto"
_CODECS: Final = ("h264", "hevc")
"""What cameras send; a card that decodes one of them is worth having."""

log = logging.getLogger(__name__)


def offered() -> tuple[str, ...]:
    """Kinds of devices that this FFmpeg can decode cameras' video on, be one there or not."""
    able = {config.device_type.name for codec in _CODECS for config in av.Codec(codec, "r").hardware_configs or ()}
    return tuple(kind for kind in hwdevices_available() if kind in able)


def hardware(wanted: str) -> HWAccel | None:
    """The device to decode on, opened once to see that it is there; None for the processor.

    `wanted`: `off`, `auto` for the first that works, or a kind that FFmpeg has a name for, such as `cuda` or `vaapi`.
    Frames come back to the processor's memory, and video that the device does not take is decoded by the processor.
    """
    if wanted == OFF:
        return None
    why = []
    for kind in offered() if wanted == AUTO else (wanted,):
        if (reason := refusal(kind)) is None:
            return HWAccel(kind)
        why.append(reason)
    if wanted != AUTO:
        _warn(wanted, "; ".join(why))
    return None


@functools.cache
def _warn(wanted: str, why: str) -> None:
    """Once: each camera asks again with each connection."""
    log.warning("the processor decodes, %s does not: %s", wanted, why)


def refusal(kind: str) -> str | None:
    """Why nothing can be decoded on a device of this kind; None where one was opened."""
    if kind not in hwdevices_available():  # it would be taken for "any"
        return f"this FFmpeg knows no such kind; it knows {', '.join(hwdevices_available()) or 'none'}"
    for codec in _CODECS:
        try:
            HWAccel(kind).create(av.Codec(codec, "r"))
        except NotImplementedError:
            continue
        except FFmpegError as error:
            return f"no such device could be opened ({error.strerror})"
        return None
    return f"this FFmpeg decodes neither {' nor '.join(_CODECS)} on it"
